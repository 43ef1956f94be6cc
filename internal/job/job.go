// Package job is the contract between the scheduler and those who give it
// work: the bodies of its HTTP API and of its callbacks, and a client. The
// scheduler (package compute), the app (package server) and the command line
// speak it. Field names and shapes are public: a client written for the
// product's predecessor works unchanged.
package job

import (
	"encoding/json"
	"time"

	"kalla"
)

// Request is the body of POST /api/jobs. It has one of two forms: a query
// (MatchSQL, Sources, PrimaryKeys) or a whole recipe (Recipe, Parameters).
type Request struct {
	RunID       string `json:"run_id" minLength:"1" maxLength:"200" doc:"Names the run; the same run_id again is answered again and runs nothing twice"`
	Attempt     int    `json:"attempt,omitempty" minimum:"0" maximum:"1000" doc:"A higher number than before runs again a job that failed or was cancelled; echoed in callbacks"`
	CallbackURL string `json:"callback_url,omitempty" format:"uri" maxLength:"2000" doc:"/progress, /complete and /error below it are POSTed to; without it the state is polled"`
	OutputPath  string `json:"output_path" minLength:"1" maxLength:"2000" doc:"Folder or s3:// prefix of the evidence"`

	MatchSQL    string              `json:"match_sql,omitempty" maxLength:"1000000" doc:"One SELECT over the aliases of the sources (or left_src and right_src) that gives both primary keys"`
	Sources     []Source            `json:"sources,omitempty" maxItems:"50" doc:"The left source, the right source, then lookups"`
	PrimaryKeys map[string][]string `json:"primary_keys,omitempty" doc:"Primary key columns by alias, or by left_src and right_src"`

	Recipe     json.RawMessage   `json:"recipe,omitempty" doc:"A recipe as an object (or as a text of YAML), instead of match_sql"`
	Parameters map[string]string `json:"parameters,omitempty" doc:"Values of the recipe's parameters"`

	Engine   string `json:"engine,omitempty" enum:"auto,duckdb,trino" doc:"Default auto"`
	Evidence string `json:"evidence,omitempty" enum:"full,keys,none" doc:"How much of the records to keep; default full"`
	Priority int    `json:"priority,omitempty" minimum:"0" maximum:"4" doc:"1 runs before 4; among equals the oldest first; default 2"`
}

// Source is one source of a Request in the form of a query.
type Source struct {
	Alias   string   `json:"alias" minLength:"1" maxLength:"63"`
	URI     string   `json:"uri" minLength:"1" maxLength:"10000"`
	Filters []Filter `json:"filters,omitempty" maxItems:"1000"`
}

// Filter keeps the records for which it holds.
type Filter struct {
	Column string          `json:"column" minLength:"1"`
	Op     string          `json:"op" enum:"eq,neq,gt,gte,lt,lte,between,in,like,is_null,not_null"`
	Value  json.RawMessage `json:"value,omitempty" doc:"A text, number or boolean; two of them in a list for between, any number for in, none for is_null and not_null"`
}

// Accepted answers a Request.
type Accepted struct {
	RunID  string `json:"run_id"`
	Status string `json:"status" enum:"accepted"`
}

// State is where a job is.
type State string

// The states. The last three are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Final reports whether the state never changes again but by a new attempt.
func (s State) Final() bool { return s == Completed || s == Failed || s == Cancelled }

// Job is what GET /api/jobs/{run_id} answers. It holds no credential.
type Job struct {
	RunID    string         `json:"run_id"`
	RecipeID string         `json:"recipe_id,omitempty"`
	Attempt  int            `json:"attempt"`
	State    State          `json:"state" enum:"queued,running,completed,failed,cancelled"`
	Stage    kalla.Stage    `json:"stage,omitempty" enum:"staging,matching,evidence"`
	Step     string         `json:"step,omitempty" doc:"What is being done: reading payments"`
	Progress float64        `json:"progress" doc:"0..1 of the whole job"`
	Engine   string         `json:"engine,omitempty"`
	Accepted time.Time      `json:"accepted"`
	Started  *time.Time     `json:"started,omitempty"`
	Ended    *time.Time     `json:"ended,omitempty"`
	Position int            `json:"position,omitempty" doc:"Place in the queue, from 1"`
	Summary  *kalla.Summary `json:"summary,omitempty"`
	Error    *Failure       `json:"error,omitempty"`
	Output   string         `json:"output_path,omitempty"`
}

