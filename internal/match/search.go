package match

import (
	"slices"

	"kalla"
)

// SubsetOptions define and bound the search of a subset pass.
type SubsetOptions struct {
	Max       int           // most records in a subset
	Within    *kalla.Within // tolerance of the balance; nil is exact
	OneIsLeft bool          // percentages are of the left sum
	Leave     bool          // make no match where two subsets of the smallest size balance
	Bound     int           // most candidates looked at for one record, the nearest first
	Work      int64         // most subsets looked at for one record
}

// The bounds of docs/matching.md.
const (
	subsetCandidates = 64
	subsetWork       = 2_000_000
)

// Candidate is one record that may be part of a subset.
type Candidate struct {
	ID     int64
	Amount kalla.Decimal
	Place  int64 // rank by the pass's vector, then key
}

// Subset is the outcome of one search.
type Subset struct {
	IDs       []int64 // in key order; empty where nothing balances
	Ambiguous bool    // another subset of the same size balances too
	Exhausted bool    // the search ended at its bound of work
}

// Find returns the smallest subset of the candidates, given in key order, that
// balances the amount; among equals the first in key order.
func (o SubsetOptions) Find(amount kalla.Decimal, candidates []Candidate) Subset {
	if len(candidates) > o.Bound {
		nearest := slices.Clone(candidates)
		slices.SortFunc(nearest, func(a, b Candidate) int { return int(a.Place - b.Place) })
		last := nearest[o.Bound-1].Place
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool { return c.Place > last })
	}
	s := search{SubsetOptions: o, amount: amount, candidates: candidates, work: o.Work}
	s.bounds()
	for size := 1; size <= o.Max && size <= len(candidates) && s.work > 0; size++ {
		s.walk(0, size, kalla.Decimal{})
		if s.found != nil {
			break
		}
	}
	var out Subset
	for _, i := range s.found {
		out.IDs = append(out.IDs, candidates[i].ID)
	}
	out.Ambiguous, out.Exhausted = s.second, s.work <= 0
	return out
}

type search struct {
	SubsetOptions
	amount     kalla.Decimal
	candidates []Candidate
	chosen     []int
	found      []int
	second     bool
	work       int64
	// low[i] and high[i] are the least and the greatest amount among the
	// candidates from i on: what cannot be reached any more is not walked.
	low, high []kalla.Decimal
}

func (s *search) bounds() {
	n := len(s.candidates)
	s.low, s.high = make([]kalla.Decimal, n), make([]kalla.Decimal, n)
	for i := n - 1; i >= 0; i-- {
		s.low[i], s.high[i] = s.candidates[i].Amount, s.candidates[i].Amount
		if i+1 < n {
			s.low[i] = minOf(s.low[i], s.low[i+1])
			s.high[i] = maxOf(s.high[i], s.high[i+1])
		}
	}
}

func minOf(a, b kalla.Decimal) kalla.Decimal {
	if b.LessThan(a) {
		return b
	}
	return a
}

func maxOf(a, b kalla.Decimal) kalla.Decimal {
	if b.GreaterThan(a) {
		return b
	}
	return a
}

// walk extends the chosen candidates by size more from start on, in key order.
// It returns true when the search is over: a second subset was found, or the work is used up.
func (s *search) walk(start, size int, sum kalla.Decimal) bool {
	if size == 0 {
		if !s.balances(sum) {
			return false
		}
		if s.found != nil {
			s.second = true
			return true
		}
		s.found = slices.Clone(s.chosen)
		return false
	}
	for i := start; i+size <= len(s.candidates); i++ {
		if s.work--; s.work < 0 {
			return true
		}
		rest := int64(size)
		if !s.reachable(sum.Add(s.low[i].Mul(decimalOf(rest))), sum.Add(s.high[i].Mul(decimalOf(rest)))) {
			return false // the candidates from here on only narrow the range
		}
		s.chosen = append(s.chosen, i)
		over := s.walk(i+1, size-1, sum.Add(s.candidates[i].Amount))
		s.chosen = s.chosen[:len(s.chosen)-1]
		if over {
			return true
		}
	}
	return false
}

// sides gives the left and the right sum.
func (s *search) sides(sum kalla.Decimal) (left, right kalla.Decimal) {
	if s.OneIsLeft {
		return s.amount, sum
	}
	return sum, s.amount
}

func (s *search) balances(sum kalla.Decimal) bool {
	left, right := s.sides(sum)
	diff := left.Sub(right).Abs()
	switch {
	case s.Within == nil:
		return diff.IsZero()
	case s.Within.Percent != nil:
		return diff.Mul(hundred).LessThanOrEqual(left.Abs().Mul(*s.Within.Percent))
	}
	return diff.LessThanOrEqual(*s.Within.Absolute)
}

// reachable reports whether a sum between low and high could balance.
func (s *search) reachable(low, high kalla.Decimal) bool {
	var slack kalla.Decimal
	switch {
	case s.Within == nil:
	case s.Within.Percent != nil:
		base := s.amount.Abs()
		if !s.OneIsLeft {
			base = maxOf(low.Abs(), high.Abs())
		}
		slack = base.Mul(*s.Within.Percent).Shift(-2)
	default:
		slack = *s.Within.Absolute
	}
	return low.LessThanOrEqual(s.amount.Add(slack)) && high.GreaterThanOrEqual(s.amount.Sub(slack))
}
