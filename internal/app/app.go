// Package app wires the parts together: it is the only package that knows
// which engines and stores there are.
package app

import (
	"context"
	"errors"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/match"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// Version is the version of the program, set when it is built.
var Version = "dev"

// Engine is what OpenEngine gives: it runs plans and looks at sources.
type Engine interface {
	engine.Session
	engine.Inspector
}

// OpenEngine opens the embedded engine.
func OpenEngine(ctx context.Context, limits engine.Limits) (Engine, error) {
	return duckdb.Open(ctx, limits)
}

var _ Engine = (*duckdb.Session)(nil)

// Job is one reconciliation.
type Job struct {
	Recipe    *kalla.Recipe
	Document  *recipe.Document // where the recipe came from, so that faults name lines; may be nil
	RunID     string
	Out       string   // folder of the evidence, which must not exist, or s3://bucket/prefix, which must hold nothing
	Evidence  string   // full, keys or none; empty is full
	Engine    string   // auto, duckdb or trino; empty is auto
	Cluster   *Cluster // where trino runs; nil where there is none
	BaseDir   string   // relative paths of the recipe are below it
	Limits    engine.Limits
	Plan      match.Options               // bounds of the plan; the zero value is the default
	LookupEnv func(string) (string, bool) // for ${NAME} in URIs
	Allow     func(source.Source) error   // asked of every source before any is opened; nil allows all
	Report    func(kalla.Progress)        // may be nil
	Now       func() time.Time            // may be nil
}

const (
	clusterAttempts = 4               // of a run whose cluster goes away in the middle
	clusterPause    = 5 * time.Second // before the second one, in which the cluster sees what is left of it; then twice as long
)

// Run reconciles: stages both sources, matches, writes and publishes the
// evidence. A run whose cluster is lost begins again when it is back. Errors are
// *kalla.Error; after one nothing is left behind.
func Run(ctx context.Context, job Job) (*kalla.Summary, error) {
	for n := 0; ; n++ {
		summary, err := attempt(ctx, job)
		if err == nil || n+1 == clusterAttempts || !errors.Is(err, engine.ErrLost) {
			return summary, err
		}
		select {
		case <-ctx.Done():
			return nil, cancelled(ctx, job)
		case <-time.After(clusterPause << n):
		}
	}
}

func cancelled(ctx context.Context, job Job) error {
	return &kalla.Error{Code: kalla.CodeCanceled, Op: "running recipe", Where: job.Recipe.ID, Why: "cancelled", Err: ctx.Err()}
}

func attempt(ctx context.Context, job Job) (*kalla.Summary, error) {
	r := run{Job: job}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	embedded, err := duckdb.Open(ctx, r.Limits)
	if err != nil {
		return nil, err
	}
	defer embedded.Close()
	r.embedded = embedded
	err = r.do(ctx)
	if r.session != nil {
		closing := r.session.Close()
		if err == nil && closing != nil {
			// The result is there and proven; what is left behind is somebody's to remove.
			r.summary.Warnings = append(r.summary.Warnings, "the run is complete, but its working tables are not all removed: "+closing.Error())
		} else {
			err = errors.Join(err, closing)
		}
	}
	if err != nil {
		if ctx.Err() != nil && kalla.CodeOf(err) != kalla.CodeCanceled {
			return nil, cancelled(ctx, job)
		}
		return nil, err
	}
	return &r.summary, nil
}

// run is a job in progress.
type run struct {
	Job
	embedded *duckdb.Session // looks at sources and at the recipe's SQL, whichever engine matches
	session  engine.Session  // runs the plan
	gated    *gated
	started  time.Time
	level    evidence.Level
	inputs   []engine.Input // left, right, then extras
	tables   []engine.Table
	plan     *match.Plan
	summary  kalla.Summary
}

func (r *run) prepare() error {
	if r.Report == nil {
		r.Report = func(kalla.Progress) {}
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	r.started = r.Now()
	r.level = evidence.Level(r.Evidence)
	switch r.level {
	case "":
		r.level = evidence.Full
	case evidence.Full, evidence.Keys, evidence.None:
	default:
		return &kalla.Error{Code: kalla.CodeUsage, Op: "starting run", Where: "evidence", Why: "unknown level " + r.Evidence, Hint: "write full, keys or none"}
	}
	switch r.Engine {
	case "", "auto", "duckdb", "trino":
	default:
		return &kalla.Error{Code: kalla.CodeUsage, Op: "starting run", Where: "engine", Why: "unknown engine " + r.Engine, Hint: "write auto, duckdb or trino"}
	}
	return nil
}

// Inputs are the sources of a recipe as an engine reads them: left, right, then the extras.
func Inputs(r *kalla.Recipe, baseDir string, env func(string) (string, bool)) ([]engine.Input, error) {
	numeric, dates := numericColumns(r), dateColumns(r)
	var out []engine.Input
	for _, s := range []struct {
		side  kalla.Side
		table string
		src   kalla.Source
	}{{kalla.Left, match.LeftTable, r.Sources.Left}, {kalla.Right, match.RightTable, r.Sources.Right}} {
		if s.src.URI == "" {
			return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "finding source", Where: "sources." + string(s.side),
				Why: "source " + s.src.Source + " is registered in the app, which this command does not use", Hint: "write its uri in the recipe, or give --" + string(s.side) + " URI"}
		}
		parsed, err := source.Parse(s.src.URI, s.src.Options, baseDir, env)
		if err != nil {
			return nil, err
		}
		out = append(out, engine.Input{Table: s.table, Alias: s.src.Alias, Source: parsed, Filters: s.src.Filters, Types: s.src.Types, Derive: s.src.Derive, Numeric: numeric[s.side], Dates: dates[s.side],
			Snapshot: r.Consistency == kalla.OneSnapshot})
	}
	for _, x := range r.Extras {
		parsed, err := source.Parse(x.URI, x.Options, baseDir, env)
		if err != nil {
			return nil, err
		}
		out = append(out, engine.Input{Table: x.Alias, Alias: x.Alias, Source: parsed, Types: x.Types, Snapshot: r.Consistency == kalla.OneSnapshot})
	}
	return out, nil
}

// numericColumns are the columns that a recipe compares or sums as numbers.
func numericColumns(r *kalla.Recipe) map[kalla.Side][]string {
	out := map[kalla.Side][]string{}
	derived := map[kalla.Side]map[string]bool{kalla.Left: {}, kalla.Right: {}}
	for _, d := range r.Sources.Left.Derive {
		derived[kalla.Left][d.Name] = true
	}
	for _, d := range r.Sources.Right.Derive {
		derived[kalla.Right][d.Name] = true
	}
	add := func(left, right string, w *kalla.Within) {
		if w != nil && w.Absolute == nil && w.Percent == nil {
			return
		}
		if !derived[kalla.Left][left] {
			out[kalla.Left] = append(out[kalla.Left], left)
		}
		if !derived[kalla.Right][right] {
			out[kalla.Right] = append(out[kalla.Right], right)
		}
	}
	for _, p := range r.Match {
		for _, c := range p.When {
			if c.Within != nil {
				add(c.Left, c.Right, c.Within)
			}
		}
		if p.Sum != nil {
			add(p.Sum.Left, p.Sum.Right, p.Sum.Within)
		}
	}
	for _, c := range r.Compare {
		if c.Within != nil {
			add(c.Left, c.Right, c.Within)
		}
	}
	return out
}

// dateColumns are the columns that a recipe compares as dates or times.
func dateColumns(r *kalla.Recipe) map[kalla.Side][]string {
	out := map[kalla.Side][]string{}
	add := func(left, right string, w *kalla.Within) {
		if w != nil && (w.Days != nil || w.Hours != nil) {
			out[kalla.Left] = append(out[kalla.Left], left)
			out[kalla.Right] = append(out[kalla.Right], right)
		}
	}
	for _, p := range r.Match {
		for _, c := range p.When {
			add(c.Left, c.Right, c.Within)
		}
	}
	for _, c := range r.Compare {
		add(c.Left, c.Right, c.Within)
	}
	return out
}
