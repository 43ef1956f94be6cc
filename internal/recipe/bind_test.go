package recipe_test

import (
	"strings"
	"testing"

	"kalla/internal/recipe"
)

const parameterised = `kalla: 1
recipe_id: p
parameters:
  - {name: tolerance, type: decimal, default: "0.02"}
  - {name: since, type: date, required: true}
  - {name: who, type: text, default: nobody}
  - {name: n, type: integer}
  - {name: strict, type: boolean, default: "false"}
sources:
  left:
    alias: a
    uri: s3://${BUCKET}/${who}.csv?key=${KEY}
    primary_key: [id]
    filters: [{column: day, op: gte, value: ${since}}]
    derive: {d: "who = ${who} AND day >= ${since} AND x - ${tolerance} > 0 AND strict = ${strict}"}
  right: {alias: b, uri: b.csv, primary_key: [id], anchor: ${strict}}
match:
  - name: for ${who}, price $${5}
    cardinality: one_to_one
    when:
      - {left: id, right: id}
      - {left: x, right: y, within: "${tolerance}%"}
`

func parse(t testing.TB, text string) *recipe.Document {
	t.Helper()
	doc, err := recipe.Parse([]byte(text), "p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestBindPutsValuesIn(t *testing.T) {
	_, err := parse(t, parameterised).Bind(map[string]string{"since": "2026-11-01", "who": "O'Brien; DROP", "tolerance": "-0.50e1", "strict": "true"})
	if err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("a negative tolerance is not refused: %v", err)
	}
	r, err := parse(t, parameterised).Bind(map[string]string{"since": "2026-11-01", "who": "O'Brien", "tolerance": "1.50", "strict": "true"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"URI", r.Sources.Left.URI, "s3://${BUCKET}/O'Brien.csv?key=${KEY}"},
		{"filter", r.Sources.Left.Filters[0].Values[0], "2026-11-01"},
		{"SQL", r.Sources.Left.Derive[0].SQL, "who = 'O''Brien' AND day >= DATE '2026-11-01' AND x - 1.5 > 0 AND strict = TRUE"},
		{"name", r.Match[0].Name, "for O'Brien, price ${5}"},
		{"percent", r.Match[0].When[1].Within.Percent.String(), "1.5"},
		{"recorded value", r.Parameters[1].Default, "2026-11-01"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
	if !r.Sources.Right.Anchor {
		t.Error("anchor is not set")
	}
	y, j, text, err := reread(r)
	if err != nil {
		t.Fatalf("the bound recipe does not run again: %v\n%s", err, text)
	}
	if d := append(recipe.Diff(r, y), recipe.Diff(r, j)...); len(d) > 0 {
		t.Errorf("the bound recipe changed: %v", d)
	}
}

func TestBindWritesLiteralsThatCannotBreakOut(t *testing.T) {
	text := strings.Replace(parameterised, "x - ${tolerance}", "x -${tolerance}", 1)
	text = strings.Replace(text, "${tolerance}%", "1", 1)
	r, err := parse(t, text).Bind(map[string]string{"since": "2026-11-01", "who": `\' OR 1=1 -- ''`, "tolerance": "-3"})
	if err != nil {
		t.Fatal(err)
	}
	want := `who = '\'' OR 1=1 -- ''''' AND day >= DATE '2026-11-01' AND x -(-3) > 0 AND strict = FALSE`
	if got := r.Sources.Left.Derive[0].SQL; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBindChecksValues(t *testing.T) {
	since := func(more ...string) map[string]string {
		m := map[string]string{"since": "2026-11-01"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name   string
		values map[string]string
		want   string // the whole report; empty when all is well
	}{
		{"all given", since("n", "+007", "tolerance", " 1e-2 "), ""},
		{"required missing", nil, "line 5: parameters[1]: parameter since has no value and is required (pass one: --param since=…)"},
		{"unknown", since("tolerence", "1"), "line 3: parameters.tolerence: the recipe has no such parameter (did you mean tolerance?)"},
		{"date", map[string]string{"since": "2026-02-30"}, `line 5: parameters[1]: the value "2026-02-30" of parameter since is not a date (write it like 2026-11-30)`},
		{"date with SQL", map[string]string{"since": "2026-01-01' OR '1"}, `line 5: parameters[1]: the value "2026-01-01' OR '1" of parameter since is not a date (write it like 2026-11-30)`},
		{"integer", since("n", "1.5"), `line 7: parameters[3]: the value "1.5" of parameter n is not a whole number of at most 18 digits (write it like 45)`},
		{"decimal", since("tolerance", "1,5"), `line 4: parameters[0]: the value "1,5" of parameter tolerance is not a decimal number of at most 38 digits (write it like 1234.56: a point for the decimals, nothing between the thousands)`},
		{"huge", since("tolerance", "1e99"), `line 4: parameters[0]: the value "1e99" of parameter tolerance is not a decimal number of at most 38 digits (write it like 1234.56: a point for the decimals, nothing between the thousands)`},
		{"boolean", since("strict", "1"), `line 8: parameters[4]: the value "1" of parameter strict is neither true nor false (write true or false)`},
		{"reference", since("who", "${KEY}"), `line 6: parameters[2]: the value "${KEY}" of parameter who holds ${: a value cannot refer to another one`},
		{"environment", since("who", "$"), `line 12: sources.left.uri: the value of parameter who holds a $, which stands for an environment variable in a URI`},
		{"secret", since("n", "postgres://u:hunter2@h/d"), `line 7: parameters[3]: the value "postgres://u:***@h/d" of parameter n is not a whole number of at most 18 digits (write it like 45)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, parameterised).Bind(c.values)
			got := ""
			if err != nil {
				got = faultsIn(t, err).Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBindReportsAParameterWithoutValue(t *testing.T) {
	text := strings.Replace(parameterised, "value: ${since}", `value: "${n}"`, 1)
	_, err := parse(t, text).Bind(map[string]string{"since": "2026-11-01"})
	want := "line 14: sources.left.filters[0].value: parameter n has no value (pass one (--param n=…), or give it a default)"
	if got := faultsIn(t, err).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What depends on a parameter without a value is neither right nor wrong.
func TestValidateDoesNotJudgeWhatIsNotKnown(t *testing.T) {
	text := `kalla: 1
recipe_id: open
parameters:
  - {name: t, type: decimal, required: true}
  - {name: n, type: integer, required: true}
  - {name: w, type: text, required: true}
  - {name: b, type: boolean, required: true}
sources:
  left: {alias: "${w}", uri: "${w}", primary_key: ["${w}"], anchor: "${b}", types: {x: "${w}"}, options: {skip: "${n}"}, filters: [{column: c, op: "${w}", value: 1}]}
  right: {alias: b, uri: b.csv, primary_key: [id], anchor: true}
match:
  - cardinality: ${w}
    when:
      - {left: id, right: id, op: "${w}"}
      - {left: x, right: x, within: "${t}"}
      - {left: x, right: y, within: {days: ["${n}", -5]}}
      - {left: z, right: z, similar: "${t}", method: "${w}"}
    sum: {left: x, right: x, within: "${t}%"}
    subset: {max: "${n}"}
    prefer: [x, z, "${w}"]
    block: [{left: x, right: x, transform: "${w}"}]
`
	doc := parse(t, text)
	if faults := doc.Validate(); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	if got := doc.Parameters(); len(got) != 4 || got[0].Name != "t" || !got[0].Required {
		t.Errorf("parameters: %+v", got)
	}
	if err := validateDocument(compile(t), doc); err != nil {
		t.Error(err)
	}
}
