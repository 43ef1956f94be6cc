package recipe_test

import (
	"bytes"
	"reflect"
	"testing"

	"kalla/internal/recipe"
)

// FuzzParse: no text makes the reader panic, and what it accepts it writes so
// that it reads the same again.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*", "testdata/bad/*.yaml"} {
		for _, data := range read(f, pattern) {
			f.Add(data)
		}
	}
	schema := compile(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := recipe.Parse(data, "fuzz.yaml")
		if err != nil {
			faultsIn(t, err)
			return
		}
		faults := doc.Validate()
		draft, _ := doc.Draft(nil)
		recipe.Explain(draft)
		r, err := doc.Bind(values(doc))
		if err != nil {
			faultsIn(t, err)
			return
		}
		if len(faults) > 0 {
			t.Fatalf("bound in spite of %v", faults)
		}
		if err := validateDocument(schema, doc); err != nil {
			t.Fatalf("accepted in spite of the schema: %v", err)
		}
		y, j, text, err := reread(r)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(r, y) || !reflect.DeepEqual(r, j) {
			t.Fatalf("YAML: %v\nJSON: %v\n%s", recipe.Diff(r, y), recipe.Diff(r, j), text)
		}
		again, err := recipe.Marshal(y)
		if first, _ := recipe.Marshal(r); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("not canonical: %v\n%s\n%s", err, first, again)
		}
	})
}
