package e2e_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"kalla"
	"kalla/e2e/oracle"
	"kalla/internal/recipe"
)

// golden is one case of the corpus: testdata/<name>/. README.md there says what
// its files are.
type golden struct {
	name string
	dir  string

	// Left and Right are the types of the inputs' columns, in their order.
	Left, Right []string
	// Params are the values of the recipe's parameters.
	Params map[string]string
	// Prepare says what left.csv and right.csv are made into before the run.
	Prepare map[kalla.Side]string
	// OracleInputs names a plain CSV file with the records of an input that is
	// not one itself.
	OracleInputs map[kalla.Side]string `yaml:"oracle_inputs"`
	// Dates are the layouts, in Go's notation, of dates that are not in ISO 8601.
	Dates map[kalla.Side]string
	// Blank stands for empty text, as against NULL, in inputs that are prepared.
	Blank string
	// Header names the columns of an input without a header.
	Header map[kalla.Side][]string
	// Oracle is false for recipes with SQL text.
	Oracle *bool
	// Extras are the column types of reference tables, by alias, for expected.sql.
	Extras map[string][]string
}

// expectation is what testdata/<case>/expected says.
type expectation struct {
	matches   []pairRow
	unmatched map[kalla.Side][]unmatchedRow
	summary   map[string]any // a part of summary.json
}

// pairRow is a line of matches.csv.
type pairRow struct {
	MatchID, Pass, Left, Right string
	Ambiguous                  bool
}

// unmatchedRow is a line of unmatched_left.csv and unmatched_right.csv.
type unmatchedRow struct{ Key, Reason, Closest string }

var sides = []kalla.Side{kalla.Left, kalla.Right}

// corpus lists the cases, in the order of their names.
func corpus(t *testing.T) []golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "case.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for _, f := range files {
		c := golden{dir: filepath.Dir(f), name: filepath.Base(filepath.Dir(f))}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(bytes.NewReader(data))
		dec.KnownFields(true)
		if err := dec.Decode(&c); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out = append(out, c)
	}
	if len(out) < 60 {
		t.Fatalf("only %d cases in testdata", len(out))
	}
	return out
}

