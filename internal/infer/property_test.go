package infer_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kalla"
)

// ledgers are two sources with a bit of everything: references on most, names, part payments, orphans.
func ledgers() (left, right *table) {
	left, right = newTable("invoice_no", "customer", "issued", "gross", "currency"), newTable("payment_id", "ref", "payer", "paid_on", "paid", "ccy")
	for i := range 500 {
		currency := []string{"EUR", "CHF", "SEK"}[i%3]
		left.add(fmt.Sprintf("RN%05d", 3*i), company(i), iso(i%300), money(cents(i)), currency)
		ref := fmt.Sprintf("RN%05d", 3*i)
		switch {
		case i%17 == 0: // unpaid
		case i%11 == 0: // two parts
			right.add(fmt.Sprintf("Z%05d", 9_000-2*i), ref, company(i), iso(i%300+2), money(cents(i)/3), currency)
			right.add(fmt.Sprintf("Z%05d", 9_001-2*i), ref, company(i), iso(i%300+9), money(cents(i)-cents(i)/3), currency)
		default:
			if i%7 == 0 {
				ref = ""
			}
			right.add(fmt.Sprintf("Z%05d", 9_000-2*i), ref, strings.ToUpper(company(i)), iso(i%300+i%10), money(cents(i)-i%2), currency)
		}
	}
	return left, right
}

// rules are the passes and comparisons of a recipe as texts, without their names. Mirrored are those of the recipe with its sides swapped.
func rules(r *kalla.Recipe, mirrored bool) []string {
	var out []string
	pair := func(l, r string) string {
		if mirrored {
			l, r = r, l
		}
		return l + "~" + r
	}
	within := func(w *kalla.Within) string {
		switch {
		case w == nil:
			return ""
		case w.Days != nil && mirrored:
			return fmt.Sprintf(" days %d..%d", -w.Days.To, -w.Days.From)
		case w.Days != nil:
			return fmt.Sprintf(" days %d..%d", w.Days.From, w.Days.To)
		case w.Percent != nil:
			return " " + w.Percent.String() + "%"
		}
		return " " + w.Absolute.String()
	}
	for _, p := range r.Match {
		cardinality := p.Cardinality
		if mirrored {
			cardinality = map[kalla.Cardinality]kalla.Cardinality{kalla.OneToMany: kalla.ManyToOne, kalla.ManyToOne: kalla.OneToMany}[cardinality]
			if cardinality == "" {
				cardinality = p.Cardinality
			}
		}
		var when []string
		for _, c := range p.When {
			similar := ""
			if c.Similar != nil {
				similar = " like " + c.Similar.String() + " " + string(c.Method)
			}
			when = append(when, fmt.Sprintf("%s%s%s%v", pair(c.Left, c.Right), within(c.Within), similar, c.Normalize))
		}
		if p.Sum != nil {
			when = append(when, "sum "+pair(p.Sum.Left, p.Sum.Right)+within(p.Sum.Within))
		}
		out = append(out, fmt.Sprintf("%s: %s", cardinality, strings.Join(when, ", ")))
	}
	var compare []string
	for _, c := range r.Compare {
		compare = append(compare, "compare "+pair(c.Left, c.Right))
	}
	slices.Sort(compare)
	return append(out, compare...)
}

// TestMirror: swapping the sides gives the same rules, mirrored.
func TestMirror(t *testing.T) {
	dir := t.TempDir()
	left, right := ledgers()
	left.write(t, filepath.Join(dir, "a.csv"))
	right.write(t, filepath.Join(dir, "b.csv"))
	p, r := draft(t, dir, "a.csv", "b.csv")
	q, m := draft(t, dir, "b.csv", "a.csv")
	if p.Left != q.Right || p.Right != q.Left {
		t.Errorf("matched %+v and %+v, mirrored %+v and %+v", p.Left, p.Right, q.Right, q.Left)
	}
	// Groups are tried one to several first, so their order may turn.
	a, b := rules(r, false), rules(m, true)
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Errorf("rules\n%s\nmirrored\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// TestColumnsBesides: columns in another order, and further ones that mean nothing, change no rule; names that say nothing change no match.
func TestColumnsBesides(t *testing.T) {
	dir := t.TempDir()
	left, right := ledgers()
	left.write(t, filepath.Join(dir, "a.csv"))
	right.write(t, filepath.Join(dir, "b.csv"))
	p, r := draft(t, dir, "a.csv", "b.csv")

	shuffled := func(f *table) *table {
		out := &table{comma: f.comma}
		for i, row := range f.rows {
			noise := []string{"shelf", "weather"}
			if i > 0 {
				noise = []string{fmt.Sprint(i % 13), companies[(i*i+3)%5]}
			}
			row = append(slices.Clone(row), noise...)
			slices.Reverse(row)
			out.rows = append(out.rows, row)
		}
		return out
	}
	shuffled(left).write(t, filepath.Join(dir, "a2.csv"))
	shuffled(right).write(t, filepath.Join(dir, "b2.csv"))
	p2, r2 := draft(t, dir, "a2.csv", "b2.csv")
	a, b := rules(r, false), rules(r2, false)
	if !slices.Equal(a, b) || p.Left != p2.Left || p.Right != p2.Right {
		t.Errorf("rules\n%s\nwith other columns\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}

	opaque := func(f *table, prefix string) *table {
		out := &table{comma: f.comma, rows: slices.Clone(f.rows)}
		out.rows[0] = slices.Clone(out.rows[0])
		for i := range out.rows[0] {
			out.rows[0][i] = prefix + string(rune('a'+i))
		}
		return out
	}
	opaque(left, "x").write(t, filepath.Join(dir, "a3.csv"))
	opaque(right, "y").write(t, filepath.Join(dir, "b3.csv"))
	p3, r3 := draft(t, dir, "a3.csv", "b3.csv")
	if p.Left != p3.Left || p.Right != p3.Right || len(r.Match) != len(r3.Match) {
		t.Errorf("%+v, %+v in %d passes; with names that say nothing %+v, %+v in %d", p.Left, p.Right, len(r.Match), p3.Left, p3.Right, len(r3.Match))
	}
}
