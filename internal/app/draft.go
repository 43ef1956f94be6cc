package app

import (
	"cmp"
	"context"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/infer"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// Draft proposes a recipe from the data of two sources.
func (Runner) Draft(ctx context.Context, req job.DraftRequest, filters [2][]kalla.Filter, env func(string) (string, bool), limits engine.Limits) (*job.Draft, error) {
	var inputs [2]engine.Input
	var faults kalla.Faults
	for i, s := range []job.DraftSource{req.Left, req.Right} {
		types, wrong := recipe.ParseTypes([]string{"left", "right"}[i]+".types", s.Types)
		faults = append(faults, wrong...)
		src, err := source.Parse(s.URI, s.Options, "", env)
		if err != nil {
			return nil, err
		}
		inputs[i] = engine.Input{Alias: cmp.Or(s.Alias, s.Source), Source: src, Filters: filters[i], Types: types}
	}
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "reading types", Err: faults}
	}
	session, err := duckdb.Open(ctx, limits)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	p, err := infer.Draft(ctx, session, inputs[0], inputs[1], infer.Guidance{})
	if err != nil {
		return nil, err
	}
	p.Recipe.ID, p.Recipe.Name = cmp.Or(req.RecipeID, p.Recipe.ID), cmp.Or(req.Name, p.Recipe.Name)
	refer(&p.Recipe.Sources.Left, req.Left)
	refer(&p.Recipe.Sources.Right, req.Right)
	p.Recipe = recipe.Redact(p.Recipe)
	out := &job.Draft{
		Evidence: make([]job.DraftEvidence, len(p.Evidence)),
		Left:     job.DraftCoverage(p.Left), Right: job.DraftCoverage(p.Right),
	}
	for i, e := range p.Evidence {
		out.Evidence[i] = job.DraftEvidence{Path: e.Path, What: e.What, Support: e.Support, CounterExamples: e.CounterExamples}
	}
	if out.Recipe, err = recipe.JSON(p.Recipe); err != nil {
		return nil, err
	}
	document, err := p.YAML()
	out.Document = string(document)
	return out, err
}

// refer makes a drafted side name its source as the request does.
func refer(side *kalla.Source, s job.DraftSource) {
	if s.Source != "" { // what is registered with it holds there
		side.URI, side.Source = "", s.Source
		return
	}
	side.URI = s.URI
	for name, value := range s.Options {
		if side.Options == nil {
			side.Options = map[string]string{}
		}
		side.Options[name] = value
	}
}
