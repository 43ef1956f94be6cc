package agent

import (
	"errors"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
)

// TestMaskLeavesNothing: whatever a tool finds, a model sees no value of a source
// that is not shared; names, types and figures over many records it sees.
func TestMaskLeavesNothing(t *testing.T) {
	text := func(s string) *string { return &s }
	record := func(key string) job.Record {
		return job.Record{Key: map[string]string{"number": key}, Columns: []string{"number", "customer"}, Values: []*string{text(key), text("Zanzibar")}}
	}
	rows := records.Rows{Columns: []records.Column{{Name: "left_number"}}, Rows: [][]*string{{text("KEY-4711")}}}
	total := int64(12345)
	results := []any{
		&SourceData{Source: "bills", Columns: []job.Column{{Name: "number", DataType: "text"}}, Rows: [][]*string{{text("KEY-4711"), nil}}, Total: &total,
			Filters: []job.Filter{filterOf("status", "neq", "Zanzibar"), filterOf("issued", "between", []string{"2026-01-01", "2026-12-31"})}},
		&SourceProfile{"bills", []job.Profile{{Column: "number", Rows: 12345, Min: text("KEY-4711"), Max: text("KEY-4711"), Samples: []string{"Zanzibar"}}}},
		&Proposed{Left: "bills", Right: "pays", Pairs: []job.Pair{{Kind: "pass", Left: record("KEY-4711"), Right: record("KEY-4711")}}},
		&Drafted{Left: Coverage{"bills", 12345, 1}, Right: Coverage{"pays", 1, 1},
			Document:    "# but KEY-4711 / KEY-4711\nkalla: 1\nrecipe_id: number\nsources:\n  left: {alias: bills, source: bills, primary_key: [number], filters: [{column: status, op: neq, value: Zanzibar}]}\n  right: {alias: pays, source: pays, primary_key: [id]}\nmatch:\n  - {name: x, cardinality: one_to_one, when: [{left: number, right: id}]}\n",
			Rules:       []Rule{{What: "number identifies", CounterExamples: []string{"KEY-4711"}}},
			Suggestions: []job.DraftSuggestion{{What: "status is Zanzibar", Filter: filterOf("status", "neq", "Zanzibar")}},
			Lessons:     []job.Lesson{{Verdict: "learned", Text: "KEY-4711 and number"}}, Sentences: []Sentence{{"", "number is not Zanzibar"}}},
		&Tried{Left: "bills", Right: "pays", Backtest: &job.Backtest{Summary: kalla.Summary{RecipeID: "number"}, Pairs: []job.Pair{{Left: record("KEY-4711")}},
			Disagreements: []job.Disagreement{{Example: job.Example{Left: map[string]string{"number": "KEY-4711"}}, Why: "matched to KEY-4711"}}}},
		&Explained{"run", &records.Record{Key: "KEY-4711", Fields: rows, Rivals: &rows, Matches: []records.Match{{Pass: "number", Left: rows, Right: rows, Pairs: rows, Breaks: rows}},
			Unmatched: &records.Reasoned{ClosestKey: text("KEY-4711"), TakenBy: text("KEY-4711"), Closest: &rows, Conditions: []records.Compared{{Left: "number", LeftValue: text("Zanzibar"), RightValue: text("Zanzibar")}}}}},
		&Checked{Valid: true, Sentences: []Sentence{{"", "number is not Zanzibar"}}},
	}
	for _, r := range results {
		masks := Masks{}
		shown := encode(Mask(r, masks, func(string) bool { return false }))
		for _, value := range []string{"4711", "KEY", "Zanzibar"} {
			if strings.Contains(shown, value) {
				t.Errorf("%T shows %s: %s", r, value, shown)
			}
		}
		if _, ok := r.(*Checked); !ok && !strings.Contains(shown, "number") {
			t.Errorf("%T lost the names: %s", r, shown)
		}
		if open := encode(Mask(r, masks, func(string) bool { return true })); !strings.Contains(open, "Zanzibar") && !strings.Contains(open, "KEY-4711") {
			t.Errorf("%T is masked although it is shared: %s", r, open)
		}
	}
	if shown := encode(Mask(results[0], Masks{}, func(string) bool { return false })); !strings.Contains(shown, "2026-12-31") || !strings.Contains(shown, "12345") {
		t.Errorf("the ends of a range, or figures, are hidden: %s", shown)
	}
	masks := Masks{"QXB-1234": "KEY-4711"}
	for _, err := range []error{
		&kalla.Error{Code: kalla.CodeUsage, Op: "reading records", Where: "left record KEY-4711", Why: "there is none"},
		&kalla.Error{Code: kalla.CodeSource, Op: "staging", Where: "bills.csv line 5", Why: `"Zanzibar" is no number`},
		errors.New("at KEY-4711"),
	} {
		if shown := maskError(err, masks, false); strings.Contains(shown, "4711") || strings.Contains(shown, "Zanzibar") {
			t.Errorf("an error shows a value: %s", shown)
		}
	}
}
