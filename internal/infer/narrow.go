package infer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// narrow lists changes by which a rejected pair no longer matches.
func (d *drafter) narrow(x *example, s seen) []change {
	f := d.facts
	t := d.passes[x.pass]
	var out []change
	add := func(rule, text string, apply func()) {
		var c change
		c.and(rule, text, apply)
		out = append(out, c)
	}
	if t.amount && !t.exactly && s.amounts && f.amount.within != nil && !s.l.Equal(s.r) {
		w := below(s.l.Sub(s.r).Abs(), s.l.Abs())
		add(f.amount.id, fmt.Sprintf("%s and %s agree %s instead of %s: not %s / %s", f.amount.l.name, f.amount.r.name, tolerance(w), tolerance(f.amount.within), s.l, s.r), func() { d.facts.amount.within = w })
	}
	if t.date && s.dates {
		w := f.date.window
		if s.days-w.From >= w.To-s.days {
			w.To = s.days - 1
		} else {
			w.From = s.days + 1
		}
		if w.From <= w.To {
			add(pairID(Dates, f.date.l, f.date.r), fmt.Sprintf("%s is %s after %s instead of %s", f.date.r.name, span(w), f.date.l.name, span(f.date.window)), func() { d.facts.date.window = w })
		}
	}
	for i, n := range f.names {
		if !s.unlike[i].Valid {
			continue
		}
		reached := one.Sub(decimal.New(s.unlike[i].Int64, -6))
		least := reached.Mul(decimal.NewFromInt(20)).Floor().Add(one).Div(decimal.NewFromInt(20))
		switch {
		case t.name != nil && t.name.l == n.l && t.name.r == n.r:
			if least.LessThanOrEqual(one) {
				add(pairID(Names, n.l, n.r), fmt.Sprintf("%s and %s reach %s instead of %s", n.l.name, n.r.name, least, n.least), func() { d.facts.names[i].least = least })
			}
		case reached.LessThan(n.least):
			add(pairID(Names, n.l, n.r), fmt.Sprintf("%s and %s have to reach %s as well", n.l.name, n.r.name, n.least), func() {
				d.required = append(d.required, func(t *trial) { t.name = &d.facts.names[i] })
			})
		}
	}
	if f.date != nil && !t.date && s.dates && (s.days < f.date.window.From || s.days > f.date.window.To) {
		add(pairID(Dates, f.date.l, f.date.r), fmt.Sprintf("%s has to be %s after %s as well", f.date.r.name, span(f.date.window), f.date.l.name), func() {
			d.required = append(d.required, func(t *trial) { t.date = true })
		})
	}
	for i, p := range f.same {
		if !s.same[i] {
			add(pairID(Same, p.l, p.r), fmt.Sprintf("%s and %s have to be equal as well", p.l.name, p.r.name), func() {
				d.required = append(d.required, func(t *trial) {
					if !(&link{on: t.on}).uses(p.l) {
						t.on = append(append([]pairing(nil), t.on...), p.pairing)
					}
				})
			})
		}
	}
	for i, k := range d.links {
		if len(t.on) == 0 || len(k.on) != 1 || k.on[0].l != t.on[0].l || k.on[0].r != t.on[0].r || s.normalised[i] <= 0 {
			continue
		}
		steps := variants[s.normalised[i]-1]
		add(k.id(), fmt.Sprintf("%s and %s are compared by %s", k.on[0].l.name, k.on[0].r.name, stepsText(steps)), func() { k.on[0].steps = steps })
	}
	add(t.id(f), "no pass "+d.recipe.Match[x.pass].Name, func() { d.dropped = append(d.dropped, t.id(f)) })
	return out
}

// below is the widest of the tolerances by which amounts that differ so much no longer agree; nil for exactly.
func below(apart, left kalla.Decimal) *kalla.Within {
	var out *kalla.Within
	for i := range tolerances[1:] {
		t := &tolerances[i+1]
		if t.Percent == nil && t.Absolute.LessThan(apart) {
			out = t
		}
	}
	if out == nil || !out.Absolute.Equal(decimal.NewFromInt(1)) {
		return out
	}
	for i := range tolerances {
		if t := &tolerances[i]; t.Percent != nil && left.Mul(*t.Percent).LessThan(apart.Shift(2)) {
			out = t
		}
	}
	return out
}

// nothingSeparates says what an example shows, where no change was found.
func (d *drafter) nothingSeparates(x *example, s seen) string {
	f := d.facts
	var facts []string
	for i, k := range d.links {
		if s.equal[i] {
			facts = append(facts, "share "+k.text())
		}
	}
	if len(facts) == 0 {
		facts = append(facts, "share no reference")
	}
	if s.amounts {
		facts = append(facts, fmt.Sprintf("have the amounts %s and %s", s.l, s.r))
	}
	if s.dates {
		facts = append(facts, fmt.Sprintf("are %s apart", span(kalla.Window{From: s.days, To: s.days})))
	}
	for i, n := range f.names {
		if s.unlike[i].Valid {
			facts = append(facts, fmt.Sprintf("reach %s in %s", one.Sub(decimal.New(s.unlike[i].Int64, -6)).Round(2), n.l.name))
		}
	}
	if x.Match && slices.Contains(s.equal, true) && d.satisfies(s) {
		return "the rules hold for them, but one of them goes to a record that is nearer: they " + strings.Join(facts, ", ")
	}
	if x.Match {
		return "no rule was found by which they belong together: they " + strings.Join(facts, ", ")
	}
	return "nothing tells them from pairs that belong together: they " + strings.Join(facts, ", ")
}

// satisfies reports whether amounts and dates of an example are within tolerance and window.
func (d *drafter) satisfies(s seen) bool {
	f := d.facts
	if f.amount != nil {
		if w, ok := wide(f.amount.within, s); !ok || toleranceID(w) != toleranceID(f.amount.within) {
			return false
		}
	}
	return f.date == nil || s.dates && s.days >= f.date.window.From && s.days <= f.date.window.To
}

func decimalOf(s string) (kalla.Decimal, error) {
	v, err := decimal.NewFromString(s)
	if err != nil {
		return v, &kalla.Error{Code: kalla.CodeInternal, Op: "reading an amount", Where: s, Err: err}
	}
	return v, nil
}
