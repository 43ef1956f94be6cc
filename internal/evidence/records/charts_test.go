package records_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"kalla"
	"kalla/internal/evidence/records"
)

// asLine writes figures as one text of values, to compare them with plain SQL.
func asLine(t *testing.T, values ...any) string {
	t.Helper()
	texts := make([]*string, len(values))
	for i, v := range values {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(data); text != "null" {
			var plain string
			if json.Unmarshal(data, &plain) == nil {
				text = plain
			}
			texts[i] = &text
		}
	}
	return line(texts)
}

// must unwraps an answer.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestChartsAddUp(t *testing.T) {
	dir := reconcile(t, data(t, 3000), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	ctx := context.Background()
	matched, left, right := p.from(records.Matched), p.from(records.UnmatchedLeft), p.from(records.UnmatchedRight)
	// sum writes a sum as a decimal does: without zeros at its end.
	sum := func(column string) string {
		return "rtrim(rtrim(CAST(coalesce(sum(" + column + "), 0) AS VARCHAR), '0'), '.')"
	}
	for range 2 { // once computed, once kept
		var got []string
		for _, f := range must(run.Waterfall(ctx))(t) {
			got = append(got, asLine(t, f.Name, f.Matches, f.LeftSum, f.RightSum))
		}
		if d := difference(got, p.rows(t, `SELECT pass, n::VARCHAR, l, r FROM
			(SELECT pass, count(DISTINCT match_id) AS n FROM `+matched+` GROUP BY 1)
			JOIN (SELECT pass, `+sum("left_amount")+` AS l FROM (SELECT DISTINCT pass, left_invoice_id, left_amount FROM `+matched+`) GROUP BY 1) USING (pass)
			JOIN (SELECT pass, `+sum("right_paid_amount")+` AS r FROM (SELECT DISTINCT pass, right_payment_id, right_paid_amount FROM `+matched+`) GROUP BY 1) USING (pass)
			JOIN (SELECT pass, min(match_id) AS no FROM `+matched+` GROUP BY 1) USING (pass) ORDER BY no`)); d != "" {
			t.Errorf("waterfall: %s", d)
		}

		got = nil
		for _, f := range must(run.Reasons(ctx, kalla.Right))(t) {
			got = append(got, asLine(t, f.Reason, f.Records, f.Sum))
		}
		if d := difference(got, p.rows(t, "SELECT reason, count(*)::VARCHAR, "+sum("paid_amount")+" FROM "+right+" GROUP BY 1 ORDER BY count(*) DESC, 1")); d != "" {
			t.Errorf("reasons: %s", d)
		}

		got = nil
		for _, b := range must(run.Ageing(ctx, kalla.Left, ""))(t) {
			if b.Count > 0 {
				got = append(got, asLine(t, b.From, b.To, b.Count, b.Sum))
			}
		}
		ended := run.Manifest().Ended.UTC().Format("2006-01-02")
		if d := difference(got, p.rows(t, `SELECT CASE WHEN a < 0 THEN NULL WHEN a <= 7 THEN '0' WHEN a <= 30 THEN '8' WHEN a <= 60 THEN '31' WHEN a <= 90 THEN '61' ELSE '91' END AS f,
			CASE WHEN a < 0 THEN '-1' WHEN a <= 7 THEN '7' WHEN a <= 30 THEN '30' WHEN a <= 60 THEN '60' WHEN a <= 90 THEN '90' END AS u, count(*)::VARCHAR, `+sum("amount")+`
			FROM (SELECT *, DATE '`+ended+`' - invoice_date AS a FROM `+left+`) GROUP BY 1, 2 ORDER BY min(a)`)); d != "" {
			t.Errorf("ageing: %s", d)
		}

		got = nil
		for _, f := range must(run.Currencies(ctx, kalla.Left))(t) {
			got = append(got, asLine(t, f.Currency, f.Matched, f.MatchedSum, f.Unmatched, f.UnmatchedSum))
		}
		if d := difference(got, p.rows(t, `SELECT c, count(*) FILTER (m)::VARCHAR, `+sum("CASE WHEN m THEN a END")+`, count(*) FILTER (NOT m)::VARCHAR, `+sum("CASE WHEN NOT m THEN a END")+`
			FROM (SELECT DISTINCT left_invoice_id AS k, left_currency AS c, left_amount AS a, true AS m FROM `+matched+` UNION ALL SELECT invoice_id, currency, amount, false FROM `+left+`) GROUP BY 1 ORDER BY count(*) DESC, 1`)); d != "" {
			t.Errorf("currencies: %s", d)
		}
	}
}

