package demo_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/e2e/oracle"
	"kalla/internal/demo"
	"kalla/internal/recipe"
)

// everyPattern is a mix in which every pattern is frequent.
var everyPattern = demo.Mix{
	demo.Tolerance: 700, demo.Split: 900, demo.Batch: 1400, demo.Cross: 1400, demo.Duplicate: 1000, demo.Typo: 800,
	demo.NoReference: 800, demo.CurrencyDiffers: 300, demo.AmountDiffers: 500, demo.DateOutside: 500,
	demo.OrphanLeft: 800, demo.OrphanRight: 800,
}

// TestTruth reconciles data sets by brute force with the recipe that comes
// with them, and compares every pair and every left-over record with the truth.
func TestTruth(t *testing.T) {
	cases := []struct {
		name string
		cfg  demo.Config
	}{
		{"as it comes", demo.Config{Seed: 1, Rows: 600}},
		{"every pattern", demo.Config{Seed: 2, Rows: 500, Mix: everyPattern}},
		{"every pattern, another seed", demo.Config{Seed: 3, Rows: 500, Mix: everyPattern}},
		{"few rows", demo.Config{Seed: 4, Rows: 100}},
		{"very few rows", demo.Config{Seed: 4, Rows: 7}},
		{"one row", demo.Config{Seed: 5, Rows: 1}},
		{"one pass", demo.Config{Seed: 6, Rows: 500, Workload: demo.OnePass}},
		{"equal copies", demo.Config{Seed: 7, Rows: 120, Workload: demo.Copies, CopiesPerKey: 30}},
		{"copies a few cents apart", demo.Config{Seed: 8, Rows: 120, Workload: demo.Copies, CopiesPerKey: 30, SpreadCents: 2}},
		{"copies far apart", demo.Config{Seed: 9, Rows: 120, Workload: demo.Copies, CopiesPerKey: 40, SpreadCents: 1000}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			truth, err := demo.Generate(t.Context(), c.cfg, dir)
			if err != nil {
				t.Fatal(err)
			}
			got := reconcile(t, dir)

			var lines []string
			for _, m := range got.Matches {
				for _, p := range m.Pairs {
					lines = append(lines, p.Left+","+p.Right)
				}
			}
			for _, u := range got.Unmatched[kalla.Left] {
				lines = append(lines, u.Key+",")
			}
			for _, u := range got.Unmatched[kalla.Right] {
				lines = append(lines, ","+u.Key)
			}
			patterns := map[string]demo.Pattern{}
			var want []string
			for _, row := range readCSV(t, filepath.Join(dir, demo.TruthFile))[1:] {
				want = append(want, row[0]+","+row[1])
				patterns[row[0]+","+row[1]] = demo.Pattern(row[2])
			}
			slices.Sort(lines)
			slices.Sort(want)
			if d := firstDifference(lines, want); d != "" {
				t.Errorf("the recipe finds something else than the truth: %s (%s)", d, patterns[strings.TrimLeft(d, "+-")])
			}

			compareCounts(t, truth, got)
			for side, list := range got.Unmatched {
				for _, u := range list {
					key := u.Key + ","
					if side == kalla.Right {
						key = "," + u.Key
					}
					if why := reasons[patterns[key]]; u.Reason != why {
						t.Errorf("%s %s of pattern %s has reason %s, want %s", side, u.Key, patterns[key], u.Reason, why)
					}
				}
			}
		})
	}
}

// reasons are those of the records that a pattern leaves unmatched.
var reasons = map[demo.Pattern]kalla.Reason{
	demo.Duplicate: kalla.Taken, demo.AmountDiffers: kalla.AmountDiffers, demo.DateOutside: kalla.DateOutsideWindow,
	demo.OrphanLeft: kalla.NoCandidate, demo.OrphanRight: kalla.NoCandidate,
}

