package agent

import (
	"context"

	"kalla"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
)

// Services is what the tools stand on: the app's own operations, or files and
// the embedded engine. Whoever the context belongs to does it, with that
// person's permissions: what they may not do is an error. Errors are *kalla.Error.
type Services interface {
	// Sources lists what can be reconciled, at most a few hundred, newest first.
	Sources(ctx context.Context) ([]Source, error)
	// Preview reads the first rows that pass, counts all, and profiles every column if that is asked for.
	Preview(ctx context.Context, s Scope, limit int, profile bool) (*job.Preview, error)
	// Draft proposes a recipe for two sources.
	Draft(ctx context.Context, in DraftInput) (*job.Draft, error)
	// Check finds what is wrong with a recipe, with the sources' real columns. What is
	// wrong is in the answer; an error means that it could not be found out.
	Check(ctx context.Context, document string) (*Checked, error)
	// Backtest runs a recipe on the real data and leaves nothing behind.
	Backtest(ctx context.Context, in BacktestInput) (*job.Backtest, error)
	// Recipe returns a version of a saved recipe, 0 for the current one; nil where there is none.
	Recipe(ctx context.Context, id string, version int) (*Stored, error)
	// SaveRecipe saves a recipe as the version behind expect, which is 0 for a new
	// one; nil follows whatever there is.
	SaveRecipe(ctx context.Context, document, message string, expect *int) (*Saved, error)
	// StartRun starts a run of a saved recipe. The same key starts nothing twice.
	StartRun(ctx context.Context, r Saved, key string) (runID string, err error)
	// Run says how a run is going.
	Run(ctx context.Context, runID string) (*Run, error)
	// LastRun is the id of the last completed run of a recipe, "" where there is none.
	LastRun(ctx context.Context, recipeID string) (string, error)
	// Record says what became of a record in a completed run.
	Record(ctx context.Context, runID string, side kalla.Side, key string) (*records.Record, error)
	// PlaceUpload gives a place to send a file to.
	PlaceUpload(ctx context.Context, filename string) (*Place, error)
	// KeepUpload makes a source of what was sent there. An empty alias is made from the name of the file.
	KeepUpload(ctx context.Context, uploadID, alias string) (*Source, error)
}

// Source is what can be reconciled.
type Source struct {
	Alias   string       `json:"alias"`
	Type    string       `json:"type" doc:"file, s3, postgres …"`
	Rows    *int64       `json:"rows,omitempty" doc:"As last counted"`
	Columns []job.Column `json:"columns,omitempty" doc:"As last seen"`
	Failed  string       `json:"failed,omitempty" doc:"Why it cannot be read"`
	UsedBy  []string     `json:"used_by,omitempty" doc:"Recipes that refer to it"`
}

// DraftInput asks for a draft.
type DraftInput struct {
	Left, Right Scope
	RecipeID    string // empty: made from the aliases
	Name        string
	job.Guidance
}

// Checked says what is wrong with a recipe.
type Checked struct {
	Valid     bool          `json:"valid"`
	Faults    []kalla.Fault `json:"faults"`
	Sentences []Sentence    `json:"sentences,omitempty"`
	Left      []job.Column  `json:"left,omitempty"` // columns with their types, where the sources could be looked at
	Right     []job.Column  `json:"right,omitempty"`
}

// BacktestInput asks for a back-test.
type BacktestInput struct {
	Document string
	Base     *Saved // the version to compare with; nil: none
	Examples []job.Example
	Samples  int // pairs to show of each kind
}

// Stored is a version of a saved recipe.
type Stored struct {
	Saved
	Name     string
	Document string // YAML
}

// Run is how a run is going.
type Run struct {
	RunID    string         `json:"run_id"`
	RecipeID string         `json:"recipe_id"`
	Status   string         `json:"status" doc:"pending, dispatched, staging, matching, evidence, completed, failed or cancelled"`
	Final    bool           `json:"final"`
	Stage    string         `json:"stage,omitempty"`
	Progress float64        `json:"progress" doc:"0..1 of the whole run"`
	Summary  *kalla.Summary `json:"summary,omitempty"`
	Error    string         `json:"error,omitempty"`
	Hint     string         `json:"hint,omitempty"`
}

// Place is where a file is sent to.
type Place struct {
	UploadID string `json:"upload_id"`
	URL      string `json:"url" doc:"PUT the file here; below the app where it begins with a slash"`
	Expires  string `json:"expires" doc:"RFC 3339"`
	MaxBytes int64  `json:"max_bytes"`
}
