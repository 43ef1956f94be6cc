package records_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence/records"
)

func record(t *testing.T, run *records.Run, side kalla.Side, key string) *records.Record {
	t.Helper()
	r, err := run.Record(context.Background(), side, key)
	if err != nil {
		t.Fatalf("%s %s: %v", side, key, err)
	}
	return r
}

func lines(r records.Rows) []string {
	var out []string
	for _, row := range r.Rows {
		out = append(out, line(row))
	}
	return out
}

// TestRecordShowsItsMatch compares the page of a record of every pass with the files.
func TestRecordShowsItsMatch(t *testing.T) {
	dir := reconcile(t, data(t, 3000), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	for _, pass := range run.Manifest().Summary.Passes {
		id := p.text(t, "SELECT max(match_id) FROM "+p.from(records.Matched)+" WHERE pass = '"+pass.Name+"'")
		for side, own := range map[kalla.Side]string{kalla.Left: "left_invoice_id", kalla.Right: "right_payment_id"} {
			of := p.from(records.Matched) + " WHERE match_id = '" + id + "'"
			key := p.text(t, "SELECT max("+own+") FROM "+of)
			got := record(t, run, side, key)
			if len(got.Matches) != 1 || got.Unmatched != nil {
				t.Fatalf("%s %s is in %d matches", side, key, len(got.Matches))
			}
			m := got.Matches[0]
			if m.ID != id || m.Pass != pass.Name {
				t.Errorf("the match is %s of pass %s", m.ID, m.Pass)
			}
			for _, c := range []struct {
				what string
				rows records.Rows
				want string
			}{
				{"fields", got.Fields, "SELECT DISTINCT COLUMNS('^" + string(side) + "_')::VARCHAR FROM " + of + " AND " + own + " = '" + key + "'"},
				{"left", m.Left, "SELECT DISTINCT COLUMNS('^left_')::VARCHAR FROM " + of},
				{"right", m.Right, "SELECT DISTINCT COLUMNS('^right_')::VARCHAR FROM " + of},
				{"pairs", m.Pairs, "SELECT left_invoice_id, right_payment_id, COLUMNS('^diff_')::VARCHAR FROM " + of},
				{"breaks", m.Breaks, "SELECT * EXCLUDE no FROM " + p.from(records.Breaks) + " WHERE match_id = '" + id + "'"},
			} {
				have, want := lines(c.rows), p.rows(t, c.want)
				slices.Sort(have)
				slices.Sort(want)
				if d := difference(have, want); d != "" {
					t.Errorf("%s of %s %s: %s", c.what, side, key, d)
				}
			}
		}
	}
}

// TestRecordShowsWhyNot compares the page of a record of every reason with the files.
func TestRecordShowsWhyNot(t *testing.T) {
	dir := reconcile(t, data(t, 3000), "full", nil)
	p := openPlain(t, dir)
	run := openRun(t, open(t, records.Options{}), dir)
	from := p.from(records.UnmatchedLeft)
	for reason := range run.Manifest().Summary.Reasons[kalla.Left] {
		key := p.text(t, fmt.Sprintf("SELECT min(invoice_id) FROM %s WHERE reason = '%s' AND closest_key IS NOT NULL", from, reason))
		got := record(t, run, kalla.Left, key)
		u := got.Unmatched
		if u == nil || len(got.Matches) > 0 || u.Reason != reason {
			t.Fatalf("%s: %+v", key, u)
		}
		if d := difference([]string{line([]*string{u.ClosestKey, u.ClosestPass, u.Score, u.TakenBy})},
			p.rows(t, "SELECT closest_key, closest_pass, closest_score::VARCHAR, taken_by FROM "+from+" WHERE invoice_id = '"+key+"'")); d != "" {
			t.Error(d)
		}
		closest := p.rows(t, `SELECT COLUMNS('^(payment_id|reference|payer|payment_date|paid|currency|method|bank|memo)')::VARCHAR FROM `+p.from(records.UnmatchedRight)+` WHERE payment_id = '`+*u.ClosestKey+`'
			UNION SELECT DISTINCT COLUMNS('^right_')::VARCHAR FROM `+p.from(records.Matched)+` WHERE right_payment_id = '`+*u.ClosestKey+`'`)
		if u.Closest == nil || difference(lines(*u.Closest), closest) != "" {
			t.Errorf("%s: the closest candidate is shown as %v, it is %v", key, u.Closest, closest)
		}
		for _, c := range u.Conditions {
			if c.Left == "invoice_date" && (c.Holds == nil || *c.Holds == (reason == kalla.DateOutsideWindow)) {
				t.Errorf("%s: %s, and that %s holds is told as %v", key, reason, c.Rule, c.Holds)
			}
			if c.Left != "amount" {
				continue
			}
			want := p.rows(t, fmt.Sprintf("SELECT amount::VARCHAR, closest_diff_amount::VARCHAR FROM %s WHERE invoice_id = '%s'", from, key))
			if got := line([]*string{c.LeftValue, c.Difference}); got != want[0] {
				t.Errorf("%s: the amount is shown as %s, it is %s", key, got, want[0])
			}
			if c.RightValue == nil || !strings.Contains(lines(*u.Closest)[0], *c.RightValue) {
				t.Errorf("%s: the amount on the other side is not that of the candidate", key)
			}
		}
		if len(u.Conditions) == 0 {
			t.Errorf("%s: no condition is shown", key)
		}
	}
}

func TestRecordRefuses(t *testing.T) {
	dir := reconcile(t, data(t, 300), "full", nil)
	run := openRun(t, open(t, records.Options{}), dir)
	_, err := run.Record(context.Background(), kalla.Left, "INV-nobody")
	wantError(t, err, kalla.CodeUsage, "INV-nobody", "no record with this key")
	_, err = run.Record(context.Background(), "middle", "x")
	wantError(t, err, kalla.CodeUsage, "middle", "left or right")
}

// TestCompoundKeys: keys of several columns, of several types, with the signs in them that join them.
func TestCompoundKeys(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.csv", "k,n,v,reason\na|b,1,10.00,x\n\"a\\\",2,20.00,y\n,3,30.00,z\ndup,4,1.00,p\ndup,4,2.00,q\n")
	write(t, dir, "b.csv", "k,n,v\na|b,1,10.00\nc,2,20.50\n")
	write(t, dir, "recipe.yaml", `kalla: 1
recipe_id: compound
sources:
  left: {alias: a, uri: a.csv, primary_key: [k, n], types: {n: integer, v: "decimal(18,2)"}}
  right: {alias: b, uri: b.csv, primary_key: [k, n], types: {n: integer, v: "decimal(18,2)"}}
match:
  - name: same
    cardinality: one_to_one
    when: [{left: k, right: k}, {left: n, right: n}, {left: v, right: v, within: "0.10"}]
  - name: number
    cardinality: one_to_one
    when: [{left: n, right: n}, {left: v, right: v, within: "0.10"}]
`)
	run := openRun(t, open(t, records.Options{}), reconcile(t, dir, "full", nil))
	if m := record(t, run, kalla.Left, `a\|b|1`).Matches; len(m) != 1 || m[0].ID != `1/a\|b|1` {
		t.Errorf("matches of a|b: %+v", m)
	}
	u := record(t, run, kalla.Left, `a\\|2`)
	if u.Unmatched == nil || u.Unmatched.ClosestKey == nil || *u.Unmatched.ClosestKey != "c|2" || u.Unmatched.Closest == nil || *u.Unmatched.Closest.Rows[0][2] != "20.50" {
		t.Errorf("closest of a\\: %+v", u.Unmatched)
	}
	if d := record(t, run, kalla.Left, "dup|4"); len(d.Fields.Rows) != 2 || d.Unmatched.Reason != kalla.BadKey {
		t.Errorf("two records of one key are shown as %v", d.Fields.Rows)
	}
	_, err := run.Record(context.Background(), kalla.Left, "a")
	wantError(t, err, kalla.CodeUsage, "k, n", "|")
	_, err = run.Record(context.Background(), kalla.Left, "a|one")
	wantError(t, err, kalla.CodeUsage, "no record")
	// The source's own column keeps its name; Kalla's reason is found nevertheless.
	if got := all(t, run, records.Query{Table: records.UnmatchedLeft, Reasons: []kalla.Reason{kalla.BadKey}, Columns: []string{"reason"}, Sort: []records.Sort{{Column: "reason"}}}); difference(got, []string{`"p"`, `"q"`, `"z"`}) != "" {
		t.Errorf("bad keys: %v", got)
	}
}
