package records_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
)

// TestEveryRowOnce pages forward and back through any query and meets every row
// of the plain answer exactly once, in the same order both ways.
func TestEveryRowOnce(t *testing.T) {
	dir := reconcile(t, data(t, 400), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{IndexBytes: 1 << 20}), dir)
	wheres := []struct {
		filter kalla.Filter
		sql    string
	}{
		{kalla.Filter{Column: "left_amount", Op: kalla.FilterGte, Values: []string{"1000"}}, "left_amount >= 1000"},
		{kalla.Filter{Column: "left_currency", Op: kalla.FilterIn, Values: []string{"EUR", "GBP"}}, "left_currency IN ('EUR', 'GBP')"},
		{kalla.Filter{Column: "ambiguous", Op: kalla.FilterEq, Values: []string{"false"}}, "NOT ambiguous"},
		{kalla.Filter{Column: "left_invoice_date", Op: kalla.FilterLt, Values: []string{"2026-07-01"}}, "left_invoice_date < DATE '2026-07-01'"},
		{kalla.Filter{Column: "right_reference_number", Op: kalla.FilterIsNull}, "right_reference_number IS NULL"},
	}
	columns := []string{"match_id", "pass", "left_amount", "left_currency", "right_payment_date", "diff_amount", "right_reference_number", "ambiguous"}
	rapid.Check(t, func(rt *rapid.T) {
		q := records.Query{Table: records.Matched, Columns: []string{"left_invoice_id", "right_payment_id"}, Limit: rapid.IntRange(1, 60).Draw(rt, "limit"), NoCount: rapid.Bool().Draw(rt, "no count")}
		var sql []string
		for _, w := range wheres {
			if rapid.IntRange(0, 3).Draw(rt, "filter") == 0 {
				q.Filters = append(q.Filters, w.filter)
				sql = append(sql, w.sql)
			}
		}
		for range rapid.IntRange(0, 3).Draw(rt, "sorts") {
			q.Sort = append(q.Sort, records.Sort{Column: rapid.SampledFrom(columns).Draw(rt, "column"), Desc: rapid.Bool().Draw(rt, "desc")})
		}
		if rapid.IntRange(0, 4).Draw(rt, "search") == 0 {
			q.Search = "B.v"
			sql = append(sql, "(left_customer_name ILIKE '%b.v%' OR right_payer_name ILIKE '%b.v%')")
		}
		query := "SELECT left_invoice_id, right_payment_id FROM " + p.from(records.Matched)
		if len(sql) > 0 {
			query += " WHERE " + strings.Join(sql, " AND ")
		}
		want := p.rows(t, query)
		forward := all(t, run, q)
		sorted := slices.Sorted(slices.Values(forward))
		slices.Sort(want)
		if d := difference(sorted, want); d != "" {
			rt.Fatalf("%+v: %s", q, d)
		}
		// Back from the last page, which a page of one row beyond the middle leads to as well.
		last := q
		var end *records.Page
		for last.Cursor = ""; ; last.Cursor = end.Next {
			if end = get(t, run, last); end.Next == "" {
				break
			}
		}
		back := linesOf(end)
		for page := end; page.Prev != ""; {
			last.Cursor = page.Prev
			page = get(t, run, last)
			back = append(linesOf(page), back...)
		}
		if d := difference(back, forward); d != "" {
			rt.Fatalf("backwards %+v: %s", q, d)
		}
	})
}