func (c golden) document(t *testing.T) *recipe.Document {
	t.Helper()
	file := filepath.Join(c.dir, "recipe.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(data, file)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// recipe binds the case's parameters and those given.
func (c golden) recipe(t *testing.T, more map[string]string) *kalla.Recipe {
	t.Helper()
	params := map[string]string{}
	for _, m := range []map[string]string{c.Params, more} {
		for k, v := range m {
			params[k] = v
		}
	}
	r, err := c.document(t).Bind(params)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// uris gives the parameters that name the sources a value, where the recipe has them.
func (c golden) uris(value string) map[string]string {
	out := map[string]string{}
	for s, as := range c.Prepare {
		if isService(as) {
			out[string(s)+"_uri"] = value
		}
	}
	return out
}

// isService reports whether a way to prepare an input is a server's, whose URI
// is not known before the run.
func isService(as string) bool {
	return slices.Contains([]string{"postgres", "postgres-query", "mysql", "s3", "s3-gz"}, as)
}

func (c golden) types(s kalla.Side) []string {
	if s == kalla.Left {
		return c.Left
	}
	return c.Right
}

// table reads an input as the oracle takes it.
func (c golden) table(t *testing.T, s kalla.Side) oracle.Table {
	t.Helper()
	file := string(s) + ".csv"
	if f := c.OracleInputs[s]; f != "" {
		file = f
	}
	return readTable(t, filepath.Join(c.dir, file), c.types(s), c.Header[s], c.Dates[s], c.Blank)
}

// readTable reads a CSV file with a header (or the one given); empty fields are
// NULL, and the text blank, if there is one, is empty text.
func readTable(t *testing.T, file string, types, header []string, dates, blank string) oracle.Table {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if header == nil {
		header, rows = rows[0], rows[1:]
	}
	if len(header) != len(types) {
		t.Fatalf("%s has %d columns, case.yaml %d types", file, len(header), len(types))
	}
	var out oracle.Table
	for i, name := range header {
		out.Schema = append(out.Schema, kalla.Column{Name: name, Type: parseType(t, types[i])})
	}
	for _, row := range rows {
		vals := make([]oracle.Value, len(row))
		for i, text := range row {
			if text == "" {
				continue
			}
			if text == blank {
				vals[i] = ""
				continue
			}
			if out.Schema[i].Type.Kind == kalla.Date && dates != "" {
				day, err := time.Parse(dates, text)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				text = day.Format(time.DateOnly)
			}
			if vals[i], err = oracle.Parse(text, out.Schema[i].Type); err != nil {
				t.Fatalf("%s: column %s: %v", file, header[i], err)
			}
		}
		out.Rows = append(out.Rows, vals)
	}
	return out
}

var decimalType = regexp.MustCompile(`^decimal\((\d+),(\d+)\)$`)

func parseType(t *testing.T, s string) kalla.Type {
	t.Helper()
	if m := decimalType.FindStringSubmatch(s); m != nil {
		p, _ := strconv.Atoi(m[1])
		scale, _ := strconv.Atoi(m[2])
		return kalla.Type{Kind: kalla.DecimalKind, Precision: p, Scale: scale}
	}
	switch k := kalla.Kind(s); k {
	case kalla.Text, kalla.Integer, kalla.Float, kalla.Boolean, kalla.Date, kalla.Timestamp, kalla.TimestampTZ:
		return kalla.Type{Kind: k}
	}
	t.Fatalf("there is no type %q", s)
	return kalla.Type{}
}

func (c golden) expected(t *testing.T) expectation {
	t.Helper()
	out := expectation{unmatched: map[kalla.Side][]unmatchedRow{}}
	for _, row := range c.expectedCSV(t, "matches.csv", 5) {
		ambiguous, err := strconv.ParseBool(row[4])
		if err != nil {
			t.Fatalf("matches.csv: ambiguous is %q", row[4])
		}
		out.matches = append(out.matches, pairRow{MatchID: row[0], Pass: row[1], Left: row[2], Right: row[3], Ambiguous: ambiguous})
	}
	for _, s := range sides {
		for _, row := range c.expectedCSV(t, "unmatched_"+string(s)+".csv", 3) {
			out.unmatched[s] = append(out.unmatched[s], unmatchedRow{row[0], row[1], row[2]})
		}
	}
	data, err := os.ReadFile(filepath.Join(c.dir, "expected", "summary.json"))
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &out.summary); err != nil {
			t.Fatalf("summary.json: %v", err)
		}
	case !os.IsNotExist(err):
		t.Fatal(err)
	}
	out.sort()
	return out
}

func (c golden) expectedCSV(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(c.dir, "expected", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = columns
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return rows[1:]
}

// sort makes the lists comparable: neither the files nor the evidence promise an order.
func (e *expectation) sort() {
	slices.SortFunc(e.matches, func(a, b pairRow) int {
		return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
	})
	for _, rows := range e.unmatched {
		slices.SortFunc(rows, func(a, b unmatchedRow) int {
			return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
		})
	}
}

// compare reports every difference between what was expected and what came out.
func (e expectation) compare(t tester, got expectation) {
	t.Helper()
	got.sort()
	diff(t, "matches", e.matches, got.matches)
	for _, s := range sides {
		diff(t, "unmatched "+string(s), e.unmatched[s], got.unmatched[s])
	}
	for _, d := range subset("", e.summary, got.summary) {
		t.Errorf("summary%s", d)
	}
}

// diff reports the rows that only one of two sorted lists has.
func diff[T comparable](t tester, what string, want, got []T) {
	t.Helper()
	count := map[T]int{}
	for _, x := range want {
		count[x]++
	}
	for _, x := range got {
		if count[x]--; count[x] < 0 {
			t.Errorf("%s: not expected: %+v", what, x)
		}
	}
	for _, x := range want {
		if count[x] > 0 {
			count[x]--
			t.Errorf("%s: missing: %+v", what, x)
		}
	}
}

// subset lists where got does not hold what want holds. Numbers compare by
// value, also written as text; a number that is not there counts as 0.
func subset(path string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok && got != nil {
			return []string{fmt.Sprintf("%s: want an object, got %v", path, got)}
		}
		var out []string
		for k, v := range w {
			out = append(out, subset(path+"."+k, v, g[k])...)
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []string{fmt.Sprintf("%s: want %d elements, got %v", path, len(w), got)}
		}
		var out []string
		for i, v := range w {
			out = append(out, subset(fmt.Sprintf("%s[%d]", path, i), v, g[i])...)
		}
		return out
	}
	if canonical(want) != canonical(got) {
		return []string{fmt.Sprintf("%s: want %v, got %v", path, want, got)}
	}
	return nil
}

func canonical(v any) string {
	if v == nil {
		return "0"
	}
	s := fmt.Sprint(v)
	if d, err := oracle.Parse(s, kalla.Type{Kind: kalla.DecimalKind}); err == nil {
		return fmt.Sprint(d)
	}
	return s
}

// copyInputs copies the files of a case to a folder of its own.
func (c golden) copyInputs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "expected")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return dir
}
