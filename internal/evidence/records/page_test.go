package records_test

import (
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence/records"
)

func TestPagesAnswerLikePlainSQL(t *testing.T) {
	dir := reconcile(t, data(t, 3000), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	const pair = "match_id, left_invoice_id, right_payment_id, "
	for _, c := range []struct {
		name string
		q    records.Query
		want string // SELECT … FROM the table, without a list of columns
	}{
		{"file order", records.Query{Table: records.Matched}, "ORDER BY no"},
		{"a filter on an amount", records.Query{Table: records.Matched, Filters: []kalla.Filter{{Column: "left_amount", Op: kalla.FilterGt, Values: []string{"500.005"}}}},
			"WHERE left_amount > 500.005 ORDER BY no"},
		{"amount falling", records.Query{Table: records.Matched, Sort: []records.Sort{{Column: "LEFT_AMOUNT", Desc: true}}},
			"ORDER BY left_amount DESC NULLS LAST, " + pair + "no"},
		{"two columns", records.Query{Table: records.Matched, Sort: []records.Sort{{Column: "pass"}, {Column: "diff_amount", Desc: true}}},
			"ORDER BY pass, diff_amount DESC NULLS LAST, " + pair + "no"},
		{"passes", records.Query{Table: records.Matched, Passes: []string{"settlements", "part payments"}, Sort: []records.Sort{{Column: "right_payment_date"}}},
			"WHERE pass IN ('settlements', 'part payments') ORDER BY right_payment_date, " + pair + "no"},
		{"a reason", records.Query{Table: records.UnmatchedLeft, Reasons: []kalla.Reason{kalla.AmountDiffers}}, "WHERE reason = 'amount_differs' ORDER BY no"},
		{"NULLs last, rising", records.Query{Table: records.UnmatchedRight, Sort: []records.Sort{{Column: "closest_diff_amount"}}},
			"ORDER BY closest_diff_amount ASC NULLS LAST, payment_id, no"},
		{"NULLs last, falling", records.Query{Table: records.UnmatchedRight, Sort: []records.Sort{{Column: "closest_diff_amount", Desc: true}}},
			"ORDER BY closest_diff_amount DESC NULLS LAST, payment_id, no"},
		{"search ignores case", records.Query{Table: records.UnmatchedLeft, Search: "aN"},
			"WHERE invoice_id ILIKE '%an%' OR settlement_ref ILIKE '%an%' OR customer_id ILIKE '%an%' OR customer_name ILIKE '%an%' OR currency ILIKE '%an%' OR status ILIKE '%an%' OR description ILIKE '%an%' ORDER BY no"},
		{"search is no pattern", records.Query{Table: records.UnmatchedLeft, Search: "%"}, "WHERE false"},
		{"search of digits", records.Query{Table: records.UnmatchedLeft, Search: "77"},
			"WHERE invoice_id LIKE '%77%' OR settlement_ref LIKE '%77%' OR customer_id LIKE '%77%' OR customer_name LIKE '%77%' OR currency LIKE '%77%' OR status LIKE '%77%' OR description LIKE '%77%' ORDER BY no"},
		{"breaks", records.Query{Table: records.Breaks, Sort: []records.Sort{{Column: "right_value"}}}, "ORDER BY right_value, match_id, left_key, right_key, field, no"},
		{"rivals", records.Query{Table: records.Candidates, Filters: []kalla.Filter{{Column: "chosen", Op: kalla.FilterEq, Values: []string{"true"}}}}, "WHERE chosen ORDER BY no"},
		{"dates between", records.Query{Table: records.UnmatchedLeft, Filters: []kalla.Filter{{Column: "invoice_date", Op: kalla.FilterBetween, Values: []string{"2026-01-01", "2026-03-31"}}}},
			"WHERE invoice_date BETWEEN DATE '2026-01-01' AND DATE '2026-03-31' ORDER BY no"},
		{"in, not null and a pattern", records.Query{Table: records.UnmatchedLeft, Filters: []kalla.Filter{
			{Column: "currency", Op: kalla.FilterIn, Values: []string{"EUR", "USD"}}, {Column: "closest_key", Op: kalla.FilterIsNotNull}, {Column: "customer_name", Op: kalla.FilterLike, Values: []string{"%a%"}}}},
			"WHERE currency IN ('EUR', 'USD') AND closest_key IS NOT NULL AND customer_name LIKE '%a%' ORDER BY no"},
		{"nothing holds", records.Query{Table: records.Matched, Filters: []kalla.Filter{{Column: "left_amount", Op: kalla.FilterIsNull}}}, "WHERE left_amount IS NULL"},
		{"a quote in a value", records.Query{Table: records.UnmatchedLeft, Filters: []kalla.Filter{{Column: "currency", Op: kalla.FilterNeq, Values: []string{"' OR '1'='1"}}}}, "ORDER BY no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := p.rows(t, "SELECT COLUMNS(* EXCLUDE no)::VARCHAR FROM (FROM "+p.from(c.q.Table)+" "+c.want+")")
			if strings.Contains(c.name, "nothing") != (len(want) == 0) && !strings.Contains(c.name, "pattern") {
				t.Fatalf("the plain answer has %d rows: the case shows nothing", len(want))
			}
			for _, limit := range []int{97, 500} {
				for _, noCount := range []bool{false, true} {
					c.q.Limit, c.q.NoCount = limit, noCount
					if d := difference(all(t, run, c.q), want); d != "" {
						t.Errorf("limit %d: %s", limit, d)
					}
				}
			}
		})
	}
}

// difference is the first row in which two answers differ, or "".
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "missing: " + want[i]
		case i >= len(want):
			return "too much: " + got[i]
		case got[i] != want[i]:
			return "got " + got[i] + "\nwant " + want[i]
		}
	}
	return ""
}