func TestCursorIsBound(t *testing.T) {
	in := data(t, 500)
	store := open(t, records.Options{})
	run := openRun(t, store, reconcile(t, in, "full", nil))
	q := records.Query{Table: records.Matched, Sort: []records.Sort{{Column: "left_amount"}}, Limit: 10}
	next := get(t, run, q).Next
	if next == "" {
		t.Fatal("no second page")
	}
	for name, change := range map[string]func(*records.Query){
		"another order":  func(q *records.Query) { q.Sort[0].Desc = true },
		"another filter": func(q *records.Query) { q.Passes = []string{"settlements"} },
		"another search": func(q *records.Query) { q.Search = "x" },
		"another table":  func(q *records.Query) { q.Table, q.Sort = records.Breaks, nil },
	} {
		other := q
		other.Sort = slices.Clone(q.Sort)
		other.Cursor = next
		change(&other)
		_, err := run.Page(context.Background(), other)
		if err == nil {
			t.Errorf("%s: the cursor was taken", name)
			continue
		}
		wantError(t, err, kalla.CodeUsage, "another query", "begin again")
	}
	q.Cursor = next
	another := openRun(t, store, reconcile(t, in, "full", map[string]string{"tolerance": "3.00"}))
	_, err := another.Page(context.Background(), q)
	wantError(t, err, kalla.CodeUsage, "another query or run")
	q.Limit, q.Columns = 3, []string{"pass"} // these may change
	if p := get(t, run, q); p.From != 10 || len(p.Rows.Rows) != 3 {
		t.Errorf("the page begins at %d and has %d rows", p.From, len(p.Rows.Rows))
	}
}

func FuzzQuery(f *testing.F) {
	dir := reconcile(f, data(f, 100), "full", nil)
	run := openRun(f, open(f, records.Options{}), dir)
	first := get(f, run, records.Query{Table: records.Matched, Limit: 1})
	f.Add(first.Next, "left_amount", "gt", "10.5", "", int64(0))
	f.Add("", "left_invoice_date", "between", "2026-01-01\x002026-13-01", "' OR 1=1 --", int64(7))
	f.Add("", "LEFT_currency", "like", "%\\", "ß%_", int64(1<<40))
	f.Add("AAAA", "ambiguous", "in", "true\x00false", "\x00", int64(-1))
	f.Add("", "left_amount", "eq", "-00000000000000000000000000000000000000000.10", "1", int64(0))
	f.Add("", "confidence", "lt", "99999999999999999999999999999999999999", "é", int64(0))
	f.Fuzz(func(t *testing.T, cursor, column, op, values, search string, from int64) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		p, err := run.Page(ctx, records.Query{Table: records.Matched, Cursor: cursor, From: from, Search: search, Limit: 5,
			Filters: []kalla.Filter{{Column: column, Op: kalla.FilterOp(op), Values: strings.Split(values, "\x00")}}})
		switch {
		case err != nil:
			wantError(t, err, kalla.CodeUsage)
		case p.Total == nil || int64(len(p.Rows.Rows)) > *p.Total || len(p.Rows.Rows) > 5:
			t.Errorf("%d rows of %v", len(p.Rows.Rows), p.Total)
		}
		if _, err := run.Page(ctx, records.Query{Table: records.Matched, Cursor: cursor, Limit: 5}); err != nil {
			wantError(t, err, kalla.CodeUsage, "cursor")
		} else if cursor != "" && cursor != first.Next {
			q := get(t, run, records.Query{Table: records.Matched, Cursor: cursor, Limit: 5})
			if q.From == 0 && q.Prev != "" {
				t.Errorf("cursor %q leads to the first page, which has one before it", cursor)
			}
		}
	})
}

func TestQueriesRefused(t *testing.T) {
	run := openRun(t, open(t, records.Options{}), reconcile(t, data(t, 200), "full", nil))
	filter := func(column string, op kalla.FilterOp, values ...string) records.Query {
		return records.Query{Table: records.Matched, Filters: []kalla.Filter{{Column: column, Op: op, Values: values}}}
	}
	for _, c := range []struct {
		q    records.Query
		want []string
	}{
		{records.Query{Table: "everything"}, []string{"everything", "unmatched_left"}},
		{records.Query{Table: records.Matched, Columns: []string{"left_amuont"}}, []string{"left_amuont", "left_amount"}},
		{records.Query{Table: records.Matched, Sort: []records.Sort{{Column: "nobody"}}}, []string{"nobody", "the columns are"}},
		{records.Query{Table: records.Matched, Limit: 501}, []string{"501", "500"}},
		{records.Query{Table: records.Matched, Limit: -1}, []string{"-1", "500"}},
		{records.Query{Table: records.Matched, From: -1}, []string{"from"}},
		{records.Query{Table: records.Matched, Search: strings.Repeat("x", 201)}, []string{"search", "200"}},
		{records.Query{Table: records.Matched, Reasons: []kalla.Reason{kalla.Taken}}, []string{"reason", "unmatched_left"}},
		{records.Query{Table: records.UnmatchedLeft, Passes: []string{"x"}}, []string{"pass", "matched"}},
		{records.Query{Table: records.Matched, Cursor: "x"}, []string{"cursor", "damaged"}},
		{filter("left_amount", "about", "1"), []string{"left_amount", "about", "between"}},
		{filter("left_amount", kalla.FilterGt, "a lot"), []string{"left_amount", "a lot", "not a number"}},
		{filter("left_amount", kalla.FilterGt), []string{"takes 1 values, not 0"}},
		{filter("left_amount", kalla.FilterBetween, "1"), []string{"takes 2 values, not 1"}},
		{filter("left_invoice_date", kalla.FilterEq, "2026-02-30"), []string{"2026-02-30", "not a date"}},
		{filter("ambiguous", kalla.FilterEq, "maybe"), []string{"maybe", "true or false"}},
	} {
		_, err := run.Page(context.Background(), c.q)
		wantError(t, err, kalla.CodeUsage, c.want...)
	}
}

