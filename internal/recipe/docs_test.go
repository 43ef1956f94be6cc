package recipe_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kalla/internal/recipe"
)

var fence = regexp.MustCompile("(?ms)^```yaml ?([a-z]*)\n(.*?)^```$")

// wrap makes a whole recipe of an example that shows a part of one.
func wrap(kind, text string) string {
	indent := func(n int) string {
		return strings.ReplaceAll(strings.TrimSuffix("\n"+text, "\n"), "\n", "\n"+strings.Repeat(" ", n)) + "\n"
	}
	head := "kalla: 1\nrecipe_id: example\nsources:\n  right: {alias: b, uri: b.csv, primary_key: [id]}\n  left:\n    alias: a\n    uri: a.csv\n    primary_key: [id]\n"
	match := "match:\n  - cardinality: one_to_one\n    when: [{left: id, right: id}]\n"
	switch kind {
	case "":
		return text
	case "source":
		return head + indent(4) + match
	case "match":
		return head + "match:" + indent(2)
	case "when":
		return head + "match:\n  - cardinality: one_to_one\n    when:" + indent(6)
	case "recipe":
		if strings.Contains(text, "match:") {
			match = ""
		}
		return head + text + match
	}
	return "unknown kind of example: " + kind
}

func manual(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/recipe.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestExamplesOfTheManualAreValid(t *testing.T) {
	schema := compile(t)
	examples := fence.FindAllStringSubmatch(manual(t), -1)
	if len(examples) < 10 {
		t.Fatalf("only %d examples found", len(examples))
	}
	for _, x := range examples {
		doc, err := recipe.Parse([]byte(wrap(x[1], x[2])), "docs/recipe.md")
		if err != nil {
			t.Errorf("%v in\n%s", err, x[2])
			continue
		}
		if faults := doc.Validate(); len(faults) > 0 {
			t.Errorf("%v in\n%s", faults, x[2])
		}
		if err := validateDocument(schema, doc); err != nil {
			t.Errorf("%v in\n%s", err, x[2])
		}
		r, err := doc.Bind(values(doc))
		if err != nil {
			t.Errorf("%v in\n%s", err, x[2])
			continue
		}
		if _, _, text, err := reread(r); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// TestManualAndSchemaAreComplete: the manual names every field and word of the schema,
// and the schema describes every field.
func TestManualAndSchemaAreComplete(t *testing.T) {
	text := manual(t)
	var root any
	if err := json.Unmarshal(recipe.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	known := func(word string) {
		if !regexp.MustCompile("`[^`\n]*\\b" + regexp.QuoteMeta(word) + "\\b[^`\n]*`").MatchString(text) {
			t.Errorf("the manual does not name %s", word)
		}
	}
	word := regexp.MustCompile(`^[a-z_]+$`)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			props, _ := v["properties"].(map[string]any)
			// The conditional parts repeat fields without describing them again.
			if v["additionalProperties"] == false {
				for name, p := range props {
					known(name)
					m, _ := p.(map[string]any)
					ref, _ := m["$ref"].(string)
					if m["description"] == nil && ref == "" {
						t.Errorf("%s.%s has no description", path, name)
					}
				}
			}
			words, _ := v["enum"].([]any)
			for _, w := range words {
				if s, ok := w.(string); ok && word.MatchString(s) {
					known(s)
				}
			}
			for name, x := range v {
				walk(path+"."+name, x)
			}
		case []any:
			for _, x := range v {
				walk(path, x)
			}
		}
	}
	walk("", root)
	defs := root.(map[string]any)["$defs"].(map[string]any)
	options := defs["options"].(map[string]any)["properties"].(map[string]any)
	faults := faultsOf(t, []byte(wrap("source", "options: {zzzzzz: 1}\n")))
	if len(faults) != 1 {
		t.Fatal(faults)
	}
	for name, o := range options {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(faults[0].Hint) {
			t.Errorf("option %s of the schema is not one of the reader's: %s", name, faults[0].Hint)
		}
		doc := o.(map[string]any)["description"].(string)
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "| `"+name+"` | "+doc)
		}) {
			t.Errorf("the manual describes option %s otherwise than the schema: %s", name, doc)
		}
	}
}
