package server

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"kalla"
	"kalla/internal/recipe"
	"kalla/internal/state"
)

// readRecipe reads a recipe in one of the forms of RecipeInput. Errors are
// those of recipe.Parse.
func readRecipe(raw RecipeInput) (*recipe.Document, error) {
	var wrapped struct {
		Document *string `json:"document"`
	}
	if json.Unmarshal(raw, &wrapped) == nil && wrapped.Document != nil {
		return recipe.Parse([]byte(*wrapped.Document), "recipe")
	}
	return recipe.Parse(raw, "recipe")
}

// resolve returns a recipe with the registered sources that it names in place:
// their URIs with credentials, their options and types below its own. Errors
// hold kalla.Faults for aliases that are not registered.
func (s *Server) resolve(ctx context.Context, r *kalla.Recipe) (*kalla.Recipe, error) {
	out := *r
	var faults kalla.Faults
	for _, side := range []struct {
		path string
		src  *kalla.Source
	}{{"sources.left", &out.Sources.Left}, {"sources.right", &out.Sources.Right}} {
		if side.src.Source == "" {
			continue
		}
		fault, err := s.resolveSource(ctx, side.src)
		if err != nil {
			return nil, err
		}
		if fault.Problem != "" {
			fault.Path = side.path + ".source"
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "finding sources", Where: r.ID, Err: faults}
	}
	return &out, nil
}

// resolveSource fills in what is registered, or says why it cannot.
func (s *Server) resolveSource(ctx context.Context, src *kalla.Source) (kalla.Fault, error) {
	registered, err := s.store.Source(ctx, src.Source)
	if errors.Is(err, state.ErrNotFound) {
		return kalla.Fault{Problem: "there is no registered source " + src.Source, Hint: "register it under Sources, or write its uri"}, nil
	}
	if err != nil {
		return kalla.Fault{}, err
	}
	secret, err := s.store.SourceSecret(ctx, src.Source)
	if err != nil {
		return kalla.Fault{}, err
	}
	types, faults := recipe.ParseTypes("types", registered.Types)
	if len(faults) > 0 {
		return kalla.Fault{Problem: "its registered types: " + faults[0].Problem, Hint: faults[0].Hint}, nil
	}
	maps.Copy(types, src.Types)
	options := maps.Clone(secret.Options)
	if options == nil {
		options = map[string]string{}
	}
	maps.Copy(options, src.Options)
	src.URI, src.Source, src.Types, src.Options = secret.URI, "", types, options
	return kalla.Fault{}, nil
}
