package match

import (
	"cmp"
	"slices"

	"github.com/shopspring/decimal"

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
	subsetWork       = 500_000
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
		slices.SortFunc(nearest, func(a, b Candidate) int { return cmp.Compare(a.Place, b.Place) })
		last := nearest[o.Bound-1].Place
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool { return c.Place > last })
	}
	s := search{SubsetOptions: o, amount: amount, candidates: candidates, work: o.Work}
	if !s.scale() {
		return Subset{Exhausted: true}
	}
	for size := 1; size <= o.Max && size <= len(candidates) && s.work > 0; size++ {
		s.walk(0, size, 0)
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

// search works in whole units of the last decimal place that occurs.
type search struct {
	SubsetOptions
	amount     kalla.Decimal
	candidates []Candidate
	places     int32
	values     []int64 // of the candidates
	// low[i] and high[i] are the least and the greatest value among the
	// candidates from i on: what cannot be reached any more is not walked.
	low, high []int64
	least     int64 // the sums that may balance
	most      int64
	chosen    []int
	found     []int
	second    bool
	work      int64
}

// scale turns the amounts into whole units. It returns false where they are so
// far apart in size that sums would not fit.
func (s *search) scale() bool {
	amounts := []kalla.Decimal{s.amount}
	for _, c := range s.candidates {
		amounts = append(amounts, c.Amount)
	}
	slack := s.slack(amounts)
	for _, a := range append(amounts, slack) {
		s.places = max(s.places, -a.Exponent())
	}
	bound := decimal.New(1, 18).Div(decimalOf(int64(s.Max) + 2)) // a sum of Max of them fits
	units := make([]int64, len(amounts))
	for i, a := range amounts {
		if a = a.Shift(s.places); a.Abs().GreaterThan(bound) {
			return false
		}
		units[i] = a.IntPart()
	}
	if slack = slack.Shift(s.places); slack.GreaterThan(bound) {
		return false
	}
	s.least, s.most = units[0]-slack.IntPart(), units[0]+slack.IntPart()
	s.values = units[1:]
	n := len(s.values)
	s.low, s.high = slices.Clone(s.values), slices.Clone(s.values)
	for i := n - 2; i >= 0; i-- {
		s.low[i], s.high[i] = min(s.low[i], s.low[i+1]), max(s.high[i], s.high[i+1])
	}
	return true
}

// slack is the tolerance, or the most that it can be where it depends on the subset.
func (s *search) slack(amounts []kalla.Decimal) kalla.Decimal {
	switch {
	case s.Within == nil:
		return kalla.Decimal{}
	case s.Within.Percent == nil:
		return *s.Within.Absolute
	case s.OneIsLeft:
		return s.amount.Abs().Mul(*s.Within.Percent).Shift(-2)
	}
	var sum kalla.Decimal
	for _, a := range amounts[1:] {
		sum = sum.Add(a.Abs())
	}
	return sum.Mul(*s.Within.Percent).Shift(-2)
}

// walk extends the chosen candidates by size more from start on, in key order.
// It returns true when the search is over: a second subset was found, or the work is used up.
func (s *search) walk(start, size int, sum int64) bool {
	if size == 0 {
		if sum < s.least || sum > s.most || !s.balances(sum) {
			return false
		}
		if s.found != nil {
			s.second = true
			return true
		}
		s.found = slices.Clone(s.chosen)
		return false
	}
	rest := int64(size)
	for i := start; i+size <= len(s.values); i++ {
		if s.work--; s.work < 0 {
			return true
		}
		if sum+rest*s.low[i] > s.most || sum+rest*s.high[i] < s.least {
			return false // the candidates from here on only narrow the range
		}
		s.chosen = append(s.chosen, i)
		over := s.walk(i+1, size-1, sum+s.values[i])
		s.chosen = s.chosen[:len(s.chosen)-1]
		if over {
			return true
		}
	}
	return false
}

// balances decides where the tolerance is a share of the subset itself; else the range has decided.
func (s *search) balances(sum int64) bool {
	if s.Within == nil || s.Within.Percent == nil || s.OneIsLeft {
		return true
	}
	left := decimal.New(sum, -s.places)
	return left.Sub(s.amount).Abs().Mul(hundred).LessThanOrEqual(left.Abs().Mul(*s.Within.Percent))
}
