package infer

import (
	"fmt"

	"kalla"
)

// justify writes down what speaks for a pass and its conditions, and what against.
func (d *drafter) justify(index int, t trial, o outcome) error {
	path := fmt.Sprintf("match[%d]", index)
	p := d.recipe.Match[index]
	total := d.left.rows
	if t.cardinality == kalla.OneToOne {
		support := fmt.Sprintf("matches %s (%s of %s)", records(int64(o.left)), share(int64(o.left), total), d.left.alias)
		if index > 0 {
			support += " that earlier passes leave"
		}
		if o.chance >= 0 {
			support += fmt.Sprintf("; with shuffled amounts %s", count(o.chance))
		}
		if o.ambiguous > 0 {
			support += fmt.Sprintf("; %s have equally good candidates", count(o.ambiguous))
		}
		d.note(path, p.Name, support)
	} else {
		d.note(path, p.Name, fmt.Sprintf("%s groups balance, %s of them of several records; of the groups of several %s do not; %s of %s and %s of %s",
			count(o.groups), count(o.several), count(o.unbalanced), records(int64(o.left)), d.left.alias, records(int64(o.right)), d.right.alias))
	}
	for i, c := range p.When {
		if err := d.justifyCondition(fmt.Sprintf("%s.when[%d]", path, i), i, t, c); err != nil {
			return err
		}
	}
	return nil
}

// justifyCondition explains a condition the first time that it is used.
func (d *drafter) justifyCondition(path string, i int, t trial, c kalla.Condition) error {
	f := d.facts
	basis := "records that alone share " + f.basis()
	switch {
	case i < len(t.on):
		if t.prefix != "" {
			return nil
		}
		for _, k := range d.links {
			if len(k.on) == len(t.on) && k.on[i].l == t.on[i].l && k.on[i].r == t.on[i].r {
				d.once(path, pairingText(k.on[i]), fmt.Sprintf("about %s of %s and %s of %s have a partner",
					share(k.left, float64(d.left.rows)), d.left.alias, share(k.right, float64(d.right.rows)), d.right.alias))
				return nil
			}
		}
		for _, s := range f.same {
			if s.l == t.on[i].l && s.r == t.on[i].r {
				d.once(path, pairingText(s.pairing), fmt.Sprintf("%s of %s agree, %s of other pairs", share(s.agree, 1), basis, share(s.chance, 1)))
			}
		}
	case c.Similar != nil:
		d.once(path, fmt.Sprintf("%s and %s are alike", c.Left, c.Right), fmt.Sprintf("%s of %s reach %s, %s of other pairs", share(t.name.reached, 1), basis, t.name.least, share(t.name.chance, 1)))
	case c.Within != nil && c.Within.Days != nil:
		l, r := pairing{l: f.date.l, r: f.date.r}.cells()
		diff := day(r) + " - " + day(l)
		return d.justifyBy(path, fmt.Sprintf("%s is %s after %s", c.Right, span(*c.Within.Days), c.Left), basis,
			fmt.Sprintf("%s BETWEEN %d AND %d", diff, c.Within.Days.From, c.Within.Days.To), l, r, diff)
	default:
		if f.link == nil {
			d.once(path, fmt.Sprintf("%s and %s are the amounts", c.Left, c.Right), fmt.Sprintf("%s pairs of records alone have the same amount", count(f.pairs)))
			return nil
		}
		l, r := pairing{l: f.amount.l, r: f.amount.r}.cells()
		w := &tolerances[0]
		if c.Within != nil {
			w = c.Within
		}
		return d.justifyBy(path, fmt.Sprintf("%s and %s agree %s", c.Left, c.Right, tolerance(c.Within)), basis, holds(*w, exact(l), exact(r)), l, r, exact(r)+" - "+exact(l))
	}
	return nil
}

// span writes a window of days.
func span(w kalla.Window) string {
	switch {
	case w.From != w.To:
		return fmt.Sprintf("%d to %d days", w.From, w.To)
	case w.From == 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", w.From)
}

func pairingText(p pairing) string { return p.l.name + " and " + p.r.name + " name the same thing" }

// basis says what identifies the pairs that facts were read off.
func (f *facts) basis() string {
	if f.link != nil {
		return f.link.text()
	}
	return f.amount.l.name + " = " + f.amount.r.name
}

// justifyBy counts in goodTable how many pairs satisfy a condition, and shows three that do not.
func (d *drafter) justifyBy(path, what, basis, condition, l, r, diff string) error {
	var yes, n int64
	if err := d.row(fmt.Sprintf("SELECT count(*) FILTER (WHERE %s), count(%s) FROM %s", condition, diff, goodTable), &yes, &n); err != nil {
		return err
	}
	show := func(s *side) string {
		key := ""
		for i, k := range s.key {
			if i > 0 {
				key += " || '|' || "
			}
			key += fmt.Sprintf("coalesce(CAST(%s%d AS VARCHAR), '')", s.a(), s.find(k).index)
		}
		return key
	}
	against, err := d.texts(fmt.Sprintf("SELECT %s || ' / ' || %s || ': ' || %s || ' / ' || %s FROM %s WHERE NOT (%s) ORDER BY n LIMIT 3", show(d.left), show(d.right), l, r, goodTable, condition))
	if err != nil {
		return err
	}
	d.once(path, what, fmt.Sprintf("%s of %s %s", share(yes, n), count(n), basis), against...)
	return nil
}

// once notes what has not been noted before.
func (d *drafter) once(path, what, support string, counter ...string) {
	for _, e := range d.evidence {
		if e.What == what {
			return
		}
	}
	d.note(path, what, support, counter...)
}

// chooseCompare takes the fields that agree on nearly all pairs and that no condition compares.
func (d *drafter) chooseCompare() error {
	compared := map[string]bool{}
	for _, p := range d.recipe.Match {
		for _, c := range p.When {
			compared[c.Left] = true
		}
	}
	for _, s := range d.facts.same {
		if compared[s.l.name] || len(d.recipe.Match) == 0 {
			continue
		}
		d.recipe.Compare = append(d.recipe.Compare, kalla.Compare{Left: s.l.name, Right: s.r.name})
		l, r := s.cells()
		path := fmt.Sprintf("compare[%d]", len(d.recipe.Compare)-1)
		if err := d.justifyBy(path, fmt.Sprintf("%s should equal %s", s.l.name, s.r.name), "records that alone share "+d.facts.basis(), l+" = "+r, l, r, l+" || "+r); err != nil {
			return err
		}
	}
	return nil
}
