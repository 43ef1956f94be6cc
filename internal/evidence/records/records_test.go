package records_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/demo"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/recipe"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// every is a mix in which every kind of match and of reason occurs.
var every = demo.Mix{
	demo.Tolerance: 900, demo.Split: 900, demo.Batch: 900, demo.Cross: 800, demo.Duplicate: 700, demo.Typo: 600,
	demo.NoReference: 600, demo.CurrencyDiffers: 500, demo.AmountDiffers: 700, demo.DateOutside: 700,
	demo.OrphanLeft: 900, demo.OrphanRight: 900,
}

// data writes a data set and returns its folder.
func data(t testing.TB, rows int64) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := demo.Generate(context.Background(), demo.Config{Seed: 7, Rows: rows, Mix: every}, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reconcile runs the recipe of a folder and returns where its evidence is.
func reconcile(t testing.TB, dir, level string, params map[string]string) string {
	t.Helper()
	r, doc := bound(t, dir, params)
	out := filepath.Join(t.TempDir(), "it's [evidence]")
	reconcileTo(t, dir, out, level, r, doc)
	return out
}

// bound reads the recipe of a folder.
func bound(t testing.TB, dir string, params map[string]string) (*kalla.Recipe, *recipe.Document) {
	t.Helper()
	path := filepath.Join(dir, demo.RecipeFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(text, path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(params)
	if err != nil {
		t.Fatal(err)
	}
	return r, doc
}

// reconcileTo runs a recipe whose evidence goes to a given place.
func reconcileTo(t testing.TB, dir, out, level string, r *kalla.Recipe, doc *recipe.Document) {
	t.Helper()
	if _, err := app.Run(context.Background(), app.Job{
		Recipe: r, Document: doc, RunID: rand.Text(), Out: out, Evidence: level, BaseDir: dir,
		LookupEnv: noEnv, Limits: engine.Limits{Threads: 2},
	}); err != nil {
		t.Fatal(err)
	}
}

func noEnv(string) (string, bool) { return "", false }

func locate(ctx context.Context, location string) (*evidence.Manifest, string, error) {
	l, err := evidence.Locate(location, "", noEnv)
	if err != nil {
		return nil, "", err
	}
	m, err := evidence.Load(ctx, l)
	return m, location, err
}

func open(t testing.TB, o records.Options) *records.Store {
	t.Helper()
	return openOver(t, openReader(t), locate, o)
}

func openReader(t testing.TB) *duckdb.Reader {
	t.Helper()
	reader, err := duckdb.OpenReader(context.Background(), engine.Limits{Threads: 2, Memory: 512 << 20, TempDir: t.TempDir(), Extensions: testenv.DuckDBExtensions(t)})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func openOver(t testing.TB, reader *duckdb.Reader, locate records.Locate, o records.Options) *records.Store {
	t.Helper()
	others := goleak.IgnoreCurrent()
	store := records.Open(reader, locate, o)
	t.Cleanup(func() {
		store.Close()
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, others, testenv.IgnoreServices())
	})
	return store
}

func openRun(t testing.TB, s *records.Store, location string) *records.Run {
	t.Helper()
	run, err := s.Run(context.Background(), location)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// plain is a database of its own that answers by plain SQL.
type plain struct {
	*sql.DB
	dir string
}

func openPlain(t testing.TB, dir string) plain {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec("SET GLOBAL TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	return plain{db, dir}
}

// from reads a table of the evidence, its rows numbered as "no".
func (p plain) from(table records.Table) string {
	path := strings.NewReplacer("'", "''", "[", "[[]").Replace(filepath.Join(p.dir, string(table)+".parquet"))
	return "(SELECT *, row_number() OVER () AS no FROM read_parquet('" + path + "'))"
}

// rows runs a query and writes each row as one text.
func (p plain) rows(t testing.TB, query string) []string {
	t.Helper()
	rows, err := p.Query(query)
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values := make([]*string, len(names))
		dest := make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		out = append(out, line(values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// text runs a query that gives one value.
func (p plain) text(t testing.TB, query string) string {
	t.Helper()
	var out string
	if err := p.QueryRow(query).Scan(&out); err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	return out
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func line(values []*string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = "NULL"
		if v != nil {
			parts[i] = fmt.Sprintf("%q", *v)
		}
	}
	return strings.Join(parts, " ")
}

func linesOf(p *records.Page) []string {
	var out []string
	for _, r := range p.Rows.Rows {
		out = append(out, line(r))
	}
	return out
}

func get(t testing.TB, run *records.Run, q records.Query) *records.Page {
	t.Helper()
	p, err := run.Page(context.Background(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return p
}

// all pages through an answer to its end.
func all(t testing.TB, run *records.Run, q records.Query) []string {
	t.Helper()
	var out []string
	for {
		p := get(t, run, q)
		if p.From != int64(len(out)) {
			t.Fatalf("%+v: the page begins at %d, not %d", q, p.From, len(out))
		}
		out = append(out, linesOf(p)...)
		if p.Next == "" {
			if p.Total != nil && *p.Total != int64(len(out)) {
				t.Fatalf("%+v: %d rows came, the total is %d", q, len(out), *p.Total)
			}
			return out
		}
		if len(p.Rows.Rows) == 0 {
			t.Fatalf("%+v: an empty page with a next one", q)
		}
		q.Cursor = p.Next
	}
}

// codeOf tells the class of an error, and that it says what to do.
func wantError(t *testing.T, err error, code kalla.Code, parts ...string) {
	t.Helper()
	var e *kalla.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is %v, not a *kalla.Error", err)
	}
	text := e.Error() + " " + e.Hint
	if e.Code != code || slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) }) {
		t.Fatalf("error of class %s: %s\nwant %s and %q", e.Code, text, code, parts)
	}
}
