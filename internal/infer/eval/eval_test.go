// Package eval_test is the evaluation set of drafted recipes: pairs of sources as
// they are met in practice, made by generators that know the truth and share
// nothing with the inference. Each is drafted, and the recipe run as it is.
//
// A pair of records is true when both are about the same thing and agree: one
// that is paid in part, or counted differently, is what a reconciliation is there
// to show, and counts as wrong when it is matched.
package eval_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
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

var update = flag.Bool("update", false, "write the table of docs/recipe-init.md anew")

const (
	document = "../../../docs/recipe-init.md"
	begin    = "<!-- evaluation set: go test ./internal/infer/eval -update -->\n"
	end      = "<!-- end -->\n"
)

var worlds = []func() *world{
	invoicesPayments, ledgerBank, ordersProcessor, payroll, intercompany, utilities, freeText, compoundKeys,
	cardSettlements, subscriptions, splitPayments, duplicates, missingReferences, onlyNames, rents,
	europeanFile, americanFile, debitCredit, indicator, inventory, cancelled, percentFees, moneyTexts,
}

// TestWorlds drafts and runs every pair, and holds the table of the documentation against what came out.
func TestWorlds(t *testing.T) {
	var table bytes.Buffer
	fmt.Fprintln(&table, "| sources | what is hard | records | bar | precision | recall | F1 |")
	fmt.Fprintln(&table, "|---|---|---:|---:|---:|---:|---:|")
	for _, build := range worlds {
		w := build()
		t.Run(w.name, func(t *testing.T) {
			dir := t.TempDir()
			w.write(t, dir)
			r, matched := draft(t, w, dir)
			got := run(t, w, r, dir)
			if matched > 0 && len(got) == 0 {
				t.Errorf("the draft counts %d matched records, the run none", matched)
			}
			hits := 0
			for p := range got {
				if w.truth[p] {
					hits++
				}
			}
			precision, recall := float64(hits)/float64(max(1, len(got))), float64(hits)/float64(len(w.truth))
			f1 := 2 * float64(hits) / float64(len(got)+len(w.truth))
			if f1 < w.least {
				t.Errorf("F1 is %.4f, at least %.2f wanted: precision %.4f, recall %.4f", f1, w.least, precision, recall)
			}
			fmt.Fprintf(&table, "| %s | %s | %d | %.2f | %.4f | %.4f | %.4f |\n", w.name, w.about, len(w.left.rows)+len(w.right.rows), w.least, precision, recall, f1)
		})
	}
	t.Logf("\n%s", table.String())
	compareTable(t, table.String())
}

// compareTable holds the documented table against the measured one, or writes it.
func compareTable(t *testing.T, table string) {
	t.Helper()
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	documented, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", document, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	if documented == table {
		return
	}
	if !*update {
		t.Errorf("%s shows other figures than were measured: go test ./internal/infer/eval -update", document)
		return
	}
	if err := os.WriteFile(document, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// draft drafts a recipe, reads it back from what it writes, and says how many left records it matches by its own count.
func draft(t *testing.T, w *world, dir string) (*kalla.Recipe, int64) {
	t.Helper()
	s, err := duckdb.Open(t.Context(), engine.Limits{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var inputs [2]engine.Input
	for i, file := range []string{w.left.file, w.right.file} {
		src, err := source.Parse(file, nil, dir, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		inputs[i].Source = src
	}
	p, err := infer.Draft(t.Context(), s, inputs[0], inputs[1], infer.Guidance{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", data)
	doc, err := recipe.Parse(data, "draft.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, p.Left.Matched
}

func noEnv(string) (string, bool) { return "", false }

// run reconciles with a recipe and returns the matched pairs, by the keys of the world.
func run(t *testing.T, w *world, r *kalla.Recipe, dir string) map[[2]string]bool {
	t.Helper()
	out := filepath.Join(t.TempDir(), "evidence")
	if _, err := app.Run(t.Context(), app.Job{Recipe: r, RunID: "eval", Out: out, BaseDir: dir, LookupEnv: noEnv, Limits: engine.Limits{Threads: 2}}); err != nil {
		t.Fatal(err)
	}
	s, err := duckdb.Open(t.Context(), engine.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := func(side string, sheet *sheet) string {
		var list []string
		for _, c := range sheet.header[:sheet.keys] {
			list = append(list, fmt.Sprintf(`CAST("%s_%s" AS VARCHAR)`, side, c))
		}
		return strings.Join(list, " || '|' || ")
	}
	rows, err := s.Query(context.WithoutCancel(t.Context()), fmt.Sprintf("SELECT %s, %s FROM read_parquet('%s')", key("left", w.left), key("right", w.right), filepath.Join(out, evidence.MatchedFile)))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	pairs := map[[2]string]bool{}
	for rows.Next() {
		var p [2]string
		if err := rows.Scan(&p[0], &p[1]); err != nil {
			t.Fatal(err)
		}
		pairs[p] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return pairs
}
