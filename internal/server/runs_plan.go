package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/problem"
	"kalla/internal/recipe"
	"kalla/internal/state"
)

// plan makes a run of what was asked for: the recipe as it stands now, its
// parameters bound and its sources found. What is wrong is a problem.
func (s *Server) plan(ctx context.Context, in *RunInput) (*state.NewRun, error) {
	n := &state.NewRun{Parameters: in.Parameters, Engine: in.Engine, Evidence: in.Evidence, MaxAttempts: s.cfg.MaxAttempts}
	if in.Target != "" {
		target, err := kalla.ParseRate(in.Target)
		if err != nil {
			return nil, invalid("body.target", err.Error(), "write 95% or 0.95")
		}
		n.Target = &target
	}
	inline := len(in.Recipe) > 0 && !bytes.Equal(in.Recipe, []byte("null"))
	var doc *recipe.Document
	var err error
	switch {
	case inline && in.RecipeID != "":
		return nil, problem.New(http.StatusBadRequest, "the run has both recipe_id and recipe", "keep one: recipe_id for a saved recipe, recipe for one that comes with the run")
	case inline:
		if doc, err = readRecipe(in.Recipe); err != nil {
			return nil, s.problemAt(ctx, err, "recipe")
		}
	case in.RecipeID != "":
		if doc, err = s.savedRecipe(ctx, in.RecipeID, in.Version, n); err != nil {
			return nil, s.problem(ctx, err)
		}
	default:
		return nil, problem.New(http.StatusBadRequest, "the run has neither recipe_id nor recipe", "name a saved recipe with recipe_id, or send one as recipe")
	}
	r, err := doc.Bind(in.Parameters)
	if err != nil {
		return nil, s.problemAt(ctx, err, "recipe")
	}
	if err := replaceSources(r, in.Resolved); err != nil {
		return nil, s.problem(ctx, err)
	}
	if r, err = s.resolve(ctx, r); err != nil {
		return nil, s.problemAt(ctx, err, "recipe")
	}
	if !inline {
		r.ID = in.RecipeID
	}
	text, err := recipe.JSON(r)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if n.Document, err = recipe.JSON(recipe.Redact(r)); err != nil {
		return nil, s.problem(ctx, err)
	}
	n.RecipeID, n.RecipeName = r.ID, r.Name
	if err := s.place(n, &job.Request{Recipe: text, Engine: in.Engine, Evidence: in.Evidence}); err != nil {
		return nil, s.problem(ctx, err)
	}
	return n, nil
}

// savedRecipe reads a version of a recipe, 0 for the current one.
func (s *Server) savedRecipe(ctx context.Context, id string, version int, n *state.NewRun) (*recipe.Document, error) {
	r, err := s.store.Recipe(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Archived {
		return nil, problem.New(http.StatusNotFound, "reading the recipe: "+id+": it was deleted", "save it again, or send it along as recipe")
	}
	if version == 0 {
		version = r.Version
	}
	v, err := s.store.RecipeVersion(ctx, id, version)
	if err != nil {
		return nil, err
	}
	n.RecipeVersion = v.Version
	return recipe.Parse([]byte(v.Document), id)
}

// planAgain makes a run like another one. A recipe that came with that one is
// run as it was, with the sources that it had.
func (s *Server) planAgain(ctx context.Context, before *state.Run, change Rerun) (*state.NewRun, error) {
	if before.RecipeVersion > 0 {
		in := RunInput{RecipeID: before.RecipeID, Version: before.RecipeVersion, Parameters: before.Parameters, Engine: before.Engine, Evidence: before.Evidence}
		if change.Latest {
			in.Version = 0
		}
		if change.Parameters != nil {
			in.Parameters = change.Parameters
		}
		n, err := s.plan(ctx, &in)
		if err != nil {
			return nil, err
		}
		n.Target = before.Target
		return n, nil
	}
	if change.Parameters != nil {
		return nil, invalid("body.parameters", "the recipe came with the run, whose parameters are bound", "start a run with the recipe and other parameters")
	}
	sealed, err := s.store.RunRequest(ctx, before.RunID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	var req job.Request
	if err := json.Unmarshal(sealed, &req); err != nil {
		return nil, s.problem(ctx, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the run's request", Where: before.RunID, Err: err})
	}
	n := &state.NewRun{RecipeID: before.RecipeID, RecipeName: before.RecipeName, Document: before.Document, Parameters: before.Parameters,
		Engine: before.Engine, Evidence: before.Evidence, Target: before.Target, MaxAttempts: s.cfg.MaxAttempts}
	if err := s.place(n, &req); err != nil {
		return nil, s.problem(ctx, err)
	}
	return n, nil
}

// place gives a run its name and the place of its evidence, and writes its request for the scheduler.
func (s *Server) place(n *state.NewRun, req *job.Request) (err error) {
	n.RunID = uuid.Must(uuid.NewV7()).String()
	req.RunID, req.OutputPath = n.RunID, s.storagePath("runs/"+n.RunID)
	n.Output, _, _ = strings.Cut(req.OutputPath, "?")
	if n.Request, err = json.Marshal(req); err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "writing the run's request", Where: n.RunID, Err: err}
	}
	return nil
}

// storagePath is a place below the storage, with what it takes to open it.
func (s *Server) storagePath(below string) string {
	base, options, hasOptions := strings.Cut(s.cfg.Storage, "?")
	if !objects.IsURI(s.cfg.Storage) {
		base, hasOptions = s.cfg.Storage, false
	}
	out := strings.TrimSuffix(base, "/") + "/" + below
	if hasOptions {
		out += "?" + options
	}
	return out
}

// evidenceOf is where the evidence of a run is. It was written to a bucket with
// the options of the storage as it is configured now.
func (s *Server) evidenceOf(run *state.Run) (evidence.Location, error) {
	return evidence.Locate(s.openable(run.Output), s.cfg.TempDir, s.cfg.LookupEnv)
}

func (s *Server) openable(output string) string {
	if _, options, ok := strings.Cut(s.cfg.Storage, "?"); ok && objects.IsURI(output) {
		output += "?" + options
	}
	return output
}

// replaceSources puts sources that came with a run in place of the recipe's.
func replaceSources(r *kalla.Recipe, given []job.Source) error {
	var faults kalla.Faults
	for i, g := range given {
		at := fmt.Sprintf("resolved_sources[%d]", i)
		var filters []kalla.Filter
		for k, f := range g.Filters {
			filter, wrong := f.Read(fmt.Sprintf("%s.filters[%d]", at, k))
			filters, faults = append(filters, filter), append(faults, wrong...)
		}
		switch {
		case strings.EqualFold(g.Alias, r.Sources.Left.Alias):
			r.Sources.Left = replaced(r.Sources.Left, g.URI, filters)
		case strings.EqualFold(g.Alias, r.Sources.Right.Alias):
			r.Sources.Right = replaced(r.Sources.Right, g.URI, filters)
		default:
			faults = append(faults, kalla.Fault{Path: at + ".alias", Problem: "the recipe has no source of this alias",
				Hint: "its sources are " + r.Sources.Left.Alias + " and " + r.Sources.Right.Alias})
		}
	}
	if len(faults) > 0 {
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "reading resolved_sources", Err: faults}
	}
	return nil
}

// replaced is a source that is read elsewhere; the filters narrow it further.
func replaced(s kalla.Source, uri string, filters []kalla.Filter) kalla.Source {
	s.URI, s.Source = uri, ""
	s.Filters = append(s.Filters[:len(s.Filters):len(s.Filters)], filters...)
	return s
}
