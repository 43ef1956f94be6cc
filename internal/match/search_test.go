package match_test

import (
	"slices"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/match"
)

func dec(s string) kalla.Decimal { return decimal.RequireFromString(s) }

func within(absolute string) *kalla.Within {
	d := dec(absolute)
	return &kalla.Within{Absolute: &d}
}

// candidates numbers amounts from 1 in key order, all equally near.
func candidates(amounts ...string) []match.Candidate {
	out := make([]match.Candidate, len(amounts))
	for i, a := range amounts {
		out[i] = match.Candidate{ID: int64(i + 1), Amount: dec(a), Place: int64(i + 1)}
	}
	return out
}

func TestFind(t *testing.T) {
	plain := match.SubsetOptions{Max: 4, OneIsLeft: true, Bound: 64, Work: 1_000_000}
	for _, c := range []struct {
		name      string
		change    func(*match.SubsetOptions)
		amount    string
		among     []string
		want      []int64
		ambiguous bool
		exhausted bool
	}{
		{name: "the smallest subset wins", amount: "100", among: []string{"60", "40", "100"}, want: []int64{3}},
		{name: "of equal size the first by key, and that is said", amount: "100", among: []string{"60", "40", "70", "30"}, want: []int64{1, 2}, ambiguous: true},
		{name: "nothing balances", amount: "100", among: []string{"60", "39.99"}},
		{name: "a tolerance is inclusive", change: func(o *match.SubsetOptions) { o.Within = within("0.01") }, amount: "100", among: []string{"60", "39.99"}, want: []int64{1, 2}},
		{name: "more records than allowed", change: func(o *match.SubsetOptions) { o.Max = 2 }, amount: "6", among: []string{"1", "2", "3"}},
		{name: "credits count", amount: "50", among: []string{"80", "-30", "7"}, want: []int64{1, 2}},
		{name: "cents add up exactly", amount: "0.3", among: []string{"0.1", "0.2"}, want: []int64{1, 2}},
		{name: "the bound of work is kept and told", change: func(o *match.SubsetOptions) { o.Work = 2 }, amount: "100", among: []string{"1", "2", "3", "94"}, exhausted: true},
		{name: "nobody to choose from", amount: "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := plain
			if c.change != nil {
				c.change(&o)
			}
			got := o.Find(dec(c.amount), candidates(c.among...))
			if !slices.Equal(got.IDs, c.want) || got.Ambiguous != c.ambiguous || got.Exhausted != c.exhausted {
				t.Errorf("got %+v, want %v ambiguous %t exhausted %t", got, c.want, c.ambiguous, c.exhausted)
			}
		})
	}
}

// A percentage is of the left sum, whichever side the group is on.
func TestFindPercent(t *testing.T) {
	p := dec("10")
	o := match.SubsetOptions{Max: 1, Within: &kalla.Within{Percent: &p}, Bound: 64, Work: 1000}
	for oneIsLeft, want := range map[bool]bool{true: false, false: true} { // |100 − 111| is 11: over 10 % of 100, under 10 % of 111
		o.OneIsLeft = oneIsLeft
		if got := len(o.Find(dec("100"), candidates("111")).IDs) > 0; got != want {
			t.Errorf("one is left %t: found %t, want %t", oneIsLeft, got, want)
		}
	}
}

// TestFindIsExhaustive compares with a search that leaves nothing out.
func TestFindIsExhaustive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.SliceOfN(rapid.Int64Range(-300, 900), 0, 10).Draw(t, "cents")
		o := match.SubsetOptions{Max: rapid.IntRange(1, 5).Draw(t, "max"), OneIsLeft: true, Bound: 64, Work: 1 << 40}
		slack := rapid.Int64Range(0, 3).Draw(t, "slack")
		tolerance := decimal.New(slack, -2)
		o.Within = &kalla.Within{Absolute: &tolerance}
		target := rapid.Int64Range(-500, 2000).Draw(t, "target")
		among := make([]match.Candidate, len(cents))
		for i, c := range cents {
			among[i] = match.Candidate{ID: int64(i), Amount: decimal.New(c, -2), Place: int64(i)}
		}
		var best [][]int64 // of the smallest size
		for set := 1; set < 1<<len(cents); set++ {
			var ids []int64
			sum := int64(0)
			for i, c := range cents {
				if set>>i&1 == 1 {
					ids = append(ids, int64(i))
					sum += c
				}
			}
			if d := sum - target; len(ids) > o.Max || d > slack || -d > slack {
				continue
			}
			switch {
			case len(best) == 0 || len(ids) < len(best[0]):
				best = [][]int64{ids}
			case len(ids) == len(best[0]):
				best = append(best, ids)
			}
		}
		slices.SortFunc(best, slices.Compare)
		got := o.Find(decimal.New(target, -2), among)
		if len(best) == 0 {
			if len(got.IDs) > 0 {
				t.Fatalf("found %v where nothing balances", got.IDs)
			}
			return
		}
		if !slices.Equal(got.IDs, best[0]) || got.Ambiguous != (len(best) > 1) {
			t.Fatalf("got %+v, want %v of %d", got, best[0], len(best))
		}
	})
}
