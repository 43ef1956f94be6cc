package agent

import (
	"slices"

	"kalla"
	"kalla/internal/recipe"
)

// parse reads a recipe whose faults do not matter here.
func parse(document string) (*kalla.Recipe, error) {
	doc, err := recipe.Parse([]byte(document), "recipe")
	if err != nil {
		return nil, err
	}
	r, _ := doc.Draft(nil)
	return r, nil
}

func sentences(document string) ([]Sentence, error) {
	r, err := parse(document)
	if err != nil {
		return nil, err
	}
	return sentencesOf(r), nil
}

func sentencesOf(r *kalla.Recipe) []Sentence {
	var out []Sentence
	for _, s := range recipe.Explain(r) {
		out = append(out, Sentence{s.Path, s.Text})
	}
	return out
}

func draftOf(document string, rules []Rule) (*Draft, error) {
	r, err := parse(document)
	if err != nil {
		return nil, err
	}
	return &Draft{RecipeID: r.ID, Name: r.Name, Document: document, Rules: rules}, nil
}

// scoped is a recipe over the records that the person chose: which they are is not for a model to say,
// which sees the values of its filters masked. A recipe that cannot be read stays as it is.
func (w *Work) scoped(document string) string {
	r, err := parse(document)
	if err != nil || w.Left == nil || w.Right == nil {
		return document
	}
	for _, side := range []struct {
		src   *kalla.Source
		scope *Scope
	}{{&r.Sources.Left, w.Left}, {&r.Sources.Right, w.Right}} {
		side.src.Filters = nil
		for _, f := range side.scope.Filters {
			read, faults := f.Read("filters")
			if len(faults) > 0 {
				return document
			}
			side.src.Filters = append(side.src.Filters, read)
		}
	}
	text, err := recipe.Marshal(r)
	if err != nil {
		return document
	}
	return string(text)
}

// plain is a recipe without its comments, which may quote records, and with other values in its filters.
func plain(document string, hide func(source, value string) string) string {
	r, err := parse(document)
	if err != nil {
		return ""
	}
	for _, src := range []*kalla.Source{&r.Sources.Left, &r.Sources.Right} {
		for i := range src.Filters {
			values := slices.Clone(src.Filters[i].Values)
			for k := range values {
				values[k] = hide(src.Source, values[k])
			}
			src.Filters[i].Values = values
		}
	}
	text, err := recipe.Marshal(r)
	if err != nil {
		return ""
	}
	return string(text)
}
