package infer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
)

// cents is an amount that looks drawn at random, the same for the same number.
func cents(i int) int { return 1_000 + (i*i*7_919+i*104_729)%900_000 }

func money(c int) string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	return fmt.Sprintf("%s%d.%02d", sign, c/100, c%100)
}

// german writes an amount as German banks do: 1.234,56.
func german(c int) string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	whole := fmt.Sprint(c / 100)
	if len(whole) > 3 {
		whole = whole[:len(whole)-3] + "." + whole[len(whole)-3:]
	}
	return fmt.Sprintf("%s%s,%02d", sign, whole, c%100)
}

func date(i int) time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i) }

func iso(i int) string { return date(i).Format(time.DateOnly) }

var companies = strings.Fields("Albatros Brightwater Castell Delmar Eastgate Fjordland Granite Hollander Ibsen Juniper Kestrel Lindqvist Marchetti Nordlicht Oakfield Pinnacle Quarry Riverside Sorensen Thornton Umbra Vantage Westbrook Xenia Yarrow Zenith")

func company(i int) string {
	return companies[i%len(companies)] + " " + companies[(i*7+3)%len(companies)]
}

// TestSources: small sources of different natures, with the truth known.
func TestSources(t *testing.T) {
	type world struct {
		left, right *table
		want        []string
		check       func(*testing.T, *kalla.Recipe)
	}
	pair := func(l, r any) string { return fmt.Sprintf("%v=%v", l, r) }
	for _, c := range []struct {
		name  string
		build func() world
	}{
		{"bank file with semicolons, decimal commas and references in a text", func() world {
			w := world{left: newTable("invoice_no", "customer", "issued", "total"), right: newTable("Buchung", "Auftraggeber", "Verwendungszweck", "Betrag", "Nr")}
			w.right.comma = ';'
			for i := range 40 {
				w.left.add(fmt.Sprintf("RE-%05d", 1000+i), company(i), iso(i), money(cents(i)))
				if i%8 != 7 {
					w.right.add(date(i+i%9).Format("02.01.2006"), company(i), fmt.Sprintf("Rechnung RE-%05d vielen Dank", 1000+i), german(cents(i)), 500+i)
					w.want = append(w.want, pair(fmt.Sprintf("RE-%05d", 1000+i), 500+i))
				}
			}
			w.right.add(date(3).Format("02.01.2006"), "Stadtwerke", "Abschlag Strom", german(-12_345), 900)
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if r.Sources.Right.Options["decimal"] != "," || r.Sources.Right.Types["Buchung"].Format != "%d.%m.%Y" || len(r.Sources.Right.Derive) != 1 {
					t.Errorf("options %v, types %v, derived %v", r.Sources.Right.Options, r.Sources.Right.Types, r.Sources.Right.Derive)
				}
			}
			return w
		}},
		{"leading zeros on one side", func() world {
			w := world{left: newTable("doc", "booked", "amount"), right: newTable("id", "document_number", "value_date", "paid")}
			for i := range 30 {
				w.left.add(fmt.Sprintf("%08d", 4711+i*3), iso(i), money(cents(i)))
				w.right.add(i+1, 4711+i*3, iso(i+2), money(cents(i)))
				w.want = append(w.want, pair(fmt.Sprintf("%08d", 4711+i*3), i+1))
			}
			w.left.add("00009999", iso(3), "77.70")
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if n := r.Match[0].When[0].Normalize; len(n) != 1 || n[0] != kalla.StripLeadingZeros {
					t.Errorf("normalised by %v", n)
				}
			}
			return w
		}},
		{"negated amounts", func() world {
			w := world{left: newTable("entry_id", "reference", "posted", "amount"), right: newTable("txn_id", "ref", "date", "amount")}
			for i := range 30 {
				w.left.add(i+100, fmt.Sprintf("TR%04dX", i*7), iso(i), money(cents(i)))
				w.right.add(fmt.Sprintf("T%d", i), fmt.Sprintf("TR%04dX", i*7), iso(i+1), money(-cents(i)))
				w.want = append(w.want, pair(i+100, fmt.Sprintf("T%d", i)))
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if len(r.Sources.Right.Derive) != 1 {
					t.Errorf("derived: %v", r.Sources.Right.Derive)
				}
			}
			return w
		}},
		{"cents on one side", func() world {
			w := world{left: newTable("order_id", "placed", "total"), right: newTable("charge_id", "order_ref", "created", "amount_cents")}
			for i := range 30 {
				w.left.add(fmt.Sprintf("ord_%d", 9000+i), iso(i), money(cents(i)))
				w.right.add(fmt.Sprintf("ch_%d", i), fmt.Sprintf("ord_%d", 9000+i), iso(i), cents(i))
				w.want = append(w.want, pair(fmt.Sprintf("ord_%d", 9000+i), fmt.Sprintf("ch_%d", i)))
			}
			return w
		}},
		{"compound keys", func() world {
			w := world{left: newTable("branch", "slip", "day", "amount"), right: newTable("branch_code", "slip_no", "booked", "amount")}
			for b := range 5 {
				for i := range 12 {
					w.left.add(fmt.Sprintf("B%d", b), 100+i, iso(b+i), money(cents(b*50+i)))
					w.right.add(fmt.Sprintf("B%d", b), 100+i, iso(b+i+1), money(cents(b*50+i)))
					w.want = append(w.want, pair(fmt.Sprintf("B%d|%d", b, 100+i), fmt.Sprintf("B%d|%d", b, 100+i)))
				}
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if len(r.Sources.Left.PrimaryKey) != 2 || len(r.Sources.Right.PrimaryKey) != 2 {
					t.Errorf("keys %v, %v", r.Sources.Left.PrimaryKey, r.Sources.Right.PrimaryKey)
				}
			}
			return w
		}},
		{"references written in other ways", func() world {
			w := world{left: newTable("id", "contract", "amount"), right: newTable("line", "note", "amount")}
			for i := range 30 {
				w.left.add(i+1, fmt.Sprintf("CT-2026-%03d", i*3), money(cents(i)))
				w.right.add(fmt.Sprintf("L%02d", i), fmt.Sprintf("fee %s contract ct 2026/%03d", companies[i%26], i*3), money(cents(i)))
				w.want = append(w.want, pair(i+1, fmt.Sprintf("L%02d", i)))
			}
			return w
		}},
		{"references of several prefixes inside texts", func() world {
			w := world{left: newTable("doc", "amount"), right: newTable("line", "note", "amount")}
			for i := range 60 {
				doc := fmt.Sprintf("%s-%05d", []string{"INV", "CRN", "DN"}[i%3], 200+i*3)
				w.left.add(doc, money(cents(i)))
				w.right.add(fmt.Sprintf("L%02d", i), fmt.Sprintf("settles %s of %s", strings.ReplaceAll(doc, "-", ""), companies[i%26]), money(cents(i)))
				w.want = append(w.want, pair(doc, fmt.Sprintf("L%02d", i)))
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if len(r.Sources.Right.Derive) != 1 {
					t.Errorf("derived: %v", r.Sources.Right.Derive)
				}
			}
			return w
		}},
		{"no shared reference", func() world {
			w := world{left: newTable("id", "supplier", "due", "amount"), right: newTable("no", "beneficiary", "executed", "debit")}
			for i := range 60 {
				w.left.add(i+1, company(i), iso(i*2), money(cents(i)))
				if i%10 != 9 {
					w.right.add(fmt.Sprintf("P%d", i), strings.ToUpper(company(i))+" LTD", iso(i*2+i%4), money(cents(i)))
					w.want = append(w.want, pair(i+1, fmt.Sprintf("P%d", i)))
				}
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if len(r.Sources.Right.Derive) != 0 {
					t.Errorf("derived for nothing: %v", r.Sources.Right.Derive)
				}
			}
			return w
		}},
		{"exact duplicates", func() world {
			w := world{left: newTable("id", "ref", "amount"), right: newTable("id", "ref", "amount")}
			for i := range 30 {
				ref := fmt.Sprintf("Q-%d", 300+i)
				w.left.add(fmt.Sprintf("A%03d", i), ref, money(cents(i)))
				w.right.add(fmt.Sprintf("B%03d", i), ref, money(cents(i)))
				w.want = append(w.want, pair(fmt.Sprintf("A%03d", i), fmt.Sprintf("B%03d", i)))
				if i%6 == 0 { // paid twice: the first payment counts
					w.right.add(fmt.Sprintf("B%03d", 500+i), ref, money(cents(i)))
				}
			}
			return w
		}},
		{"part payments and batches", func() world {
			w := world{left: newTable("invoice", "batch", "amount"), right: newTable("payment", "ref", "amount")}
			for i := range 30 {
				id := fmt.Sprintf("F%04d", i)
				switch {
				case i%5 == 1: // two parts
					w.left.add(id, "", money(cents(i)))
					for part := range 2 {
						amount := cents(i) / 3
						if part == 1 {
							amount = cents(i) - cents(i)/3
						}
						w.right.add(fmt.Sprintf("P%d-%d", i, part), id, money(amount))
						w.want = append(w.want, pair(id, fmt.Sprintf("P%d-%d", i, part)))
					}
				case i%5 >= 3: // two invoices, one payment
					w.left.add(id, fmt.Sprintf("S-%d", i/5), money(cents(i)))
					w.want = append(w.want, pair(id, fmt.Sprintf("PS%d", i/5)))
					if i%5 == 4 {
						w.right.add(fmt.Sprintf("PS%d", i/5), fmt.Sprintf("S-%d", i/5), money(cents(i)+cents(i-1)))
					}
				default:
					w.left.add(id, "", money(cents(i)))
					w.right.add(fmt.Sprintf("P%d", i), id, money(cents(i)))
					w.want = append(w.want, pair(id, fmt.Sprintf("P%d", i)))
				}
			}
			return w
		}},
		{"no amounts", func() world {
			w := world{left: newTable("customer_id", "email", "city"), right: newTable("contact", "mail", "town")}
			for i := range 30 {
				mail := strings.ToLower(strings.ReplaceAll(company(i), " ", ".")) + fmt.Sprint(i) + "@example.org"
				w.left.add(i+1, mail, companies[i%5])
				w.right.add(1000+i, strings.ToUpper(mail), companies[i%5])
				w.want = append(w.want, pair(i+1, 1000+i))
			}
			return w
		}},
		{"running numbers that mean nothing", func() world {
			w := world{left: newTable("id", "voucher", "amount"), right: newTable("id", "voucher", "amount")}
			for i := range 40 {
				w.left.add(i+1, fmt.Sprintf("V%d", 7000+i*11), money(cents(i)))
				w.right.add((i*17)%40+1, fmt.Sprintf("V%d", 7000+i*11), money(cents(i)+i%3))
				w.want = append(w.want, pair(i+1, (i*17)%40+1))
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if r.Match[0].When[0].Left != "voucher" {
					t.Errorf("the first condition is on %s", r.Match[0].When[0].Left)
				}
				if within := r.Match[0].When[1].Within; within == nil || within.Absolute.String() != "0.02" {
					t.Errorf("the tolerance is %v", within)
				}
			}
			return w
		}},
		{"fees of up to one percent", func() world {
			w := world{left: newTable("id", "ref", "gross"), right: newTable("id", "ref", "net")}
			for i := range 60 {
				w.left.add(fmt.Sprintf("S%d", i), fmt.Sprintf("W%03d", i), money(cents(i)))
				w.right.add(fmt.Sprintf("N%d", i), fmt.Sprintf("W%03d", i), money(cents(i)-cents(i)*(i%10)/1000))
				w.want = append(w.want, pair(fmt.Sprintf("S%d", i), fmt.Sprintf("N%d", i)))
			}
			w.check = func(t *testing.T, r *kalla.Recipe) {
				if within := r.Match[0].When[1].Within; within == nil || within.Percent == nil || within.Percent.String() != "1" {
					t.Errorf("the tolerance is %v", within)
				}
			}
			return w
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := c.build()
			w.left.write(t, filepath.Join(dir, "ours.csv"))
			w.right.write(t, filepath.Join(dir, "theirs.csv"))
			p, r := draft(t, dir, "ours.csv", "theirs.csv")
			got, summary := run(t, r, dir)
			if f := score(got, w.want); f < 0.99 {
				t.Errorf("F1 is %.4f: %d pairs found, %d true", f, len(got), len(w.want))
			}
			same(t, p, summary)
			if w.check != nil {
				w.check(t, r)
			}
		})
	}
}

