package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/evidence"
)

// engines are the engines that every case is replayed on; app.Job.Engine takes the name.
var engines = []string{"duckdb"}

// TestGolden replays the corpus through the public door and reads the evidence back.
func TestGolden(t *testing.T) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			for _, c := range corpus(t) {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					dir := c.copyInputs(t)
					r := c.recipe(t, c.prepare(t, dir))
					got := replay(t, app.Job{
						Recipe: r, Document: c.document(t), Engine: name, BaseDir: dir, Out: filepath.Join(t.TempDir(), "evidence"),
						Limits: engine.Limits{Threads: 1},
					})
					c.expected(t).compare(t, got)
				})
			}
		})
	}
}

// replay runs a job, verifies its evidence by Kalla's own means, and reads the
// result from the files, not from what the run returned.
func replay(t *testing.T, job app.Job) expectation {
	t.Helper()
	return replayWith(t, openDuckDB(t), job)
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func replayWith(t tester, db *sql.DB, job app.Job) expectation {
	t.Helper()
	job.RunID = "e2e"
	if job.LookupEnv == nil {
		job.LookupEnv = func(string) (string, bool) { return "", false }
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	summary, err := app.Run(ctx, job)
	if err != nil {
		t.Fatalf("%v\n%s", err, hintOf(err))
	}
	place, err := evidence.Locate(job.Out, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := evidence.Verify(ctx, place, querier{db})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("evidence: %s", f)
	}
	out := expectation{unmatched: map[kalla.Side][]unmatchedRow{}}
	data, err := os.ReadFile(filepath.Join(job.Out, evidence.SummaryFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out.summary); err != nil {
		t.Fatal(err)
	}
	for _, d := range subset("", out.summary, asJSON(t, *summary)) {
		t.Errorf("summary.json and the returned summary differ%s", d)
	}
	out.matches = readMatched(t, db, job)
	for _, s := range sides {
		out.unmatched[s] = readUnmatched(t, db, job, s)
	}
	out.sort()
	return out
}

func hintOf(err error) string {
	var e *kalla.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

type querier struct{ db *sql.DB }

func (q querier) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.db.QueryContext(ctx, query, args...)
}

func readMatched(t tester, db *sql.DB, job app.Job) []pairRow {
	t.Helper()
	left, right := job.Recipe.Sources.Left.PrimaryKey, job.Recipe.Sources.Right.PrimaryKey
	columns := []string{"match_id", "pass", "ambiguous"}
	for _, k := range left {
		columns = append(columns, "left_"+k)
	}
	for _, k := range right {
		columns = append(columns, "right_"+k)
	}
	var out []pairRow
	for _, row := range readParquet(t, db, filepath.Join(job.Out, evidence.MatchedFile), columns) {
		number, _, _ := strings.Cut(row[0], "/")
		p := pairRow{MatchID: row[0], Pass: number, Ambiguous: row[2] == "true", Left: joinKey(row[3 : 3+len(left)]), Right: joinKey(row[3+len(left):])}
		if want := passName(job.Recipe, number); row[1] != want {
			t.Errorf("match %s is of pass %q, not %q", row[0], row[1], want)
		}
		out = append(out, p)
	}
	return out
}

func passName(r *kalla.Recipe, number string) string {
	if r.MatchSQL != "" {
		return "match_sql"
	}
	for i, p := range r.Match {
		if number == string(rune('1'+i)) {
			return p.Name
		}
	}
	return "none"
}

func readUnmatched(t tester, db *sql.DB, job app.Job, s kalla.Side) []unmatchedRow {
	t.Helper()
	key := job.Recipe.Sources.Left.PrimaryKey
	if s == kalla.Right {
		key = job.Recipe.Sources.Right.PrimaryKey
	}
	columns := append([]string{"reason", "closest_key"}, key...)
	var out []unmatchedRow
	for _, row := range readParquet(t, db, filepath.Join(job.Out, evidence.UnmatchedFile(s)), columns) {
		out = append(out, unmatchedRow{Key: joinKey(row[2:]), Reason: row[0], Closest: row[1]})
	}
	return out
}

// joinKey renders a key as docs/matching.md says.
func joinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	escape := strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = escape.Replace(p)
	}
	return strings.Join(out, "|")
}

// readParquet reads columns as texts, NULL as nothing.
func readParquet(t tester, db *sql.DB, file string, columns []string) [][]string {
	t.Helper()
	selected := make([]string, len(columns))
	for i, c := range columns {
		selected[i] = "coalesce(CAST(" + quoteIdent(c) + " AS VARCHAR), '')"
	}
	rows, err := db.Query("SELECT " + strings.Join(selected, ", ") + " FROM read_parquet(" + quoteText(file) + ")")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out [][]string
	for rows.Next() {
		values := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out = append(out, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
