package server

import (
	"encoding/json"
	"time"

	"kalla"
	"kalla/internal/job"
)

// The bodies of the app's API. A list is a plain JSON array, as clients of the
// product's predecessor expect it; where there is more, the header Link names
// the next page (rel="next"), whose cursor is opaque. Fields that end in _uri
// or _path never hold a credential.

// Done answers a change that has nothing else to say.
type Done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// Source is a registered source.
type Source struct {
	Alias      string            `json:"alias"`
	URI        string            `json:"uri" doc:"Credentials are masked as ****; sent back masked they stay what they were"`
	SourceType string            `json:"source_type" doc:"file, s3, gs, az, http, postgres, mysql, sqlite"`
	Status     string            `json:"status" enum:"unknown,connected,failed"`
	Options    map[string]string `json:"options,omitempty"`
	Types      map[string]string `json:"types,omitempty"`
	Columns    []job.Column      `json:"columns,omitempty" doc:"As last seen"`
	Rows       *int64            `json:"rows,omitempty" doc:"As last counted"`
	Error      string            `json:"error,omitempty" doc:"Why the last test failed"`
	Checked    *time.Time        `json:"checked_at,omitempty"`
	UploadID   string            `json:"upload_id,omitempty" doc:"Of a kept upload"`
	UsedBy     []string          `json:"used_by,omitempty" doc:"Recipes that refer to it"`
	Created    time.Time         `json:"created_at"`
	Updated    time.Time         `json:"updated_at"`
}

// SourceInput registers a source or changes it.
type SourceInput struct {
	Alias      string            `json:"alias" pattern:"^[A-Za-z_][A-Za-z0-9_]{0,62}$"`
	URI        string            `json:"uri" minLength:"1" maxLength:"10000"`
	SourceType string            `json:"source_type,omitempty" doc:"Taken from the URI where it is missing; must agree with it otherwise"`
	Options    map[string]string `json:"options,omitempty"`
	Types      map[string]string `json:"types,omitempty"`
}

// SourceType describes a type of source: what a form has to ask for. What is
// behind the scheme and the path may be sent as options of the source.
type SourceType struct {
	Type   string        `json:"type"`
	Title  string        `json:"title"`
	Scheme string        `json:"scheme" doc:"How its URIs begin; empty for a path"`
	Fields []SourceField `json:"fields"`
}

// SourceField is one field of that form.
type SourceField struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind" doc:"text, secret, boolean, integer, choice, path"`
	Title    string   `json:"title"`
	Help     string   `json:"help,omitempty"`
	Required bool     `json:"required"`
	Default  string   `json:"default,omitempty"`
	Choices  []string `json:"choices,omitempty"`
	Format   string   `json:"format,omitempty" doc:"Of files that the field is for; empty for all"`
}

// SourcePreview is what a source holds.
type SourcePreview struct {
	Alias string `json:"alias"`
	job.Preview
}

// ScopedInput asks for the rows of a source that pass filters.
type ScopedInput struct {
	Conditions []job.Filter `json:"conditions,omitempty" maxItems:"1000"`
	Limit      int          `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"Default 200"`
	Profile    bool         `json:"profile,omitempty"`
}

// SourceTest says whether a source can be read.
type SourceTest struct {
	OK      bool         `json:"ok"`
	Columns []job.Column `json:"columns,omitempty"`
	Rows    [][]*string  `json:"rows,omitempty" doc:"The first ones"`
	Error   string       `json:"error,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	MS      int64        `json:"ms"`
}

// RecipeInput saves a recipe. It is a whole recipe as JSON (kalla: 1, …), or
// {"document": "…"} with the YAML as written, or the predecessor's form
// (recipe_id, name, match_sql, sources with type, uri, primary_key).
type RecipeInput = json.RawMessage

// RecipeDocument is the second of these forms.
type RecipeDocument struct {
	Document string `json:"document" maxLength:"1048576" doc:"YAML as written"`
	Message  string `json:"message,omitempty" maxLength:"1000" doc:"Why it was changed, for the history"`
}

// RecipeItem is a recipe in a list.
type RecipeItem struct {
	RecipeID    string    `json:"recipe_id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Version     int       `json:"version"`
	Left        string    `json:"left" doc:"Alias of the left source"`
	Right       string    `json:"right"`
	Passes      int       `json:"passes"`
	Updated     time.Time `json:"updated_at"`
	UpdatedBy   string    `json:"updated_by"`
	LastRun     *RunItem  `json:"last_run,omitempty"`
	Rates       []string  `json:"rates,omitempty" doc:"Match rates of the last runs, oldest first"`

	// As the predecessor has them.
	MatchSQL         string          `json:"match_sql,omitempty"`
	MatchDescription string          `json:"match_description,omitempty"`
	Sources          json.RawMessage `json:"sources,omitempty"`
}

