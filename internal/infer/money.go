package infer

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// moneyForms are how amounts are written with a currency, or with the sign behind
// or as brackets, by which mark comes before the cents.
var moneyForms = []struct{ point, digits string }{
	{".", `([0-9]+|[0-9]{1,3}(,[0-9]{3})+)\.[0-9]{1,4}`},
	{",", `([0-9]+|[0-9]{1,3}([. '’][0-9]{3})+),[0-9]{1,4}`},
}

const (
	currencyMark = `([A-Za-z]{3}|[$€£¥])?`
	debitMark    = `[-(]|[Dd][Rr]$|[Ss]$` // of a text: its amount is negative
)

// moneyTexts derives numbers of texts that are all amounts with a currency, a
// sign behind them or brackets around them: EUR 1.234,56; 1,234.56-; ($12.00).
func (d *drafter) moneyTexts(s *side) error {
	for _, c := range slices.Clone(s.columns) {
		if c.typ.Kind != kalla.Text || c.derived || c.digits < 0.99 || c.maxLen > 28 || c.distinct < 2 || d.without(typeID(c)) {
			continue
		}
		for _, f := range moneyForms {
			pattern := `\(?[-+]?\s*` + currencyMark + `\s*[-+]?\s*` + f.digits + `\s*` + currencyMark + `\s*([-+]|[CcDd][Rr]|[HhSs])?\)?`
			// Cents are demanded, since references of letters and digits look like the rest of it.
			ok, err := d.all(s, c, fmt.Sprintf("regexp_full_match({x}, %s)", d.d.Text(pattern)))
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			x, places := d.d.Ident(c.name), 0
			keep := "[^0-9" + f.point + "]"
			if err := d.row(fmt.Sprintf("SELECT coalesce(max(CASE WHEN contains(v, %[1]s) THEN length(v) - strpos(v, %[1]s) ELSE 0 END), 0) FROM (SELECT regexp_replace(%[2]s, %[3]s, '', 'g') AS v FROM %[4]s)",
				d.d.Text(f.point), x, d.d.Text(keep), s.table), &places); err != nil {
				return err
			}
			name := s.freeName(strings.ToLower(c.name) + "_number")
			if d.without(deriveID(s, name)) {
				break
			}
			number := func(like, all string) string {
				return fmt.Sprintf("try_cast(case when %s(%s, %s) then '-' else '' end || replace(regexp_replace(%s, %s, ''%s), %s, '.') as decimal(18,%d))",
					like, x, d.d.Text(debitMark), x, d.d.Text(keep), all, d.d.Text(f.point), places)
			}
			if _, err := d.addDerived(s, name, number("regexp_like", ""), number("regexp_matches", ", 'g'"), kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: places}); err != nil {
				return err
			}
			c.money = true
			d.note(Evidence{ID: deriveID(s, name), Path: "sources." + string(s.name) + ".derive." + name, What: c.name + " holds amounts with a currency or a sign of their own",
				Support: fmt.Sprintf("all %s values are written so, with %q before the cents", count(c.filled), f.point), Agree: c.filled, Of: c.filled})
			break
		}
	}
	return nil
}
