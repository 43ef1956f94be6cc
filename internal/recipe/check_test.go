package recipe_test

import (
	"strings"
	"testing"

	"kalla"
	"kalla/internal/recipe"
)

var (
	text      = kalla.Type{Kind: kalla.Text}
	number    = kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2}
	integer   = kalla.Type{Kind: kalla.Integer}
	date      = kalla.Type{Kind: kalla.Date}
	timestamp = kalla.Type{Kind: kalla.Timestamp}
	boolean   = kalla.Type{Kind: kalla.Boolean}
	blob      = kalla.Type{Kind: kalla.Other}
)

func TestCheck(t *testing.T) {
	left := kalla.Schema{{Name: "invoice_id", Type: text}, {Name: "amount", Type: number}, {Name: "due", Type: date}, {Name: "open", Type: boolean},
		{Name: "customer", Type: text}, {Name: "scan", Type: blob}, {Name: "count", Type: integer}, {Name: "Twice", Type: text}, {Name: "twice", Type: text}}
	right := kalla.Schema{{Name: "payment_id", Type: text}, {Name: "paid", Type: number}, {Name: "paid_at", Type: timestamp},
		{Name: "payer", Type: text}, {Name: "reference", Type: integer}, {Name: "REF", Type: text}}
	const recipeText = `kalla: 1
recipe_id: c
sources:
  left:
    alias: invoices
    uri: a.csv
    primary_key: [KEY]
    types: {TYPES}
    filters: [FILTER]
    derive: {later: "upper(customer)"}
  right: {alias: payments, uri: b.csv, primary_key: [payment_id]}
match:
  - cardinality: CARDINALITY
    when:
      - {left: invoice_id, right: reference}
      - {WHEN}
    SUM
compare:
  - {COMPARE}
`
	for _, c := range []struct {
		name, field, value string
		want               string // after "line n: "
	}{
		{"all is well", "", "", ""},
		{"unknown key", "KEY", "invoiceid", `sources.left.primary_key[0]: invoices has no column "invoiceid" (did you mean invoice_id?)`},
		{"derived key", "KEY", "later", ""},
		{"key without order", "KEY", "scan", `sources.left.primary_key[0]: column "scan" has no order, so it cannot be a key (derive a text from it)`},
		{"far off", "WHEN", "left: zzz, right: paid", `match[0].when[1].left: invoices has no column "zzz" (its columns are invoice_id, amount, due, open, customer, scan, count, Twice, twice and later)`},
		{"case", "WHEN", "left: AMOUNT, right: Paid", ""},
		{"ambiguous case", "WHEN", "left: TWICE, right: payer", `match[0].when[1].left: invoices has no column "TWICE" (there are several that differ by case: Twice and twice)`},
		{"type of nothing", "TYPES", "amout: text", `sources.left.types.amout: invoices has no column "amout" (did you mean amount?)`},
		{"type override", "TYPES", "amount: text", `compare[0].within: left column "amount" is text, not a number (if it holds numbers, say so: sources.left.types: {amount: "decimal(18,2)"})`},

		{"filter column", "FILTER", "{column: stat, op: eq, value: x}", `sources.left.filters[0].column: invoices has no column "stat" (its columns are invoice_id, amount, due, open, customer, scan, count, Twice, twice and later)`},
		{"filter number", "FILTER", "{column: amount, op: in, value: [1, 2.5, x]}", `sources.left.filters[0].value[2]: "x" is no value of column "amount", which is decimal(18,2) (write it like 1234.56: a point for the decimals, nothing between the thousands)`},
		{"filter date", "FILTER", `{column: due, op: gte, value: 31.12.2026}`, `sources.left.filters[0].value: "31.12.2026" is no value of column "due", which is date (write it like 2026-11-30)`},
		{"filter day", "FILTER", `{column: due, op: between, value: [2026-01-01, 2026-12-31]}`, ""},
		{"filter boolean", "FILTER", `{column: open, op: eq, value: 1}`, `sources.left.filters[0].value: "1" is no value of column "open", which is boolean (write true or false)`},
		{"filter like", "FILTER", `{column: amount, op: like, value: "1%"}`, `sources.left.filters[0].op: like is for text, and "amount" is decimal(18,2) (compare it with eq, gte, between …)`},

		{"within text", "WHEN", "left: amount, right: payer, within: 1", `match[0].when[1].within: right column "payer" is text, not a number (if it holds numbers, say so: sources.right.types: {payer: "decimal(18,2)"})`},
		{"within derived", "WHEN", "left: later, right: paid, within: 1", ""},
		{"within dates", "WHEN", "left: due, right: paid_at, within: 1", `match[0].when[1].within: the difference of two dates is a time, not a number (write within: {days: 3} or {hours: 12})`},
		{"days of dates", "WHEN", "left: due, right: paid_at, within: {days: 1}", ""},
		{"days of numbers", "WHEN", "left: amount, right: paid_at, within: {days: 1}", `match[0].when[1].within: left column "amount" is decimal(18,2), not a date (for numbers, write within: "0.02" or within: 1%)`},
		{"days of text", "WHEN", "left: customer, right: paid_at, within: {days: 1}", `match[0].when[1].within: left column "customer" is text, not a date (if it holds dates, say how they are written: sources.left.types: {customer: {type: date, format: "%d.%m.%Y"}})`},
		{"similar numbers", "WHEN", "left: customer, right: paid, similar: 0.9", `match[0].when[1].similar: similar is of texts, and right column "paid" is decimal(18,2) (if it holds references rather than numbers, read it as text: sources.right.types: {paid: text})`},
		{"prefix of a number", "WHEN", "left: customer, right: reference, op: prefix_of", `match[0].when[1].op: prefix_of is of texts, and right column "reference" is integer (if it holds references rather than numbers, read it as text: sources.right.types: {reference: text})`},
		{"normalized number", "WHEN", "left: customer, right: reference, normalize: [trim]", `match[0].when[1].normalize: only texts are normalized, and right column "reference" is integer (if it holds references rather than numbers, read it as text: sources.right.types: {reference: text})`},
		{"text and number", "WHEN", "left: customer, right: paid", ""},
		{"number and integer", "WHEN", "left: count, right: paid", ""},
		{"date and time", "WHEN", "left: due, right: paid_at", ""},
		{"date and text", "WHEN", "left: due, right: payer", `match[0].when[1]: "due" is date and "payer" is text: they cannot be compared (say how the dates are written: sources.right.types: {payer: {type: date, format: "%d.%m.%Y"}})`},
		{"boolean and number", "WHEN", "left: open, right: paid, op: gt", `match[0].when[1]: "open" is boolean and "paid" is decimal(18,2): they cannot be compared (compare columns of the same kind)`},
		{"no comparison", "WHEN", "left: scan, right: payer", `match[0].when[1]: left column "scan" is of a type that cannot be compared (derive a text or a number from it)`},
		{"sum", "SUM", "sum: {left: customer, right: paid}", `match[0].sum.left: left column "customer" is text, not a number (if it holds numbers, say so: sources.left.types: {customer: "decimal(18,2)"})`},
		{"sum of nothing", "SUM", "sum: {left: amount, right: payed}", `match[0].sum.right: payments has no column "payed" (did you mean payer?)`},
		{"block", "SUM", "block: [{left: amount, right: payer, transform: soundex}]", `match[0].block[0]: soundex is of texts, and left column "amount" is decimal(18,2) (if it holds references rather than numbers, read it as text: sources.left.types: {amount: text})`},
		{"compare", "COMPARE", "left: currency, right: payer", `compare[0].left: invoices has no column "currency" (its columns are invoice_id, amount, due, open, customer, scan, count, Twice, twice and later)`},
		{"compare kinds", "COMPARE", "left: due, right: paid", `compare[0]: "due" is date and "paid" is decimal(18,2): they cannot be compared (compare columns of the same kind)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := recipeText
			if c.field != "" {
				s = strings.Replace(s, c.field, c.value, 1)
			}
			s = strings.NewReplacer("KEY", "invoice_id", "TYPES", "due: date", "FILTER", "{column: open, op: eq, value: true}",
				"WHEN", "left: amount, right: paid", "SUM", "on_ambiguous: best", "COMPARE", "left: amount, right: paid, within: 1", "CARDINALITY", "one_to_many").Replace(s)
			doc := parse(t, s)
			r, err := doc.Bind(nil)
			if err != nil {
				t.Fatal(err)
			}
			got := recipe.Check(r, doc, left, right)
			if len(got) > 1 {
				t.Errorf("more than one fault: %v", got)
			}
			want := kalla.Faults{}
			if c.want != "" {
				path, _, _ := strings.Cut(c.want, ":")
				if len(got) != 1 || got[0].Path != path || got[0].Line == 0 || !strings.HasSuffix(got[0].String(), c.want) {
					t.Errorf("got  %v\nwant %v", got, c.want)
				}
			} else if len(got) != 0 {
				t.Errorf("got %v, want %v", got, want)
			}
			if without := recipe.Check(r, nil, left, right); len(without) != len(got) || len(got) > 0 && (without[0].Line != 0 || without[0].Problem != got[0].Problem) {
				t.Errorf("without the document: %v", without)
			}
		})
	}
}

func TestCheckUsesTheTypesOfDerivedColumnsWhereTheyAreKnown(t *testing.T) {
	doc := parse(t, `kalla: 1
recipe_id: d
sources:
  left: {alias: a, uri: a.csv, primary_key: [id], derive: {x: "upper(id)"}}
  right: {alias: b, uri: b.csv, primary_key: [id]}
match:
  - cardinality: one_to_one
    when: [{left: x, right: n, within: 1}]
`)
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	right := kalla.Schema{{Name: "id", Type: text}, {Name: "n", Type: number}}
	if f := recipe.Check(r, doc, kalla.Schema{{Name: "id", Type: text}}, right); len(f) != 0 {
		t.Errorf("not known yet: %v", f)
	}
	if f := recipe.Check(r, doc, kalla.Schema{{Name: "id", Type: text}, {Name: "x", Type: text}}, right); len(f) != 1 {
		t.Errorf("known: %v", f)
	}
}

func TestCheckRefusesColumnsThatTheEnginesKeepForThemselves(t *testing.T) {
	r := &kalla.Recipe{Sources: kalla.Sources{
		Left:  kalla.Source{Alias: "invoices", PrimaryKey: []string{"id"}},
		Right: kalla.Source{Alias: "payments", PrimaryKey: []string{"id"}},
	}}
	left := kalla.Schema{{Name: "id", Type: text}, {Name: "RowID", Type: integer}}
	right := kalla.Schema{{Name: "id", Type: text}, {Name: "kalla_id", Type: integer}, {Name: "kalla", Type: text}}
	const hint = " (give the column another name in the source; a database can do so in a query)"
	want := `sources.left: invoices has a column "RowID", a name that the engine keeps for itself` + hint + "\n" +
		`sources.right: payments has a column "kalla_id", a name that the engine keeps for itself` + hint
	if got := recipe.Check(r, nil, left, right).Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
