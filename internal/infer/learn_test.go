package infer_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/infer"
)

// exampleFiles are what the tests of examples start from: references, exact amounts, payments within five days, one currency of two.
func exampleFiles(t *testing.T, more func(left, right *table)) string {
	t.Helper()
	dir := t.TempDir()
	left, right := newTable("invoice", "customer", "issued", "gross", "currency"), newTable("payment", "ref", "payer", "paid_on", "paid", "ccy")
	for i := range 400 {
		currency := []string{"EUR", "CHF"}[i%2]
		payer := company(i) + []string{"", " Ltd", " Inc"}[i%3]
		left.add(fmt.Sprintf("AB-%04d", 100+i), company(i), iso(i), money(cents(i)), currency)
		right.add(fmt.Sprintf("P%03d", i), fmt.Sprintf("AB-%04d", 100+i), payer, iso(i+days(i)), money(cents(i)), currency)
	}
	more(left, right)
	left.write(t, filepath.Join(dir, "invoices.csv"))
	right.write(t, filepath.Join(dir, "payments.csv"))
	return dir
}

// days is how late a payment is: 0 to 5 days, 5 rarely.
func days(i int) int {
	if i%40 == 5 {
		return 5
	}
	return i % 5
}

func example(invoice, payment string, match bool) infer.Example {
	return infer.Example{Left: map[string]string{"invoice": invoice}, Right: map[string]string{"payment": payment}, Match: match}
}

// TestExamples: each example changes the rule that it has to, and a run of the recipe agrees with it.
func TestExamples(t *testing.T) {
	for _, c := range []struct {
		name     string
		more     func(left, right *table)
		examples []infer.Example
		rule     string // the first that the last example changes
		text     string
	}{
		{"a wider tolerance", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "AB-9000", "Ibsen Yarrow", iso(4), "499.70", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true)}, "amount:gross=paid", "within 0.5 instead of exactly: 500 / 499.7"},
		{"a wider window", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "AB-9000", "Ibsen Yarrow", iso(43), "500.00", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true)}, "date:issued=paid_on", "0 to 40 days after issued instead of 0 to 5 days"},
		{"a stronger normalisation", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "ab 9000", "Ibsen Yarrow", iso(4), "500.00", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true)}, "reference:invoice=ref", "alnum, upper"},
		{"a narrower window", func(*table, *table) {}, []infer.Example{example("AB-0105", "P005", false)}, "date:issued=paid_on", "0 to 4 days after issued"},
		{"another condition", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "AB-9000", "Ibsen Yarrow", iso(4), "500.00", "CHF")
		}, []infer.Example{example("AB-9000", "P900", false)}, "same:currency=ccy", "have to be equal as well"},
		{"several to one", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "AB-9000", "Ibsen Yarrow", iso(4), "200.00", "EUR")
			right.add("P901", "AB-9000", "Ibsen Yarrow", iso(44), "300.00", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true), example("AB-9000", "P901", true)}, "", ""},
		{"no reference: by name", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "", "Ibsen Yarow Ltd", iso(4), "500.00", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true)}, "", ""},
		{"all that is needed at once", func(left, right *table) {
			left.add("AB-9000", "Ibsen Yarrow", iso(3), "500.00", "EUR")
			right.add("P900", "ab9000", "Ibsen Yarrow", iso(13), "499.99", "EUR")
		}, []infer.Example{example("AB-9000", "P900", true), example("AB-0101", "P002", false)}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := exampleFiles(t, c.more)
			p, r := guided(t, dir, "invoices.csv", "payments.csv", infer.Guidance{Examples: c.examples, Choose: []string{"key:right=payment"}})
			got, summary := run(t, r, dir)
			same(t, p, summary)
			if len(got) < 380 {
				t.Errorf("%d pairs are left", len(got))
			}
			for i, x := range c.examples {
				l := p.Lessons[i]
				if l.Verdict != infer.Learned && l.Verdict != infer.Held {
					t.Errorf("example %d: %+v", i, l)
				}
				if got[x.Left["invoice"]+"="+x.Right["payment"]] != x.Match {
					t.Errorf("example %d: the run disagrees; %+v", i, l)
				}
			}
			last := p.Lessons[len(p.Lessons)-1]
			if c.rule != "" && (len(last.Rules) == 0 || last.Rules[0] != c.rule || !strings.Contains(last.Text, c.text)) {
				t.Errorf("learned %+v, want %s: %s", last, c.rule, c.text)
			}
		})
	}
}

// TestExamplesThatConflict: what cannot be reconciled is said, and changes nothing.
func TestExamplesThatConflict(t *testing.T) {
	dir := exampleFiles(t, func(*table, *table) {})
	plain, _ := draft(t, dir, "invoices.csv", "payments.csv")
	p, _ := guided(t, dir, "invoices.csv", "payments.csv", infer.Guidance{Examples: []infer.Example{
		example("AB-0101", "P001", true),
		example("AB-0101", "P001", false), // the contrary
		example("AB-0102", "P077", true),  // nothing in common
		example("AB-7777", "P001", true),
		{Left: map[string]string{"currency": "EUR"}, Right: map[string]string{"payment": "P001"}, Match: true},
		{Left: map[string]string{"colour": "red"}, Right: map[string]string{"payment": "P001"}, Match: true},
	}})
	for i, want := range []struct {
		verdict infer.Verdict
		text    string
	}{
		{infer.Held, ""},
		{infer.Conflicts, "example 1"},
		{infer.Conflicts, "share no reference"},
		{infer.NotFound, "0 records of invoices have invoice AB-7777"},
		{infer.NotFound, "200 records of invoices have currency EUR"},
		{infer.NotFound, "invoices has no column colour"},
	} {
		if l := p.Lessons[i]; l.Example != i || l.Verdict != want.verdict || !strings.Contains(l.Text, want.text) {
			t.Errorf("lesson %+v, want %+v", l, want)
		}
	}
	if p.Left != plain.Left || len(p.Recipe.Match) != len(plain.Recipe.Match) {
		t.Errorf("the recipe changed: %+v instead of %+v", p.Left, plain.Left)
	}
}