// TestEvidenceGone: what was deleted or damaged is not answered from memory.
func TestEvidenceGone(t *testing.T) {
	dir := reconcile(t, data(t, 200), "full", nil)
	store := open(t, records.Options{})
	run := openRun(t, store, dir)
	get(t, run, records.Query{Table: records.Breaks})
	path := filepath.Join(dir, evidence.UnmatchedLeftFile)
	if err := os.WriteFile(path, []byte("not parquet"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := run.Page(context.Background(), records.Query{Table: records.UnmatchedLeft, Reasons: []kalla.Reason{kalla.Taken}})
	wantError(t, err, kalla.CodeEvidence, evidence.UnmatchedLeftFile, "missing or damaged", "kalla evidence verify")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, err = run.Page(context.Background(), records.Query{Table: records.UnmatchedRight})
	wantError(t, err, kalla.CodeEvidence, evidence.UnmatchedRightFile, "kalla evidence verify")
	_, err = store.Run(context.Background(), dir)
	wantError(t, err, kalla.CodeEvidence)
}

// TestManyAtOnce: people page through different answers at the same time while
// there is room for hardly any index, and some give up.
func TestManyAtOnce(t *testing.T) {
	dir := reconcile(t, data(t, 600), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{IndexBytes: 1}), dir)
	want := map[string][]string{}
	for _, column := range []string{"left_amount", "left_customer_name", "right_payment_date"} {
		want[column] = p.rows(t, "SELECT left_invoice_id, right_payment_id FROM "+p.from(records.Matched)+" ORDER BY "+column+", match_id, left_invoice_id, right_payment_id")
	}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			column := []string{"left_amount", "left_customer_name", "right_payment_date"}[i%3]
			q := records.Query{Table: records.Matched, Columns: []string{"left_invoice_id", "right_payment_id"}, Sort: []records.Sort{{Column: column}}, Limit: 100}
			if i%4 == 3 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3_000_000)))
				defer cancel()
				q.From = 1
				if _, err := run.Page(ctx, q); err != nil {
					if kalla.CodeOf(err) != kalla.CodeCanceled {
						t.Errorf("given up: %v", err)
					}
				}
				return
			}
			var got []string
			for {
				page, err := run.Page(context.Background(), q)
				if err != nil {
					t.Errorf("%s: %v", column, err)
					return
				}
				got = append(got, linesOf(page)...)
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			if d := difference(got, want[column]); d != "" {
				t.Errorf("%s: %s", column, d)
			}
		})
	}
	wg.Wait()
}

// TestClosed: nothing is answered after the end, and nothing hangs.
func TestClosed(t *testing.T) {
	dir := reconcile(t, data(t, 100), "full", nil)
	store := open(t, records.Options{})
	run := openRun(t, store, dir)
	store.Close()
	_, err := run.Page(context.Background(), records.Query{Table: records.Matched, From: 1, Sort: []records.Sort{{Column: "pass"}}})
	wantError(t, err, kalla.CodeCanceled, "shutting down")
}
