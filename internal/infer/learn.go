package infer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// change is one way to make the rules agree with an example.
type change struct {
	rules []string // Evidence.ID of what it changes
	text  []string
	apply func() // to facts, links and passes as the data alone gave them
}

func (c *change) and(rule, text string, apply func()) {
	before := c.apply
	c.rules, c.text = append(slices.Clip(c.rules), rule), append(slices.Clip(c.text), text)
	c.apply = func() {
		if before != nil {
			before()
		}
		apply()
	}
}

const (
	dearest   = 0.3   // share of the matched records that a rejected example may cost at most
	cheap     = 0.002 // a change that costs no more is taken without looking for a better one
	widestPct = 10    // per cent by which amounts of a confirmed example may differ
)

// learn drafts the passes, and changes the rules until they agree with the
// examples: each in turn by the change that costs least, provided that those
// before it stay as they are.
func (d *drafter) learn() error {
	if err := d.resolve(); err != nil {
		return err
	}
	restore := d.save()
	var taken []change
	again := func(more ...change) error {
		restore()
		for _, c := range append(slices.Clone(taken), more...) {
			c.apply()
		}
		return d.compose()
	}
	if err := d.compose(); err != nil {
		return err
	}
	for i, x := range d.examples {
		lesson := Lesson{Example: i, Verdict: Held, Text: "the draft says so already"}
		switch {
		case !x.found:
			lesson.Verdict, lesson.Text = NotFound, x.why
		case !x.agrees():
			c, why, err := d.teach(x, i, again)
			if err != nil {
				return err
			}
			if c == nil {
				lesson.Verdict, lesson.Text = Conflicts, why
			} else {
				taken = append(taken, *c)
				lesson.Verdict, lesson.Text, lesson.Rules = Learned, strings.Join(c.text, "; "), c.rules
			}
			if err := again(); err != nil {
				return err
			}
		}
		d.lessons = append(d.lessons, lesson)
	}
	return nil
}

// teach looks for the change by which the draft agrees with an example and with all before it.
func (d *drafter) teach(x *example, index int, again func(...change) error) (*change, string, error) {
	s, err := d.look(x)
	if err != nil {
		return nil, "", err
	}
	var ways []change
	if x.Match {
		ways, err = d.widen(x, s)
	} else {
		ways = d.narrow(x, s)
	}
	if err != nil {
		return nil, "", err
	}
	before := d.left.matched + d.right.matched
	why := d.nothingSeparates(x, s)
	var best *change
	least := dearest
	for _, c := range ways {
		if err := again(c); err != nil {
			return nil, "", err
		}
		text := strings.Join(c.text, "; ")
		if i := slices.IndexFunc(d.examples[:index], func(e *example) bool {
			return e.found && !e.agrees() && d.lessons[slices.Index(d.examples, e)].Verdict != Conflicts
		}); i >= 0 {
			why = fmt.Sprintf("%s would agree with it, but no longer with example %d", text, i+1)
			continue
		}
		if !x.agrees() {
			continue
		}
		cost := float64(before-d.left.matched-d.right.matched) / float64(max(1, before))
		if x.Match { // the way that changes least comes first
			return &c, "", nil
		}
		if cost > dearest {
			why = fmt.Sprintf("%s would agree with it, but give up %s of the matched records", text, share(cost, 1))
			continue
		}
		if cost < least {
			best, least = &c, cost
		}
		if cost <= cheap {
			break
		}
	}
	return best, why, nil
}

// save returns what puts facts, links and passes back to where they are now.
func (d *drafter) save() func() {
	facts, links, evidence := d.facts, slices.Clone(d.links), slices.Clone(d.evidence)
	values := make([]link, len(links))
	for i, k := range links {
		values[i] = *k
		values[i].on = slices.Clone(k.on)
	}
	var amount amountFact
	var date dateFact
	if facts.amount != nil {
		amount = *facts.amount
	}
	if facts.date != nil {
		date = *facts.date
	}
	names := slices.Clone(facts.names)
	derive := [2][]kalla.Derived{slices.Clone(d.left.derive), slices.Clone(d.right.derive)}
	return func() {
		for i, k := range links {
			*k = values[i]
			k.on = slices.Clone(values[i].on)
		}
		d.links = slices.Clone(links)
		if facts.amount != nil {
			*facts.amount = amount
		}
		if facts.date != nil {
			*facts.date = date
		}
		d.facts = facts
		d.facts.names = slices.Clone(names)
		d.evidence = slices.Clone(evidence)
		d.recipe.Match, d.recipe.Compare = nil, nil
		d.passes, d.forced, d.required, d.dropped = nil, nil, nil, nil
		d.left.derive, d.right.derive = slices.Clone(derive[0]), slices.Clone(derive[1])
		for _, s := range []*side{d.left, d.right} {
			s.matched, s.free = 0, nil
		}
		for _, x := range d.examples {
			x.pass = -1
		}
	}
}

