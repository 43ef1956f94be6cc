package infer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

var one = decimal.NewFromInt(1)

// choosePasses tries passes on what the earlier ones leave, the surest first:
// references with amounts; groups whose sums balance; amounts with names, accounts and dates.
func (d *drafter) choosePasses() error {
	if err := d.choosePassesOfData(); err != nil {
		return err
	}
	for _, t := range d.forced {
		if err := d.take(t, -1); err != nil {
			return err
		}
	}
	return nil
}

func (d *drafter) choosePassesOfData() error {
	for _, s := range []*side{d.left, d.right} {
		if err := d.makeFree(s); err != nil {
			return err
		}
	}
	f := d.facts
	for _, k := range d.links {
		if !k.trusted {
			continue
		}
		t := trial{cardinality: kalla.OneToOne, on: k.on, amount: f.amount != nil, date: f.date != nil}
		if err := d.consider(t); err != nil {
			return err
		}
	}
	if f.crowd && !f.link.trusted {
		if err := d.consider(trial{cardinality: kalla.OneToOne, on: f.link.on, amount: true, date: f.date != nil}); err != nil {
			return err
		}
	}
	if f.amount != nil {
		if err := d.groupPasses(); err != nil {
			return err
		}
		return d.amountPasses()
	}
	return nil
}

// makeFree makes freeTable of all records but those whose key is missing or repeated.
func (d *drafter) makeFree(s *side) error {
	f := d.facts
	need := func(c *column) {
		if c.side == s && !slices.Contains(s.free, c) {
			s.free = append(s.free, c)
		}
	}
	var keys []*column
	for _, k := range s.key {
		keys = append(keys, s.find(k))
		need(s.find(k))
	}
	add := func(l, r *column) { need(l); need(r) }
	for _, k := range d.links {
		for _, p := range k.on {
			add(p.l, p.r)
		}
	}
	for _, x := range f.same {
		add(x.l, x.r)
	}
	for _, x := range f.names {
		add(x.l, x.r)
	}
	if f.amount != nil {
		add(f.amount.l, f.amount.r)
	}
	if f.date != nil {
		add(f.date.l, f.date.r)
	}
	list, _ := d.idents(s.free)
	where := "TRUE"
	if s.badKeys > 0 {
		key, present := d.idents(keys)
		where = fmt.Sprintf("%s AND (%s) NOT IN (SELECT (%s) FROM %s WHERE %s GROUP BY %s HAVING count(*) > 1)", present, key, key, s.table, present, key)
	}
	return d.exec("CREATE OR REPLACE TABLE %s AS SELECT rowid AS kalla_infer_row, %s FROM %s WHERE %s", freeTable(s), list, s.table, where)
}

