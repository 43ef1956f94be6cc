package recipe_test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"kalla/internal/recipe"
)

func compile(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(recipe.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("recipe.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("recipe.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func validateDocument(s *jsonschema.Schema, doc *recipe.Document) error {
	data, err := doc.JSON()
	if err != nil {
		return err
	}
	return validate(s, data)
}

func TestSchemaTakesEveryValidRecipe(t *testing.T) {
	s := compile(t)
	for name, data := range read(t, "testdata/valid/*") {
		doc, err := recipe.Parse(data, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validateDocument(s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
