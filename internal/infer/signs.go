package infer

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// Letters and words by which files say in which direction an amount goes. Which
// of both is positive is a matter of whose file it is: the other side tells.
var (
	debitWords  = strings.Fields("d dr deb debit dbit s soll - out outgoing outflow withdrawal expense refund credit_note creditnote return chargeback reversal")
	creditWords = strings.Fields("c cr cred credit crdt h haben + in incoming inflow deposit income sale charge invoice receipt payment")
)

// signs derives amounts with a sign where a side writes debit and credit in two
// columns, the direction in a column beside the amount, or amounts as texts.
func (d *drafter) signs() error {
	for _, s := range []*side{d.left, d.right} {
		if err := d.moneyTexts(s); err != nil {
			return err
		}
		amounts := slices.DeleteFunc(slices.Clone(s.columns), func(c *column) bool {
			return !isAmount(c) || c.typ.Kind == kalla.Float || c.nonzero == 0
		})
		if err := d.twoColumns(s, amounts); err != nil {
			return err
		}
		if err := d.directions(s, amounts); err != nil {
			return err
		}
	}
	return nil
}

// twoColumns looks for two columns of amounts of which every record fills one.
func (d *drafter) twoColumns(s *side, amounts []*column) error {
	for i, a := range amounts {
		for _, b := range amounts[i+1:] {
			if sum := a.nonzero + b.nonzero; sum > s.rows || float64(sum) < 0.98*float64(s.rows) || min(a.nonzero, b.nonzero) < max(2, s.rows/100) {
				continue
			}
			x, y := d.d.Ident(a.name), d.d.Ident(b.name)
			var both int64
			if err := d.row(fmt.Sprintf("SELECT coalesce(count_if(%s <> 0 AND %s <> 0), 0) FROM %s", x, y, s.table), &both); err != nil {
				return err
			}
			if both > s.rows/1000 {
				continue
			}
			t := kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: max(a.typ.Scale, b.typ.Scale)}
			less := func(x, y string) string {
				return fmt.Sprintf("cast(coalesce(%s, 0) - coalesce(%s, 0) as decimal(18,%d))", x, y, t.Scale)
			}
			if err := d.sign(s, strings.ToLower(a.name)+"_less_"+strings.ToLower(b.name), less(x, y), less(y, x), t,
				fmt.Sprintf("%s and %s are one amount, of two signs", a.name, b.name),
				fmt.Sprintf("%s of %s fill exactly one of them", count(a.nonzero+b.nonzero-2*both), records(s.rows)), a.nonzero+b.nonzero-2*both); err != nil {
				return err
			}
		}
	}
	return nil
}

// directions looks for a column that says with a word or a letter in which direction amounts without a sign go.
func (d *drafter) directions(s *side, amounts []*column) error {
	for _, c := range slices.Clone(s.columns) {
		if c.typ.Kind != kalla.Text || c.distinct < 2 || c.distinct > 6 || c.maxLen > 16 || float64(c.filled) < 0.98*float64(s.rows) {
			continue
		}
		values, err := d.texts(fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s WHERE %[1]s <> '' ORDER BY 1 LIMIT 10", d.d.Ident(c.name), s.table))
		if err != nil {
			return err
		}
		var debit []string
		for _, v := range values {
			switch word := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(v), " ", "_")); {
			case slices.Contains(debitWords, word):
				debit = append(debit, d.d.Text(v))
			case !slices.Contains(creditWords, word):
				debit = nil
				values = nil
			}
			if values == nil {
				break
			}
		}
		if len(debit) == 0 || len(debit) == len(values) {
			continue
		}
		n := 0
		for _, a := range amounts {
			if a.negative > 0 || n == 3 {
				continue
			}
			n++
			x := d.d.Ident(a.name)
			signed := func(then, other string) string {
				return fmt.Sprintf("cast(case when %s in (%s) then %s else %s end as decimal(18,%d))", d.d.Ident(c.name), strings.Join(debit, ", "), then, other, a.typ.Scale)
			}
			if err := d.sign(s, strings.ToLower(a.name)+"_signed", signed("-"+x, x), signed(x, "-"+x), kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: a.typ.Scale},
				fmt.Sprintf("%s says which sign %s has", c.name, a.name), fmt.Sprintf("no %s is negative, and %s holds %s", a.name, c.name, strings.Join(values, ", ")), a.filled); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *drafter) sign(s *side, name, sql, opposite string, t kalla.Type, what, support string, agree int64) error {
	name = s.freeName(name)
	if d.without(deriveID(s, name)) {
		return nil
	}
	c, err := d.addDerived(s, name, sql, sql, t)
	if err != nil {
		return err
	}
	c.opposite = opposite
	d.note(Evidence{ID: deriveID(s, name), Path: "sources." + string(s.name) + ".derive." + name, What: what, Support: support, Agree: agree, Of: s.rows})
	return nil
}
