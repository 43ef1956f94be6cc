package recipe_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/recipe"
)

func TestExplain(t *testing.T) {
	for _, name := range []string{"full.yaml", "everything.yaml", "match_sql.yaml"} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, s := range recipe.Explain(valid(t)[name]) {
				b.WriteString(s.Path + ": " + s.Text + "\n")
			}
			golden := "testdata/explain/" + strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	base := func() *kalla.Recipe { return valid(t)["full.yaml"] }
	number := func(s string) *kalla.Decimal {
		d, err := decimal.NewFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	for _, c := range []struct {
		name   string
		change func(r *kalla.Recipe)
		want   string // one change a line
	}{
		{"nothing", func(r *kalla.Recipe) {}, ""},
		{"what means the same", func(r *kalla.Recipe) {
			r.Match[0].When[0].Op = kalla.OpEq
			r.Match[0].When[1].Within.Absolute = number("0.020")
			r.Match[0].OnAmbiguous = kalla.Best
			r.OnBadKey = kalla.ReportBadKeys
			r.Match[3].SQL = "l.customer_id = r.payer_id\n  AND l.currency = r.currency"
		}, ""},
		{"tolerance", func(r *kalla.Recipe) { r.Match[0].When[1].Within.Absolute = number("0.05") },
			`pass "reference and amount": tolerance of amount 0.02 → 0.05`},
		{"to percent", func(r *kalla.Recipe) { r.Match[0].When[1].Within = &kalla.Within{Percent: number("2")} },
			`pass "reference and amount": tolerance of amount 0.02 → 2%`},
		{"window", func(r *kalla.Recipe) { r.Match[0].When[2].Within.Days = &kalla.Window{From: -5, To: 5} },
			`pass "reference and amount": window of invoice_date 0 to 45 days → ±5 days`},
		{"form", func(r *kalla.Recipe) { r.Match[1].When[0].Op = "" },
			`pass "part payments": condition invoice_id is the beginning of reference_number → invoice_id equals reference_number`},
		{"similarity", func(r *kalla.Recipe) {
			r.Match[2].When[1].Similar, r.Match[2].When[1].Method = number("0.8"), ""
			r.Match[2].When[1].Normalize = []kalla.Normalize{kalla.Upper, kalla.Trim}
		}, `pass "same payer, same amount, similar name": least similarity of customer_name 0.9 → 0.8
pass "same payer, same amount, similar name": method of similarity of customer_name jaro_winkler → levenshtein
pass "same payer, same amount, similar name": normalization of customer_name added: upper, trim`},
		{"conditions", func(r *kalla.Recipe) { r.Match[0].When = r.Match[0].When[1:]; r.Match[0].Prefer = nil },
			`pass "reference and amount": condition removed: invoice_id equals reference_number
pass "reference and amount": prefer removed: amount, invoice_date`},
		{"order of conditions", func(r *kalla.Recipe) {
			w := r.Match[2].When
			w[0], w[1] = w[1], w[0]
		}, `pass "same payer, same amount, similar name": order of conditions amount equals paid_amount, customer_name is at least 90% like payer_name (Jaro-Winkler) → customer_name is at least 90% like payer_name (Jaro-Winkler), amount equals paid_amount`},
		{"sum", func(r *kalla.Recipe) { r.Match[1].Sum.Within = nil; r.Match[1].Subset = &kalla.Subset{Max: 4} },
			`pass "part payments": tolerance of the sum of amount 1% → none
pass "part payments": subset added: at most 4`},
		{"renamed", func(r *kalla.Recipe) { r.Match[3].Name = "the rest" }, `pass "anything else": name "anything else" → "the rest"`},
		{"passes", func(r *kalla.Recipe) {
			id := kalla.Pass{Name: "id", Cardinality: kalla.OneToOne, When: []kalla.Condition{{Left: "id", Right: "id"}}}
			r.Match = []kalla.Pass{r.Match[1], id, r.Match[0]}
		}, `pass "same payer, same amount, similar name" removed: one invoice to one payment, where *
pass "anything else" removed: every pair of one invoice and one payment is a match, where *
pass "id" added: one invoice to one payment, where id is the same on both. *
order of passes "reference and amount", "part payments" → "part payments", "reference and amount"`},
		{"sources", func(r *kalla.Recipe) {
			s := &r.Sources.Left
			s.URI = "postgres://u:secret@host/db?table=public.invoices"
			s.Anchor = false
			s.Filters = s.Filters[1:]
			s.Filters[0].Values = []string{"2026-10-01"}
			s.Types = map[string]kalla.Type{"amount": {Kind: kalla.DecimalKind, Precision: 18, Scale: 3}, "day": {Kind: kalla.Date, Format: "%d.%m.%Y"}}
			s.Derive[0].SQL = "upper(description)"
			r.Sources.Right.Options = map[string]string{"delimiter": ";"}
		}, `left source: place postgres://host/db?table=public.invoices → postgres://u:***@host/db?table=public.invoices
left source: anchor yes → no
left source: filter removed: status is not cancelled
left source: filter invoice_date is on or after 2026-11-01 → invoice_date is on or after 2026-10-01
left source: type of amount decimal(18,2) → decimal(18,3)
left source: type of day added: date written %d.%m.%Y
left source: derived column ref regexp_extract(description, 'INV-([0-9]+)', 1) → upper(description)
right source: option delimiter added: ";"`},
		{"the rest", func(r *kalla.Recipe) {
			r.Parameters = append(r.Parameters[:1], kalla.Parameter{Name: "n", Type: "integer", Required: true})
			r.Parameters[0].Default = "0.05"
			r.Extras[0].URI = "rates.csv"
			r.Compare[0].Normalize = []kalla.Normalize{kalla.Upper}
			r.OnBadKey = kalla.FailOnBadKeys
			r.Name = "Other"
		}, `name Invoices to payments → Other
parameter period_start removed: date, default "2026-11-01"
parameter tolerance decimal, default "0.02" → decimal, default "0.05"
parameter n added: integer, required
table fx: place file://fx.csv → rates.csv
comparison currency is the same on both → currency is the same on both (in capitals)
on_bad_key report → fail`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := base()
			c.change(r)
			var lines []string
			for _, x := range recipe.Diff(base(), r) {
				lines = append(lines, x.String())
			}
			want := strings.Split(c.want, "\n")
			if c.want == "" {
				want = nil
			}
			if len(lines) != len(want) {
				t.Fatalf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), c.want)
			}
			for i := range want {
				begin, any := strings.CutSuffix(want[i], "*")
				if any && !strings.HasPrefix(lines[i], begin) || !any && lines[i] != want[i] {
					t.Errorf("got:\n%s\nwant:\n%s", lines[i], want[i])
				}
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://user:pa55@host/db?table=a":                          "postgres://user:***@host/db?table=a",
		"postgres://user:p@ss:w@host:5432/db":                           "postgres://user:***@host:5432/db",
		"postgres://user:p/a?s@host/db":                                 "postgres://user:***@host/db",
		"postgres://user@host/db?password=x&sslmode=require":            "postgres://user@host/db?password=***&sslmode=require",
		"postgres://user:${PW}@host/db":                                 "postgres://user:${PW}@host/db",
		"postgres://host/db?table=invoices":                             "postgres://host/db?table=invoices",
		"s3://bucket/a@b.csv?key_id=AK&secret=${S3_SECRET}&region=eu":   "s3://bucket/a@b.csv?key_id=***&secret=${S3_SECRET}&region=eu",
		"https://token123@host/a.csv":                                   "https://***@host/a.csv",
		"https://host/a.csv?sv=1&sig=abc%3D&se=2026":                    "https://host/a.csv?sv=1&sig=***&se=2026",
		"https://host/a.csv?X-Amz-Signature=abc&X-Amz-Credential=k/eu":  "https://host/a.csv?X-Amz-Signature=***&X-Amz-Credential=***",
		"az://c/a.csv?connection_string=AccountName=x;AccountKey=abc==": "az://c/a.csv?connection_string=AccountName=x;AccountKey=***",
		"host=db password='a b' user=me":                                "host=db password=*** user=me",
		"payments.csv":                                                  "payments.csv",
		"file:///data/a:b@c.csv":                                        "file:///data/a:b@c.csv",
	} {
		r := &kalla.Recipe{Extras: []kalla.Extra{{URI: in}}, Parameters: []kalla.Parameter{{Name: "place", Type: "text", Default: in}, {Name: "api_token", Type: "text", Default: "abc"}}}
		r.Sources.Left.URI, r.Sources.Right.URI = in, in
		r.Sources.Left.Options = map[string]string{"password": "pa55", "secret": "${S3_SECRET}", "connection_string": "AccountName=x;AccountKey=abc==", "delimiter": ";"}
		c := recipe.Redact(r)
		if want := "map[connection_string:AccountName=x;AccountKey=*** delimiter:; password:*** secret:${S3_SECRET}]"; fmt.Sprint(c.Sources.Left.Options) != want {
			t.Errorf("options: %v", c.Sources.Left.Options)
		}
		for _, got := range []string{c.Sources.Left.URI, c.Sources.Right.URI, c.Extras[0].URI} {
			if got != want {
				t.Errorf("%s:\n got %s\nwant %s", in, got, want)
			}
		}
		if strings.Contains(in, "://") && c.Parameters[0].Default != want || c.Parameters[1].Default != "***" {
			t.Errorf("parameters: %+v", c.Parameters)
		}
		if r.Sources.Left.URI != in || r.Extras[0].URI != in || r.Sources.Left.Options["password"] != "pa55" || r.Parameters[0].Default != in {
			t.Error("the original was changed")
		}
	}
}