// widen lists changes by which a confirmed pair could match, those by references first.
func (d *drafter) widen(x *example, s seen) ([]change, error) {
	f := d.facts
	// values are the changes that amounts and dates need, whatever the pass.
	values := func(c *change, dates bool) bool {
		if f.amount != nil {
			w, ok := wide(f.amount.within, s)
			if !ok {
				return false
			}
			if toleranceID(w) != toleranceID(f.amount.within) {
				c.and(f.amount.id, fmt.Sprintf("%s and %s agree %s instead of %s: %s / %s", f.amount.l.name, f.amount.r.name, tolerance(w), tolerance(f.amount.within), s.l, s.r), func() { d.facts.amount.within = w })
			}
		}
		if f.date != nil && dates {
			if !s.dates {
				return false
			}
			w := kalla.Window{From: min(f.date.window.From, s.days), To: max(f.date.window.To, s.days)}
			if w != f.date.window {
				c.and(pairID(Dates, f.date.l, f.date.r), fmt.Sprintf("%s is %s after %s instead of %s", f.date.r.name, span(w), f.date.l.name, span(f.date.window)), func() { d.facts.date.window = w })
			}
		}
		return true
	}
	var out []change
	for i, k := range d.links {
		var c change
		if !s.equal[i] {
			if s.normalised[i] < 0 {
				continue
			}
			steps := variants[s.normalised[i]]
			c.and(k.id(), fmt.Sprintf("%s and %s are compared by %s", k.on[0].l.name, k.on[0].r.name, stepsText(steps)), func() { k.on[0].steps = steps })
		}
		t := trial{cardinality: kalla.OneToOne, on: k.on, amount: f.amount != nil, date: f.date != nil, forced: true}
		if single := c; values(&single, true) {
			if !k.trusted {
				single.and(t.id(f), "records that share "+k.text()+" are matched", func() { t := t; t.on = k.on; d.forced = append(d.forced, t) })
			}
			if len(single.text) > 0 {
				out = append(out, single)
			}
		}
		if f.amount != nil {
			out = append(out, d.group(x, k, c)...)
		}
	}
	if f.amount != nil {
		for _, n := range f.names {
			out = append(out, d.byName(n, s, values)...)
		}
	}
	more, err := d.newReference(x, values)
	return append(out, more...), err
}

// group lists changes by which a pair is part of a group: as one of several that were confirmed for the same record.
func (d *drafter) group(x *example, k *link, c change) []change {
	var out []change
	for _, cardinality := range []kalla.Cardinality{kalla.OneToMany, kalla.ManyToOne} {
		several := slices.ContainsFunc(d.examples, func(e *example) bool {
			return e != x && e.found && e.Match && (cardinality == kalla.OneToMany && e.l == x.l || cardinality == kalla.ManyToOne && e.r == x.r)
		})
		if !several {
			continue
		}
		t := trial{cardinality: cardinality, on: k.on, amount: true, forced: true}
		g := c
		g.and(t.id(d.facts), fmt.Sprintf("records that share %s are matched %s, and their sums compared", k.text(), map[kalla.Cardinality]string{kalla.OneToMany: "one to several", kalla.ManyToOne: "several to one"}[cardinality]),
			func() { t := t; t.on = k.on; d.forced = append(d.forced, t) })
		out = append(out, g)
	}
	return out
}