// Recipe is one version of a recipe. Its ETag is the version.
type Recipe struct {
	RecipeItem
	Document   string            `json:"document" doc:"YAML as written"`
	Recipe     json.RawMessage   `json:"recipe" doc:"The same as JSON"`
	Sentences  []Sentence        `json:"sentences" doc:"The same in words"`
	Parameters []kalla.Parameter `json:"parameters,omitempty"`
	Author     string            `json:"author"`
	Message    string            `json:"message,omitempty"`
	Created    time.Time         `json:"created_at"`
}

// Sentence is a part of a recipe in words.
type Sentence struct {
	Path string `json:"path" doc:"The field that it explains"`
	Text string `json:"text"`
}

// RecipeVersion is one entry of a recipe's history.
type RecipeVersion struct {
	Version int       `json:"version"`
	Author  string    `json:"author"`
	Message string    `json:"message,omitempty"`
	Created time.Time `json:"created_at"`
}

// RecipeChange is one difference between two versions.
type RecipeChange struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// RecipeDiff is what GET …/diff?from=&to= answers.
type RecipeDiff struct {
	From         int            `json:"from"`
	To           int            `json:"to"`
	Changes      []RecipeChange `json:"changes" doc:"In words"`
	FromDocument string         `json:"from_document"`
	ToDocument   string         `json:"to_document"`
}

