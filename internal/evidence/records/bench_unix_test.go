//go:build unix

package records_test

import (
	"cmp"
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/evidence/records"
)

// million is the evidence of a million invoices, which the variable names if it
// is there already.
func million(b *testing.B, variable, tolerance string) string {
	b.Helper()
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	in := b.TempDir()
	if _, err := demo.Generate(context.Background(), demo.Config{Seed: 1, Rows: 1_000_000}, in); err != nil {
		b.Fatal(err)
	}
	return reconcile(b, in, "full", map[string]string{"tolerance": tolerance})
}

// BenchmarkCompare compares two runs of a million invoices, and computes all charts of one.
func BenchmarkCompare(b *testing.B) {
	ctx := context.Background()
	after, before := million(b, "KALLA_BENCH_EVIDENCE", "0.02"), million(b, "KALLA_BENCH_BEFORE", "0.01")
	for b.Loop() {
		store := open(b, records.Options{}) // nothing is kept from the round before
		x, y := openRun(b, store, before), openRun(b, store, after)
		step := func(name string, do func() error) {
			start, spent := time.Now(), cpu(b)
			if err := do(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(time.Since(start).Milliseconds()), name+"-ms")
			b.ReportMetric(float64((cpu(b) - spent).Milliseconds()), name+"-cpu-ms")
		}
		step("compare", func() error { _, err := store.Compare(ctx, x, y); return err })
		step("waterfall", func() error { _, err := y.Waterfall(ctx); return err })
		step("reasons", func() error { _, err := y.Reasons(ctx, kalla.Left); return err })
		step("differences", func() error { _, err := y.Differences(ctx, records.Matched); return err })
		step("ageing", func() error { _, err := y.Ageing(ctx, kalla.Left, ""); return err })
		step("currencies", func() error { _, err := y.Currencies(ctx, kalla.Left); return err })
		step("record", func() error { _, err := y.Record(ctx, kalla.Left, "INV-0000123"); return ignoreUsage(err) })
	}
}

// ignoreUsage lets a record that is not there count as looked for.
func ignoreUsage(err error) error {
	if kalla.CodeOf(err) == kalla.CodeUsage {
		return nil
	}
	return err
}

// BenchmarkPages measures what people wait for, over a result of a million invoices.
func BenchmarkPages(b *testing.B) {
	dir := million(b, "KALLA_BENCH_EVIDENCE", "0.02")
	store := open(b, records.Options{})
	run := openRun(b, store, dir)
	some := []string{"match_id", "pass", "left_invoice_id", "left_customer_name", "left_invoice_date", "left_amount", "left_currency", "right_payment_id", "right_paid_amount", "diff_amount"}
	byAmount := []records.Sort{{Column: "left_amount", Desc: true}}
	for _, c := range []struct {
		name string
		q    func(i int) records.Query
	}{
		{"first page", func(int) records.Query { return records.Query{Table: records.Matched} }},
		{"deep page", func(i int) records.Query { return records.Query{Table: records.Matched, From: int64(i) * 19_000} }},
		{"sorted by amount, first page", func(int) records.Query { return records.Query{Table: records.Matched, Sort: byAmount} }},
		{"sorted by amount, deep page, all columns", func(i int) records.Query {
			return records.Query{Table: records.Matched, Sort: byAmount, From: int64(i) * 19_000}
		}},
		{"sorted by amount, deep page, ten columns", func(i int) records.Query {
			return records.Query{Table: records.Matched, Columns: some, Sort: byAmount, From: int64(i) * 19_000}
		}},
		{"filtered by reason", func(int) records.Query {
			return records.Query{Table: records.UnmatchedLeft, Reasons: []kalla.Reason{kalla.AmountDiffers}}
		}},
		{"filtered by reason, sorted, deep", func(i int) records.Query {
			return records.Query{Table: records.UnmatchedLeft, Reasons: []kalla.Reason{kalla.AmountDiffers}, Sort: []records.Sort{{Column: "amount"}}, From: int64(i) * 500}
		}},
		{"search of unmatched, another text each time", func(i int) records.Query {
			return records.Query{Table: records.UnmatchedLeft, Search: "inv-00" + string(rune('0'+i%10)) + string(rune('0'+i/10))}
		}},
		{"search of matched, first page, another text each time", func(i int) records.Query {
			return records.Query{Table: records.Matched, NoCount: true, Search: "inv-00" + string(rune('0'+i%10)) + string(rune('0'+i/10))}
		}},
		{"search of matched for one record, counted, another text each time", func(i int) records.Query {
			return records.Query{Table: records.Matched, Search: "inv-00" + string(rune('0'+i%10)) + string(rune('0'+i/10)) + "123"}
		}},
		{"search of matched, deep page", func(i int) records.Query {
			return records.Query{Table: records.Matched, Search: "gmbh", From: int64(i) * 1000}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				times := make([]time.Duration, 50)
				before := cpu(b)
				for i := range times {
					start := time.Now()
					get(b, run, c.q(i))
					times[i] = time.Since(start)
				}
				b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(len(times)), "cpu-ms/page")
				b.ReportMetric(float64(times[0].Microseconds())/1000, "ms/first")
				slices.SortFunc(times, cmp.Compare[time.Duration])
				b.ReportMetric(float64(times[25].Microseconds())/1000, "ms/median")
				b.ReportMetric(float64(times[49].Microseconds())/1000, "ms/p99")
			}
		})
	}
}

// cpu is the processor time of the process so far, which other work on the machine does not change much.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
