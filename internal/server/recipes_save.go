package server

import (
	"context"
	"errors"
	"fmt"

	"kalla"
	"kalla/internal/recipe"
	"kalla/internal/source"
	"kalla/internal/state"
)

// saveRecipe saves a recipe in any form as a new version, and returns what is
// true of it then. With an id it must be that of the recipe. Errors are problems.
func (s *Server) saveRecipe(ctx context.Context, raw []byte, id string, c Conditions) (*state.Recipe, error) {
	expect, err := c.expected()
	if err != nil {
		return nil, err
	}
	in, err := readInput(raw)
	if err != nil {
		return nil, s.problemAt(ctx, err, in.field)
	}
	if in.older {
		if in, err = s.registered(ctx, in); err != nil {
			return nil, s.problemAt(ctx, err, in.field)
		}
	}
	r, _ := in.doc.Draft(nil) // its faults are among those of Validate
	faults := in.doc.Validate()
	if id != "" && r.ID != id {
		faults = append(faults, in.doc.Fault("recipe_id", "differs from the id in the path", "a recipe is not renamed: save it under the new id, and delete this one"))
	}
	faults = append(faults, s.lasting(in.doc, r)...)
	missing, err := s.unregistered(ctx, in.doc, r)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if faults = append(faults, missing...); len(faults) > 0 {
		return nil, s.problemAt(ctx, &kalla.Error{Code: kalla.CodeRecipe, Op: "saving the recipe", Where: r.ID, Err: faults}, in.field)
	}
	text, err := in.doc.JSON()
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if expect != nil && *expect == anyVersion {
		now, err := s.store.Recipe(ctx, r.ID)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return nil, s.problem(ctx, err)
		}
		if err != nil || now.Archived {
			return nil, changedMeanwhile(&kalla.Error{Code: kalla.CodeUsage, Op: "saving the recipe", Where: r.ID, Why: "there is none yet", Hint: "leave If-Match out"})
		}
		expect = &now.Version
	}
	saved, err := s.store.SaveRecipe(ctx, state.RecipeInput{
		RecipeID: r.ID, Name: r.Name, Description: r.Description, Left: r.Sources.Left.Alias, Right: r.Sources.Right.Alias, Passes: len(r.Match),
		Sources: sourcesOf(r), Document: in.text, Recipe: state.JSON(text), Message: in.message, Expect: expect,
	})
	if errors.Is(err, state.ErrStale) {
		return nil, changedMeanwhile(err)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return saved, nil
}

// sourcesOf are the registered sources that a recipe refers to.
func sourcesOf(r *kalla.Recipe) (aliases []string) {
	for _, src := range []kalla.Source{r.Sources.Left, r.Sources.Right} {
		if src.Source != "" {
			aliases = append(aliases, src.Source)
		}
	}
	return aliases
}

// place is one place of a recipe that says where records are.
type place struct {
	path    string
	uri     string
	options map[string]string
}

func placesOf(r *kalla.Recipe) []place {
	out := []place{{"sources.left", r.Sources.Left.URI, r.Sources.Left.Options}, {"sources.right", r.Sources.Right.URI, r.Sources.Right.Options}}
	for i, x := range r.Extras {
		out = append(out, place{fmt.Sprintf("extras[%d]", i), x.URI, x.Options})
	}
	return out
}

// lasting says what of a recipe must not be stored: credentials, which
// everybody who may read would see, and uploads, which are gone in a day.
func (s *Server) lasting(doc *recipe.Document, r *kalla.Recipe) (faults kalla.Faults) {
	const hint = "register the source and write source: with its alias, or write ${NAME} for a variable of the scheduler's environment"
	redacted := recipe.Redact(r)
	hidden := placesOf(redacted)
	for i, p := range placesOf(r) {
		if uri, _ := source.Mask(p.uri, nil); uri != p.uri || hidden[i].uri != p.uri {
			faults = append(faults, doc.Fault(p.path+".uri", "holds a credential", hint))
		}
		_, shown := source.Mask(p.uri, p.options)
		for name, value := range p.options {
			if shown[name] != value || hidden[i].options[name] != value {
				faults = append(faults, doc.Fault(p.path+".options."+name, "is a credential", hint))
			}
		}
		if id, ok := s.uploadID(p.uri); ok {
			faults = append(faults, doc.Fault(p.path+".uri", "is an upload, which is removed after a day",
				"keep it as a source (POST /api/uploads/"+id+"/keep) and write source: with its alias"))
		}
	}
	for i, p := range r.Parameters {
		if redacted.Parameters[i].Default != p.Default {
			faults = append(faults, doc.Fault(fmt.Sprintf("parameters[%d].default", i), "is a credential", "leave it out, and write ${NAME} for a variable of the scheduler's environment in the URI"))
		}
	}
	return faults
}

// unregistered are the sources that a recipe refers to and that are not there.
func (s *Server) unregistered(ctx context.Context, doc *recipe.Document, r *kalla.Recipe) (faults kalla.Faults, err error) {
	for _, side := range []struct{ path, alias string }{{"sources.left.source", r.Sources.Left.Source}, {"sources.right.source", r.Sources.Right.Source}} {
		if side.alias == "" {
			continue
		}
		_, err := s.store.Source(ctx, side.alias)
		if errors.Is(err, state.ErrNotFound) {
			faults = append(faults, doc.Fault(side.path, "there is no registered source "+side.alias, "register it under Sources, or write its uri"))
		} else if err != nil {
			return nil, err
		}
	}
	return faults, nil
}

// registered makes a recipe of the predecessor's form refer to registered
// sources where it repeats them, credentials and all, as that product's clients do.
func (s *Server) registered(ctx context.Context, in recipeInput) (recipeInput, error) {
	r, _ := in.doc.Draft(nil)
	changed := false
	for _, side := range []*kalla.Source{&r.Sources.Left, &r.Sources.Right} {
		shown, _ := source.Mask(side.URI, nil)
		if side.URI == "" || shown == side.URI && shown == recipe.Redact(&kalla.Recipe{Sources: kalla.Sources{Left: *side}}).Sources.Left.URI {
			continue
		}
		known, err := s.store.Source(ctx, side.Alias)
		if errors.Is(err, state.ErrNotFound) {
			continue // what is wrong with it is said below
		}
		if err != nil {
			return in, err
		}
		if known.URI == shown {
			side.URI, side.Source, changed = "", known.Alias, true
		}
	}
	if !changed {
		return in, nil
	}
	text, err := recipe.Marshal(r)
	if err != nil {
		return in, err
	}
	in.text = comment(description(in.text)) + string(text)
	in.doc, err = recipe.Parse([]byte(in.text), "recipe")
	return in, err
}
