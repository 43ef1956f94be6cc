package app

import (
	"context"

	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

// Check does what Run does up to the point where records are read: it passes
// the recipe's SQL through the gate, compares the recipe with the columns of
// its sources, and compiles it. Lookups are staged, since derived columns may
// join them; of the two sides only the columns are looked at.
func Check(ctx context.Context, job Job) (*match.Plan, error) {
	r, err := checked(ctx, job)
	if err != nil {
		return nil, err
	}
	return r.plan, r.embedded.Close()
}

// checked is a run whose plan is made and whose embedded engine is open, to be closed by the caller.
func checked(ctx context.Context, job Job) (*run, error) {
	r := &run{Job: job}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	session, err := duckdb.Open(ctx, r.Limits)
	if err != nil {
		return nil, err
	}
	r.embedded = session
	if err := r.check(ctx); err != nil {
		session.Close()
		return nil, err
	}
	return r, nil
}

func (r *run) check(ctx context.Context) error {
	if err := r.findSources(ctx); err != nil {
		return err
	}
	lookups, err := r.embedded.Stage(ctx, r.inputs[2:], r.Report)
	if err != nil {
		return err
	}
	for _, in := range r.inputs[:2] {
		schema, err := r.embedded.Describe(ctx, in)
		if err != nil {
			return err
		}
		r.tables = append(r.tables, engine.Table{Name: in.Table, Schema: schema})
	}
	r.tables = append(r.tables, lookups...)
	left, right := r.tables[0].Schema, r.tables[1].Schema
	faults := append(recipe.Check(r.Recipe, r.Document, left, right), r.gated.stagedColumns(r.tables)...)
	if len(faults) > 0 {
		return invalid(r.Recipe, faults)
	}
	if err := r.gated.write(r.tables, r.embedded.Dialect(), nil); err != nil {
		return err
	}
	r.plan, err = match.Compile(r.gated.recipe, match.Input{Schema: left}, match.Input{Schema: right}, r.embedded.Dialect(), r.Plan)
	return err
}
