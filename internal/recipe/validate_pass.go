package recipe

import (
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"kalla"
)

// isEquality reports whether the condition demands that two values are equal.
func isEquality(c kalla.Condition) bool {
	return c.Within == nil && c.Similar == nil && (c.Op == "" || c.Op == kalla.OpEq)
}

// isPrefix reports whether one value must begin with the other.
func isPrefix(c kalla.Condition) bool { return c.Op == kalla.OpPrefixOf || c.Op == kalla.OpHasPrefix }

// blocks reports whether candidates for the condition can be found without
// comparing every record with every other.
func blocks(c kalla.Condition) bool { return isEquality(c) || isPrefix(c) || c.Within != nil }

// measures reports whether the condition says how near a candidate is.
func measures(c kalla.Condition) bool { return c.Within != nil || c.Similar != nil || isPrefix(c) }

type passValidator struct {
	validator
	path string
	p    kalla.Pass
}

func (v passValidator) at(field string) string { return join(v.path, field) }

func (v passValidator) check() {
	for i, c := range v.p.When {
		v.condition(item(v.at("when"), i), c)
	}
	for i, b := range v.p.Block {
		v.pair(item(v.at("block"), i), b.Left, b.Right, "a block is written {left: name, right: payer, transform: soundex}")
	}
	if s := v.p.Sum; s != nil && !v.unknown(v.at("sum")) {
		v.pair(v.at("sum"), s.Left, s.Right, "a sum is written {left: amount, right: paid_amount, within: \"0.02\"}")
	}
	v.candidates()
	v.prefer()
	if !v.unknown(v.at("cardinality")) {
		v.cardinality()
	}
}

func (v passValidator) condition(path string, c kalla.Condition) {
	if v.unknown(path) {
		return
	}
	v.pair(path, c.Left, c.Right, "a condition is written {left: invoice_id, right: reference_number}")
	op, within, similar := join(path, "op"), join(path, "within"), join(path, "similar")
	switch {
	case c.Within != nil && c.Similar != nil:
		v.add(similar, "a condition is either within or similar", "write two conditions")
	case c.Op != "" && c.Within != nil:
		v.add(op, "a condition with within has no op", "write two conditions, or drop op: within already includes equal values")
	case c.Op != "" && c.Similar != nil:
		v.add(op, "a condition with similar has no op", "write two conditions, or drop op: similar already includes equal texts")
	}
	if s := c.Similar; s != nil && !v.unknown(similar) {
		hundred := decimal.NewFromInt(100)
		switch {
		case s.IsNegative() || s.IsZero():
			v.add(similar, s.String()+" is met by any two texts", "it is above 0 and at most 1, such as 0.9")
		case s.GreaterThan(decimal.NewFromInt(1)) && s.LessThanOrEqual(hundred):
			v.add(similar, s.String()+" is out of range: it is above 0 and at most 1", "write "+s.Div(hundred).String())
		case s.GreaterThan(hundred):
			v.add(similar, s.String()+" is out of range", "it is above 0 and at most 1, such as 0.9")
		}
	}
	if c.Method != "" && c.Similar == nil {
		v.add(join(path, "method"), "a method measures similarity, and there is no similar", "add the least similarity: similar: 0.9")
	}
	if len(c.Normalize) > 0 && c.Within != nil && !v.unknown(within) {
		v.add(join(path, "normalize"), "texts are normalized, and within is for numbers and dates", "keep one of them")
	}
}

// candidates makes sure that the pass has conditions, and one of them keeps it from
// being a comparison of all records with all.
func (v passValidator) candidates() {
	when, sql := v.at("when"), v.at("sql")
	if v.unknown(when) || v.unknown(sql) || v.p.SQL != "" {
		return // what SQL can do for the plan shows when it is parsed
	}
	if len(v.p.When) == 0 {
		v.missing(when, true, "say what must hold: when: [{left: invoice_id, right: reference_number}]")
		return
	}
	if len(v.p.Block) > 0 || slices.ContainsFunc(v.p.When, blocks) || v.unknown(v.at("block")) {
		return
	}
	for i := range v.p.When {
		if v.unknown(item(when, i)) || v.unknown(join(item(when, i), "op")) {
			return
		}
	}
	c := v.p.When[0]
	v.add(when, "every left record would have to be compared with every right one: no condition narrows the candidates",
		fmt.Sprintf("add an equality, a prefix or a within; or say which records are worth comparing: block: [{left: %s, right: %s, transform: soundex}]", c.Left, c.Right))
}

