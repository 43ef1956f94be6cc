package app_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/recipe"
)

const smallRecipe = `kalla: 1
recipe_id: small
sources:
  left: {alias: invoices, uri: invoices.csv, primary_key: [invoice_id]}
  right: {alias: payments, uri: payments.csv, primary_key: [payment_id]}
match:
  - name: by reference
    cardinality: one_to_one
    when:
      - {left: invoice_id, right: reference}
      - {left: amount, right: paid, within: 0.02}
`

// small writes two sources of ten records, eight of which match, and returns a job over them.
func small(t testing.TB) app.Job {
	t.Helper()
	dir := t.TempDir()
	var left, right strings.Builder
	left.WriteString("invoice_id,amount,currency,due,customer\n")
	right.WriteString("payment_id,reference,paid,value_date,payer\n")
	for i := range 10 {
		fmt.Fprintf(&left, "INV-%03d,%d.50,EUR,2026-01-%02d,Customer %d\n", i, 100+i, i+1, i)
		fmt.Fprintf(&right, "P%03d,INV-%03d,%d.51,2026-01-%02d,Customer %d\n", i, i+2, 102+i, i+3, i)
	}
	for name, text := range map[string]string{"invoices.csv": left.String(), "payments.csv": right.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := recipe.Parse([]byte(smallRecipe), "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	return app.Job{Recipe: r, Document: doc, RunID: "small", Out: filepath.Join(dir, "out"), BaseDir: dir,
		Limits: engine.Limits{Threads: 1, TempDir: dir}, LookupEnv: func(string) (string, bool) { return "", false }}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSmallJob is what a run costs that has next to nothing to do, evidence
// included: where two records of each side are unmatched, and where none is.
func BenchmarkSmallJob(b *testing.B) {
	job := small(b)
	b.Run("unmatched", func(b *testing.B) { benchmarkJob(b, job) })
	payments, err := os.ReadFile(filepath.Join(job.BaseDir, "invoices.csv"))
	if err != nil {
		b.Fatal(err)
	}
	payments = bytes.Replace(payments, []byte("invoice_id,amount"), []byte("reference,paid"), 1)
	if err := os.WriteFile(filepath.Join(job.BaseDir, "payments.csv"), payments, 0o600); err != nil {
		b.Fatal(err)
	}
	r := *job.Recipe
	r.Sources.Right.PrimaryKey = []string{"reference"}
	job.Recipe = &r
	b.Run("matched", func(b *testing.B) { benchmarkJob(b, job) })
}

func benchmarkJob(b *testing.B, job app.Job) {
	dir := b.TempDir()
	before := cpu()
	n := 0
	for b.Loop() {
		job.Out = filepath.Join(dir, fmt.Sprint("out", n))
		n++
		if _, err := app.Run(context.Background(), job); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(n), "cpu-ms/op")
}

func BenchmarkSession(b *testing.B) {
	before := cpu()
	n := 0
	for b.Loop() {
		n++
		s, err := app.OpenEngine(context.Background(), engine.Limits{Threads: 1, TempDir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(n), "cpu-ms/op")
}
