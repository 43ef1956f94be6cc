package records_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/evidence/records"
)

// TestCompareTwoRuns changes data and tolerance between two runs, and compares
// what is found with an answer that looks at each record by itself.
func TestCompareTwoRuns(t *testing.T) {
	in := data(t, 2000)
	a := reconcile(t, in, "full", map[string]string{"tolerance": "0.01"})
	for _, f := range []struct{ name, key string }{{demo.InvoicesFile, "INV"}, {demo.PaymentsFile, "PAY"}} {
		path := filepath.Join(in, f.name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rows := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
		var kept []string
		for i, row := range rows {
			if i > 0 && i%37 == 0 {
				continue // gone
			}
			kept = append(kept, row)
			if i > 0 && i%41 == 0 { // a new one
				kept = append(kept, strings.Replace(row, f.key+"-0", f.key+"-9", 1))
			}
		}
		write(t, in, f.name, strings.Join(kept, ""))
	}
	b := reconcile(t, in, "full", map[string]string{"tolerance": "5.00"})

	store := open(t, records.Options{})
	before, after := openRun(t, store, a), openRun(t, store, b)
	ctx := context.Background()
	got := must(store.Compare(ctx, before, after))(t)
	pa, pb := openPlain(t, a), openPlain(t, b)
	changed := map[records.Change]bool{}
	for side, own := range map[kalla.Side][3]string{kalla.Left: {"invoice_id", "left_invoice_id", "right_payment_id"}, kalla.Right: {"payment_id", "right_payment_id", "left_invoice_id"}} {
		was, is := places(t, pa, side, own), places(t, pb, side, own)
		want := map[string]records.Change{}
		for key := range merged(was, is) {
			x, inX := was[key]
			y, inY := is[key]
			mx, my := strings.HasPrefix(x, "matched"), strings.HasPrefix(y, "matched")
			switch {
			case x == y:
			case !inX:
				want[key] = records.Added
			case !inY:
				want[key] = records.Removed
			case mx && my:
				want[key] = records.MatchedOther
			case mx:
				want[key] = records.CameApart
			case my:
				want[key] = records.NewlyMatched
			default:
				want[key] = records.ReasonChanged
			}
		}
		counts := map[records.Change]int64{}
		for _, c := range want {
			counts[c]++
			changed[c] = true
		}
		for _, c := range records.Changes() {
			if got.Counts[side][c] != counts[c] {
				t.Errorf("%s: %d records %s, want %d", side, got.Counts[side][c], c, counts[c])
			}
			q := records.Query{Columns: []string{"key", "change"}, Limit: 7}
			for n := int64(0); ; {
				p := must(store.Changed(ctx, before, after, side, []records.Change{c}, q))(t)
				for _, row := range p.Rows.Rows {
					n++
					if want[*row[0]] != c || *row[1] != string(c) {
						t.Errorf("%s %s is listed as %s, it is %q", side, *row[0], *row[1], want[*row[0]])
					}
				}
				if q.Cursor = p.Next; q.Cursor == "" {
					if n != counts[c] {
						t.Errorf("%s %s: %d listed, want %d", side, c, n, counts[c])
					}
					break
				}
			}
		}
	}
	for _, c := range records.Changes() {
		if !changed[c] {
			t.Errorf("no record is %s: the data shows nothing of it", c)
		}
	}
	same := must(store.Compare(ctx, after, after))(t)
	if fmt.Sprint(same.Counts[kalla.Left]) != fmt.Sprint(map[records.Change]int64{"newly_matched": 0, "came_apart": 0, "matched_to_other": 0, "reason_changed": 0, "new": 0, "gone": 0}) {
		t.Errorf("a run differs from itself: %v", same.Counts)
	}
	_, err := store.Changed(ctx, before, after, kalla.Left, []records.Change{"lost"}, records.Query{})
	wantError(t, err, kalla.CodeUsage, "lost", "newly_matched")
}

// places says of each record of a side where it ended.
func places(t *testing.T, p plain, side kalla.Side, own [3]string) map[string]string {
	t.Helper()
	rows, err := p.Query(fmt.Sprintf("SELECT %s, 'matched ' || string_agg(%s, ' ' ORDER BY %[2]s) FROM %s GROUP BY 1 UNION ALL SELECT %s, reason FROM %s",
		own[1], own[2], p.from(records.Matched), own[0], p.from(records.Unmatched(side))))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var key, place string
		if err := rows.Scan(&key, &place); err != nil {
			t.Fatal(err)
		}
		out[key] = place
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func merged(a, b map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

func TestCompareRefusesStrangers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.csv", "id,v\n1,2\n")
	write(t, dir, "recipe.yaml", `kalla: 1
recipe_id: other
sources:
  left: {alias: a, uri: a.csv, primary_key: [id]}
  right: {alias: b, uri: a.csv, primary_key: [id]}
match:
  - {name: same, cardinality: one_to_one, when: [{left: id, right: id}]}
`)
	store := open(t, records.Options{})
	_, err := store.Compare(context.Background(), openRun(t, store, reconcile(t, dir, "full", nil)), openRun(t, store, reconcile(t, data(t, 100), "full", nil)))
	wantError(t, err, kalla.CodeUsage, "different recipes", "other", "invoices-payments")
}
