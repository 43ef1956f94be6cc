package infer_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/infer"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

func noEnv(string) (string, bool) { return "", false }

// draft drafts a recipe for two files of a folder, and reads it back from what it writes.
func draft(t *testing.T, dir, left, right string) (*infer.Proposal, *kalla.Recipe) {
	t.Helper()
	return guided(t, dir, left, right, infer.Guidance{})
}

func guided(t *testing.T, dir, left, right string, guidance infer.Guidance) (*infer.Proposal, *kalla.Recipe) {
	t.Helper()
	p, err := proposeWith(context.Background(), t, dir, left, right, guidance)
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(data, "draft.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	t.Logf("%s", data)
	return p, r
}

func propose(ctx context.Context, t *testing.T, dir, left, right string) (*infer.Proposal, error) {
	t.Helper()
	return proposeWith(ctx, t, dir, left, right, infer.Guidance{})
}

func proposeWith(ctx context.Context, t *testing.T, dir, left, right string, guidance infer.Guidance) (*infer.Proposal, error) {
	t.Helper()
	s, err := duckdb.Open(ctx, engine.Limits{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	input := func(file string) engine.Input {
		src, err := source.Parse(file, nil, dir, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		return engine.Input{Source: src}
	}
	return infer.Draft(ctx, s, input(left), input(right), guidance)
}

// run reconciles with a recipe and returns the matched pairs as "left=right" keys.
func run(t *testing.T, r *kalla.Recipe, dir string) (map[string]bool, *kalla.Summary) {
	t.Helper()
	ctx := context.Background()
	out := filepath.Join(t.TempDir(), "evidence")
	summary, err := app.Run(ctx, app.Job{Recipe: r, RunID: "test", Out: out, BaseDir: dir, LookupEnv: noEnv, Limits: engine.Limits{Threads: 2}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := duckdb.Open(ctx, engine.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := func(side string, names []string) string {
		var list []string
		for _, n := range names {
			list = append(list, `CAST("`+side+"_"+n+`" AS VARCHAR)`)
		}
		return strings.Join(list, " || '|' || ")
	}
	rows, err := s.Query(ctx, fmt.Sprintf("SELECT %s || '=' || %s FROM read_parquet('%s')", key("left", r.Sources.Left.PrimaryKey), key("right", r.Sources.Right.PrimaryKey), filepath.Join(out, evidence.MatchedFile)))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	pairs := map[string]bool{}
	for rows.Next() {
		var p string
		if err := rows.Scan(&p); err != nil {
			t.Fatal(err)
		}
		pairs[p] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return pairs, summary
}

// score is the F1 of the pairs found against the true ones.
func score(got map[string]bool, want []string) float64 {
	hits := 0
	for _, p := range want {
		if got[p] {
			hits++
		}
	}
	return 2 * float64(hits) / float64(len(got)+len(want))
}

// same checks that the draft's own count of matched records is what a run gives.
func same(t *testing.T, p *infer.Proposal, s *kalla.Summary) {
	t.Helper()
	if p.Left.Matched != s.Left.Matched || p.Right.Matched != s.Right.Matched || p.Left.Total != s.Left.Total {
		t.Errorf("the draft counts %+v and %+v, the run %d and %d matched", p.Left, p.Right, s.Left.Matched, s.Right.Matched)
	}
}

// table is a file in the making.
type table struct {
	comma rune
	rows  [][]string
}

func newTable(header ...string) *table { return &table{comma: ',', rows: [][]string{header}} }

func (f *table) add(cells ...any) {
	var row []string
	for _, c := range cells {
		row = append(row, fmt.Sprint(c))
	}
	f.rows = append(f.rows, row)
}

func (f *table) write(t *testing.T, path string) {
	t.Helper()
	// The order of the records must not matter: turn it around.
	rows := slices.Clone(f.rows)
	slices.Reverse(rows[1:])
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := csv.NewWriter(file)
	w.Comma = f.comma
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