// byName lists changes by which a pair matches by name and amount.
func (d *drafter) byName(n nameFact, s seen, values func(*change, bool) bool) []change {
	i := slices.IndexFunc(d.facts.names, func(o nameFact) bool { return o.l == n.l && o.r == n.r })
	if !s.unlike[i].Valid {
		return nil
	}
	var c change
	// The next step of five hundredths below what they reach.
	reached := one.Sub(decimal.New(s.unlike[i].Int64, -6))
	least := reached.Mul(decimal.New(20, 0)).Floor().Div(decimal.New(20, 0))
	if least.LessThan(decimal.New(5, -1)) {
		return nil
	}
	if least.LessThan(n.least) {
		c.and(pairID(Names, n.l, n.r), fmt.Sprintf("%s and %s reach %s instead of %s", n.l.name, n.r.name, least, n.least), func() { d.facts.names[i].least = least })
	}
	if !values(&c, true) {
		return nil
	}
	t := trial{cardinality: kalla.OneToOne, amount: true, date: d.facts.date != nil, name: &n, forced: true}
	c.and(t.id(d.facts), fmt.Sprintf("records of similar %s and the same amount are matched", n.l.name), func() { t := t; t.name = &d.facts.names[i]; d.forced = append(d.forced, t) })
	return []change{c}
}

// newReference lists columns that only the example shows to be references: equal in it, and hardly anywhere else.
func (d *drafter) newReference(x *example, values func(*change, bool) bool) ([]change, error) {
	var pairs []pairing
	var list []string
	steps := variants[len(variants)-1]
	for _, l := range d.left.columns {
		for _, r := range d.right.columns {
			p := pairing{l: l, r: r, steps: steps}
			if l.typ.Kind != kalla.Text || r.typ.Kind != kalla.Text || l.maxLen > 64 || r.maxLen > 64 || l.distinct < 3 || r.distinct < 3 ||
				slices.ContainsFunc(d.links, func(k *link) bool { return len(k.on) == 1 && k.uses(l) && k.uses(r) }) {
				continue
			}
			pairs = append(pairs, p)
			list = append(list, "coalesce("+d.equal(p, l, "l")+" = "+d.equal(p, r, "r")+", FALSE)")
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	hold := make([]bool, len(pairs))
	into := make([]any, len(pairs))
	for i := range hold {
		into[i] = &hold[i]
	}
	if err := d.row(fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s WHERE rowid = %d) l, (SELECT * FROM %s WHERE rowid = %d) r", strings.Join(list, ", "), d.left.table, x.l, d.right.table, x.r), into...); err != nil {
		return nil, err
	}
	var out []change
	for i, p := range pairs {
		if !hold[i] {
			continue
		}
		k := &link{on: []pairing{p}, left: 1, right: 1, pairs: 1, shared: 1, trusted: true}
		var c change
		c.and(k.id(), fmt.Sprintf("%s and %s are references", p.l.name, p.r.name), func() { d.links = append(d.links, k) })
		if values(&c, true) {
			t := trial{cardinality: kalla.OneToOne, on: k.on, amount: d.facts.amount != nil, date: d.facts.date != nil, forced: true}
			c.and(t.id(d.facts), "records that share "+k.text()+" are matched", func() { d.forced = append(d.forced, t) })
			out = append(out, c)
		}
	}
	return out, nil
}

func stepsText(steps []kalla.Normalize) string {
	var out []string
	for _, s := range steps {
		out = append(out, string(s))
	}
	if len(out) == 0 {
		return "what is written"
	}
	return strings.Join(out, ", ")
}

// wide is the narrowest tolerance, not narrower than w, by which the amounts of an example agree.
func wide(w *kalla.Within, s seen) (*kalla.Within, bool) {
	if !s.amounts {
		return nil, false
	}
	apart := s.l.Sub(s.r).Abs()
	holds := func(w *kalla.Within) bool {
		switch {
		case w == nil:
			return apart.IsZero()
		case w.Percent != nil:
			return apart.Shift(2).LessThanOrEqual(s.l.Abs().Mul(*w.Percent))
		}
		return apart.LessThanOrEqual(*w.Absolute)
	}
	if holds(w) {
		return w, true
	}
	for i := range tolerances {
		t := &tolerances[i]
		if holds(t) && (w == nil || (w.Percent == nil) == (t.Percent == nil) || t.Percent != nil) {
			return t, true
		}
	}
	if apart.Mul(decimal.NewFromInt(100)).LessThanOrEqual(s.l.Abs().Mul(decimal.NewFromInt(widestPct))) {
		return &kalla.Within{Absolute: &apart}, true
	}
	return nil, false
}
