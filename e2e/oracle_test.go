package e2e_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"kalla"
	"kalla/e2e/oracle"
)

// TestOracleAgrees proves that the brute-force oracle gives what the cases
// expect, so that either vouches for the other.
func TestOracleAgrees(t *testing.T) {
	for _, c := range corpus(t) {
		if c.Oracle != nil && !*c.Oracle {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.recipe(t, c.uris("anywhere"))
			got, err := oracle.Run(r, c.table(t, kalla.Left), c.table(t, kalla.Right))
			if err != nil {
				t.Fatal(err)
			}
			c.expected(t).compare(t, fromOracle(t, r, got))
		})
	}
}

// fromOracle puts a result of the oracle into the words of the evidence.
func fromOracle(t tester, r *kalla.Recipe, res oracle.Result) expectation {
	t.Helper()
	out := expectation{unmatched: map[kalla.Side][]unmatchedRow{}}
	s := kalla.Summary{
		RecipeID: r.ID, MatchRate: res.Rate, Matches: int64(len(res.Matches)),
		Reasons: map[kalla.Side]map[kalla.Reason]int64{}, Breaks: map[string]int64{},
	}
	for _, m := range res.Matches {
		for _, p := range m.Pairs {
			out.matches = append(out.matches, pairRow{MatchID: m.ID, Pass: strconv.Itoa(m.Pass), Left: p.Left, Right: p.Right, Ambiguous: m.Ambiguous})
		}
		s.Pairs += int64(len(m.Pairs))
		if m.Ambiguous {
			s.Ambiguous++
		}
	}
	for _, p := range res.Passes {
		s.Passes = append(s.Passes, kalla.PassSummary{
			Matches: int64(p.Matches), Pairs: int64(p.Pairs), Left: int64(p.Left), Right: int64(p.Right), Ambiguous: int64(p.Ambiguous),
		})
	}
	for _, b := range res.Breaks {
		s.Breaks[b.Column]++
	}
	for _, side := range sides {
		s.Reasons[side] = map[kalla.Reason]int64{}
		for _, u := range res.Unmatched[side] {
			s.Reasons[side][u.Reason]++
			out.unmatched[side] = append(out.unmatched[side], unmatchedRow{u.Key, string(u.Reason), u.ClosestKey})
		}
	}
	s.Left, s.Right = sideSummary(res.Sides[kalla.Left]), sideSummary(res.Sides[kalla.Right])
	out.summary = asJSON(t, s)
	out.sort()
	return out
}

func sideSummary(n oracle.SideCount) kalla.SideSummary {
	return kalla.SideSummary{
		Total: int64(n.Total), Matched: int64(n.Matched), Unmatched: int64(n.Unmatched), BadKeys: int64(n.BadKeys), Sums: n.Sums,
	}
}

// asJSON is a summary as summary.json holds it.
func asJSON(t tester, s kalla.Summary) map[string]any {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
