package records_test

import (
	"cmp"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/evidence/records"
)

// BenchmarkPages measures what people wait for, over a result of a million
// invoices; KALLA_BENCH_EVIDENCE names one that is there already.
func BenchmarkPages(b *testing.B) {
	dir := os.Getenv("KALLA_BENCH_EVIDENCE")
	if dir == "" {
		in := b.TempDir()
		if _, err := demo.Generate(context.Background(), demo.Config{Seed: 1, Rows: 1_000_000}, in); err != nil {
			b.Fatal(err)
		}
		dir = reconcile(b, in, "full", nil)
	}
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
				for i := range times {
					start := time.Now()
					get(b, run, c.q(i))
					times[i] = time.Since(start)
				}
				b.ReportMetric(float64(times[0].Microseconds())/1000, "ms/first")
				slices.SortFunc(times, cmp.Compare[time.Duration])
				b.ReportMetric(float64(times[25].Microseconds())/1000, "ms/median")
				b.ReportMetric(float64(times[49].Microseconds())/1000, "ms/p99")
			}
		})
	}
}
