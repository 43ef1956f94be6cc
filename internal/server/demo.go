package server

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/job"
	"kalla/internal/state"
)

const demoRows = 10_000

// Demo gives an app that holds nothing something to look at: two sources in
// dir, an absolute path that the scheduler can read, the recipe that reconciles
// them, and a first run of it. It does nothing where there is anything already.
func (s *Server) Demo(ctx context.Context, dir string) error {
	if empty, err := s.empty(ctx); err != nil || !empty {
		return err
	}
	if _, err := demo.Generate(ctx, demo.Config{Seed: 1, Rows: demoRows}, dir); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	if err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "reading the demo", Where: dir, Err: err}
	}
	document := string(text)
	for alias, file := range map[string]string{"invoices": demo.InvoicesFile, "payments": demo.PaymentsFile} {
		uri := "file://" + filepath.ToSlash(filepath.Join(dir, file))
		if _, err := s.saveSource(ctx, SourceInput{Alias: alias, URI: uri}, nil); err != nil {
			return err
		}
		if _, err := s.look(ctx, alias, job.PreviewRequest{Limit: testedRows}); err != nil { // which notes columns and rows
			return err
		}
		document = strings.Replace(document, "uri: "+file, "source: "+alias, 1)
	}
	input, err := json.Marshal(map[string]string{"document": document, "message": "Demo"})
	if err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "writing the demo", Err: err}
	}
	saved, err := s.saveRecipe(ctx, input, "", Conditions{})
	if err != nil {
		return err
	}
	n, err := s.plan(ctx, &RunInput{RecipeID: saved.RecipeID})
	if err != nil {
		return err
	}
	_, err = s.create(ctx, n)
	return err
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