func (v passValidator) prefer() {
	path := v.at("prefer")
	var measured []string
	for _, c := range v.p.When {
		if measures(c) {
			measured = append(measured, c.Left)
		}
	}
	choice := "no condition of the pass measures a difference: leave prefer out"
	if len(measured) > 0 {
		choice = "it can name " + list(measured, "or")
	}
	for i, name := range v.p.Prefer {
		where, hint := item(path, i), choice
		named := func(c kalla.Condition) bool { return c.Left == name || c.Right == name }
		switch {
		case slices.Contains(v.p.Prefer[:i], name):
			v.add(where, quote(name)+" is named twice", "name it once")
		case slices.ContainsFunc(v.p.When, func(c kalla.Condition) bool { return named(c) && measures(c) }):
		case slices.ContainsFunc(v.p.When, named):
			v.add(where, "the condition on "+quote(name)+" measures no difference: all candidates are alike in it", hint)
		default:
			if n := nearest(name, measured); n != "" {
				hint = "did you mean " + n + "?"
			}
			v.add(where, quote(name)+" is no column of the pass's conditions", hint)
		}
	}
}

// cardinality checks what fits to which cardinality.
func (v passValidator) cardinality() {
	p := v.p
	group := p.Cardinality == kalla.OneToMany || p.Cardinality == kalla.ManyToOne
	if p.Cardinality == kalla.AllPairs && p.SQL == "" && !v.unknown(v.at("sql")) {
		v.missing(v.at("cardinality"), true, "it is "+list(cardinalities, "or"))
		return
	}
	refuse := func(field string, given bool, problem, hint string) {
		if given {
			v.add(v.at(field), problem, hint)
		}
	}
	refuse("sum", p.Sum != nil && !group && p.Cardinality != kalla.ManyToMany,
		"a sum is of a group of records, and this pass makes no groups",
		"set cardinality: one_to_many, many_to_one or many_to_many; or compare the amounts of two records in when, with within")
	refuse("subset", p.Subset != nil && !group, "a subset is searched for one record among several", "set cardinality: one_to_many or many_to_one")
	refuse("subset", p.Subset != nil && group && p.Sum == nil, "a subset is one that balances, and there is no sum", "add sum: {left: …, right: …}")
	switch p.Cardinality {
	case kalla.ManyToMany:
		v.manyToMany()
	case kalla.AllPairs:
		refuse("prefer", len(p.Prefer) > 0, "without a cardinality every pair is a match and none is preferred", "set a cardinality, or leave prefer out")
		refuse("on_ambiguous", p.OnAmbiguous != "", "without a cardinality every pair is a match and none is ambiguous", "set a cardinality, or leave on_ambiguous out")
	}
}

func (v passValidator) manyToMany() {
	p := v.p
	for i, c := range p.When {
		path := item(v.at("when"), i)
		if !isEquality(c) && !v.unknown(path) && !v.unknown(join(path, "op")) {
			v.add(path, "a many_to_many pass groups by equal values; other conditions do not make groups", "keep the equalities, and put the tolerance into sum")
		}
	}
	for _, x := range []struct {
		field string
		given bool
	}{{"sql", p.SQL != ""}, {"block", len(p.Block) > 0}, {"prefer", len(p.Prefer) > 0}, {"on_ambiguous", p.OnAmbiguous != ""}} {
		if x.given {
			v.add(v.at(x.field), "a many_to_many pass takes all records with equal values together; "+x.field+" has no meaning in it",
				"leave it out, or choose another cardinality")
		}
	}
}
