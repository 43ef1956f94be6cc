package recipe_test

import (
	"bytes"
	"testing"

	"kalla/internal/recipe"
)

func TestDocumentYAML(t *testing.T) {
	const in = `{"kalla":1,"recipe_id":"a","parameters":[{"name":"tolerance","type":"decimal","default":"0.02"}],
"sources":{"left":{"alias":"l1","uri":"postgres://db/books?table=a,b","primary_key":["id","no: 2"],"filters":[{"column":"n","op":"in","value":["1",2]}]},
"right":{"alias":"true","uri":"b.csv","primary_key":["id"],"types":{"amount":"decimal(18,2)"}}},
"match":[{"name":"first","cardinality":"one_to_one","when":[{"left":"id","right":"id"},{"left":"a","right":"b","within":"${tolerance}"},{"left":"a","right":"b","within":{"days":[0,60]}}],
"sum":{"left":"a","right":"b","within":"0.01"}}]}`
	const want = `kalla: 1
recipe_id: a
parameters:
  - {name: tolerance, type: decimal, default: "0.02"}
sources:
  left:
    alias: l1
    uri: postgres://db/books?table=a,b
    primary_key: [id, "no: 2"]
    filters:
      - {column: n, op: in, value: ["1", 2]}
  right:
    alias: "true"
    uri: b.csv
    primary_key: [id]
    types: {amount: "decimal(18,2)"}
match:
  - name: first
    cardinality: one_to_one
    when:
      - {left: id, right: id}
      - {left: a, right: b, within: "${tolerance}"}
      - {left: a, right: b, within: {days: [0, 60]}}
    sum: {left: a, right: b, within: "0.01"}
`
	doc, err := recipe.Parse([]byte(in), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := doc.YAML()
	if err != nil || string(got) != want {
		t.Fatalf("%v\n%s", err, got)
	}
	// It says what the JSON said.
	again, err := recipe.Parse(got, "a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.JSON(); err != nil || !bytes.Equal(first, second) {
		t.Errorf("%v\n%s\n%s", err, first, second)
	}
}