// TestWithoutAndChoose: what a person takes out stays out, and what they choose is taken.
func TestWithoutAndChoose(t *testing.T) {
	dir := exampleFiles(t, func(left, right *table) {
		for i := range 20 {
			left.add(fmt.Sprintf("AB-%d", 8000+i), company(i), iso(i), money(cents(i)+7), "EUR")
			right.add(fmt.Sprintf("Q%d", i), fmt.Sprintf("AB-%d", 8000+i), company(i), iso(i+1), money(cents(i)+7-i%3), "EUR")
		}
	})
	plain, r := draft(t, dir, "invoices.csv", "payments.csv")
	if w := r.Match[0].When[1].Within; w == nil || w.Absolute == nil || w.Absolute.String() != "0.02" {
		t.Fatalf("the tolerance is %v", w)
	}
	ids := map[string]infer.Evidence{}
	for _, e := range plain.Evidence {
		if _, twice := ids[e.ID]; twice || e.ID == "" {
			t.Errorf("%q names two proposals, or none: %+v", e.ID, e)
		}
		if e.Agree > e.Of {
			t.Errorf("%d of %d: %+v", e.Agree, e.Of, e)
		}
		ids[e.ID] = e
	}
	alternatives := ids["amount:gross=paid"].Alternatives
	if len(alternatives) == 0 || alternatives[0].ID != "amount:gross=paid~exactly" {
		t.Fatalf("alternatives of the tolerance: %+v", alternatives)
	}
	window := func(r *kalla.Recipe) bool {
		for _, c := range r.Match[0].When {
			if c.Within != nil && c.Within.Days != nil {
				return true
			}
		}
		return false
	}
	if !window(r) || len(r.Compare) == 0 {
		t.Fatalf("no window, or nothing compared: %+v", r)
	}
	_, r = guided(t, dir, "invoices.csv", "payments.csv", infer.Guidance{
		Without: []string{"date:issued=paid_on", "same:currency=ccy", "key:left=invoice", "nothing:of=this"},
		Choose:  []string{"amount:gross=paid~exactly"},
	})
	if window(r) || r.Match[0].When[1].Within != nil {
		t.Errorf("the first pass is %+v", r.Match[0])
	}
	for _, c := range r.Compare {
		if c.Left == "currency" {
			t.Error("the currency is compared")
		}
	}
	if k := r.Sources.Left.PrimaryKey; len(k) == 1 && k[0] == "invoice" {
		t.Errorf("the key is %v", k)
	}
	_, r = guided(t, dir, "invoices.csv", "payments.csv", infer.Guidance{Choose: []string{"key:right=ref,payment", "amount:gross=paid~2%", "date:issued=paid_on~-3..30"}})
	if k := r.Sources.Right.PrimaryKey; strings.Join(k, ",") != "payment,ref" {
		t.Errorf("the key is %v", k)
	}
	first := r.Match[0].When
	if w := first[1].Within; w == nil || w.Percent == nil || w.Percent.String() != "2" {
		t.Errorf("the tolerance is %v", w)
	}
	if w := first[2].Within; w == nil || w.Days == nil || *w.Days != (kalla.Window{From: -3, To: 30}) {
		t.Errorf("the window is %v", w)
	}
}

// TestSuggestions: a status whose records never match is suggested as a filter, and is not in the recipe.
func TestSuggestions(t *testing.T) {
	dir := t.TempDir()
	left, right := newTable("id", "ref", "amount", "state"), newTable("no", "ref", "paid")
	for i := range 200 {
		state := []string{"open", "done", "open", "void"}[i%4]
		left.add(fmt.Sprintf("I%d", i), fmt.Sprintf("Z-%d", 500+i), money(cents(i)), state)
		if state != "void" {
			right.add(fmt.Sprintf("N%d", i), fmt.Sprintf("Z-%d", 500+i), money(cents(i)))
		}
	}
	left.write(t, filepath.Join(dir, "a.csv"))
	right.write(t, filepath.Join(dir, "b.csv"))
	p, r := draft(t, dir, "a.csv", "b.csv")
	if len(p.Suggestions) != 1 || len(r.Sources.Left.Filters) != 0 {
		t.Fatalf("suggested %+v, filtered by %+v", p.Suggestions, r.Sources.Left.Filters)
	}
	s := p.Suggestions[0]
	if s.Side != kalla.Left || s.Records != 50 || s.Matched != 0 || s.Filter.Column != "state" || s.Filter.Op != kalla.FilterNeq || s.What != "a whose state is void never match" {
		t.Errorf("suggested %+v", s)
	}
}