func compareCounts(t *testing.T, truth demo.Truth, got oracle.Result) {
	t.Helper()
	pairs := 0
	for _, m := range got.Matches {
		pairs += len(m.Pairs)
	}
	var byPattern demo.PatternTruth
	for _, p := range truth.Patterns {
		byPattern.Left += p.Left
		byPattern.Right += p.Right
		byPattern.Matches += p.Matches
		byPattern.Pairs += p.Pairs
	}
	left, right := got.Sides[kalla.Left], got.Sides[kalla.Right]
	counts := []struct {
		what        string
		found, true int64
	}{
		{"matches", int64(len(got.Matches)), truth.Matches},
		{"pairs", int64(pairs), truth.Pairs},
		{"breaks", int64(len(got.Breaks)), truth.Breaks},
		{"left", int64(left.Total), truth.Left.Total},
		{"left matched", int64(left.Matched), truth.Left.Matched},
		{"right", int64(right.Total), truth.Right.Total},
		{"right matched", int64(right.Matched), truth.Right.Matched},
		{"left of all patterns", byPattern.Left, truth.Left.Total},
		{"right of all patterns", byPattern.Right, truth.Right.Total},
		{"matches of all patterns", byPattern.Matches, truth.Matches},
		{"pairs of all patterns", byPattern.Pairs, truth.Pairs},
	}
	for _, c := range counts {
		if c.found != c.true {
			t.Errorf("%s: %d, the truth says %d", c.what, c.found, c.true)
		}
	}
	sums := []struct {
		what        string
		found, true decimal.Decimal
	}{
		{"left", left.Sums["amount"].Total, truth.Left.TotalAmount},
		{"left matched", left.Sums["amount"].Matched, truth.Left.MatchAmount},
		{"right", right.Sums["paid_amount"].Total, truth.Right.TotalAmount},
		{"right matched", right.Sums["paid_amount"].Matched, truth.Right.MatchAmount},
	}
	for _, s := range sums {
		if !s.found.Equal(s.true) {
			t.Errorf("sum of %s: %s, the truth says %s", s.what, s.found, s.true)
		}
	}
}

// reconcile runs the oracle over a data set.
func reconcile(t *testing.T, dir string) oracle.Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(text, demo.RecipeFile)
	if err != nil {
		t.Fatal(err)
	}
	if faults := doc.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	left := table(t, filepath.Join(dir, r.Sources.Left.URI))
	right := table(t, filepath.Join(dir, r.Sources.Right.URI))
	result, err := oracle.Run(r, left, right)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// table reads a file of a data set; the columns' names say their types.
func table(t *testing.T, path string) oracle.Table {
	t.Helper()
	rows := readCSV(t, path)
	var out oracle.Table
	for _, name := range rows[0] {
		kind := kalla.Type{Kind: kalla.Text}
		switch {
		case strings.HasSuffix(name, "_date"):
			kind = kalla.Type{Kind: kalla.Date}
		case strings.HasSuffix(name, "amount"):
			kind = kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2}
		}
		out.Schema = append(out.Schema, kalla.Column{Name: name, Type: kind})
	}
	for _, row := range rows[1:] {
		values := make([]oracle.Value, len(row))
		for i, text := range row {
			if text == "" {
				continue
			}
			v, err := oracle.Parse(text, out.Schema[i].Type)
			if err != nil {
				t.Fatal(err)
			}
			values[i] = v
		}
		out.Rows = append(out.Rows, values)
	}
	return out
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// firstDifference returns the first line that only one of two sorted lists
// has, with + when it is a.
func firstDifference(a, b []string) string {
	for i := 0; i < len(a) || i < len(b); i++ {
		switch {
		case i == len(b) || i < len(a) && a[i] < b[i]:
			return "+" + a[i]
		case i == len(a) || a[i] > b[i]:
			return "-" + b[i]
		}
	}
	return ""
}

