package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"kalla/internal/job"
)

func TestHears(t *testing.T) {
	days := func(n int) Edit { return Edit{Days: &n} }
	for said, want := range map[string]Edit{
		"amounts may differ by 0.05": {Amount: "0.05"}, "tolerance 0,10": {Amount: "0.1"}, "rounding of 5 cents is fine": {Amount: "0.05"},
		"up to 1.5 % difference": {Amount: "1.5%"}, "within two weeks": days(14), "within 3 days": days(3), "dates may be up to 10 days apart": days(10),
		"only 2026": {}, "within reason": {}, "differ by 1 or 2": {},
	} {
		got, ok := tolerance(said)
		if ok != (want != Edit{}) || encode(got) != encode(want) {
			t.Errorf("%q: %s %v", said, encode(got), ok)
		}
	}
	for said, want := range map[string]span{
		"only 2026": {"2026-01-01", "2026-12-31"}, "since 2026-03-05": {from: "2026-03-05"}, "before 2025": {to: "2024-12-31"}, "after march 2026": {from: "2026-04-01"},
		"from january 2026 to march 2026": {"2026-01-01", "2026-03-31"}, "in q1 2026": {"2026-01-01", "2026-03-31"}, "until february 2028": {to: "2028-02-29"},
		"between 2026-02-01 and 2026-01-15": {"2026-01-15", "2026-02-01"}, "only EUR": {},
	} {
		if got, ok := spanOf(strings.ToLower(said)); got != want || ok != (want != span{}) {
			t.Errorf("%q: %v %v", said, got, ok)
		}
	}
	for said, want := range map[string]string{
		"why is INV-17 not matched?": "INV-17", "Explain 4711|2": "4711|2", "why wasn't PAY-1 matched": "PAY-1", "what about invoice \"A 1\"": "A", "why is it not matched": "", "why": "", "explain the rules again": "rules",
	} {
		if got, _ := asksWhy(said); got != want {
			t.Errorf("%q: %q, not %q", said, got, want)
		}
	}
	sources := []Source{{Alias: "customer_invoices"}, {Alias: "bank_2025"}, {Alias: "bank_2026"}, {Alias: "payments"}}
	for said, want := range map[string]string{
		"reconcile the invoices with our payments": "customer_invoices payments", "payments against customer_invoices": "payments customer_invoices",
		"invoice and bank_2026": "customer_invoices bank_2026", "match payments with the bank": "payments ?bank_2025,bank_2026", "hello": "",
	} {
		sure, unsure := named(said, sources)
		var got []string
		for _, s := range sure {
			got = append(got, s.Alias)
		}
		for _, group := range unsure {
			var all []string
			for _, s := range group {
				all = append(all, s.Alias)
			}
			got = append(got, "?"+strings.Join(all, ","))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, not %q", said, strings.Join(got, " "), want)
		}
	}
	for _, said := range []string{"yes", "ok, go on", "looks right", "these are fine", "all of them", "enough", "save it"} {
		if !agrees(said) {
			t.Errorf("%q is no agreement", said)
		}
	}
	for _, said := range []string{"no", "okra", "ignore cancelled", "why?"} {
		if agrees(said) {
			t.Errorf("%q is an agreement", said)
		}
	}
}

// TestMasks: a token has the shape of its value, is the same for the same value,
// another for another, and stands for it when it comes back.
func TestMasks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z]{4,6}-[0-9]{6,8}|[a-zéß]{8,12} [A-Z][a-z]{6,9}|[0-9]{6}\.[0-9]{2}`), 1, 20, rapid.ID[string]).Draw(t, "values")
		masks := Masks{}
		rows := [][]*string{}
		for i := range values {
			rows = append(rows, []*string{&values[i], nil}, []*string{&values[i], nil})
		}
		hidden := Mask(&SourceData{Source: "a", Rows: rows}, masks, func(string) bool { return false }).(*SourceData)
		seen := map[string]string{}
		for i, row := range hidden.Rows {
			token, value := *row[0], *rows[i][0]
			if row[1] != nil || len([]rune(token)) != len([]rune(value)) {
				t.Fatalf("%q is %q", value, token)
			}
			for k, r := range []rune(value) {
				m := []rune(token)[k]
				if unicode.IsDigit(r) != unicode.IsDigit(m) || unicode.IsUpper(r) != unicode.IsUpper(m) || unicode.IsLetter(r) != unicode.IsLetter(m) || !unicode.IsDigit(r) && !unicode.IsLetter(r) && r != m {
					t.Fatalf("%q has not the shape of %q", token, value)
				}
			}
			if other, ok := seen[token]; ok && other != value {
				t.Fatalf("%q is both %q and %q", token, other, value)
			}
			seen[token] = value
			input, _ := json.Marshal(map[string]any{"key": token + "|" + token, "conditions": []any{map[string]any{"op": token, "value": []any{token, json.Number("12345678901234567.89")}}}})
			var back struct {
				Key        string
				Conditions []struct {
					Op    string
					Value []any
				}
			}
			text := masks.Unmask(input)
			if err := json.Unmarshal(text, &back); err != nil || back.Key != value+"|"+value || back.Conditions[0].Value[0] != value || back.Conditions[0].Op != token || !strings.Contains(string(text), "12345678901234567.89") {
				t.Fatalf("%s comes back as %+v", input, back)
			}
		}
		if len(seen) != len(values) {
			t.Fatalf("%d tokens of %d values", len(seen), len(values))
		}
		if shown := Mask(&SourceData{Source: "a", Rows: rows}, masks, func(s string) bool { return s == "a" }).(*SourceData); *shown.Rows[0][0] != values[0] {
			t.Fatal("what is shared is masked")
		}
	})
}

// TestEditsKeepTheRest: a tolerance goes to what compares amounts or dates, and nowhere else.
func TestEditsKeepTheRest(t *testing.T) {
	const document = `kalla: 1
recipe_id: x
sources:
  left: {alias: a, source: a, primary_key: [id]}
  right: {alias: b, source: b, primary_key: [id]}
match:
  - name: reference
    cardinality: one_to_one
    when:
      - {left: ref, right: ref}
      - {left: amount, right: paid}
      - {left: issued, right: paid_on, within: {days: [0, 5]}}
`
	left := []job.Column{{Name: "ref", DataType: "integer"}, {Name: "amount", DataType: "decimal(18,2)"}, {Name: "issued", DataType: "date"}}
	right := []job.Column{{Name: "ref", DataType: "integer"}, {Name: "paid", DataType: "decimal(18,2)"}, {Name: "paid_on", DataType: "date"}}
	n := 9
	for _, x := range []struct {
		edit Edit
		want string
	}{
		{Edit{Amount: "0.05"}, `[null,{"absolute":"0.05"},{"days":{"from":0,"to":5}}]`},
		{Edit{Amount: "2%"}, `[null,{"percent":"2"},{"days":{"from":0,"to":5}}]`},
		{Edit{Days: &n}, `[null,null,{"days":{"from":0,"to":9}}]`},
	} {
		text, _, err := x.edit.apply(document, left, right)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []any
		for _, c := range r.Match[0].When {
			got = append(got, c.Within)
		}
		if encode(got) != x.want {
			t.Errorf("%s: %s, not %s", encode(x.edit), encode(got), x.want)
		}
	}
	for _, bad := range []string{"much", "-1", "1e999999", "1;2"} {
		if _, _, err := (Edit{Amount: bad}).apply(document, left, right); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if text, set, err := (Edit{Amount: "1"}).apply(document, nil, nil); err != nil || text != document || len(set) > 0 {
		t.Errorf("no amounts, and changed at %v: %v", set, err)
	}
}
