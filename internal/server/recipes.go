package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/problem"
	"kalla/internal/recipe"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerRecipes(api huma.API) {
	const recipes = "recipes"
	huma.Register(api, operation(recipes, http.MethodGet, "/api/schema/recipe", "recipe-schema", "The JSON Schema of recipes, for editors", auth.Public), s.recipeSchema)
	huma.Register(api, operation(recipes, http.MethodGet, "/api/recipes", "list-recipes", "Recipes, newest first", auth.Read), s.listRecipes)
	huma.Register(api, saves(api, operation(recipes, http.MethodPost, "/api/recipes", "save-recipe", "Save a recipe, as a new version if it is there", auth.RecipesWrite)), s.postRecipe)
	huma.Register(api, operation(recipes, http.MethodGet, "/api/recipes/{recipe_id}", "get-recipe", "A recipe; its ETag is its version", auth.Read), s.getRecipe)
	huma.Register(api, saves(api, operation(recipes, http.MethodPut, "/api/recipes/{recipe_id}", "put-recipe", "Save a recipe, or the version after the one that If-Match names", auth.RecipesWrite)), s.putRecipe)
	huma.Register(api, operation(recipes, http.MethodDelete, "/api/recipes/{recipe_id}", "delete-recipe", "Take a recipe out of the lists; its versions stay for its runs", auth.RecipesWrite), s.deleteRecipe)
	huma.Register(api, operation(recipes, http.MethodGet, "/api/recipes/{recipe_id}/versions", "list-versions", "The history of a recipe, newest first", auth.Read), s.listVersions)
	huma.Register(api, operation(recipes, http.MethodGet, "/api/recipes/{recipe_id}/diff", "diff-recipe", "What changed between two versions", auth.Read), s.diffRecipe)
	huma.Register(api, operation(recipes, http.MethodPost, "/api/recipes/validate", "validate-recipe", "Find everything that is wrong with a recipe", auth.Read), s.validateRecipe)
	huma.Register(api, operation(recipes, http.MethodPost, "/api/recipes/draft", "draft-recipe", "Propose a recipe from the data of two sources", auth.RecipesWrite), s.draftRecipe)
	huma.Register(api, operation(recipes, http.MethodPost, "/api/recipes/trial", "try-recipe", "Run a recipe without leaving evidence", auth.RecipesWrite), s.tryRecipe)
}

// saves describes the body of an operation that takes a recipe in any form,
// which is for package recipe to read: its faults have lines and hints.
func saves(api huma.API, op huma.Operation) huma.Operation {
	op.SkipValidateBody = true
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true,
			Description: `A recipe (kalla: 1, … as /api/schema/recipe has it), {"document": "…", "message": "…"} with its YAML, or recipe_id, name, match_sql and sources`}},
	}}
	return op
}

// RecipePath names a recipe.
type RecipePath struct {
	RecipeID string `path:"recipe_id" minLength:"1" maxLength:"200"`
}

type rawSchema struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) recipeSchema(context.Context, *none) (*rawSchema, error) {
	return &rawSchema{"application/schema+json", recipe.Schema()}, nil
}

type recipesQuery struct {
	Paging
	Source string `query:"source" maxLength:"63" doc:"Only those that refer to this registered source"`
}

