package infer

import (
	"slices"
	"strings"

	"kalla"
)

// Guidance is what a person has said about a draft. The zero value says nothing.
// IDs are those of an earlier draft of the same sources; they are made of what
// they name and do not change from draft to draft. One that means nothing any
// more is ignored.
type Guidance struct {
	Examples []Example
	Without  []string // Evidence.ID: what the draft shall do without, a pass or a condition, a key, a derived column
	Choose   []string // Alternative.ID, KeyCandidate.ID, or ColumnPair.ID of references, amounts and dates: what the draft shall take instead of its own choice
}

// Example is a pair of records of which a person has said whether they belong
// together. A record is named by columns and their values, by which it alone is
// found: best by its primary key. Values are in the form of evidence: 2026-01-31, 12.50.
type Example struct {
	Left  map[string]string `json:"left"`
	Right map[string]string `json:"right"`
	Match bool              `json:"match"` // confirmed; else rejected
}

// Verdict is what came of an example.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"      // the draft agreed with it already
	Learned   Verdict = "learned"   // rules changed so that the draft agrees
	Conflicts Verdict = "conflicts" // no change was found by which the draft agrees with it and with the others
	NotFound  Verdict = "not_found" // no record, or more than one, has these values
)

// Lesson is what the draft learned from one example.
type Lesson struct {
	Example int      `json:"example"` // index in Guidance.Examples
	Verdict Verdict  `json:"verdict"`
	Text    string   `json:"text"`            // what changed, or why nothing did: "amount and paid agree within 0.05 instead of exactly: 100.00 / 100.03"
	Rules   []string `json:"rules,omitempty"` // Evidence.ID of the rules that it changed
}

// Alternative is what could stand in the place of a proposal.
type Alternative struct {
	ID      string `json:"id"` // for Guidance.Choose
	What    string `json:"what"`
	Support string `json:"support"`
}

// KeyCandidate is a column, or several, that may identify the records of a side.
type KeyCandidate struct {
	ID      string     `json:"id"`
	Side    kalla.Side `json:"side"`
	Columns []string   `json:"columns"`
	Good    int64      `json:"good"` // records in which it is present and unique
	Total   int64      `json:"total"`
	Chosen  bool       `json:"chosen,omitempty"`
}

// PairKind says what two columns have to do with each other.
type PairKind string

// The kinds of column pairs.
const (
	Reference PairKind = "reference" // they share values that identify
	Amount    PairKind = "amount"
	Dates     PairKind = "date"
	Names     PairKind = "name" // texts that are alike
	Same      PairKind = "same" // other columns that agree where records belong together
)

// ColumnPair is a column of each side that belong together.
type ColumnPair struct {
	ID    string   `json:"id"`
	Left  string   `json:"left"`
	Right string   `json:"right"`
	Kind  PairKind `json:"kind"`
	Score float64  `json:"score"` // 0..1, comparable within a kind
	Used  bool     `json:"used"`  // the recipe names both
}

// Suggestion is a filter that is not in the recipe, since leaving records out is a person's
// decision. It is taken by giving it among the filters of the input.
type Suggestion struct {
	ID      string       `json:"id"`
	Side    kalla.Side   `json:"side"`
	Filter  kalla.Filter `json:"filter"`
	What    string       `json:"what"` // "invoices whose status is cancelled never match"
	Support string       `json:"support"`
	Records int64        `json:"records"` // that it leaves out
	Matched int64        `json:"matched"` // of them, by the draft without it
}

// without reports whether the draft shall do without a proposal.
func (d *drafter) without(id string) bool { return slices.Contains(d.guidance.Without, id) }

// chosen reports whether the draft shall take a proposal.
func (d *drafter) chosen(id string) bool { return slices.Contains(d.guidance.Choose, id) }

// choice is what stands behind ~ in the chosen alternative of a proposal: a tolerance, a window, a threshold.
func (d *drafter) choice(id string) (string, bool) {
	for _, c := range d.guidance.Choose {
		if s, ok := strings.CutPrefix(c, id+"~"); ok {
			return s, true
		}
	}
	return "", false
}

func typeID(c *column) string { return "type:" + string(c.side.name) + "." + c.name }

func deriveID(s *side, name string) string { return "derive:" + string(s.name) + "." + name }

func keyID(s *side, names []string) string {
	return "key:" + string(s.name) + "=" + strings.Join(names, ",")
}

func pairID(kind PairKind, l, r *column) string { return string(kind) + ":" + l.name + "=" + r.name }
