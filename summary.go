package kalla

import "strconv"

// String renders the fault as "line 12: match[0].when[1]: problem (hint)".
func (f Fault) String() string {
	s := ""
	if f.Line > 0 {
		s = "line " + strconv.Itoa(f.Line) + ": "
	}
	if f.Path != "" {
		s += f.Path + ": "
	}
	s += f.Problem
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

// Summary is what a run came to: what the command line prints, the callbacks
// carry and the web app shows. It is also the file summary.json of the evidence.
type Summary struct {
	RunID     string                    `json:"run_id"`
	RecipeID  string                    `json:"recipe_id"`
	Engine    EngineInfo                `json:"engine"`
	Left      SideSummary               `json:"left"`
	Right     SideSummary               `json:"right"`
	MatchRate Decimal                   `json:"match_rate"` // 0..1, four places
	Matches   int64                     `json:"matches"`    // groups of records that belong together
	Pairs     int64                     `json:"pairs"`      // rows of matched.parquet
	Ambiguous int64                     `json:"ambiguous"`  // matches that key order decided
	Passes    []PassSummary             `json:"passes"`
	Reasons   map[Side]map[Reason]int64 `json:"reasons"`
	Breaks    map[string]int64          `json:"breaks"` // by left column of compare
	Stages    []StageTime               `json:"stages"`
	Warnings  []string                  `json:"warnings,omitempty"`
	Evidence  string                    `json:"evidence,omitempty"` // folder or URI, empty with --evidence none
	Parts     bool                      `json:"parts,omitempty"`    // tables of the evidence are folders of Parquet files, as a cluster writes them
}

// EngineInfo names the engine that did the work.
type EngineInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Why     string `json:"why,omitempty"` // where there was a choice: what decided it
}

// SideSummary counts the records of one side. Total = Matched + Unmatched, in
// counts and in every sum; BadKeys are among the unmatched.
type SideSummary struct {
	Alias     string               `json:"alias"`
	Total     int64                `json:"total"`
	Matched   int64                `json:"matched"`
	Unmatched int64                `json:"unmatched"`
	BadKeys   int64                `json:"bad_keys"`
	Sums      map[string]SumTriple `json:"sums"` // by amount column
}

// SumTriple is the proof for one amount column, NULLs counting nothing.
type SumTriple struct {
	Total     Decimal `json:"total"`
	Matched   Decimal `json:"matched"`
	Unmatched Decimal `json:"unmatched"`
}

// PassSummary is what one pass contributed.
type PassSummary struct {
	Name      string         `json:"name"`
	Matches   int64          `json:"matches"`
	Pairs     int64          `json:"pairs"`
	Left      int64          `json:"left"`
	Right     int64          `json:"right"`
	Ambiguous int64          `json:"ambiguous,omitempty"`
	Subset    *SubsetSummary `json:"subset,omitempty"`
}

// SubsetSummary reports the bounded search of a subset pass.
type SubsetSummary struct {
	Searched  int64 `json:"searched"`  // records whose subset was looked for
	Exhausted int64 `json:"exhausted"` // of those, searches that ended at the work bound without an answer
}

// StageTime is the wall time of a stage, in milliseconds.
type StageTime struct {
	Name string `json:"name"` // staging, matching, evidence
	MS   int64  `json:"ms"`
}

// Stage is a phase of a run.
type Stage string

// The stages in order.
const (
	StageStaging  Stage = "staging"
	StageMatching Stage = "matching"
	StageEvidence Stage = "evidence"
)

// Progress is one event of a run. Fraction never goes back within a stage.
type Progress struct {
	Stage    Stage   `json:"stage"`
	Step     string  `json:"step,omitempty"`   // what is being done: "reading payments"
	Fraction float64 `json:"progress"`         // 0..1 of the stage
	Source   string  `json:"source,omitempty"` // alias, while staging
	Rows     int64   `json:"rows,omitempty"`   // rows done so far in this step, where known

	// What is known of the whole run so far; 0 until then.
	TotalLeft  int64 `json:"total_left,omitempty"`  // records of the left source, once it is staged
	TotalRight int64 `json:"total_right,omitempty"` // records of the right source, once it is staged
	Matched    int64 `json:"matched,omitempty"`     // matched pairs, once matching is done
}