// TestNoKey: where nothing is unique the draft says so, with the number of bad keys.
func TestNoKey(t *testing.T) {
	dir := t.TempDir()
	left, right := newTable("ref", "amount"), newTable("id", "ref", "amount")
	for i := range 20 {
		left.add(fmt.Sprintf("K-%d", 100+i), money(cents(i)))
		right.add(i+1, fmt.Sprintf("K-%d", 100+i), money(cents(i)))
	}
	left.add("K-100", money(cents(0)))
	left.write(t, filepath.Join(dir, "a.csv"))
	right.write(t, filepath.Join(dir, "b.csv"))
	p, r := draft(t, dir, "a.csv", "b.csv")
	_, summary := run(t, r, dir)
	if summary.Left.BadKeys != 2 || summary.Left.Matched != 19 {
		t.Errorf("%d bad keys, %d matched", summary.Left.BadKeys, summary.Left.Matched)
	}
	same(t, p, summary)
	if e := p.Evidence[0]; e.Path != "sources.left.primary_key" || !strings.HasPrefix(e.Support, "2 of 21 records have an empty or repeated key") || len(e.CounterExamples) != 1 {
		t.Errorf("evidence of the key: %+v", e)
	}
}

// TestNothing: sources that have nothing to do with each other are refused, and so are empty ones.
func TestNothing(t *testing.T) {
	dir := t.TempDir()
	left, right, empty := newTable("id", "colour"), newTable("no", "weight"), newTable("id", "ref")
	for i := range 20 {
		left.add("a"+companies[i], companies[(i*3)%7])
		right.add(i+100, i*i)
	}
	reserved := newTable("rowid", "colour")
	reserved.rows = append(reserved.rows, left.rows[1:]...)
	reserved.write(t, filepath.Join(dir, "reserved.csv"))
	left.write(t, filepath.Join(dir, "a.csv"))
	right.write(t, filepath.Join(dir, "b.csv"))
	empty.write(t, filepath.Join(dir, "empty.csv"))
	for _, c := range []struct{ left, right, why string }{
		{"a.csv", "b.csv", "no column of one has values"},
		{"a.csv", "empty.csv", "empty has no records"},
		{"a.csv", "nowhere.csv", "no such file"},
		{"a.csv", "reserved.csv", `a column "rowid", a name that the engine keeps for itself`},
	} {
		_, err := propose(context.Background(), t, dir, c.left, c.right)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s, %s: %v", c.left, c.right, err)
		}
	}
}