// TestDifferencesByDecade: every match and every compared record is in the bucket of its difference.
func TestDifferencesByDecade(t *testing.T) {
	dir := reconcile(t, data(t, 3000), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	for table, values := range map[records.Table]string{
		records.UnmatchedLeft: "SELECT closest_diff_amount AS d FROM " + p.from(records.UnmatchedLeft) + " WHERE closest_diff_amount IS NOT NULL",
		records.Matched: "SELECT (SELECT sum(a) FROM (SELECT DISTINCT right_payment_id, right_paid_amount AS a FROM " + p.from(records.Matched) + " WHERE match_id = m.match_id)) - " +
			"(SELECT sum(a) FROM (SELECT DISTINCT left_invoice_id, left_amount AS a FROM " + p.from(records.Matched) + " WHERE match_id = m.match_id)) AS d FROM (SELECT DISTINCT match_id FROM " + p.from(records.Matched) + ") m",
	} {
		buckets := must(run.Differences(context.Background(), table))(t)
		var all int64
		for i, b := range buckets {
			cond := "d = 0"
			if b.From != nil {
				cond = fmt.Sprintf("abs(d) > %s", b.From)
				if b.To != nil {
					cond += fmt.Sprintf(" AND abs(d) <= %s", b.To)
				}
			}
			want := p.text(t, "SELECT count(*)::VARCHAR FROM ("+values+") WHERE "+cond)
			if fmt.Sprint(b.Count) != want {
				t.Errorf("%s: bucket %d (%s) counts %d, there are %s", table, i, cond, b.Count, want)
			}
			all += b.Count
		}
		if want := p.text(t, "SELECT count(*)::VARCHAR FROM ("+values+")"); fmt.Sprint(all) != want {
			t.Errorf("%s: the buckets hold %d differences, there are %s", table, all, want)
		}
		if len(buckets) < 2 || buckets[len(buckets)-1].Count == 0 {
			t.Errorf("%s: %d buckets, the last one of nothing", table, len(buckets))
		}
	}
	_, err := run.Differences(context.Background(), records.Breaks)
	wantError(t, err, kalla.CodeUsage, "breaks", "matched")
}

// TestKeysOnly: what the evidence does not hold is said, the rest is there.
func TestKeysOnly(t *testing.T) {
	dir := reconcile(t, data(t, 1000), "keys", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	ctx := context.Background()
	for table, order := range map[records.Table]string{
		records.Matched: "right_payment_id, match_id, left_invoice_id, no", records.UnmatchedRight: "payment_id, no",
	} {
		by := "right_payment_id"
		if table == records.UnmatchedRight {
			by = "payment_id"
		}
		got := all(t, run, records.Query{Table: table, Search: "pay-", Sort: []records.Sort{{Column: by}}})
		if d := difference(got, p.rows(t, "SELECT COLUMNS(* EXCLUDE no)::VARCHAR FROM (FROM "+p.from(table)+" ORDER BY "+order+")")); d != "" {
			t.Errorf("%s: %s", table, d)
		}
	}
	for _, f := range must(run.Waterfall(ctx))(t) {
		if f.Matches == 0 || f.LeftSum != nil {
			t.Errorf("pass %s: %d matches, sum %v", f.Name, f.Matches, f.LeftSum)
		}
	}
	reasons := must(run.Reasons(ctx, kalla.Left))(t)
	if len(reasons) == 0 || reasons[0].Sum != nil {
		t.Errorf("reasons: %+v", reasons)
	}
	if b := must(run.Differences(ctx, records.Matched))(t); len(b) == 0 {
		t.Error("no differences")
	}
	if c := must(run.Currencies(ctx, kalla.Left))(t); len(c) != 0 {
		t.Errorf("currencies: %+v", c)
	}
	_, err := run.Ageing(ctx, kalla.Left, "due_date")
	wantError(t, err, kalla.CodeUsage, "due_date", "keys of records only", "evidence: full")
	_, err = run.Page(ctx, records.Query{Table: records.UnmatchedLeft, Columns: []string{"amount"}})
	wantError(t, err, kalla.CodeUsage, "amount", "keys")

	key := p.text(t, "SELECT min(invoice_id) FROM "+p.from(records.UnmatchedLeft)+" WHERE closest_key IS NOT NULL")
	r := record(t, run, kalla.Left, key)
	if len(r.Fields.Columns) != 1 || r.Unmatched.Closest == nil || len(r.Unmatched.Conditions) == 0 {
		t.Errorf("record %s: %+v", key, r.Unmatched)
	}
}
