package infer

import (
	"fmt"
	"strings"

	"kalla"
)

// id names a pass by what it compares.
func (t trial) id(f facts) string {
	var parts []string
	for _, p := range t.on {
		parts = append(parts, p.l.name+"="+p.r.name)
	}
	if t.amount {
		part := f.amount.id
		if t.exactly && f.amount.within != nil {
			part += "~exactly"
		}
		parts = append(parts, part)
	}
	if t.name != nil {
		parts = append(parts, pairID(Names, t.name.l, t.name.r))
	}
	if t.date {
		parts = append(parts, pairID(Dates, f.date.l, f.date.r))
	}
	op := ""
	if t.prefix != "" {
		op = string(t.prefix) + ":"
	}
	return "pass:" + string(t.cardinality) + ":" + op + strings.Join(parts, ",")
}

// justify writes down what speaks for a pass and its conditions, and what against.
func (d *drafter) justify(index int, t trial, o outcome) error {
	path := fmt.Sprintf("match[%d]", index)
	p := d.recipe.Match[index]
	e := Evidence{ID: t.id(d.facts), Path: path, What: p.Name, Agree: int64(o.left), Of: d.left.rows}
	if t.cardinality == kalla.OneToOne {
		e.Support = fmt.Sprintf("matches %s (%s of %s)", records(e.Agree), share(e.Agree, e.Of), d.left.alias)
		if index > 0 {
			e.Support += " that earlier passes leave"
		}
		if o.chance >= 0 {
			e.Support += fmt.Sprintf("; with shuffled amounts %s", count(o.chance))
		}
		if o.ambiguous > 0 {
			e.Support += fmt.Sprintf("; %s have equally good candidates", count(o.ambiguous))
		}
	} else {
		e.Support = fmt.Sprintf("%s groups balance, %s of them of several records; of the groups of several %s do not; %s of %s and %s of %s",
			count(o.groups), count(o.several), count(o.unbalanced), records(int64(o.left)), d.left.alias, records(int64(o.right)), d.right.alias)
	}
	d.note(e)
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
	basis := f.basis()
	switch {
	case i < len(t.on):
		if t.prefix == "" {
			d.justifyEquality(path, t.on, i, basis)
		}
	case c.Similar != nil:
		n := t.name
		d.note(Evidence{ID: pairID(Names, n.l, n.r), Path: path, What: fmt.Sprintf("%s and %s are alike", c.Left, c.Right),
			Support: fmt.Sprintf("%s of %s reach %s, %s of other pairs", share(n.reached, 1), basis, n.least, share(n.chance, 1)),
			Agree:   int64(n.reached * min(f.pairs, similarPairs)), Of: int64(min(f.pairs, similarPairs)), Alternatives: n.others})
	case c.Within != nil && c.Within.Days != nil:
		l, r := pairing{l: f.date.l, r: f.date.r}.cells()
		diff := day(r) + " - " + day(l)
		return d.justifyBy(Evidence{ID: pairID(Dates, f.date.l, f.date.r), Path: path, What: fmt.Sprintf("%s is %s after %s", c.Right, span(*c.Within.Days), c.Left), Alternatives: f.date.others}, basis,
			fmt.Sprintf("%s BETWEEN %d AND %d", diff, c.Within.Days.From, c.Within.Days.To), l, r, diff)
	default:
		e := Evidence{ID: f.amount.id, Path: path, Alternatives: f.amount.others}
		if f.link == nil || f.crowd {
			e.What = fmt.Sprintf("%s and %s are the amounts", c.Left, c.Right)
			e.Support = fmt.Sprintf("%s pairs of records alone have the same amount", count(f.pairs))
			if f.crowd {
				e.Support = fmt.Sprintf("%s pairs of records that share %s have the same amount", count(f.pairs), f.link.text())
			}
			e.Agree, e.Of = int64(f.pairs), int64(f.pairs)
			d.note(e)
			return nil
		}
		l, r := pairing{l: f.amount.l, r: f.amount.r}.cells()
		w := &tolerances[0]
		if c.Within != nil {
			w = c.Within
		} else if f.amount.within != nil {
			e.ID += "~exactly"
		}
		e.What = fmt.Sprintf("%s and %s agree %s", c.Left, c.Right, tolerance(c.Within))
		return d.justifyBy(e, basis, holds(*w, exact(l), exact(r)), l, r, exact(r)+" - "+exact(l))
	}
	return nil
}

// justifyEquality explains the equality of two columns: a reference, or what else agrees.
func (d *drafter) justifyEquality(path string, on []pairing, i int, basis string) {
	for _, k := range d.links {
		if i < len(k.on) && k.on[i].l == on[i].l && k.on[i].r == on[i].r {
			d.note(Evidence{ID: pairID(Reference, on[i].l, on[i].r), Path: path, What: pairingText(k.on[i]),
				Support: fmt.Sprintf("about %s of %s and %s of %s have a partner", share(k.left, float64(d.left.rows)), d.left.alias, share(k.right, float64(d.right.rows)), d.right.alias),
				Agree:   int64(min(k.left, float64(d.left.rows))), Of: d.left.rows})
			return
		}
	}
	for _, s := range d.facts.same {
		if s.l == on[i].l && s.r == on[i].r {
			n := int64(d.facts.pairs)
			d.note(Evidence{ID: pairID(Same, s.l, s.r), Path: path, What: pairingText(s.pairing), Support: fmt.Sprintf("%s of %s agree, %s of other pairs", share(s.agree, 1), basis, share(s.chance, 1)),
				Agree: int64(s.agree * float64(n)), Of: n})
		}
	}
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
	amount := ""
	if f.amount != nil {
		amount = f.amount.l.name + " = " + f.amount.r.name
	}
	const share = "records that alone share "
	switch {
	case f.link == nil:
		return share + amount
	case f.crowd:
		return share + f.link.text() + " and " + amount
	}
	return share + f.link.text()
}

// justifyBy counts in goodTable how many pairs satisfy a condition, and shows three that do not.
func (d *drafter) justifyBy(e Evidence, basis, condition, l, r, diff string) error {
	if err := d.row(fmt.Sprintf("SELECT count(*) FILTER (WHERE %s), count(%s) FROM %s", condition, diff, goodTable), &e.Agree, &e.Of); err != nil {
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
	var err error
	e.CounterExamples, err = d.texts(fmt.Sprintf("SELECT %s || ' / ' || %s || ': ' || %s || ' / ' || %s FROM %s WHERE NOT (%s) ORDER BY n LIMIT 3", show(d.left), show(d.right), l, r, goodTable, condition))
	if err != nil {
		return err
	}
	e.Support = fmt.Sprintf("%s of %s %s", share(e.Agree, e.Of), count(e.Of), basis)
	d.note(e)
	return nil
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
		e := Evidence{ID: pairID(Same, s.l, s.r), Path: path, What: fmt.Sprintf("%s should equal %s", s.l.name, s.r.name)}
		if err := d.justifyBy(e, d.facts.basis(), l+" = "+r, l, r, l+" || "+r); err != nil {
			return err
		}
	}
	return nil
}
