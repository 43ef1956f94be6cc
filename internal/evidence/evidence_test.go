package evidence_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/evidence"
)

// at is a folder as a location.
func at(dir string) evidence.Location {
	l, err := evidence.Locate(dir, "", nil)
	if err != nil {
		panic(err) // for a working directory that is gone
	}
	return l
}

// db is DuckDB as the functions under test see it.
type db struct{ *sql.DB }

func (d db) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return d.QueryContext(ctx, q, args...)
}

func openDB(t *testing.T) db {
	t.Helper()
	d, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return db{d}
}

// The fixture: 5 invoices against 5 payments, worked out by hand. Invoice A is
// paid by P1; B by P2 and P3 together; C, D and the one without a number stay
// open, as do P4 and P5.
var fixture = map[string]string{
	evidence.MatchedFile: `SELECT * FROM (VALUES
		('1/A', 'exact', 'one_to_one', 1.0000::DECIMAL(5,4), false, 'A', 100.00::DECIMAL(18,2), '=1+1', DATE '2026-01-31', 'P1', 100.00::DECIMAL(18,2), 'EUR', 0.00::DECIMAL(18,2)),
		('2/B', 'parts', 'one_to_many', 1.0000, false, 'B', 50.10, 'Öl', DATE '2026-02-01', 'P2', 20.00, 'EUR', 0.10),
		('2/B', 'parts', 'one_to_many', 1.0000, false, 'B', 50.10, 'Öl', DATE '2026-02-01', 'P3', 30.00, 'USD', 0.10))
		t(match_id, pass, cardinality, confidence, ambiguous, left_id, left_amount, left_note, left_date, right_id, right_paid, right_ccy, diff_amount)`,
	evidence.UnmatchedLeftFile: `SELECT * FROM (VALUES
		('C', 7.25::DECIMAL(18,2), '@home', DATE '2026-03-01', 'amount_differs', 'P4', 'exact', 0.5::DECIMAL(5,4), 0.25::DECIMAL(18,2), NULL::VARCHAR),
		('D', 1.00, '-5', NULL, 'no_candidate', NULL, NULL, NULL, NULL, NULL),
		(NULL, 2.00, 'plain, "quoted"', DATE '2026-03-03', 'bad_key', NULL, NULL, NULL, NULL, NULL))
		t(id, amount, note, date, reason, closest_key, closest_pass, closest_score, closest_diff_amount, taken_by)`,
	evidence.UnmatchedRightFile: `SELECT * FROM (VALUES
		('P4', 7.00::DECIMAL(18,2), 'EUR', 'amount_differs', 'C'), ('P5', NULL, 'EUR', 'no_candidate', NULL)) t(id, paid, ccy, reason, closest_key)`,
	evidence.BreaksFile: `SELECT '2/B' AS match_id, 'B' AS left_key, 'P3' AS right_key, 'ccy' AS field, 'EUR' AS left_value, 'USD' AS right_value, NULL::DECIMAL(18,2) AS difference`,
}

func dec(s string) kalla.Decimal { return decimal.RequireFromString(s) }

func triple(total, matched, unmatched string) map[string]kalla.SumTriple {
	return map[string]kalla.SumTriple{"amount": {Total: dec(total), Matched: dec(matched), Unmatched: dec(unmatched)}}
}

func fixtureManifest() evidence.Manifest {
	right := triple("157.00", "150.00", "7.00")
	right["paid"] = right["amount"]
	delete(right, "amount")
	return evidence.Manifest{
		RunID: "run-1", Kalla: "test", Level: evidence.Full,
		Started: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), Ended: time.Date(2026, 11, 24, 9, 0, 2, 0, time.UTC),
		Engine: kalla.EngineInfo{Name: "duckdb", Version: "v1.5.5"},
		Recipe: json.RawMessage(`{"kalla": 1, "recipe_id": "invoice-payment"}`),
		Left:   evidence.Source{Alias: "invoices", Location: "invoices.csv", PrimaryKey: []string{"id"}, Rows: 5},
		Right:  evidence.Source{Alias: "payments", Location: "payments.csv", PrimaryKey: []string{"id"}, Rows: 5},
		Summary: kalla.Summary{
			RunID: "run-1", RecipeID: "invoice-payment", MatchRate: dec("0.5"), Matches: 2, Pairs: 3,
			Left:    kalla.SideSummary{Alias: "invoices", Total: 5, Matched: 2, Unmatched: 3, BadKeys: 1, Sums: triple("160.35", "150.10", "10.25")},
			Right:   kalla.SideSummary{Alias: "payments", Total: 5, Matched: 3, Unmatched: 2, Sums: right},
			Passes:  []kalla.PassSummary{{Name: "exact", Matches: 1, Pairs: 1, Left: 1, Right: 1}, {Name: "parts", Matches: 1, Pairs: 2, Left: 1, Right: 2}},
			Reasons: map[kalla.Side]map[kalla.Reason]int64{kalla.Left: {kalla.AmountDiffers: 1, kalla.NoCandidate: 1, kalla.BadKey: 1}, kalla.Right: {kalla.AmountDiffers: 1, kalla.NoCandidate: 1}},
			Breaks:  map[string]int64{"ccy": 1},
		},
		Files: map[string]evidence.File{
			evidence.MatchedFile: {Rows: 3}, evidence.UnmatchedLeftFile: {Rows: 3}, evidence.UnmatchedRightFile: {Rows: 2}, evidence.BreaksFile: {Rows: 1},
		},
	}
}