func (s *Server) listRecipes(ctx context.Context, in *recipesQuery) (*list[RecipeItem], error) {
	found, err := s.store.Recipes(ctx, state.RecipeFilter{Source: in.Source}, in.page())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	ids := make([]string, len(found.Items))
	for i, r := range found.Items {
		ids[i] = r.RecipeID
	}
	versions, err := s.store.CurrentVersions(ctx, ids...)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	items, err := s.recipeItems(ctx, found.Items)
	for i := range items {
		if v := versions[items[i].RecipeID]; v != nil && err == nil {
			err = asOlder(&items[i], v.Recipe, v.Document)
		}
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return pageOf(&in.Paging, items, found.Next), nil
}

// recipeItems are recipes as lists show them, with how their last runs went.
func (s *Server) recipeItems(ctx context.Context, recipes []state.Recipe) ([]RecipeItem, error) {
	items := make([]RecipeItem, len(recipes))
	ids := make([]string, len(recipes))
	for i := range recipes {
		ids[i] = recipes[i].RecipeID
		items[i] = s.recipeItem(ctx, &recipes[i])
	}
	if len(ids) == 0 {
		return items, nil
	}
	latest, err := s.store.LatestRuns(ctx, state.RunFilter{}, shownRates, ids...)
	for i := range items {
		s.addRuns(ctx, &items[i], latest[items[i].RecipeID])
	}
	return items, err
}

func (s *Server) recipeItem(ctx context.Context, r *state.Recipe) RecipeItem {
	return RecipeItem{RecipeID: r.RecipeID, Name: r.Name, Description: r.Description, Version: r.Version, Left: r.Left, Right: r.Right,
		Passes: r.Passes, Updated: r.UpdatedAt, UpdatedBy: s.people.name(ctx, r.UpdatedBy)}
}

// addRuns adds how the last runs went, which are the newest first.
func (s *Server) addRuns(ctx context.Context, item *RecipeItem, runs []state.Run) {
	if len(runs) > 0 {
		last := s.runItem(ctx, &runs[0])
		item.LastRun = &last
	}
	for i := len(runs) - 1; i >= 0; i-- {
		if rate := runs[i].MatchRate; rate != nil {
			item.Rates = append(item.Rates, rate.String())
		}
	}
}

type recipeQuery struct {
	RecipePath
	Version int `query:"version" minimum:"1" doc:"Default the current one"`
}

func (s *Server) getRecipe(ctx context.Context, in *recipeQuery) (*tagged[Recipe], error) {
	out, err := s.recipe(ctx, in.RecipeID, in.Version)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &tagged[Recipe]{etag(out.Version), *out}, nil
}

// recipe is a version of a recipe that is not deleted, 0 for the current one.
func (s *Server) recipe(ctx context.Context, id string, version int) (*Recipe, error) {
	r, err := s.store.Recipe(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Archived {
		return nil, problem.New(http.StatusNotFound, "reading the recipe: "+id+": it was deleted", "save it again to have it back")
	}
	if version == 0 {
		version = r.Version
	}
	v, err := s.store.RecipeVersion(ctx, id, version)
	if err != nil {
		return nil, err
	}
	doc, err := recipe.Parse([]byte(v.Document), id)
	if err != nil {
		return nil, err
	}
	items, err := s.recipeItems(ctx, []state.Recipe{*r})
	if err != nil {
		return nil, err
	}
	known, _ := doc.Draft(nil) // it was saved: what is wrong with it was said then
	out := &Recipe{
		RecipeItem: items[0], Document: v.Document, Recipe: []byte(v.Recipe), Sentences: sentencesOf(known), Parameters: doc.Parameters(),
		Author: s.people.name(ctx, v.Author), Message: v.Message, Created: v.CreatedAt,
	}
	out.Version, out.Name, out.Description, out.Passes = v.Version, known.Name, known.Description, len(known.Match)
	out.Left, out.Right = known.Sources.Left.Alias, known.Sources.Right.Alias
	return out, asOlder(&out.RecipeItem, v.Recipe, v.Document)
}

type recipePost struct {
	Conditions
	RawBody []byte `contentType:"application/yaml"`
}

// postRecipe saves without asking for the version before, as the product's predecessor does; If-Match is heeded where it is sent.
func (s *Server) postRecipe(ctx context.Context, in *recipePost) (*tagged[Done], error) {
	saved, err := s.saveRecipe(ctx, in.RawBody, "", in.Conditions)
	if err != nil {
		return nil, err
	}
	return &tagged[Done]{etag(saved.Version), Done{true, "recipe " + saved.RecipeID + " saved as version " + strconv.Itoa(saved.Version)}}, nil
}

type recipePut struct {
	RecipePath
	Conditions
	RawBody []byte `contentType:"application/yaml"`
}

func (s *Server) putRecipe(ctx context.Context, in *recipePut) (*tagged[Recipe], error) {
	if in.IfMatch == "" && in.IfNoneMatch == "" {
		old, err := s.store.Recipe(ctx, in.RecipeID)
		switch {
		case err == nil && !old.Archived:
			return nil, unconditional("recipe " + in.RecipeID)
		case err != nil && !errors.Is(err, state.ErrNotFound):
			return nil, s.problem(ctx, err)
		}
		in.IfNoneMatch = "*"
	}
	saved, err := s.saveRecipe(ctx, in.RawBody, in.RecipeID, in.Conditions)
	if err != nil {
		return nil, err
	}
	return s.getRecipe(ctx, &recipeQuery{RecipePath: in.RecipePath, Version: saved.Version})
}

type recipeDelete struct {
	RecipePath
	Conditions
}

func (s *Server) deleteRecipe(ctx context.Context, in *recipeDelete) (*body[Done], error) {
	expect, err := in.expected()
	if err != nil {
		return nil, err
	}
	if expect != nil && *expect == anyVersion {
		expect = nil // without one there is nothing to delete, which is 404
	}
	err = s.store.DeleteRecipe(ctx, in.RecipeID, expect)
	if errors.Is(err, state.ErrStale) {
		return nil, changedMeanwhile(err)
	}
	return answer(ctx, s, Done{true, "recipe " + in.RecipeID + " deleted"}, err)
}

type versionsQuery struct {
	RecipePath
	Paging
}

func (s *Server) listVersions(ctx context.Context, in *versionsQuery) (*list[RecipeVersion], error) {
	before := 0
	if in.Cursor != "" {
		var err error
		if before, err = strconv.Atoi(in.Cursor); err != nil || before < 1 {
			return nil, invalid("query.cursor", state.ErrCursor.Error(), "begin again without a cursor")
		}
	}
	versions, err := s.store.RecipeVersions(ctx, in.RecipeID, before)
	if err == nil && len(versions) == 0 && before == 0 {
		_, err = s.store.Recipe(ctx, in.RecipeID)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	next := ""
	if len(versions) > in.Limit {
		versions = versions[:in.Limit]
		next = strconv.Itoa(versions[in.Limit-1].Version)
	}
	items := make([]RecipeVersion, len(versions))
	for i, v := range versions {
		items[i] = RecipeVersion{v.Version, s.people.name(ctx, v.Author), v.Message, v.CreatedAt}
	}
	return pageOf(&in.Paging, items, next), nil
}

type diffQuery struct {
	RecipePath
	From int `query:"from" minimum:"1" doc:"Default the version before to"`
	To   int `query:"to" minimum:"1" doc:"Default the current version"`
}

func (s *Server) diffRecipe(ctx context.Context, in *diffQuery) (*body[RecipeDiff], error) {
	to, err := s.store.RecipeVersion(ctx, in.RecipeID, in.To)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if in.From == 0 {
		in.From = max(1, to.Version-1)
	}
	from, err := s.store.RecipeVersion(ctx, in.RecipeID, in.From)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	var recipes [2]*kalla.Recipe
	for i, v := range []*state.Version{from, to} {
		doc, err := recipe.Parse([]byte(v.Document), in.RecipeID)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		recipes[i], _ = doc.Draft(nil) // it was saved: what is wrong with it was said then
	}
	out := RecipeDiff{From: from.Version, To: to.Version, Changes: []RecipeChange{}, FromDocument: from.Document, ToDocument: to.Document}
	for _, c := range recipe.Diff(recipes[0], recipes[1]) {
		out.Changes = append(out.Changes, RecipeChange{c.Path, c.String()})
	}
	return &body[RecipeDiff]{out}, nil
}
