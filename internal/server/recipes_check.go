package server

import (
	"context"
	"errors"
	"strings"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/state"
)

// validateRecipe finds what is wrong with a recipe as it is typed. Only where
// the sources' columns are asked for is the scheduler.
func (s *Server) validateRecipe(ctx context.Context, in *body[RecipeCheck]) (*body[RecipeChecked], error) {
	out := RecipeChecked{Faults: []kalla.Fault{}}
	doc, err := recipe.Parse([]byte(in.Body.Document), "recipe")
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		out.Faults = faults
		return &body[RecipeChecked]{out}, nil
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	r, faults := doc.Draft(in.Body.Parameters)
	if len(in.Body.Parameters) == 0 {
		faults = doc.Validate()
	}
	missing, err := s.unregistered(ctx, doc, r)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out.Faults = append(append(out.Faults, faults...), missing...)
	out.Sentences, out.Parameters = sentencesOf(r), doc.Parameters()
	if out.Recipe, err = doc.JSON(); err != nil {
		return nil, s.problem(ctx, err)
	}
	text, err := doc.YAML()
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out.Document = string(text)
	if in.Body.Sources && len(out.Faults) == 0 {
		if err := s.checkSources(ctx, doc, in.Body.Parameters, &out); err != nil {
			return nil, s.problem(ctx, err)
		}
	}
	out.Valid = len(out.Faults) == 0
	return &body[RecipeChecked]{out}, nil
}

// checkSources adds what only the columns of the sources tell.
func (s *Server) checkSources(ctx context.Context, doc *recipe.Document, params map[string]string, out *RecipeChecked) error {
	text, err := s.runnable(ctx, doc, params)
	if err == nil {
		var found job.Validation
		if found, err = s.cfg.Scheduler.Validate(ctx, job.ValidateRequest{Recipe: text}); err == nil {
			out.Faults, out.Steps, out.Estimate = inDocument(doc, found.Faults), found.Steps, found.Estimate
			return nil
		}
	}
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		out.Faults = faults
		return nil
	}
	return err
}

// runnable is a recipe as the scheduler runs it: parameters bound, sources where they are.
func (s *Server) runnable(ctx context.Context, doc *recipe.Document, params map[string]string) ([]byte, error) {
	r, err := doc.Bind(params)
	if err != nil {
		return nil, err
	}
	resolved, err := s.resolve(ctx, r)
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "finding sources", Where: r.ID, Err: inDocument(doc, faults)}
	}
	if err != nil {
		return nil, err
	}
	return recipe.JSON(resolved)
}

// inDocument gives faults that the scheduler found the lines of the document as
// it was typed. What it found in the URI of a registered source is the source's.
func inDocument(doc *recipe.Document, faults []kalla.Fault) kalla.Faults {
	out := kalla.Faults{}
	for _, f := range faults {
		path := strings.TrimPrefix(f.Path, "recipe.")
		placed := doc.Fault(path, f.Problem, f.Hint)
		if side, ok := strings.CutSuffix(path, ".uri"); ok && placed.Line == 0 {
			placed = doc.Fault(side+".source", f.Problem, f.Hint)
		}
		out = append(out, placed)
	}
	return out
}

// tryRecipe runs a recipe at the scheduler, which leaves nothing but the counts.
func (s *Server) tryRecipe(ctx context.Context, in *body[RecipeTrial]) (*body[kalla.Summary], error) {
	doc, err := recipe.Parse([]byte(in.Body.Document), "recipe")
	if err != nil {
		return nil, s.problemAt(ctx, err, "document")
	}
	text, err := s.runnable(ctx, doc, in.Body.Parameters)
	if err != nil {
		return nil, s.problemAt(ctx, err, "document")
	}
	sum, err := s.cfg.Scheduler.Trial(ctx, job.TrialRequest{Recipe: text})
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		err = &kalla.Error{Code: kalla.CodeRecipe, Op: "trying recipe", Err: inDocument(doc, faults)}
	}
	if err != nil {
		return nil, s.problemAt(ctx, err, "document")
	}
	return &body[kalla.Summary]{sum}, nil
}

// draftRecipe has the scheduler propose a recipe for two registered sources.
func (s *Server) draftRecipe(ctx context.Context, in *body[RecipeDraftInput]) (*body[RecipeDraft], error) {
	req := job.DraftRequest{RecipeID: in.Body.RecipeID, Name: in.Body.Name, Guidance: in.Body.Guidance}
	var faults kalla.Faults
	for _, side := range []struct {
		name string
		from DraftSource
		to   *job.DraftSource
	}{{"left", in.Body.Left, &req.Left}, {"right", in.Body.Right, &req.Right}} {
		o, err := s.open(ctx, side.from.Source)
		if known, ok := errors.AsType[*kalla.Error](err); ok && errors.Is(err, state.ErrNotFound) {
			faults = append(faults, kalla.Fault{Path: side.name + ".source", Problem: known.Why, Hint: "register it under Sources"})
			continue
		}
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		*side.to = job.DraftSource{Alias: side.from.Source, Source: side.from.Source, URI: o.uri, Options: o.options, Types: o.types, Filters: side.from.Filters}
	}
	if len(faults) > 0 {
		return nil, s.problem(ctx, &kalla.Error{Code: kalla.CodeRecipe, Op: "drafting recipe", Err: faults})
	}
	found, err := s.cfg.Scheduler.Draft(ctx, req)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	doc, err := recipe.Parse([]byte(found.Document), "draft")
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	r, _ := doc.Draft(nil) // one with faults is an error of the scheduler's
	return &body[RecipeDraft]{RecipeDraft{found, sentencesOf(r)}}, nil
}
