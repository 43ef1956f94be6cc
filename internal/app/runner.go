package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// Runner does the work of the scheduler on the embedded engine, of which each
// call has an instance of its own, and runs what is too large for it on a cluster.
type Runner struct {
	Env     func(string) (string, bool) // for credentials of evidence in a bucket, when it is looked for; may be nil
	Cluster *Cluster                    // may be nil
}

var _ compute.Runner = Runner{}

// Run reconciles as one attempt of a job asks.
func (r Runner) Run(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
	return Run(ctx, Job{
		Recipe: w.Recipe, Document: w.Document, RunID: w.RunID, Out: w.Out, Evidence: w.Evidence, Engine: w.Engine,
		Limits: w.Limits, LookupEnv: w.Env, Allow: w.Check, Report: w.Report, Cluster: r.Cluster,
	})
}

// Adopt returns the summary of whole evidence at out if it is that of the run.
func (r Runner) Adopt(ctx context.Context, runID, out string) (*kalla.Summary, error) {
	env := r.Env
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	place, err := evidence.Locate(out, "", env)
	if err != nil {
		return nil, err
	}
	m, err := evidence.Find(ctx, place, runID)
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil || m == nil:
		return nil, nil // what cannot be read is no evidence: the run makes it, or says why it cannot
	}
	m.Summary.Evidence = place.String()
	return &m.Summary, nil
}

// previewRows is how many rows a preview shows unless it is told.
const previewRows = 10

// Preview looks at a source.
func (Runner) Preview(ctx context.Context, req job.PreviewRequest, filters []kalla.Filter, env func(string) (string, bool), limits engine.Limits) (*job.Preview, error) {
	types, faults := recipe.ParseTypes("types", req.Types)
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "reading types", Err: faults}
	}
	src, err := source.Parse(req.URI, req.Options, "", env)
	if err != nil {
		return nil, err
	}
	in := engine.Input{Table: "src", Alias: src.Location(), Source: src, Filters: filters, Types: types}
	session, err := duckdb.Open(ctx, limits)
	if err != nil {
		return nil, err
	}
	defer session.Close()

	limit := req.Limit
	if limit == 0 {
		limit = previewRows
	}
	schema, rows, err := session.Preview(ctx, in, limit)
	if err != nil {
		return nil, err
	}
	out := &job.Preview{Columns: columns(schema), Rows: rows, PreviewRows: len(rows)}
	if req.Profile {
		if out.Profile, err = profile(ctx, session, in); err != nil {
			return nil, err
		}
	}
	if req.Count == nil || *req.Count {
		total := int64(len(rows))
		switch {
		case len(rows) < limit: // these are all
		case len(out.Profile) > 0:
			total = out.Profile[0].Rows
		default:
			if total, err = session.Count(ctx, in); err != nil {
				return nil, err
			}
		}
		out.TotalRows = &total
	}
	return out, nil
}

func profile(ctx context.Context, look engine.Inspector, in engine.Input) ([]job.Profile, error) {
	found, err := look.Profile(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]job.Profile, len(found))
	for i, p := range found {
		out[i] = job.Profile{Column: p.Column.Name, Rows: p.Rows, Nulls: p.Nulls, Distinct: p.Distinct, Min: p.Min, Max: p.Max, Samples: p.Samples}
	}
	return out, nil
}

// columns describes a schema. Every column may hold NULL: no engine promises
// otherwise of a file, nor of the result of a query.
func columns(schema kalla.Schema) []job.Column {
	out := make([]job.Column, len(schema))
	for i, c := range schema {
		out[i] = job.Column{Name: c.Name, DataType: c.Type.String(), Nullable: true}
	}
	return out
}

// Validate finds what is wrong with a recipe, and says what it would do. What
// is wrong with the recipe is in the answer; an error means that it could not be
// found out, as when a source cannot be reached.
func (Runner) Validate(ctx context.Context, doc *recipe.Document, params map[string]string, sources bool, env func(string) (string, bool), limits engine.Limits) (*job.Validation, error) {
	if !sources {
		r, faults := doc.Draft(params)
		return validation(r, faults), nil
	}
	r, err := doc.Bind(params)
	if err != nil {
		return invalidated(err)
	}
	run, err := checked(ctx, Job{Recipe: r, Document: doc, Evidence: string(evidence.Full), Limits: limits, LookupEnv: env})
	if err != nil {
		return invalidated(err)
	}
	defer run.embedded.Close()
	out := validation(r, nil)
	for _, s := range run.plan.SQL() {
		out.Steps = append(out.Steps, job.Step{Name: s.Name, SQL: s.SQL})
	}
	out.Left, out.Right = columns(run.tables[0].Schema), columns(run.tables[1].Schema)
	out.Estimate, err = run.estimate(ctx)
	return out, err
}

func validation(r *kalla.Recipe, faults kalla.Faults) *job.Validation {
	out := &job.Validation{Valid: len(faults) == 0, Faults: faults}
	if !out.Valid {
		return out
	}
	out.Faults = []kalla.Fault{}
	for _, s := range recipe.Explain(r) {
		out.Passes = append(out.Passes, s.Text)
	}
	return out
}

// invalidated is the answer for a recipe with faults; other errors stay errors.
func invalidated(err error) (*job.Validation, error) {
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		return validation(nil, faults), nil
	}
	return nil, err
}

// estimate counts the rows of both sides and says what they take in memory.
func (r *run) estimate(ctx context.Context) (*job.Estimate, error) {
	out := &job.Estimate{Engine: r.embedded.Info().Name}
	for i, count := range []*int64{&out.LeftRows, &out.RightRows} {
		n, err := r.embedded.Count(ctx, r.inputs[i])
		if err != nil {
			return nil, err
		}
		*count = n
		out.Bytes += n * rowBytes(r.tables[i].Schema)
	}
	chosen, err := r.choose(ctx, 0)
	if err != nil {
		return nil, err
	}
	if chosen.cluster {
		out.Engine, out.Why = "trino", chosen.why
		return out, nil
	}
	out.Why = cmp.Or(chosen.why, "it runs on this machine, and there is no cluster")
	if r.Limits.Memory > 0 && out.Bytes > r.Limits.Memory {
		out.Why += fmt.Sprintf("; the sides take more than the %d MB of a job, so it will spill to disk", r.Limits.Memory/1e6)
	}
	return out, nil
}

// rowBytes is what a row takes in the engine, roughly: texts of business
// records are short, and are kept with 16 bytes each beside what does not fit in them.
func rowBytes(schema kalla.Schema) int64 {
	var n int64
	for _, c := range schema {
		switch {
		case c.Type.Kind == kalla.Boolean:
			n++
		case c.Type.Kind == kalla.Date:
			n += 4
		case c.Type.Kind == kalla.DecimalKind && c.Type.Precision > 18:
			n += 16
		case c.Type.Numeric() || c.Type.Temporal():
			n += 8
		default:
			n += 32
		}
	}
	return n
}

// Engine opens the engine that runs the jobs, so that its answer says that it
// works, and lists the nodes of the cluster. A cluster that does not answer has
// none: the jobs run here then.
func (r Runner) Engine(ctx context.Context) (kalla.EngineInfo, []job.Node, error) {
	session, err := duckdb.Open(ctx, engine.Limits{Threads: 1})
	if err != nil {
		return kalla.EngineInfo{}, nil, err
	}
	nodes := []job.Node{}
	if r.Cluster != nil {
		if found, err := r.Cluster.Nodes(ctx); err == nil && len(found) > 0 {
			nodes = found
		}
	}
	return session.Info(), nodes, session.Close()
}
