package demo

import (
	"context"
	"slices"

	"github.com/shopspring/decimal"
)

// tally adds up the truth in cents.
type tally struct {
	truth                              Truth
	left, right, leftMatch, rightMatch int64 // cents
}

// writeTruth writes the pairs and the left-over records, group by group.
func (w *world) writeTruth(ctx context.Context, path string) (Truth, error) {
	t := tally{truth: Truth{Patterns: map[Pattern]PatternTruth{}}}
	sections := w.layout.sections
	err := writeLines(ctx, path, truthHeader, w.layout.groups, func(b []byte, i int64) []byte {
		for i >= sections[0].firstGroup+sections[0].groups {
			sections = sections[1:]
		}
		g := w.group(&sections[0], i-sections[0].firstGroup)
		return w.appendGroup(b, &g, &t)
	})
	t.truth.Left.TotalAmount = decimal.New(t.left, -2)
	t.truth.Left.MatchAmount = decimal.New(t.leftMatch, -2)
	t.truth.Right.TotalAmount = decimal.New(t.right, -2)
	t.truth.Right.MatchAmount = decimal.New(t.rightMatch, -2)
	return t.truth, err
}

// appendGroup appends the lines of one group and adds it to the tally.
func (w *world) appendGroup(b []byte, g *group, t *tally) []byte {
	left, right := make([]invoice, g.size.left), make([]payment, g.size.right)
	for m := range left {
		left[m] = w.invoice(g, int64(m), w.invoiceKey(g, int64(m)))
		t.left += left[m].cents
	}
	for m := range right {
		right[m] = w.payment(g, int64(m), w.paymentKey(g, int64(m)))
		t.right += right[m].cents
	}
	pairs := w.pairsOf(g, left, right)

	leftIn, rightIn := make([]bool, len(left)), make([]bool, len(right))
	for _, p := range pairs {
		leftIn[p.left], rightIn[p.right] = true, true
		b = w.appendInvoiceID(b, left[p.left].key)
		b = append(b, ',')
		b = w.appendPaymentID(b, right[p.right].key)
		b = appendPattern(b, g.pattern)
		if left[p.left].currency != right[p.right].currency {
			t.truth.Breaks++
		}
	}
	for m, in := range leftIn {
		if in {
			t.truth.Left.Matched++
			t.leftMatch += left[m].cents
			continue
		}
		b = w.appendInvoiceID(b, left[m].key)
		b = append(b, ',')
		b = appendPattern(b, g.pattern)
	}
	for m, in := range rightIn {
		if in {
			t.truth.Right.Matched++
			t.rightMatch += right[m].cents
			continue
		}
		b = append(b, ',')
		b = w.appendPaymentID(b, right[m].key)
		b = appendPattern(b, g.pattern)
	}

	matches := int64(len(pairs))
	if g.pattern == Split || g.pattern == Batch || g.pattern == Cross {
		matches = 1
	}
	t.truth.Left.Total += g.size.left
	t.truth.Right.Total += g.size.right
	t.truth.Matches += matches
	t.truth.Pairs += int64(len(pairs))
	p := t.truth.Patterns[g.pattern]
	p.Left += g.size.left
	p.Right += g.size.right
	p.Matches += matches
	p.Pairs += int64(len(pairs))
	t.truth.Patterns[g.pattern] = p
	return b
}

func appendPattern(b []byte, p Pattern) []byte {
	b = append(b, ',')
	b = append(b, p...)
	return append(b, '\n')
}

// pair holds the indices of two records in their group.
type pair struct{ left, right int }

// pairsOf returns the true pairs of a group.
func (w *world) pairsOf(g *group, left []invoice, right []payment) []pair {
	switch g.pattern {
	case AmountDiffers, DateOutside, OrphanLeft, OrphanRight:
		return nil
	case Duplicate:
		if g.size.left == 2 && g.size.right == 3 {
			return stable(left, right)
		}
		return []pair{{0, 0}}
	case Copy:
		return stable(left, right)
	}
	var out []pair
	for l := range left {
		for r := range right {
			out = append(out, pair{l, r})
		}
	}
	return out
}

// stable pairs off records that are all candidates of each other: the smallest
// difference of amounts first, within equal differences in key order.
func stable(left []invoice, right []payment) []pair {
	lefts := make([]int, len(left))
	for i := range lefts {
		lefts[i] = i
	}
	slices.SortFunc(lefts, func(a, b int) int { return int(left[a].key - left[b].key) })
	free := map[int64][]int{} // free payments by amount, in key order
	for i := range right {
		free[right[i].cents] = append(free[right[i].cents], i)
	}
	for _, f := range free {
		slices.SortFunc(f, func(a, b int) int { return int(right[a].key - right[b].key) })
	}

	var out []pair
	want := min(len(left), len(right))
	for diff := int64(0); len(out) < want; diff++ {
		rest := lefts[:0]
		for _, l := range lefts {
			lo, hi := left[l].cents-diff, left[l].cents+diff
			from := lo
			if diff > 0 && len(free[hi]) > 0 && (len(free[lo]) == 0 || right[free[hi][0]].key < right[free[lo][0]].key) {
				from = hi
			}
			if f := free[from]; len(f) > 0 {
				out = append(out, pair{l, f[0]})
				free[from] = f[1:]
				continue
			}
			rest = append(rest, l)
		}
		lefts = rest
	}
	return out
}