// groupPasses tries, for what records share, one record against several, and groups of several on both sides.
func (d *drafter) groupPasses() error {
	for _, cardinality := range []kalla.Cardinality{kalla.OneToMany, kalla.ManyToOne, kalla.ManyToMany} {
		for _, k := range d.links {
			t := trial{cardinality: cardinality, on: k.on, amount: true, date: cardinality != kalla.ManyToMany && d.facts.date != nil}
			o, err := d.sampled(t)
			if err != nil {
				return err
			}
			if t.date { // parts may be paid for long after, where a reference holds them together
				any := t
				any.date = false
				more, err := d.sampled(any)
				if err != nil {
					return err
				}
				if more.left+more.right > 1.02*(o.left+o.right) && more.several >= 2*more.unbalanced {
					t, o = any, more
				}
			}
			if cardinality != kalla.ManyToMany && k.canBePrefix() {
				longer := t
				longer.prefix = kalla.OpPrefixOf
				if cardinality == kalla.ManyToOne {
					longer.prefix = kalla.OpHasPrefix
				}
				more, err := d.sampled(longer)
				if err != nil {
					return err
				}
				if more.left+more.right > 1.02*(o.left+o.right) && more.several >= 2*more.unbalanced {
					t, o = longer, more
				}
			}
			if err := d.accept(t, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// canBePrefix reports whether a reference of one side may be the beginning of one of the other.
func (k *link) canBePrefix() bool {
	return k.trusted && len(k.on) == 1 && k.on[0].l.typ.Kind == kalla.Text && k.on[0].r.typ.Kind == kalla.Text
}

// amountPasses tries amounts together with accounts, names and dates.
func (d *drafter) amountPasses() error {
	f := d.facts
	var accounts [][]pairing
	for _, s := range f.same {
		if s.agree >= 0.97 && s.chance <= 0.2 {
			accounts = append(accounts, []pairing{s.pairing})
			break
		}
	}
	var name *nameFact
	if len(f.names) > 0 {
		name = &f.names[0]
	}
	var list []trial
	for _, exactly := range []bool{true, false} {
		if !exactly && f.amount.within == nil {
			continue
		}
		for _, account := range append(accounts, nil) {
			for _, n := range []*nameFact{name, nil} {
				if n == nil && account == nil && (name != nil || len(accounts) > 0 || !exactly) || !exactly && account == nil {
					continue
				}
				list = append(list, trial{cardinality: kalla.OneToOne, on: account, amount: true, exactly: exactly, date: f.date != nil, name: n})
				if n == nil {
					break
				}
			}
		}
	}
	for _, t := range list {
		if err := d.consider(t); err != nil {
			return err
		}
	}
	return nil
}

// widest is how many pairs a group of several on both sides may have on average.
const widest = 16

// trialSize is about how many records a trial looks at before it is run on all.
const trialSize = 50_000

// sampled runs a trial on a part of the values that it compares, so that groups stay whole. The outcome is projected to all.
func (d *drafter) sampled(t trial) (outcome, error) {
	var most int64
	for _, s := range []*side{d.left, d.right} {
		most = max(most, s.rows-s.matched)
	}
	t.every = max(1, int(most/trialSize))
	o, err := d.try(t)
	return o.times(float64(t.every)), err
}

// consider tries a pass and takes it into the recipe when it explains enough of what is left.
func (d *drafter) consider(t trial) error {
	for _, require := range d.required {
		require(&t)
	}
	if d.trustedOn(t) { // verified before, and mostly known to identify
		t.affordable = len(t.on) == 1 && !d.facts.crowd
		return d.take(t, -1)
	}
	o, err := d.sampled(t)
	if err != nil {
		return err
	}
	return d.accept(t, o)
}

// accept runs a trial on all records when it convinced on a part of them.
func (d *drafter) accept(t trial, sampled outcome) error {
	if !d.convinces(t, sampled) {
		return nil
	}
	t.affordable = true
	return d.take(t, sampled.chance)
}

// take runs a trial on all records and makes a pass of it if it convinces. Chance is what it found in shuffled records, or −1.
func (d *drafter) take(t trial, chance float64) error {
	if id := t.id(d.facts); d.without(id) || slices.Contains(d.dropped, id) {
		return nil
	}
	t.every = 1
	o, err := d.try(t)
	if err != nil || !d.convinces(t, o) {
		return err
	}
	o.chance = chance
	if err := d.judge(t, len(d.recipe.Match)); err != nil {
		return err
	}
	d.passes = append(d.passes, t)
	for _, p := range t.on {
		if err := d.asText(p); err != nil {
			return err
		}
	}
	for _, s := range []*side{d.left, d.right} {
		if err := d.exec("CREATE OR REPLACE TABLE %[1]s AS SELECT * FROM %[1]s WHERE kalla_infer_row NOT IN (SELECT id FROM %[2]s)", freeTable(s), matchedTable(s)); err != nil {
			return err
		}
	}
	d.left.matched += int64(o.left)
	d.right.matched += int64(o.right)
	return d.addPass(t, o)
}

// convinces reports whether what a trial found is worth a pass and no accident.
func (d *drafter) convinces(t trial, o outcome) bool {
	if t.forced {
		return o.matches > 0
	}
	least := max(1, float64(min(d.left.rows, d.right.rows))/2000)
	if o.matches < least {
		return false
	}
	if t.cardinality != kalla.OneToOne {
		// A single record that equals another is no group; several that add up are no accident.
		// Many against many say nothing about which belongs to which.
		if o.pairs > widest*o.several {
			return false
		}
		return o.several >= least && o.several >= o.unbalanced
	}
	// Where amounts repeat, some shuffled ones match; names tell most of those apart in a run.
	accident := 0.05
	if t.name != nil {
		accident = 0.15
	}
	if o.chance > accident*o.matches+0.5 {
		return false
	}
	ambiguous := 0.25
	if len(t.on) == 0 && t.name == nil {
		ambiguous = 0.05
	}
	return d.trustedOn(t) || o.ambiguous <= ambiguous*o.matches
}

// trustedOn reports whether a trial compares a reference.
func (d *drafter) trustedOn(t trial) bool {
	return len(t.on) > 0 && slices.ContainsFunc(d.links, func(k *link) bool {
		return k.trusted && len(k.on) <= len(t.on) && slices.EqualFunc(k.on, t.on[:len(k.on)], func(a, b pairing) bool { return a.l == b.l && a.r == b.r })
	})
}

// addPass writes a trial as a pass of the recipe.
func (d *drafter) addPass(t trial, o outcome) error {
	f := d.facts
	p := kalla.Pass{Cardinality: t.cardinality}
	for i, x := range t.on {
		c := x.condition()
		if i == 0 {
			c.Op = t.prefix
		}
		p.When = append(p.When, c)
	}
	paired := t.cardinality == kalla.OneToOne
	if t.amount && paired {
		p.When = append(p.When, f.amount.condition(t.exactly))
	}
	if t.name != nil {
		p.When = append(p.When, t.name.condition())
	}
	if t.date {
		p.When = append(p.When, f.date.condition())
	}
	if !paired {
		p.Sum = &kalla.Sum{Left: f.amount.l.name, Right: f.amount.r.name, Within: f.amount.within}
	}
	p.Name = d.passName(t)
	for n, base := 2, p.Name; slices.ContainsFunc(d.recipe.Match, func(x kalla.Pass) bool { return x.Name == p.Name }); n++ {
		p.Name = fmt.Sprintf("%s (%d)", base, n)
	}
	d.recipe.Match = append(d.recipe.Match, p)
	return d.justify(len(d.recipe.Match)-1, t, o)
}

func (d *drafter) passName(t trial) string {
	var parts []string
	for _, p := range t.on {
		parts = append(parts, p.l.name)
	}
	what := strings.Join(parts, " and ")
	switch t.cardinality {
	case kalla.OneToMany:
		return "one " + what + ", several " + d.right.alias
	case kalla.ManyToOne:
		return "several " + d.left.alias + ", one " + t.on[0].r.name
	case kalla.ManyToMany:
		return "groups of the same " + what
	}
	if t.amount {
		parts = append(parts, d.facts.amount.l.name)
	}
	if t.name != nil {
		parts = append(parts, "similar "+t.name.l.name)
	}
	if t.date && len(parts) < 2 {
		parts = append(parts, d.facts.date.l.name)
	}
	if len(parts) == 1 {
		return "same " + parts[0]
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// prune takes out derived columns that no pass came to use.
func (d *drafter) prune() error {
	used := map[string]bool{}
	for _, p := range d.recipe.Match {
		for _, c := range p.When {
			used["left "+c.Left], used["right "+c.Right] = true, true
		}
		if p.Sum != nil {
			used["left "+p.Sum.Left], used["right "+p.Sum.Right] = true, true
		}
	}
	for _, c := range d.recipe.Compare {
		used["left "+c.Left], used["right "+c.Right] = true, true
	}
	for _, s := range []*side{d.left, d.right} {
		s.derive = slices.DeleteFunc(s.derive, func(x kalla.Derived) bool {
			if used[string(s.name)+" "+x.Name] {
				return false
			}
			d.evidence = slices.DeleteFunc(d.evidence, func(e Evidence) bool { return e.Path == "sources."+string(s.name)+".derive."+x.Name })
			return true
		})
	}
	return nil
}
