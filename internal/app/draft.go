package app

import (
	"cmp"
	"context"
	"encoding/json"

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
	p, err := infer.Draft(ctx, session, inputs[0], inputs[1], guidance(req.Guidance))
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
		out.Evidence[i] = job.DraftEvidence{ID: e.ID, Path: e.Path, What: e.What, Support: e.Support, Agree: e.Agree, Of: e.Of, CounterExamples: e.CounterExamples}
		for _, a := range e.Alternatives {
			out.Evidence[i].Alternatives = append(out.Evidence[i].Alternatives, job.DraftAlternative(a))
		}
	}
	for _, s := range p.Suggestions {
		out.Suggestions = append(out.Suggestions, job.DraftSuggestion{ID: s.ID, Side: s.Side, Filter: asked(s.Filter), What: s.What, Support: s.Support, Records: s.Records})
	}
	for _, l := range p.Lessons {
		out.Lessons = append(out.Lessons, job.Lesson{Example: l.Example, Verdict: string(l.Verdict), Text: l.Text, Rules: l.Rules})
	}
	if out.Recipe, err = recipe.JSON(p.Recipe); err != nil {
		return nil, err
	}
	document, err := p.YAML()
	out.Document = string(document)
	return out, err
}

// guidance is what a request says about an earlier draft.
func guidance(g job.Guidance) infer.Guidance {
	out := infer.Guidance{Without: g.Without, Choose: g.Choose}
	for _, e := range g.Examples {
		out.Examples = append(out.Examples, infer.Example(e))
	}
	return out
}

// asked is a filter as a request has it.
func asked(f kalla.Filter) job.Filter {
	out := job.Filter{Column: f.Column, Op: string(f.Op)}
	var value any
	switch f.Op {
	case kalla.FilterIsNull, kalla.FilterIsNotNull:
		return out
	case kalla.FilterIn, kalla.FilterBetween:
		value = f.Values
	default:
		if len(f.Values) > 0 {
			value = f.Values[0]
		}
	}
	out.Value, _ = json.Marshal(value) // texts never fail
	return out
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
