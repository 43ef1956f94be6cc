package server

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const demoRows = 10_000

func (s *Server) registerDemo(api huma.API) {
	huma.Register(api, operation("runs", http.MethodPost, "/api/demo", "start-demo", "Make demo data, and run its recipe, in an app that holds nothing", auth.RecipesWrite), s.startDemo)
}

func (s *Server) startDemo(ctx context.Context, _ *none) (*body[RunStarted], error) {
	if s.cfg.DemoDir == "" {
		return nil, problem.New(http.StatusNotFound, "there is no demo data here", "kalla demo makes some on any machine")
	}
	started, err := s.Demo(ctx)
	switch {
	case err != nil:
		return nil, s.problem(ctx, err)
	case started == nil:
		return nil, problem.New(http.StatusConflict, "there is something already, which demo data would mix with", "kalla up --data with another folder begins with nothing")
	}
	return &body[RunStarted]{*started}, nil
}

// Demo gives an app that holds nothing something to look at: two sources in
// DemoDir, the recipe that reconciles them, and a first run of it. It does
// nothing, and returns nil, where there is anything already.
func (s *Server) Demo(ctx context.Context) (*RunStarted, error) {
	dir := s.cfg.DemoDir
	if empty, err := s.empty(ctx); err != nil || !empty {
		return nil, err
	}
	if _, err := demo.Generate(ctx, demo.Config{Seed: 1, Rows: demoRows}, dir); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the demo", Where: dir, Err: err}
	}
	document := string(text)
	for alias, file := range map[string]string{"invoices": demo.InvoicesFile, "payments": demo.PaymentsFile} {
		uri := "file://" + filepath.ToSlash(filepath.Join(dir, file))
		if _, err := s.saveSource(ctx, SourceInput{Alias: alias, URI: uri}, nil); err != nil {
			return nil, err
		}
		if _, err := s.look(ctx, alias, job.PreviewRequest{Limit: testedRows}); err != nil { // which notes columns and rows
			return nil, err
		}
		document = strings.Replace(document, "uri: "+file, "source: "+alias, 1)
	}
	input, err := json.Marshal(map[string]string{"document": document, "message": "Demo"})
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "writing the demo", Err: err}
	}
	saved, err := s.saveRecipe(ctx, input, "", Conditions{})
	if err != nil {
		return nil, err
	}
	n, err := s.plan(ctx, &RunInput{RecipeID: saved.RecipeID})
	if err != nil {
		return nil, err
	}
	run, err := s.create(ctx, n)
	if err != nil {
		return nil, err
	}
	return &run.Body, nil
}

// empty reports whether nothing was registered, saved or run yet.
func (s *Server) empty(ctx context.Context) (bool, error) {
	sources, err := s.store.CountSources(ctx)
	if err != nil || sources > 0 {
		return false, err
	}
	runs, err := s.store.Runs(ctx, state.RunFilter{}, state.Page{Limit: 1})
	if err != nil || len(runs.Items) > 0 {
		return false, err
	}
	for _, archived := range []bool{false, true} {
		recipes, err := s.store.Recipes(ctx, state.RecipeFilter{Archived: archived}, state.Page{Limit: 1})
		if err != nil || len(recipes.Items) > 0 {
			return false, err
		}
	}
	return true, nil
}