// Failure is why a job failed.
type Failure struct {
	Code    string        `json:"code" doc:"source, recipe, engine, limit, evidence, bad_key, proof, cancelled, internal"`
	Message string        `json:"message" doc:"What failed, where and why, in one line"`
	Hint    string        `json:"hint,omitempty" doc:"What to do about it"`
	Stage   kalla.Stage   `json:"stage,omitempty"`
	Faults  []kalla.Fault `json:"faults,omitempty" doc:"All that is wrong with the recipe"`
}

// Page is one page of jobs, newest first.
type Page struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next_cursor,omitempty"`
}

// Progress is the body of a callback to /progress.
type Progress struct {
	RunID         string      `json:"run_id"`
	Attempt       int         `json:"attempt,omitempty"`
	Stage         kalla.Stage `json:"stage"`
	Step          string      `json:"step,omitempty"`
	Progress      float64     `json:"progress"` // 0..1 of the stage, never less than before within it
	Source        string      `json:"source,omitempty"`
	MatchedCount  *int64      `json:"matched_count,omitempty"`
	TotalLeft     *int64      `json:"total_left,omitempty"`
	TotalRight    *int64      `json:"total_right,omitempty"`
	RowsPerSecond *int64      `json:"rows_per_second,omitempty"`

	Rows int64 `json:"-"` // done so far in this step: RowsPerSecond is made of it
}

// Complete is the body of a callback to /complete.
type Complete struct {
	RunID               string            `json:"run_id"`
	Attempt             int               `json:"attempt,omitempty"`
	MatchedCount        int64             `json:"matched_count"` // matched pairs
	UnmatchedLeftCount  int64             `json:"unmatched_left_count"`
	UnmatchedRightCount int64             `json:"unmatched_right_count"`
	OutputPaths         map[string]string `json:"output_paths"` // matched, unmatched_left, unmatched_right, breaks, candidates, summary, manifest
	Summary             *kalla.Summary    `json:"summary"`
}

// Error is the body of a callback to /error. A cancelled job says so by its code.
type Error struct {
	RunID   string      `json:"run_id"`
	Attempt int         `json:"attempt,omitempty"`
	Error   string      `json:"error"`
	Stage   kalla.Stage `json:"stage,omitempty"`
	Code    string      `json:"code,omitempty"`
	Hint    string      `json:"hint,omitempty"`
}

// PreviewRequest is the body of POST /api/preview.
type PreviewRequest struct {
	URI     string            `json:"uri" minLength:"1" maxLength:"10000"`
	Options map[string]string `json:"options,omitempty" doc:"How a file is read: delimiter, encoding, sheet …"`
	Types   map[string]string `json:"types,omitempty" doc:"Types by column where detection is not to decide: decimal(18,2)"`
	Filters []Filter          `json:"filters,omitempty" maxItems:"1000"`
	Limit   int               `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"Sample rows; default 10"`
	Count   *bool             `json:"count,omitempty" doc:"Whether to count all rows that pass; default true"`
	Profile bool              `json:"profile,omitempty" doc:"Whether to profile every column over all rows"`
}

// Preview is what a source holds.
type Preview struct {
	Columns     []Column    `json:"columns"`
	Rows        [][]*string `json:"rows" doc:"Values as text, null for NULL"`
	TotalRows   *int64      `json:"total_rows,omitempty"`
	PreviewRows int         `json:"preview_rows"`
	Profile     []Profile   `json:"profile,omitempty"`
}

// Column describes a column of a source.
type Column struct {
	Name     string `json:"name"`
	DataType string `json:"data_type" doc:"text, integer, decimal(18,2), float, boolean, date, timestamp, timestamptz or other"`
	Nullable bool   `json:"nullable"`
}

// Profile describes the values of a column.
type Profile struct {
	Column   string   `json:"column"`
	Rows     int64    `json:"rows"`
	Nulls    int64    `json:"nulls"`
	Distinct int64    `json:"distinct"`
	Min      *string  `json:"min"`
	Max      *string  `json:"max"`
	Samples  []string `json:"samples"`
}

