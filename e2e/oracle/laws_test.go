package oracle_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"kalla"
	"kalla/e2e/gen"
	"kalla/e2e/oracle"
)

var sides = []kalla.Side{kalla.Left, kalla.Right}

func runDrawn(t *rapid.T, c gen.Case) oracle.Result {
	out, err := oracle.Run(c.Recipe, c.Left, c.Right)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func keysOf(m oracle.Match, s kalla.Side) []string {
	if s == kalla.Left {
		return m.Left
	}
	return m.Right
}

func TestConservation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := gen.Draw(t)
		got := runDrawn(t, c)
		for _, s := range sides {
			rows := len(c.Left.Rows)
			if s == kalla.Right {
				rows = len(c.Right.Rows)
			}
			n := got.Sides[s]
			inMatches := 0
			for _, m := range got.Matches {
				inMatches += len(keysOf(m, s))
			}
			if n.Total != rows || n.Matched+n.Unmatched != rows || n.Matched != inMatches || n.Unmatched != len(got.Unmatched[s]) {
				t.Fatalf("%s: %d rows, %+v, %d in matches, %d unmatched", s, rows, n, inMatches, len(got.Unmatched[s]))
			}
			for name, sum := range n.Sums {
				if !sum.Total.Equal(sum.Matched.Add(sum.Unmatched)) {
					t.Fatalf("%s %s: %+v", s, name, sum)
				}
			}
		}
	})
}

func TestUniqueness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := runDrawn(t, gen.Draw(t))
		ids := map[string]bool{}
		seen := map[kalla.Side]map[string]bool{kalla.Left: {}, kalla.Right: {}}
		for _, m := range got.Matches {
			if ids[m.ID] {
				t.Fatalf("two matches are called %s", m.ID)
			}
			ids[m.ID] = true
			for _, s := range sides {
				for _, k := range keysOf(m, s) {
					if seen[s][k] {
						t.Fatalf("%s %s is in two matches", s, k)
					}
					seen[s][k] = true
				}
			}
		}
		for _, s := range sides {
			for _, u := range got.Unmatched[s] {
				if u.Reason != kalla.BadKey && seen[s][u.Key] {
					t.Fatalf("%s %s is matched and unmatched", s, u.Key)
				}
			}
		}
	})
}

// relation renders what does not depend on the names of the sides.
func relation(r oracle.Result, first, second kalla.Side) []string {
	var out []string
	for _, m := range r.Matches {
		out = append(out, fmt.Sprint(m.Pass, keysOf(m, first), keysOf(m, second), m.Ambiguous))
	}
	slices.Sort(out)
	for _, s := range []kalla.Side{first, second} {
		for _, u := range r.Unmatched[s] {
			out = append(out, fmt.Sprint(u.Key, u.Reason, u.ClosestKey, u.ClosestPass, u.ClosestScore, u.TakenBy))
		}
	}
	return out
}

func TestSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := gen.Draw(t)
		mirrored, ok := gen.Mirror(c.Recipe)
		if !ok {
			return
		}
		got := relation(runDrawn(t, c), kalla.Left, kalla.Right)
		mirror := relation(runDrawn(t, gen.Case{Recipe: mirrored, Left: c.Right, Right: c.Left}), kalla.Right, kalla.Left)
		if !slices.Equal(got, mirror) {
			t.Fatalf("as given  %q\nmirrored  %q", got, mirror)
		}
	})
}

func TestOrderIndependence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := gen.Draw(t)
		want := relation(runDrawn(t, c), kalla.Left, kalla.Right)
		again := relation(runDrawn(t, c), kalla.Left, kalla.Right)
		if !slices.Equal(want, again) {
			t.Fatalf("two runs differ:\n%q\n%q", want, again)
		}
		shuffled := gen.Case{Recipe: c.Recipe, Left: shuffle(t, c.Left), Right: shuffle(t, c.Right)}
		got := relation(runDrawn(t, shuffled), kalla.Left, kalla.Right)
		slices.Sort(want) // bad keys of equal value have no order among themselves
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("in order  %q\nshuffled  %q", want, got)
		}
	})
}

func shuffle(t *rapid.T, in oracle.Table) oracle.Table {
	return oracle.Table{Schema: in.Schema, Rows: rapid.Permutation(in.Rows).Draw(t, "order")}
}

func TestInputsAreNotChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := gen.Draw(t)
		before := fmt.Sprintf("%+v %v %v", *c.Recipe, c.Left, c.Right)
		first := runDrawn(t, c)
		if after := fmt.Sprintf("%+v %v %v", *c.Recipe, c.Left, c.Right); before != after {
			t.Fatalf("before %s\nafter  %s", before, after)
		}
		if !reflect.DeepEqual(first.Matches, runDrawn(t, c).Matches) {
			t.Fatal("two runs differ")
		}
	})
}

// TestStability: after a one_to_one pass no left and right record that may
// match are both nearer to each other than to what they got.
func TestStability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.SliceOfN(rapid.IntRange(0, 12), 0, 7)
		lefts, rights := amounts.Draw(t, "left"), amounts.Draw(t, "right")
		most := rapid.IntRange(0, 6).Draw(t, "tolerance")
		make := func(values []int) oracle.Table {
			var rows []string
			for i, v := range values {
				rows = append(rows, fmt.Sprintf("%d,%d", i, v))
			}
			return table(t, "id:integer amt:integer", rows...)
		}
		got, err := oracle.Run(recipe(oneToOne(within("amt", "amt", fmt.Sprint(most)))), make(lefts), make(rights))
		if err != nil {
			t.Fatal(err)
		}
		const nothing = 1000 // further than any candidate
		gotL, gotR := map[int]int{}, map[int]int{}
		for _, m := range got.Matches {
			l, r := atoi(t, m.Left[0]), atoi(t, m.Right[0])
			gotL[l], gotR[r] = abs(lefts[l]-rights[r]), abs(lefts[l]-rights[r])
		}
		of := func(m map[int]int, i int) int {
			if d, ok := m[i]; ok {
				return d
			}
			return nothing
		}
		for l := range lefts {
			for r := range rights {
				if d := abs(lefts[l] - rights[r]); d <= most && d < of(gotL, l) && d < of(gotR, r) {
					t.Fatalf("left %d and right %d are %d apart and would rather have each other than %d and %d", l, r, d, of(gotL, l), of(gotR, r))
				}
			}
		}
	})
}

func atoi(t *rapid.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func abs(n int) int { return max(n, -n) }
