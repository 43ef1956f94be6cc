package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const (
	shownRuns    = 20 // of each list of the overview
	shownRates   = 20 // of each recipe
	shownRecipes = 50
)

func (s *Server) registerOverview(api huma.API) {
	huma.Register(api, operation("overview", http.MethodGet, "/api/overview", "overview", "What needs a person now, and what is going on", auth.Read), s.overview)
}

func (s *Server) overview(ctx context.Context, _ *none) (*body[Overview], error) {
	out := Overview{Attention: []RunItem{}, Active: []RunItem{}, Recent: []RunItem{}, Waiting: []RunItem{}, Recipes: []RecipeItem{}}
	active, err := s.store.Runs(ctx, state.RunFilter{States: []state.RunState{state.Pending, state.Dispatched, state.Staging, state.Matching, state.Evidence}}, state.Page{Limit: shownRuns})
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	recent, err := s.store.Runs(ctx, state.RunFilter{}, state.Page{Limit: shownRuns})
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if out.Active, err = s.runItems(ctx, active.Items); err != nil {
		return nil, s.problem(ctx, err)
	}
	if out.Recent, err = s.runItems(ctx, recent.Items); err != nil {
		return nil, s.problem(ctx, err)
	}
	recipes, err := s.store.Recipes(ctx, state.RecipeFilter{}, state.Page{Limit: shownRecipes})
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if err := s.overviewRecipes(ctx, recipes.Items, &out); err != nil {
		return nil, s.problem(ctx, err)
	}
	sources, err := s.store.CountSources(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out.Sources = int(sources)
	out.Demo = s.cfg.DemoDir != "" && sources == 0 && len(recipes.Items) == 0 && len(recent.Items) == 0
	return &body[Overview]{out}, nil
}

// overviewRecipes adds the recipes, how their last runs went, and what waits for a person.
func (s *Server) overviewRecipes(ctx context.Context, recipes []state.Recipe, out *Overview) error {
	if len(recipes) == 0 {
		return nil
	}
	ids := make([]string, len(recipes))
	for i, r := range recipes {
		ids[i] = r.RecipeID
	}
	latest, err := s.store.LatestRuns(ctx, state.RunFilter{States: []state.RunState{state.Completed, state.Failed}}, shownRates, ids...)
	if err != nil {
		return err
	}
	for i := range recipes {
		item := s.recipeItem(ctx, &recipes[i])
		runs := latest[item.RecipeID]
		s.addRuns(ctx, &item, runs)
		if len(runs) > 0 && (runs[0].State == state.Failed || runs[0].UnderTarget()) {
			out.Attention = append(out.Attention, *item.LastRun)
		}
		done := slices.IndexFunc(runs, func(r state.Run) bool { return r.State == state.Completed })
		if done >= 0 {
			out.Open.Left += runs[done].UnmatchedLeftCount
			out.Open.Right += runs[done].UnmatchedRightCount
			if runs[done].UnmatchedLeftCount+runs[done].UnmatchedRightCount > 0 {
				out.Waiting = append(out.Waiting, s.runItem(ctx, &runs[done]))
			}
		}
		out.Recipes = append(out.Recipes, item)
	}
	slices.SortFunc(out.Attention, func(a, b RunItem) int { return b.Created.Compare(a.Created) })
	slices.SortStableFunc(out.Waiting, func(a, b RunItem) int {
		return cmp.Compare(b.UnmatchedLeftCount+b.UnmatchedRightCount, a.UnmatchedLeftCount+a.UnmatchedRightCount)
	})
	return nil
}