// TestLarge checks, at a size at which accidents would happen, what makes the
// truth true: keys are unique and in file order, and no amounts of a customer
// come near each other by chance.
func TestLarge(t *testing.T) {
	const rows = 50_000
	dir := t.TempDir()
	truth, err := demo.Generate(t.Context(), demo.Config{Seed: 11, Rows: rows}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if truth.Left.Total != rows {
		t.Errorf("%d invoices, want %d", truth.Left.Total, rows)
	}
	invoices, payments := readCSV(t, filepath.Join(dir, demo.InvoicesFile)), readCSV(t, filepath.Join(dir, demo.PaymentsFile))
	for i, row := range invoices[1:] {
		if want := fmt.Sprintf("INV-%06d", i+1); row[0] != want {
			t.Fatalf("invoice %d is called %s, want %s", i+1, row[0], want)
		}
	}
	for i, row := range payments[1:] {
		if want := fmt.Sprintf("PAY-%06d", i+1); row[0] != want {
			t.Fatalf("payment %d is called %s, want %s", i+1, row[0], want)
		}
	}

	type fit struct{ customer, amount string }
	byFit := map[fit][]string{}
	for _, row := range invoices[1:] {
		byFit[fit{row[2], row[6]}] = append(byFit[fit{row[2], row[6]}], row[0])
	}
	partner := map[string]string{}
	seen := map[string]bool{}
	for _, row := range readCSV(t, filepath.Join(dir, demo.TruthFile))[1:] {
		if row[1] != "" && row[0] != "" {
			partner[row[1]] = row[0]
		}
		seen[row[0]], seen[row[1]] = true, true
	}
	if want := len(invoices) + len(payments) - 2 + 1; len(seen) != want { // 1: the empty key
		t.Errorf("the truth names %d records, want %d", len(seen), want)
	}
	var inOrder, referenced int
	last := ""
	for _, row := range payments[1:] {
		if strings.HasPrefix(row[1], "INV-") {
			if referenced++; row[1] > last {
				inOrder++
			}
			last = row[1]
		}
		p := partner[row[0]]
		if p == "" || seen[row[1]] && row[1] != "" { // belongs to nothing, or names its invoice
			continue
		}
		if got := byFit[fit{row[2], row[5]}]; len(got) > 0 && !slices.Contains(got, p) {
			t.Errorf("payment %s of %s fits %v, but belongs to %s", row[0], row[2], got, p)
		}
	}
	if inOrder < referenced*4/10 || inOrder > referenced*6/10 {
		t.Errorf("%d of %d payments come after one of a lesser invoice, want about half: they are not shuffled", inOrder, referenced)
	}
}

// TestSameBytes holds the files to what they were: the truth of a seed is
// quoted elsewhere, and must be the same on every machine.
func TestSameBytes(t *testing.T) {
	want := map[string]string{
		demo.InvoicesFile: "97ac659d49cc57cc",
		demo.PaymentsFile: "0a6fcbeaead63133",
		demo.TruthFile:    "7145ec61c0efcc18",
	}
	dir := t.TempDir()
	if _, err := demo.Generate(t.Context(), demo.Config{Seed: 1, Rows: 10_000}, dir); err != nil {
		t.Fatal(err)
	}
	for file, sum := range want {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256(data)
		if got := hex.EncodeToString(h[:8]); got != sum {
			t.Errorf("%s has hash %s, want %s", file, got, sum)
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	var files [2][]byte
	for i := range files {
		dir := t.TempDir()
		if _, err := demo.Generate(t.Context(), demo.Config{Seed: uint64(i), Rows: 100}, dir); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[i], err = os.ReadFile(filepath.Join(dir, demo.PaymentsFile)); err != nil {
			t.Fatal(err)
		}
	}
	if string(files[0]) == string(files[1]) {
		t.Error("two seeds give the same payments")
	}
}

func TestRefused(t *testing.T) {
	cases := []struct {
		name string
		cfg  demo.Config
		why  string
	}{
		{"no rows", demo.Config{}, "at least 1"},
		{"unknown workload", demo.Config{Rows: 1, Workload: "x"}, "unknown workload"},
		{"unknown pattern", demo.Config{Rows: 1, Mix: demo.Mix{"x": 1}}, "unknown patterns"},
		{"too many shares", demo.Config{Rows: 1, Mix: demo.Mix{demo.Typo: 10_001}}, "exceed"},
		{"negative share", demo.Config{Rows: 1, Mix: demo.Mix{demo.Typo: -1}}, "negative"},
		{"pattern out of reach of one pass", demo.Config{Rows: 1, Workload: demo.OnePass, Mix: demo.Mix{demo.Split: 1}}, "does not occur"},
		{"copies that do not fit", demo.Config{Rows: 7, Workload: demo.Copies, CopiesPerKey: 2}, "cannot be laid out"},
		{"copies with a mix", demo.Config{Rows: 4, Workload: demo.Copies, CopiesPerKey: 2, Mix: demo.Mix{}}, "cannot be laid out"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			_, err := demo.Generate(t.Context(), c.cfg, dir)
			if kalla.CodeOf(err) != kalla.CodeUsage || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error %v, want a usage error with %q", err, c.why)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Error("a refused configuration left a folder")
			}
		})
	}
}

func TestCancelledLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	_, err := demo.Generate(ctx, demo.Config{Rows: 10}, dir)
	if kalla.CodeOf(err) != kalla.CodeCanceled {
		t.Errorf("error %v, want a cancelled one", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 0 {
		t.Errorf("%s is left behind", files[0].Name())
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := demo.Generate(t.Context(), demo.Config{Rows: 10}, filepath.Join(file, "dir"))
	if kalla.CodeOf(err) != kalla.CodeUsage {
		t.Errorf("error %v, want a usage error", err)
	}
}

func BenchmarkGenerate(b *testing.B) {
	const rows = 200_000
	for b.Loop() {
		if _, err := demo.Generate(b.Context(), demo.Config{Seed: 1, Rows: rows}, b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "invoices/s")
}
