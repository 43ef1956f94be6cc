package trino_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // makes inputs
	"go.yaml.in/yaml/v3"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/engine/trino"
	"kalla/internal/gate"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

// TestCorpus replays the golden corpus on both engines: the summary and every
// column of every evidence file must be the same. That DuckDB's are what the
// corpus expects is proved in e2e. A case takes seconds on a cluster: every
// seventh is replayed, and all with KALLA_CORPUS=all. What is read, filtered and
// derived is the work of the embedded engine on both ways, so those cases show nothing here.
func TestCorpus(t *testing.T) {
	cases, err := filepath.Glob("../../../e2e/testdata/*/case.yaml")
	if err != nil || len(cases) < 60 {
		t.Fatalf("the corpus has %d cases (%v)", len(cases), err)
	}
	trino.DividePieces()
	all := os.Getenv("KALLA_CORPUS") == "all"
	cases = slices.DeleteFunc(cases, func(file string) bool {
		name := filepath.Base(filepath.Dir(file))
		return !all && slices.ContainsFunc([]string{"source-", "filter-", "derive-", "column-", "types-"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
	for i, file := range cases {
		if !all && i%7 != 0 {
			continue
		}
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			dir, r := input(t, dir)
			if r.MatchSQL != "" || slices.ContainsFunc(r.Match, func(p kalla.Pass) bool { return p.SQL != "" }) {
				t.Skip("raw SQL")
			}
			compare(t, r, dir, i%2)
		})
	}
}

// input copies a case of the corpus to a folder, what is prepared as a Parquet file, and gives its recipe.
func input(t *testing.T, from string) (string, *kalla.Recipe) {
	t.Helper()
	var c struct {
		Left, Right []string
		Params      map[string]string
		Prepare     map[kalla.Side]string
		Blank       string
	}
	data, err := os.ReadFile(filepath.Join(from, "case.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	params := map[string]string{}
	for k, v := range c.Params {
		params[k] = v
	}
	for side, as := range c.Prepare {
		if strings.HasPrefix(as, "postgres") || strings.HasPrefix(as, "s3") || as == "mysql" {
			params[string(side)+"_uri"] = "elsewhere.parquet"
		}
	}
	if data, err = os.ReadFile(filepath.Join(dir, "recipe.yaml")); err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(data, "recipe.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(params)
	if err != nil {
		t.Fatal(err)
	}
	for side := range c.Prepare {
		src, types := &r.Sources.Left, c.Left
		if side == kalla.Right {
			src, types = &r.Sources.Right, c.Right
		}
		toParquet(t, filepath.Join(dir, string(side)), types, c.Blank)
		src.URI, src.Options = string(side)+".parquet", nil
	}
	return dir, r
}

func toParquet(t *testing.T, base string, types []string, blank string) {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	header, err := os.ReadFile(base + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(header), "\n")
	var cols, sel []string
	for i, name := range strings.Split(strings.TrimRight(line, "\r"), ",") {
		typ := strings.NewReplacer("text", "VARCHAR", "integer", "BIGINT", "float", "DOUBLE").Replace(types[i])
		name = `"` + name + `"`
		cols = append(cols, "'"+strings.Trim(name, `"`)+"': 'VARCHAR'")
		if typ == "VARCHAR" {
			sel = append(sel, fmt.Sprintf("CASE WHEN %s = '%s' AND '%s' <> '' THEN '' ELSE %s END AS %s", name, blank, blank, name, name))
		} else {
			sel = append(sel, "CAST("+name+" AS "+typ+") AS "+name)
		}
	}
	for _, q := range []string{"SET TimeZone = 'UTC'", "COPY (SELECT " + strings.Join(sel, ", ") + " FROM read_csv('" + base + ".csv', header = true, columns = {" + strings.Join(cols, ", ") + "})) TO '" + base + ".parquet' (FORMAT parquet)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// result is what a run leaves behind, on any engine.
type result struct {
	summary kalla.Summary
	files   map[string][]string // rows as text, sorted
	columns map[string]kalla.Schema
}

// compare runs a recipe on DuckDB and on Trino, with two executors or without, and
// reports what differs.
func compare(t *testing.T, r *kalla.Recipe, dir string, without int) {
	t.Helper()
	embedded := openDuckDB(t)
	gated := passGate(t, embedded.Gate(), r)
	want := run(t, embedded, gated, dir, match.Options{})
	executors, o := 0, match.Options{}
	if without == 0 {
		executors, o.Embedded = 2, duckdb.StagedDialect{}
	}
	got := run(t, openTrino(t, executors), gated, dir, o)
	if !reflect.DeepEqual(want.summary, got.summary) {
		t.Errorf("summary:\nwant %+v\n got %+v", want.summary, got.summary)
	}
	for name, rows := range want.files {
		if !slices.Equal(rows, got.files[name]) {
			t.Errorf("%s:\nwant %s\n got %s", name, strings.Join(rows, "\n     "), strings.Join(got.files[name], "\n     "))
		}
		for i, c := range want.columns[name] {
			if g := got.columns[name]; i >= len(g) || g[i].Name != c.Name || kindOf(g[i].Type) != kindOf(c.Type) {
				t.Errorf("%s: columns\nwant %v\n got %v", name, want.columns[name], g)
				break
			}
		}
	}
}

// kindOf is the kind of a column that both engines give: DuckDB widens decimals
// by rules of its own, and a cluster has no type for instants or what is not comparable.
func kindOf(t kalla.Type) kalla.Kind {
	switch t.Kind {
	case kalla.TimestampTZ:
		return kalla.Timestamp
	case kalla.Other:
		return kalla.Text
	}
	return t.Kind
}

func openDuckDB(t testing.TB) *duckdb.Session {
	t.Helper()
	s, err := duckdb.Open(t.Context(), engine.Limits{Threads: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func passGate(t *testing.T, g *gate.Gate, r *kalla.Recipe) *kalla.Recipe {
	t.Helper()
	out := *r
	extras := gate.Tables{}
	for _, x := range r.Extras {
		extras[x.Alias] = x.Alias
	}
	for _, src := range []*kalla.Source{&out.Sources.Left, &out.Sources.Right} {
		src.Derive = slices.Clone(src.Derive)
		for i := range src.Derive {
			checked, err := g.Expression(t.Context(), src.Derive[i].SQL, extras)
			if err != nil {
				t.Fatal(err)
			}
			src.Derive[i].SQL = checked.SQL
		}
	}
	return &out
}

func run(t *testing.T, s engine.Session, r *kalla.Recipe, dir string, o match.Options) result {
	t.Helper()
	ctx := t.Context()
	inputs, err := app.Inputs(r, dir, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	report := func(kalla.Progress) {}
	tables, err := s.Stage(ctx, append(slices.Clone(inputs[2:]), inputs[:2]...), report)
	if err != nil {
		t.Fatal(err)
	}
	n := len(tables)
	left, right := tables[n-2], tables[n-1]
	plan, err := match.Compile(r, match.Input{Schema: left.Schema, Rows: left.Rows}, match.Input{Schema: right.Schema, Rows: right.Rows}, s.Dialect(), o)
	if err != nil {
		t.Fatal(err)
	}
	searches, err := engine.Execute(ctx, s, plan.Nodes, report)
	if err != nil {
		t.Fatalf("%v: %v", s.Info().Name, err)
	}
	if o.Embedded != nil {
		foundByExecutors(t, s.(*trino.Session))
	}
	out := result{files: map[string][]string{}, columns: map[string]kalla.Schema{}}
	if err := engine.Summarize(ctx, s, plan, searches, &out.summary); err != nil {
		t.Fatalf("%v: %v", s.Info().Name, err)
	}
	for _, f := range plan.Files {
		out.columns[f.Name], out.files[f.Name] = rows(ctx, t, s, f)
	}
	return out
}

// foundByExecutors checks that what has reasons got them from executors, who name objects by number.
func foundByExecutors(t *testing.T, s *trino.Session) {
	t.Helper()
	for _, side := range []string{"left", "right"} {
		var paths, ours int
		table := "kalla_closest_" + side
		q := `SELECT count(*), count_if("$path" LIKE '%/0000_.parquet') FROM "` + s.Schema() + `".` + table
		if err := engine.QueryRow(t.Context(), s, q, &paths, &ours); err != nil && !strings.Contains(err.Error(), "does not exist") {
			t.Fatal(err)
		}
		if paths != ours {
			t.Errorf("%s: the cluster found %d of %d", table, paths-ours, paths)
		}
	}
}

// rows gives the rows of an evidence file as texts, sorted. On a cluster the file
// is written by executors and by the cluster, which must be the same.
func rows(ctx context.Context, t *testing.T, s engine.Session, f match.File) (kalla.Schema, []string) {
	t.Helper()
	schema, err := s.Columns(ctx, f.Query)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	var list []string
	for _, c := range schema {
		name := "f." + s.Dialect().Ident(c.Name)
		if c.Type.Kind == kalla.TimestampTZ { // which a cluster keeps as a time in UTC
			name, c.Type.Kind = "CAST("+name+" AS TIMESTAMP)", kalla.Timestamp
		}
		list = append(list, "coalesce("+s.Dialect().TextOf(name, c.Type)+", '∅')")
	}
	// As of a file of parts: what a cluster writes is read back.
	from := "(" + f.Query + ")"
	if w, ok := s.(*trino.Session); ok {
		write := func(embedded string) []string {
			parts, err := w.WriteParts(ctx, engine.Result{Name: f.Name, Query: f.Query, Schema: schema, Embedded: embedded, Per: f.Per})
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			var files []string
			for _, p := range parts {
				if by := strings.Contains(p.URI, "/results/"); by != (embedded != "") {
					t.Errorf("%s: %s is written by executors: %t", f.Name, p.URI, by)
				}
				files = append(files, fetch(t, p))
			}
			return partRows(t, files, schema)
		}
		rows := write("")
		if got := write(f.Embedded); f.Embedded != "" && !slices.Equal(got, rows) {
			t.Errorf("%s: executors write\n     %s\nthe cluster\n     %s", f.Name, strings.Join(got, "\n     "), strings.Join(rows, "\n     "))
		}
		return schema, rows
	}
	found, err := s.Query(ctx, "SELECT concat_ws('|', "+strings.Join(list, ", ")+") FROM "+from+" f")
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	defer found.Close()
	var out []string
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	if err := found.Err(); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	slices.Sort(out)
	return schema, out
}

// partRows reads Parquet objects by position.
func partRows(t *testing.T, files []string, schema kalla.Schema) []string {
	t.Helper()
	if len(files) == 0 {
		return nil
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names := make([]string, len(schema))
	list := make([]string, len(schema))
	for i := range schema {
		names[i] = fmt.Sprintf("c%d", i)
		list[i] = fmt.Sprintf("coalesce(CAST(c%d AS VARCHAR), '∅')", i)
	}
	found, err := db.Query("SELECT concat_ws('|', " + strings.Join(list, ", ") + ") FROM read_parquet(['" + strings.Join(files, "', '") + "']) t(" + strings.Join(names, ", ") + ")")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var out []string
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
