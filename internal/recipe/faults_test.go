package recipe_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/recipe"
)

var update = flag.Bool("update", false, "rewrite the expected faults in testdata")

// faultsOf returns all faults of a text, whether it can be parsed or not.
func faultsOf(t testing.TB, data []byte) kalla.Faults {
	t.Helper()
	doc, err := recipe.Parse(data, "recipe.yaml")
	if err == nil {
		return doc.Validate()
	}
	return faultsIn(t, err)
}

func faultsIn(t testing.TB, err error) kalla.Faults {
	t.Helper()
	var faults kalla.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v (%T) does not wrap kalla.Faults", err, err)
	}
	if kalla.CodeOf(err) != kalla.CodeRecipe {
		t.Errorf("code %s, want recipe: %v", kalla.CodeOf(err), err)
	}
	return faults
}

// TestFaults compares the faults of every file in testdata/bad with those
// written beside it. A file that says so in its first line passes the JSON Schema.
func TestFaults(t *testing.T) {
	schema := compile(t)
	for name, data := range read(t, "testdata/bad/*.yaml") {
		t.Run(name, func(t *testing.T) {
			got := faultsOf(t, data).Error() + "\n"
			golden := filepath.Join("testdata/bad", strings.TrimSuffix(name, ".yaml")+".faults")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			doc, err := recipe.Parse(data, name)
			if err != nil {
				return
			}
			if takes := validateDocument(schema, doc) == nil; takes != strings.HasPrefix(string(data), "# The schema takes this") {
				t.Errorf("the schema takes it: %v", takes)
			}
		})
	}
}