// ValidateRequest is the body of POST /api/validate.
type ValidateRequest struct {
	Recipe     json.RawMessage   `json:"recipe" doc:"A recipe as an object, or as a text of YAML"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Sources    *bool             `json:"sources,omitempty" doc:"Whether to look at the sources' real columns too; default true"`
}

// Validation says what is wrong with a recipe, and what it would do.
type Validation struct {
	Valid    bool          `json:"valid"`
	Faults   []kalla.Fault `json:"faults"`
	Passes   []string      `json:"passes,omitempty" doc:"The recipe in sentences"`
	Steps    []Step        `json:"steps,omitempty" doc:"What the engine would run"`
	Left     []Column      `json:"left,omitempty"`
	Right    []Column      `json:"right,omitempty"`
	Estimate *Estimate     `json:"estimate,omitempty"`
}

// Step is one step of a plan.
type Step struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
}

// Estimate is what a run is expected to cost.
type Estimate struct {
	LeftRows  int64  `json:"left_rows"`
	RightRows int64  `json:"right_rows"`
	Bytes     int64  `json:"bytes" doc:"Memory that both sources take in the engine, roughly"`
	Engine    string `json:"engine"`
	Why       string `json:"why" doc:"Why that engine"`
}

// DraftRequest is the body of POST /api/draft: rules are proposed from the data of two sources.
type DraftRequest struct {
	RecipeID string      `json:"recipe_id,omitempty" maxLength:"100" doc:"Of the drafted recipe; made from the aliases where it is missing"`
	Name     string      `json:"name,omitempty" maxLength:"1000"`
	Left     DraftSource `json:"left"`
	Right    DraftSource `json:"right"`
	Guidance
}

// Guidance is what a person has said about an earlier draft of the same sources.
type Guidance struct {
	Examples []Example `json:"examples,omitempty" maxItems:"200" doc:"Pairs of which it is known whether they belong together"`
	Without  []string  `json:"without,omitempty" maxItems:"200" doc:"Ids of evidence: what the draft shall do without"`
	Choose   []string  `json:"choose,omitempty" maxItems:"200" doc:"Ids of alternatives, keys or column pairs that it shall take"`
}

// Example is a pair of records of which it is known whether they belong
// together. A record is named by columns and their values: best by its primary key.
type Example struct {
	Left  map[string]string `json:"left"`
	Right map[string]string `json:"right"`
	Match bool              `json:"match"`
}

// DraftSource is one side of a DraftRequest.
type DraftSource struct {
	Alias   string            `json:"alias,omitempty" maxLength:"63" doc:"In the recipe; made from the place of the source where it is missing"`
	Source  string            `json:"source,omitempty" maxLength:"63" doc:"Name of a registered source that the recipe refers to instead of the URI"`
	URI     string            `json:"uri" minLength:"1" maxLength:"10000"`
	Options map[string]string `json:"options,omitempty"`
	Types   map[string]string `json:"types,omitempty"`
	Filters []Filter          `json:"filters,omitempty" maxItems:"1000"`
}

// Draft is a proposed recipe and why it is what it is. It holds no credential.
type Draft struct {
	Recipe   json.RawMessage `json:"recipe"`
	Document string          `json:"document" doc:"As YAML, with the reasons as comments"`
	Evidence []DraftEvidence `json:"evidence"`
	Left     DraftCoverage   `json:"left"`
	Right    DraftCoverage   `json:"right"`

	Suggestions []DraftSuggestion `json:"suggestions,omitempty"`
	Lessons     []Lesson          `json:"lessons,omitempty" doc:"What the examples changed"`
}

// DraftEvidence says what speaks for a part of a draft, and what against.
type DraftEvidence struct {
	ID              string             `json:"id" doc:"Of what is proposed, the same in every draft of the same sources"`
	Path            string             `json:"path"`
	What            string             `json:"what"`
	Support         string             `json:"support"`
	Agree           int64              `json:"agree" doc:"Records or pairs that speak for it"`
	Of              int64              `json:"of" doc:"So many looked at; 0 where there is nothing to count"`
	CounterExamples []string           `json:"counter_examples,omitempty"`
	Alternatives    []DraftAlternative `json:"alternatives,omitempty"`
}

// DraftAlternative is what could stand in the place of a proposal.
type DraftAlternative struct {
	ID      string `json:"id"`
	What    string `json:"what"`
	Support string `json:"support"`
}

// DraftSuggestion is a filter that a person may want.
type DraftSuggestion struct {
	ID      string     `json:"id"`
	Side    kalla.Side `json:"side" enum:"left,right"`
	Filter  Filter     `json:"filter"`
	What    string     `json:"what"`
	Support string     `json:"support"`
	Records int64      `json:"records" doc:"That it leaves out"`
}

// Lesson is what a draft learned from one example.
type Lesson struct {
	Example int      `json:"example" doc:"Index of the example"`
	Verdict string   `json:"verdict" enum:"held,learned,conflicts,not_found"`
	Text    string   `json:"text" doc:"What changed, or why nothing did"`
	Rules   []string `json:"rules,omitempty" doc:"Ids of the evidence that it changed"`
}

// DraftCoverage is how many records of a side the draft matches.
type DraftCoverage struct {
	Total   int64 `json:"total"`
	Matched int64 `json:"matched"`
}

// TrialRequest is the body of POST /api/trial: the recipe is run on the real
// data at once, and leaves nothing but its summary.
type TrialRequest struct {
	Recipe     json.RawMessage   `json:"recipe" doc:"A recipe as an object, or as a text of YAML"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

// BacktestRequest is the body of POST /api/backtest: a recipe is run on the real
// data, and what it does is held against another recipe and against what a person
// has said. It leaves nothing behind.
type BacktestRequest struct {
	Recipe   json.RawMessage `json:"recipe" doc:"A recipe as an object, or as a text of YAML"`
	Base     json.RawMessage `json:"base,omitempty" doc:"The recipe to compare with"`
	Examples []Example       `json:"examples,omitempty" maxItems:"200"`
	Samples  int             `json:"samples,omitempty" minimum:"0" maximum:"20" doc:"Pairs to show of each kind"`
}

// Backtest answers it.
type Backtest struct {
	Summary kalla.Summary  `json:"summary"`
	Base    *kalla.Summary `json:"base,omitempty"`
	// Changes counts records against the base, by side: newly_matched, newly_ambiguous,
	// came_apart, matched_to_other, reason_changed.
	Changes       map[kalla.Side]map[string]int64 `json:"changes,omitempty"`
	Disagreements []Disagreement                  `json:"disagreements"`
	Pairs         []Pair                          `json:"pairs" doc:"Samples"`
}

// Disagreement is an example that the recipe does not agree with.
type Disagreement struct {
	Example Example `json:"example"`
	Why     string  `json:"why" doc:"What the recipe does with the two records"`
}

// Pair is two records, and how they came together.
type Pair struct {
	Kind  string `json:"kind" enum:"pass,ambiguous,near" doc:"A match, one that key order decided, or the closest pair that is none"`
	Pass  string `json:"pass,omitempty"`
	Left  Record `json:"left"`
	Right Record `json:"right"`
	// Compared are the columns that the recipe compares, left and right.
	Compared [][2]string `json:"compared"`
}

// Record is one record: its key, and its values in the order of the columns.
type Record struct {
	Key     map[string]string `json:"key"`
	Columns []string          `json:"columns"`
	Values  []*string         `json:"values" doc:"As text, null for NULL"`
}

// Engine is what GET /api/engine answers.
type Engine struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Memory  int64  `json:"memory" doc:"Bytes that all running jobs may take together"`
	Threads int    `json:"threads"`
	MaxJobs int    `json:"max_jobs"`
	Running int    `json:"running"`
	Queued  int    `json:"queued"`
	Workers []Node `json:"workers" doc:"Nodes of the cluster; empty on one machine"`
}

// Node is one machine of a cluster.
type Node struct {
	ID    string `json:"id"`
	URL   string `json:"url"`
	State string `json:"state"`
}

// Readiness is what GET /ready answers.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Missing []string `json:"missing,omitempty" doc:"What stands against taking a job now"`
}

// Span is the part of a whole job's progress that a stage is taken to be: where it begins and ends.
func Span(s kalla.Stage) (from, to float64) {
	switch s {
	case kalla.StageStaging:
		return 0, 0.5
	case kalla.StageMatching:
		return 0.5, 0.8
	case kalla.StageEvidence:
		return 0.8, 1
	}
	return 0, 0
}