// TestAnyNames: columns may be called whatever the drafting calls its own.
func TestAnyNames(t *testing.T) {
	dir := t.TempDir()
	left, right := newTable("id", "v", "n", "h", `we "ird`), newTable("k", "e0", "a", "d", "s")
	var want []string
	for i := range 30 {
		left.add(fmt.Sprintf("X%d", i), fmt.Sprintf("N%03d", i*3), money(cents(i)), iso(i), companies[i%26])
		right.add(fmt.Sprintf("Y%d", i), fmt.Sprintf("N%03d", i*3), money(cents(i)), iso(i+1), companies[i%26])
		want = append(want, fmt.Sprintf("X%d=Y%d", i, i))
	}
	left.write(t, filepath.Join(dir, "left_src.csv"))
	right.write(t, filepath.Join(dir, "2026 payments.v2.csv"))
	p, r := draft(t, dir, "left_src.csv", "2026 payments.v2.csv")
	got, summary := run(t, r, dir)
	if f := score(got, want); f != 1 {
		t.Errorf("F1 is %.4f", f)
	}
	same(t, p, summary)
	if r.Sources.Left.Alias != "left_records" || r.Sources.Right.Alias != "t_2026_payments" {
		t.Errorf("aliases %s and %s", r.Sources.Left.Alias, r.Sources.Right.Alias)
	}
}
