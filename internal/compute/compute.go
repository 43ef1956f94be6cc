// Package compute is the scheduler's service: it takes jobs, keeps them on
// disk until they are done, runs them on an engine within the machine's limits,
// and reports by callbacks. Which engines there are it does not know: a Runner
// does the work.
package compute

import (
	"context"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// Runner does the work of the service. It is implemented by package app.
// Errors are *kalla.Error. All methods end within a second once ctx is done.
type Runner interface {
	Run(ctx context.Context, w Work) (*kalla.Summary, error)
	// Adopt returns the summary of whole evidence at out if it is that of the
	// run, and nil if there is none or it is another's.
	Adopt(ctx context.Context, runID, out string) (*kalla.Summary, error)
	Preview(ctx context.Context, req job.PreviewRequest, filters []kalla.Filter, env func(string) (string, bool), limits engine.Limits) (*job.Preview, error)
	Validate(ctx context.Context, doc *recipe.Document, params map[string]string, sources bool, env func(string) (string, bool), limits engine.Limits) (*job.Validation, error)
	// Draft proposes a recipe for two sources, with their filters.
	Draft(ctx context.Context, req job.DraftRequest, filters [2][]kalla.Filter, env func(string) (string, bool), limits engine.Limits) (*job.Draft, error)
	// Backtest runs a recipe, and base to compare it with where that is not nil, and
	// says what it does: up to samples pairs of each kind, and which examples it does not agree with.
	Backtest(ctx context.Context, recipe Work, base *Work, examples []job.Example, samples int) (*job.Backtest, error)
	// Engine says which engine runs the jobs, and which nodes there are.
	Engine(ctx context.Context) (kalla.EngineInfo, []job.Node, error)
}

// Work is one attempt of a job.
type Work struct {
	RunID    string
	Recipe   *kalla.Recipe
	Document *recipe.Document
	Out      string // folder or s3:// prefix of the evidence
	Evidence string // full, keys or none
	Engine   string // auto, duckdb or trino
	Limits   engine.Limits
	Env      func(string) (string, bool) // for ${NAME} in URIs
	Check    func(source.Source) error   // the policy: asked of every source before it is opened
	Report   func(kalla.Progress)
}
