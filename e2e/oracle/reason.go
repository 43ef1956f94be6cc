package oracle

import (
	"math/big"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// commonLink is how many records of the other side may have a link value for
// it to be followed on its own.
const commonLink = 50

// closest is a candidate for the reason of one unmatched record.
type closest struct {
	rec      *record
	rank     int // of its key
	pass     int
	failed   []bool // by condition of when
	sumFails bool
	failures int
	diffs    []*big.Rat // of the measuring conditions, nil for NULL
}

// explain says why a good record that no pass matched is unmatched.
func (x *run) explain(side kalla.Side, rec *record) Unmatched {
	out := Unmatched{Row: rec.row, Key: rec.name, Reason: kalla.NoCandidate}
	best := x.nearest(side, rec, byIdentity)
	if best == nil {
		best = x.nearest(side, rec, byAmount)
	}
	if best == nil {
		return out
	}
	p := x.passes[best.pass]
	total := len(p.when)
	if p.Sum != nil {
		total++
	}
	out.ClosestKey, out.ClosestPass = best.rec.name, best.pass+1
	out.ClosestScore = decimal.NewFromInt(int64(total-best.failures)).DivRound(decimal.NewFromInt(int64(total)), 4).StringFixed(4)
	out.Reason = x.reason(rec, best)
	if out.Reason == kalla.Taken && best.rec.match >= 0 {
		m := x.matches[best.rec.match]
		if side == kalla.Left {
			out.TakenBy = m.Left[0]
		} else {
			out.TakenBy = m.Right[0]
		}
	}
	return out
}

// Links are of two kinds; equal amounts are followed where nothing else leads to anybody.
const (
	byIdentity = iota
	byAmount
)

// nearest is the closest candidate over all passes, nil where there is none.
func (x *run) nearest(side kalla.Side, rec *record, by int) *closest {
	var best *closest
	for i := range x.passes {
		if len(x.passes[i].when) == 0 {
			continue
		}
		for _, c := range x.linked(i, side, rec, by) {
			if best == nil || c.closer(best) {
				best = c
			}
		}
	}
	return best
}

// firstFailure is the index of the first condition that fails, the sum coming last.
func (a *closest) firstFailure() int {
	if i := slices.Index(a.failed, true); i >= 0 {
		return i
	}
	return len(a.failed)
}

func (a *closest) closer(b *closest) bool {
	switch {
	case a.failures != b.failures:
		return a.failures < b.failures
	case a.pass != b.pass:
		return a.pass < b.pass
	case a.firstFailure() != b.firstFailure():
		return a.firstFailure() > b.firstFailure()
	}
	for i := range a.diffs {
		x, y := a.diffs[i], b.diffs[i]
		switch {
		case x == nil && y == nil:
			continue
		case x == nil || y == nil:
			return y == nil
		}
		if c := x.Cmp(y); c != 0 {
			return c < 0
		}
	}
	return a.rank < b.rank
}

// linked are the records of the other side that share a link with rec in the pass.
func (x *run) linked(i int, side kalla.Side, rec *record, by int) []*closest {
	others := x.right
	if side == kalla.Right {
		others = x.left
	}
	sides := func(other *record) (l, r []Value) {
		if side == kalla.Left {
			return rec.vals, other.vals
		}
		return other.vals, rec.vals
	}
	p := x.passes[i]
	var out []*closest
	for rank, other := range others {
		l, r := sides(other)
		linked := by == byIdentity && allEqualitiesHold(p, l, r)
		for _, c := range p.when {
			if linked || c.numericWithin() != (by == byAmount) || !c.links(l, r) {
				continue
			}
			// The records of the other side that have the link value.
			n := 0
			for _, y := range others {
				if yl, yr := sides(y); c.sameLink(side, l, r, yl, yr) {
					n++
				}
			}
			linked = n <= commonLink
		}
		if linked {
			out = append(out, x.weigh(i, rec, other, rank, l, r))
		}
	}
	return out
}

func allEqualitiesHold(p pass, l, r []Value) bool {
	n := 0
	for _, c := range p.when {
		if !c.equality() {
			continue
		}
		if !c.holds(l, r) {
			return false
		}
		n++
	}
	return n > 0
}

// links reports whether the condition alone links the pair.
func (c condition) links(l, r []Value) bool {
	switch {
	case c.equality(), c.prefix():
		return c.holds(l, r)
	case c.numericWithin():
		a, b, ok := c.numbers(l, r)
		return ok && a.Equal(b)
	}
	return false
}

// sameLink reports whether the pair (yl, yr), in which the record of the given
// side is that of (l, r), has the link value of (l, r). Equal values are one
// link value; that of a prefix is the prefix.
func (c condition) sameLink(side kalla.Side, l, r, yl, yr []Value) bool {
	if !c.links(yl, yr) {
		return false
	}
	if !c.prefix() {
		return true
	}
	a, b, _ := c.texts(l, r)
	ya, yb, _ := c.texts(yl, yr)
	if c.Op == kalla.OpPrefixOf {
		return a == ya
	}
	return b == yb
}

// weigh counts what the pair fails of the pass.
func (x *run) weigh(i int, rec, other *record, rank int, l, r []Value) *closest {
	p := x.passes[i]
	out := &closest{rec: other, rank: rank, pass: i}
	for _, c := range p.when {
		fails := !c.holds(l, r)
		out.failed = append(out.failed, fails)
		if fails {
			out.failures++
		}
		if c.measures() {
			out.diffs = append(out.diffs, c.difference(l, r))
		}
	}
	if p.Sum != nil && (out.failures > 0 || !x.sumMet(i, rec, other, l, r)) {
		out.sumFails = true
		out.failures++
	}
	return out
}

// sumMet reports whether the pair, which meets all other conditions of the
// pass, was kept apart by something else than the sum: ambiguity, or a match
// that the other record had by then.
func (x *run) sumMet(i int, rec, other *record, l, r []Value) bool {
	p := x.passes[i]
	if l[p.sumL] == nil || r[p.sumR] == nil {
		return false
	}
	if x.leftAside[i][rec] || x.leftAside[i][other] {
		return true
	}
	return other.match >= 0 && x.matches[other.match].Pass <= i+1
}

func (x *run) reason(rec *record, best *closest) kalla.Reason {
	if best.failures == 0 {
		if x.leftAside[best.pass][rec] || x.leftAside[best.pass][best.rec] {
			return kalla.Ambiguous
		}
		return kalla.Taken
	}
	firstKey := true // no equality or prefix seen yet
	for i, c := range x.passes[best.pass].when {
		isKey := c.equality() || c.prefix()
		if best.failed[i] {
			if isKey && firstKey {
				return kalla.NoCandidate
			}
			return c.reason()
		}
		firstKey = firstKey && !isKey
	}
	return kalla.GroupUnbalanced
}

// reason is what the failure of the condition means.
func (c condition) reason() kalla.Reason {
	plain := c.Within == nil && c.Similar == nil
	switch {
	case c.numericWithin():
		return kalla.AmountDiffers
	case c.timeWithin():
		return kalla.DateOutsideWindow
	case c.Similar != nil:
		return kalla.TextBelowThreshold
	case plain && c.mode == asNumber && c.ordered():
		return kalla.AmountDiffers
	case plain && c.mode == asTime && c.ordered():
		return kalla.DateOutsideWindow
	case isCurrency(c.Left) || isCurrency(c.Right):
		return kalla.CurrencyDiffers
	}
	return kalla.ValueDiffers
}

// ordered reports whether the operation compares the values, rather than looking for one in the other.
func (c condition) ordered() bool {
	switch c.Op {
	case kalla.OpPrefixOf, kalla.OpHasPrefix, kalla.OpContainedIn, kalla.OpContains:
		return false
	}
	return true
}

func isCurrency(column string) bool {
	notLetter := func(r rune) bool { return r < 'a' || r > 'z' }
	for _, word := range strings.FieldsFunc(strings.ToLower(column), notLetter) {
		if word == "currency" || word == "curr" || word == "ccy" {
			return true
		}
	}
	return false
}
