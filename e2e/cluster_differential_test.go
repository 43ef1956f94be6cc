package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"kalla"
	"kalla/e2e/gen"
	"kalla/e2e/oracle"
	"kalla/internal/app"
	"kalla/internal/cluster"
	"kalla/internal/engine"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/match"
	"kalla/internal/testenv"
)

// openCluster is the tests' own cluster, as jobs use it; the sources are read here.
func openCluster(t *testing.T) *app.Cluster {
	t.Helper()
	c := testenv.Trino(t, 2)
	storage, err := cluster.ParseStorage(c.Storage, c.Env)
	if err != nil {
		t.Fatal(err)
	}
	return &app.Cluster{URL: c.URL, Client: c.Client, User: cluster.User, Catalog: cluster.Catalog, Storage: storage,
		Nodes: func(ctx context.Context) ([]job.Node, error) { return cluster.Nodes(ctx, c.Client, c.URL) }}
}

// TestEnginesAgree draws recipes, with SQL and without, runs them on DuckDB and
// on Trino, and wants the same summary and the same evidence, to the last
// column. KALLA_DIFFERENTIAL is how many are drawn, KALLA_DIFFERENTIAL_SEED where from.
func TestEnginesAgree(t *testing.T) {
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	seed := number("KALLA_DIFFERENTIAL_SEED", 1)
	drawn, withSQL := rapid.Custom(gen.Draw), rapid.Custom(gen.DrawSQL)
	on := openCluster(t)
	for n := seed; n < seed+number("KALLA_DIFFERENTIAL", 4); n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := drawn.Example(n)
			if n%2 == 1 {
				c = withSQL.Example(n)
			}
			dir := writeCase(t, &c)
			j := app.Job{Recipe: c.Recipe, RunID: "drawn", BaseDir: dir, Limits: engine.Limits{Threads: 1}, Cluster: on,
				LookupEnv: func(string) (string, bool) { return "", false }, Plan: match.Options{ManyPairs: int64(-(n / 2 % 2))}}
			want, got := runOn(t, j, "duckdb"), runOn(t, j, "trino")
			same(t, want, got)
			if t.Failed() {
				text, _ := json.MarshalIndent(c.Recipe, "", " ")
				t.Logf("%s\n%s", text, describe(c))
			}
		})
	}
}

// TestGoldenSQL replays on the cluster the cases of the corpus whose recipes hold
// SQL; all others are replayed beside the engine.
func TestGoldenSQL(t *testing.T) {
	on, cases := openCluster(t), 0
	for _, c := range corpus(t) {
		doc := c.document(t)
		if r, faults := doc.Draft(nil); len(faults) > 0 || r.MatchSQL == "" && !slices.ContainsFunc(r.Match, func(p kalla.Pass) bool { return p.SQL != "" }) {
			continue
		}
		cases++
		t.Run(c.name, func(t *testing.T) {
			dir := c.copyInputs(t)
			j := app.Job{Recipe: c.recipe(t, c.prepare(t, dir)), Document: doc, RunID: "golden", BaseDir: dir, Limits: engine.Limits{Threads: 1}, Cluster: on,
				LookupEnv: func(string) (string, bool) { return "", false }}
			same(t, runOn(t, j, "duckdb"), runOn(t, j, "trino"))
		})
	}
	if cases < 6 {
		t.Errorf("only %d cases hold SQL", cases)
	}
}

// writeCase writes the sources of a case into a folder.
func writeCase(t *testing.T, c *gen.Case) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range c.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := openDuckDB(t)
	for _, s := range []struct {
		source *kalla.Source
		table  oracle.Table
		file   string
	}{{&c.Recipe.Sources.Left, c.Left, "left.parquet"}, {&c.Recipe.Sources.Right, c.Right, "right.parquet"}} {
		s.source.URI = s.file
		writeTable(t, db, s.table, "t", filepath.Join(dir, s.file), "parquet")
	}
	return dir
}

// runOn runs a job on one engine. The summary is among what it returns, and what
// the run ended with where it failed, which must be the same as well.
func runOn(t *testing.T, j app.Job, name string) map[string][]string {
	t.Helper()
	j.Engine, j.Out = name, filepath.Join(t.TempDir(), name)
	summary, err := app.Run(t.Context(), j)
	if err != nil {
		if code := kalla.CodeOf(err); code != kalla.CodeRecipe {
			t.Fatalf("%s: %v (%s)", name, err, code)
		}
		return map[string][]string{"error": {err.Error()}}
	}
	out := content(t, j.Out)
	summary.Engine, summary.Stages, summary.Evidence, summary.Parts = kalla.EngineInfo{}, nil, "", false
	slices.Sort(summary.Warnings)
	text, err := json.MarshalIndent(summary, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	out[evidence.SummaryFile] = []string{string(text)}
	return out
}
