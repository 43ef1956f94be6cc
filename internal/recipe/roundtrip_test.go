package recipe_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/recipe"
)

// valid returns the recipes of testdata/valid, bound.
func valid(t testing.TB) map[string]*kalla.Recipe {
	t.Helper()
	out := map[string]*kalla.Recipe{}
	for name, data := range read(t, "testdata/valid/*") {
		doc, err := recipe.Parse(data, name)
		if err != nil {
			t.Fatal(err)
		}
		if faults := doc.Validate(); faults != nil {
			t.Errorf("%s: %v", name, faults)
		}
		r, err := doc.Bind(values(doc))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = r
	}
	return out
}

func read(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = data
	}
	return out
}

// values gives every required parameter a value of its type.
func values(doc *recipe.Document) map[string]string {
	out := map[string]string{}
	for _, p := range doc.Parameters() {
		if p.Required {
			out[p.Name] = map[string]string{"date": "2026-11-01", "decimal": "0.05", "integer": "3", "boolean": "true", "text": "x"}[p.Type]
		}
	}
	return out
}

// reread writes the recipe and reads it again, in both notations.
func reread(r *kalla.Recipe) (fromYAML, fromJSON *kalla.Recipe, text []byte, err error) {
	y, err := recipe.Marshal(r)
	if err != nil {
		return nil, nil, nil, err
	}
	if fromYAML, err = bindText(y); err != nil {
		return nil, nil, y, err
	}
	j, err := recipe.JSON(r)
	if err != nil {
		return nil, nil, y, err
	}
	if !json.Valid(j) {
		return nil, nil, j, os.ErrInvalid
	}
	fromJSON, err = bindText(j)
	return fromYAML, fromJSON, append(append(y, '\n'), j...), err
}

func bindText(data []byte) (*kalla.Recipe, error) {
	doc, err := recipe.Parse(data, "")
	if err != nil {
		return nil, err
	}
	return doc.Bind(nil)
}

func TestWhatIsWrittenReadsTheSame(t *testing.T) {
	for name, r := range valid(t) {
		t.Run(name, func(t *testing.T) {
			y, j, text, err := reread(r)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if !reflect.DeepEqual(r, y) {
				t.Errorf("from YAML: %v\n%s", recipe.Diff(r, y), text)
			}
			if !reflect.DeepEqual(r, j) {
				t.Errorf("from JSON: %v\n%s", recipe.Diff(r, j), text)
			}
		})
	}
}

func TestAnyRecipeIsWrittenAndRead(t *testing.T) {
	schema := compile(t)
	rapid.Check(t, func(t *rapid.T) {
		r := recipes().Draw(t, "recipe")
		y, j, text, err := reread(r)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(r, y) || !reflect.DeepEqual(r, j) {
			t.Fatalf("from YAML: %v\nfrom JSON: %v\n%s", recipe.Diff(r, y), recipe.Diff(r, j), text)
		}
		if data, _ := recipe.JSON(r); validate(schema, data) != nil {
			t.Fatalf("the schema refuses it: %v\n%s", validate(schema, data), data)
		}
		if changes := recipe.Diff(r, y); len(changes) != 0 {
			t.Fatalf("differences to itself: %v", changes)
		}
		recipe.Explain(r)
	})
}
