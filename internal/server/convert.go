package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"kalla"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// recipeInput is a recipe as it came.
type recipeInput struct {
	doc     *recipe.Document
	text    string // YAML, as it was written where it came as that
	message string
	field   string // of the body that held it; empty for the body itself
	older   bool   // it came in the predecessor's form
}

// readRecipe reads a recipe in one of the forms of RecipeInput. Errors are
// those of recipe.Parse.
func readRecipe(raw RecipeInput) (*recipe.Document, error) {
	in, err := readInput(raw)
	return in.doc, err
}

// readInput reads one of the forms of RecipeInput, or YAML as it is. Where it
// cannot be read, the field says what of the body it was.
func readInput(raw []byte) (in recipeInput, err error) {
	raw = bytes.TrimSpace(raw)
	var form struct {
		Kalla    json.RawMessage `json:"kalla"`
		Document *string         `json:"document"`
		Message  string          `json:"message"`
		Sources  json.RawMessage `json:"sources"`
	}
	switch text := ""; {
	case json.Unmarshal(raw, &text) == nil: // a JSON text that holds YAML
		in.text = text
	case json.Unmarshal(raw, &form) != nil:
		in.text = string(raw)
	case form.Document != nil:
		in.text, in.message, in.field = *form.Document, form.Message, "document"
	case form.Kalla == nil && form.Sources != nil:
		in.older = true
		if in.text, err = older(raw); err != nil {
			return in, err
		}
	default:
		if in.doc, err = recipe.Parse(raw, "recipe"); err != nil {
			return in, err
		}
		text, err := in.doc.YAML()
		in.text = string(text)
		return in, err
	}
	in.doc, err = recipe.Parse([]byte(in.text), "recipe")
	return in, err
}

// olderRecipe is a recipe in the form of the product's predecessor.
type olderRecipe struct {
	RecipeID         string `json:"recipe_id"`
	Name             string `json:"name"`
	Description      string `json:"description"`
	MatchSQL         string `json:"match_sql"`
	MatchDescription string `json:"match_description"`
	Sources          struct {
		Left  olderSource `json:"left"`
		Right olderSource `json:"right"`
	} `json:"sources"`
}

type olderSource struct {
	Alias      string          `json:"alias"`
	Type       string          `json:"type,omitempty"`
	URI        string          `json:"uri,omitempty"`
	Source     string          `json:"source,omitempty"`
	PrimaryKey json.RawMessage `json:"primary_key"`
}

// older makes a document of the predecessor's form. What its matching is in
// words has no field of its own, and becomes a comment.
func older(raw []byte) (string, error) {
	var in olderRecipe
	if err := json.Unmarshal(raw, &in); err != nil {
		fault := kalla.Fault{Problem: "a field has the wrong type"}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			fault.Path, fault.Problem = wrong.Field, "is a "+wrong.Value+", which it cannot be"
		}
		return "", &kalla.Error{Code: kalla.CodeRecipe, Op: "reading recipe", Where: "recipe", Err: kalla.Faults{fault}}
	}
	r := &kalla.Recipe{Version: 1, ID: in.RecipeID, Name: in.Name, Description: in.Description, MatchSQL: in.MatchSQL}
	r.Sources.Left, r.Sources.Right = in.Sources.Left.source("left"), in.Sources.Right.source("right")
	text, err := recipe.Marshal(r)
	return comment(in.MatchDescription) + string(text), err
}

func (s olderSource) source(side string) kalla.Source {
	out := kalla.Source{Alias: s.Alias, URI: s.URI, Source: s.Source}
	switch strings.ToLower(s.Alias) {
	case "left_src", "right_src": // the names of the tables, which match_sql uses in any case
		out.Alias = side
	}
	one := ""
	if json.Unmarshal(s.PrimaryKey, &out.PrimaryKey) != nil && json.Unmarshal(s.PrimaryKey, &one) == nil {
		out.PrimaryKey = []string{one}
	}
	if s.Type != "" && s.URI != "" {
		// The type of a file was its format.
		if t, known := source.TypeOf(s.URI); known && !t.IsDatabase() {
			for _, format := range source.Formats() {
				if strings.EqualFold(s.Type, string(format)) && !strings.Contains(strings.ToLower(s.URI), "."+string(format)) {
					out.Options = map[string]string{"format": string(format)}
				}
			}
		}
	}
	return out
}

const describes = "# match_description: "

// comment writes what the predecessor called match_description.
func comment(text string) string {
	if text = strings.Join(strings.Fields(text), " "); text == "" {
		return ""
	}
	return describes + text + "\n"
}

// description reads it again, "" where there is none.
func description(document string) string {
	line, _, _ := strings.Cut(document, "\n")
	text, ok := strings.CutPrefix(line, describes)
	if !ok {
		return ""
	}
	return text
}

// asOlder fills in what the predecessor's clients read of a recipe: of its JSON and its document.
func asOlder(item *RecipeItem, text []byte, document string) error {
	var r olderRecipe
	if err := json.Unmarshal(text, &r); err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "reading recipe", Where: item.RecipeID, Err: err}
	}
	for _, side := range []*olderSource{&r.Sources.Left, &r.Sources.Right} {
		if t, known := source.TypeOf(side.URI); known {
			side.Type = string(t)
		}
	}
	item.MatchSQL, item.MatchDescription = r.MatchSQL, description(document)
	var err error
	item.Sources, err = json.Marshal(r.Sources)
	return err
}