// RecipeCheck is the body of POST /api/recipes/validate.
type RecipeCheck struct {
	Document   string            `json:"document" maxLength:"1048576" doc:"YAML or JSON as typed"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Sources    bool              `json:"sources,omitempty" doc:"Look at the sources' columns too"`
}

// RecipeChecked is its answer: every fault with its line, and the recipe in words where it can be read.
type RecipeChecked struct {
	Valid      bool              `json:"valid"`
	Faults     []kalla.Fault     `json:"faults"`
	Recipe     json.RawMessage   `json:"recipe,omitempty"`
	Document   string            `json:"document,omitempty" doc:"The recipe as YAML"`
	Sentences  []Sentence        `json:"sentences,omitempty"`
	Parameters []kalla.Parameter `json:"parameters,omitempty"`
	Steps      []job.Step        `json:"steps,omitempty"`
	Estimate   *job.Estimate     `json:"estimate,omitempty"`
}

// RecipeDraftInput is the body of POST /api/recipes/draft: rules are proposed from the data of two sources.
type RecipeDraftInput struct {
	Left     DraftSource `json:"left"`
	Right    DraftSource `json:"right"`
	RecipeID string      `json:"recipe_id,omitempty"`
	Name     string      `json:"name,omitempty"`
	job.Guidance
}

// DraftSource is a registered source, scoped.
type DraftSource struct {
	Source  string       `json:"source" doc:"Alias of a registered source"`
	Filters []job.Filter `json:"filters,omitempty"`
}

// RecipeDraft is a proposed recipe and why it is what it is.
type RecipeDraft struct {
	job.Draft
	Sentences []Sentence `json:"sentences"`
}

// RecipeTrial is the body of POST /api/recipes/trial: the recipe is run on the real data without leaving evidence.
type RecipeTrial struct {
	Document   string            `json:"document" maxLength:"1048576"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

// RunState is where a run is.
type RunState string

// The states of a run, in order; the last three are final.
const (
	RunPending    RunState = "pending"
	RunDispatched RunState = "dispatched"
	RunStaging    RunState = "staging"
	RunMatching   RunState = "matching"
	RunEvidence   RunState = "evidence"
	RunCompleted  RunState = "completed"
	RunFailed     RunState = "failed"
	RunCancelled  RunState = "cancelled"
)

// RunInput starts a run: of a saved recipe, or of one that comes with it.
type RunInput struct {
	RecipeID   string            `json:"recipe_id,omitempty"`
	Version    int               `json:"version,omitempty" doc:"Default the latest"`
	Recipe     json.RawMessage   `json:"recipe,omitempty" doc:"A recipe in any form that POST /api/recipes takes, instead of recipe_id"`
	Resolved   []job.Source      `json:"resolved_sources,omitempty" doc:"Sources in place of the recipe's, by alias"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Engine     string            `json:"engine,omitempty" enum:"auto,duckdb,trino"`
	Evidence   string            `json:"evidence,omitempty" enum:"full,keys"`
	Target     string            `json:"target,omitempty" doc:"Match rate that the run should reach: 95% or 0.95"`
}

// RunStarted answers it.
type RunStarted struct {
	RunID  string `json:"run_id"`
	Status string `json:"status" enum:"submitted"`
}

// RunItem is a run in a list.
type RunItem struct {
	RunID               string         `json:"run_id"`
	RecipeID            string         `json:"recipe_id"`
	RecipeName          string         `json:"recipe_name,omitempty"`
	RecipeVersion       int            `json:"recipe_version,omitempty"`
	Status              RunState       `json:"status" enum:"pending,dispatched,staging,matching,evidence,completed,failed,cancelled"`
	Attempt             int            `json:"attempt"`
	MatchedCount        int64          `json:"matched_count"`
	UnmatchedLeftCount  int64          `json:"unmatched_left_count"`
	UnmatchedRightCount int64          `json:"unmatched_right_count"`
	MatchRate           *kalla.Decimal `json:"match_rate,omitempty"`
	Target              *kalla.Decimal `json:"target,omitempty"`
	UnderTarget         bool           `json:"under_target,omitempty"`
	ErrorMessage        *string        `json:"error_message"`
	CreatedBy           string         `json:"created_by,omitempty"`
	Created             time.Time      `json:"created_at"`
	Updated             time.Time      `json:"updated_at"`
	Started             *time.Time     `json:"started_at,omitempty"`
	Ended               *time.Time     `json:"ended_at,omitempty"`
}

// Run is everything about a run.
type Run struct {
	RunItem
	OutputMatched        *string           `json:"output_matched"`
	OutputUnmatchedLeft  *string           `json:"output_unmatched_left"`
	OutputUnmatchedRight *string           `json:"output_unmatched_right"`
	LatestProgress       *RunProgress      `json:"latest_progress"`
	Summary              *kalla.Summary    `json:"summary,omitempty"`
	Error                *job.Failure      `json:"error,omitempty"`
	Parameters           map[string]string `json:"parameters,omitempty"`
	Recipe               json.RawMessage   `json:"recipe,omitempty" doc:"As it ran, without credentials"`
	Sentences            []Sentence        `json:"sentences,omitempty"`
	Engine               string            `json:"engine,omitempty"`
	RerunOf              string            `json:"rerun_of,omitempty"`
	HasEvidence          bool              `json:"has_evidence"`
	Approvals            []Approval        `json:"approvals,omitempty" doc:"What was decided about it, oldest first"`
}

// RunProgress is how far a run is.
type RunProgress struct {
	Stage         string    `json:"stage"`
	Step          string    `json:"step,omitempty"`
	Progress      float64   `json:"progress" doc:"0..1 of the stage"`
	Overall       float64   `json:"overall" doc:"0..1 of the run"`
	Source        string    `json:"source,omitempty"`
	MatchedCount  *int64    `json:"matched_count,omitempty"`
	TotalLeft     *int64    `json:"total_left,omitempty"`
	TotalRight    *int64    `json:"total_right,omitempty"`
	RowsPerSecond *int64    `json:"rows_per_second,omitempty"`
	Updated       time.Time `json:"updated_at"`
}

// RunEvent is one event of GET /api/runs/{id}/events; its id is the number of
// the event within the run. The event name is "state" or "progress".
type RunEvent struct {
	Seq      int64        `json:"seq"`
	RunID    string       `json:"run_id"`
	Status   RunState     `json:"status"`
	Attempt  int          `json:"attempt"`
	Progress *RunProgress `json:"progress,omitempty"`
	Error    *job.Failure `json:"error,omitempty"`
	At       time.Time    `json:"at"`
}

// Overview is what the first page shows.
type Overview struct {
	Attention []RunItem    `json:"attention" doc:"Failed and under target, newest of each recipe"`
	Active    []RunItem    `json:"active"`
	Recent    []RunItem    `json:"recent"`
	Recipes   []RecipeItem `json:"recipes" doc:"With the rates of their last runs"`
	Open      OpenRecords  `json:"open" doc:"Records that wait in the latest completed run of each recipe"`
	Waiting   []RunItem    `json:"waiting" doc:"Those of these runs in which any wait, the most first"`
	Sources   int          `json:"sources"`
	Demo      bool         `json:"demo" doc:"Whether POST /api/demo would work: nothing is there yet"`
}

// OpenRecords counts unmatched records.
type OpenRecords struct {
	Left  int64 `json:"left"`
	Right int64 `json:"right"`
}

// UploadInput asks for a place to upload a file to.
type UploadInput struct {
	Filename  string `json:"filename" minLength:"1" maxLength:"255"`
	SessionID string `json:"session_id,omitempty" maxLength:"200"`
	Size      int64  `json:"size,omitempty" minimum:"0" doc:"Bytes, where known: too large is said at once"`
}

// UploadPlace is where to PUT it.
type UploadPlace struct {
	UploadID     string            `json:"upload_id"`
	PresignedURL string            `json:"presigned_url"`
	S3URI        string            `json:"s3_uri" doc:"What the upload is called from now on; upload://… where the app keeps it itself"`
	Headers      map[string]string `json:"headers,omitempty" doc:"To send with the PUT"`
	Expires      time.Time         `json:"expires_at"`
	MaxBytes     int64             `json:"max_bytes"`
}

// UploadRef names an upload.
type UploadRef struct {
	S3URI    string            `json:"s3_uri" minLength:"1" maxLength:"2000"`
	Filename string            `json:"filename,omitempty" maxLength:"255"`
	Options  map[string]string `json:"options,omitempty"`
}

// Upload is a confirmed upload.
type Upload struct {
	UploadID string       `json:"upload_id"`
	Filename string       `json:"filename"`
	S3URI    string       `json:"s3_uri"`
	Format   string       `json:"format" doc:"By content: csv, parquet, json, ndjson, xlsx"`
	Bytes    int64        `json:"bytes"`
	Columns  []string     `json:"columns"`
	Schema   []job.Column `json:"schema"`
	RowCount int64        `json:"row_count"`
	Rows     [][]*string  `json:"rows" doc:"A sample"`
	Expires  *time.Time   `json:"expires_at,omitempty"`
}

// UploadPreview is what an upload holds.
type UploadPreview struct {
	Columns  []string             `json:"columns"`
	RowCount int64                `json:"row_count"`
	Sample   []map[string]*string `json:"sample"`
	Schema   []job.Column         `json:"schema"`
}

// UploadKeep makes a source of an upload.
type UploadKeep struct {
	Alias   string            `json:"alias" pattern:"^[A-Za-z_][A-Za-z0-9_]{0,62}$"`
	Options map[string]string `json:"options,omitempty"`
	Types   map[string]string `json:"types,omitempty"`
}

// OK answers a callback.
type OK struct {
	OK bool `json:"ok"`
}

// AuditEntry is one change somebody made.
type AuditEntry struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Address string          `json:"address,omitempty" doc:"Where the request came from"`
	Action  string          `json:"action"`
	Type    string          `json:"object_type"`
	ID      string          `json:"object_id"`
	Detail  json.RawMessage `json:"detail,omitempty"`
	Hash    string          `json:"hash"`
}

// AuditProof says whether the chain of the audit log is whole.
type AuditProof struct {
	Whole   bool   `json:"whole"`
	Entries int64  `json:"entries"`
	Broken  *int64 `json:"broken_at,omitempty" doc:"The first entry that does not fit"`
	Why     string `json:"why,omitempty" doc:"What is wrong with it"`
}

// About says what this installation is.
type About struct {
	Version string      `json:"version"`
	Store   string      `json:"store" enum:"postgres,sqlite"`
	Storage string      `json:"storage" doc:"Where evidence and uploads are"`
	Engine  *job.Engine `json:"engine,omitempty"`
	Problem string      `json:"problem,omitempty" doc:"Why the scheduler does not answer"`
	OIDC    bool        `json:"oidc"`
	Mode    string      `json:"mode" enum:"up,serve"`
}