func copyTo(t *testing.T, d db, query, path string) {
	t.Helper()
	if _, err := d.Exec(fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet)", query, path)); err != nil {
		t.Fatal(err)
	}
}

// publish writes the fixture, with the given tables instead of its own.
func publish(t *testing.T, d db, m evidence.Manifest, instead map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run [1]* ünï='x'", "out")
	w, err := evidence.Begin(context.Background(), at(dir), m.RunID)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for name, query := range fixture {
		if q, ok := instead[name]; ok {
			query = q
		}
		copyTo(t, d, query, strings.ReplaceAll(w.Path(name), "'", "''"))
	}
	if err := w.Publish(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	return dir
}

func verify(t *testing.T, dir string, d db) *evidence.Report {
	t.Helper()
	r, err := evidence.Verify(context.Background(), at(dir), d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyWhole(t *testing.T) {
	d := openDB(t)
	for _, level := range []evidence.Level{evidence.Full, evidence.Keys} {
		m := fixtureManifest()
		m.Level = level
		r := verify(t, publish(t, d, m, nil), d)
		if !r.OK() {
			t.Errorf("%s: %v", level, r.Findings)
		}
		if r.RunID != "run-1" || len(r.Seal) != 64 {
			t.Errorf("report names %q sealed %q", r.RunID, r.Seal)
		}
		details := map[string]string{}
		for _, c := range r.Checks {
			details[c.Name] = c.Detail
		}
		if got, want := details["left records"], "5 = 2 matched + 3 unmatched"; got != want {
			t.Errorf("%s: left records: %s, want %s", level, got, want)
		}
		want := "amount 160.35 = 150.1 + 10.25"
		if level == evidence.Keys {
			want = "not in the files: the run kept keys only"
		}
		if got := details["left sums"]; got != want {
			t.Errorf("%s: left sums: %s, want %s", level, got, want)
		}
	}
}

// TestVerifyOwnReason: a source may have a column that is called reason.
func TestVerifyOwnReason(t *testing.T) {
	d := openDB(t)
	m := fixtureManifest()
	m.Left.Schema = kalla.Schema{{Name: "id"}, {Name: "Reason"}}
	r := verify(t, publish(t, d, m, map[string]string{
		evidence.UnmatchedLeftFile: "SELECT * RENAME (reason AS kalla_reason), 'my own' AS \"Reason\" FROM (" + fixture[evidence.UnmatchedLeftFile] + ")",
	}), d)
	if !r.OK() {
		t.Errorf("%v", r.Findings)
	}
}

// TestVerifyWrongRun: the run itself was wrong, the hashes hold.
func TestVerifyWrongRun(t *testing.T) {
	d := openDB(t)
	other := func(file, old, new string) map[string]string {
		q := strings.Replace(fixture[file], old, new, 1)
		if q == fixture[file] {
			t.Fatalf("%q is not in the fixture", old)
		}
		return map[string]string{file: q}
	}
	for _, c := range []struct {
		name    string
		instead map[string]string
		change  func(*evidence.Manifest)
		want    []string
	}{
		{"a record swapped for one that is matched", other(evidence.UnmatchedLeftFile, "'D', 1.00", "'A', 1.00"), nil,
			[]string{"unmatched_left.parquet: records that are also in matched.parquet: expected 0, found 1"}},
		{"a record listed twice", other(evidence.UnmatchedLeftFile, "'D', 1.00", "'C', 1.00"), nil,
			[]string{"unmatched_left.parquet: records listed more than once: expected 0, found 1"}},
		{"an amount changed by a cent", other(evidence.UnmatchedRightFile, "'P4', 7.00", "'P4', 7.01"), nil,
			[]string{"unmatched_right.parquet paid: sum differs: expected 7, found 7.01", "right paid: matched + unmatched is not the total: expected 157, found 157.01"}},
		{"a match of another record", other(evidence.MatchedFile, "'P3', 30.00", "'P2', 20.00"), nil,
			[]string{"matched.parquet: matched right records: expected 3, found 2", "right: matched + unmatched is not the total: expected 5, found 4"}},
		{"one record with two amounts", other(evidence.MatchedFile, "'B', 50.10", "'B', 50.11"), nil,
			[]string{"matched.parquet: left records whose amounts differ from one pair to another: expected 0, found 1"}},
		{"a row too few", other(evidence.UnmatchedRightFile, ", ('P5', NULL, 'EUR', 'no_candidate', NULL)", ""), nil,
			[]string{"unmatched_right.parquet: rows differ from the manifest: expected 2, found 1", "unmatched_right.parquet: unmatched records: expected 2, found 1"}},
		{"another reason", other(evidence.UnmatchedLeftFile, "'no_candidate'", "'taken'"), nil,
			[]string{`unmatched_left.parquet: records with reason "taken": expected 0, found 1`, `unmatched_left.parquet: records with reason "no_candidate": expected 1, found 0`}},
		{"a pass that did not happen", nil, func(m *evidence.Manifest) { m.Summary.Passes[1].Name = "fuzzy" },
			[]string{`matched.parquet: pairs of pass "parts": expected 0, found 2`, `matched.parquet: matches of pass "fuzzy": expected 1, found 0`}},
		{"breaks not told", nil, func(m *evidence.Manifest) { m.Summary.Breaks = nil },
			[]string{`breaks.parquet: breaks of "ccy": expected 0, found 1`}},
		{"a source that had more rows", nil, func(m *evidence.Manifest) { m.Left.Rows = 6 },
			[]string{"manifest.json: left rows of the source differ from the total of the summary: expected 6, found 5"}},
		{"no column for the key", other(evidence.MatchedFile, "left_id", "left_ref"), nil,
			[]string{"matched.parquet: cannot be read as the manifest describes it: there is no column left_id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fixtureManifest()
			if c.change != nil {
				c.change(&m)
			}
			r := verify(t, publish(t, d, m, c.instead), d)
			found := lines(r)
			for _, w := range c.want {
				if !strings.Contains(found, w+"\n") {
					t.Errorf("no finding %q in:\n%s", w, found)
				}
			}
		})
	}
}

func lines(r *evidence.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// TestVerifyTampered: somebody touched the folder after the run.
func TestVerifyTampered(t *testing.T) {
	d := openDB(t)
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, dir string)
		want   string
	}{
		{"one bit flipped", func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, evidence.BreaksFile))
		}, "breaks.parquet: was changed: its SHA-256 differs"},
		{"cut short", func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, evidence.MatchedFile), 40))
		}, "matched.parquet: was changed: its size differs"},
		{"removed", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, evidence.UnmatchedLeftFile)))
		}, "unmatched_left.parquet: is missing"},
		{"added", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "matched_2.parquet"), nil, 0o600))
		}, "matched_2.parquet: is not part of the evidence"},
		{"summary edited", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, evidence.SummaryFile), []byte("{}"), 0o600))
		}, "summary.json: was changed"},
		{"manifest edited", func(t *testing.T, dir string) {
			path := filepath.Join(dir, evidence.ManifestFile)
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, []byte(strings.Replace(string(data), `"matched": 2`, `"matched": 3`, 1)), 0o600))
		}, "matched.parquet: matched left records: expected 3, found 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := publish(t, d, fixtureManifest(), nil)
			before := verify(t, dir, d).Seal
			c.tamper(t, dir)
			r := verify(t, dir, d)
			if found := lines(r); !strings.Contains(found, c.want) {
				t.Errorf("no finding %q in:\n%s", c.want, found)
			}
			if c.name == "manifest edited" && r.Seal == before {
				t.Error("the seal did not change with the manifest")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
}

func TestLoadRefuses(t *testing.T) {
	file := func(content string) string {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, evidence.ManifestFile), []byte(content), 0o600))
		return dir
	}
	for _, c := range []struct{ name, dir, want string }{
		{"nothing there", filepath.Join(t.TempDir(), "none"), "there is no such folder"},
		{"another folder", t.TempDir(), "not the evidence of a finished run"},
		{"not JSON", file("{"), "not valid JSON"},
		{"of the future", file(`{"format": 99}`), "is of format 99"},
	} {
		_, err := evidence.Load(context.Background(), at(c.dir))
		var e *kalla.Error
		if !errors.As(err, &e) || e.Code != kalla.CodeEvidence || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
