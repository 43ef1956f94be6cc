package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"kalla"
	"kalla/internal/recipe"
	"kalla/internal/state"
)

// opened is a registered source as the scheduler opens it. It holds credentials.
type opened struct {
	uri            string
	options, types map[string]string
}

// open finds what opens a registered source. It is state.ErrNotFound where the
// source is not there, or the upload that it was made of.
func (s *Server) open(ctx context.Context, alias string) (opened, error) {
	registered, err := s.store.Source(ctx, alias)
	if errors.Is(err, state.ErrNotFound) {
		return opened{}, &kalla.Error{Code: kalla.CodeUsage, Op: "finding the source", Where: alias, Why: "there is no registered source " + alias,
			Hint: "register it under Sources, or write its uri", Err: state.ErrNotFound}
	}
	if err != nil {
		return opened{}, err
	}
	secret, err := s.store.SourceSecret(ctx, alias)
	if err != nil {
		return opened{}, err
	}
	o := opened{types: registered.Types}
	o.uri, o.options, err = s.located(ctx, secret.URI, secret.Options)
	return o, err
}

// resolve returns a recipe with all its sources where the scheduler finds them:
// the registered ones that it names with their credentials, and with their
// options and types below its own; uploads where they are kept. Errors hold
// kalla.Faults for what is not there.
func (s *Server) resolve(ctx context.Context, r *kalla.Recipe) (*kalla.Recipe, error) {
	out := *r
	out.Extras = slices.Clone(r.Extras)
	var faults kalla.Faults
	// found keeps faults, and returns errors that are none.
	found := func(path string, err error) error {
		if known, ok := errors.AsType[*kalla.Error](err); ok && errors.Is(err, state.ErrNotFound) {
			faults = append(faults, kalla.Fault{Path: path, Problem: known.Why, Hint: known.Hint})
			return nil
		}
		if wrong, ok := errors.AsType[kalla.Faults](err); ok {
			faults = append(faults, kalla.Fault{Path: path, Problem: "as it is registered: " + wrong[0].Problem, Hint: wrong[0].Hint})
			return nil
		}
		return err
	}
	for _, side := range []struct {
		path string
		src  *kalla.Source
	}{{"sources.left", &out.Sources.Left}, {"sources.right", &out.Sources.Right}} {
		var err error
		if side.src.Source == "" {
			side.src.URI, side.src.Options, err = s.located(ctx, side.src.URI, side.src.Options)
			err = found(side.path+".uri", err)
		} else {
			err = found(side.path+".source", s.resolveSource(ctx, side.src))
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range out.Extras {
		x := &out.Extras[i]
		var err error
		x.URI, x.Options, err = s.located(ctx, x.URI, x.Options)
		if err := found(fmt.Sprintf("extras[%d].uri", i), err); err != nil {
			return nil, err
		}
	}
	if len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "finding sources", Where: r.ID, Err: faults}
	}
	return &out, nil
}

// resolveSource fills in what is registered.
func (s *Server) resolveSource(ctx context.Context, src *kalla.Source) error {
	o, err := s.open(ctx, src.Source)
	if err != nil {
		return err
	}
	types, faults := recipe.ParseTypes("types", o.types)
	if len(faults) > 0 {
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "reading types", Where: src.Source, Err: faults}
	}
	maps.Copy(types, src.Types)
	options := maps.Clone(o.options)
	if options == nil {
		options = map[string]string{}
	}
	maps.Copy(options, src.Options)
	src.URI, src.Source, src.Types, src.Options = o.uri, "", types, options
	return nil
}
