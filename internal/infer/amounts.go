package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// factsByAmount reads facts off records whose amount no other record of their
// side has: what is left where there is no reference. They are trusted when
// dates, names or other columns agree as they would not by chance. Where amounts
// repeat, those of the most alike names are taken.
func (d *drafter) factsByAmount() (*facts, error) {
	candidates, err := d.amountPairs()
	if err != nil {
		return nil, err
	}
	var best *facts
	keep := func(f *facts) error {
		if err := d.observe(f); err != nil {
			return err
		}
		if f.pairs >= 2 && f.corroborated() && (best == nil || f.weight() > 1.2*best.weight()) {
			best = f
		}
		return nil
	}
	for _, a := range candidates[:min(len(candidates), 4)] {
		if err := keep(&facts{amount: &a, again: func() error { return d.confidentAmount(nil, &a) }}); err != nil {
			return nil, err
		}
	}
	const enough = 200
	if best != nil && best.pairs >= enough {
		return best, nil
	}
	for _, a := range candidates[:min(len(candidates), 2)] {
		dates := d.nearDates()
		dates = dates[:min(len(dates), 2)]
		for _, n := range d.likelyNames() {
			if len(dates) == 0 {
				err = keep(&facts{amount: &a, again: func() error { return d.confidentNearest(nil, &a, &n, nil) }})
			}
			for _, p := range dates {
				if err == nil {
					err = keep(&facts{amount: &a, again: func() error { return d.confidentNearest(nil, &a, &n, &p) }})
				}
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return best, nil
}

// factsOfCrowds reads facts off records that share what many share, an account or
// a contract: those that alone have the amount as well, or else the nearest in time.
func (d *drafter) factsOfCrowds() (*facts, error) {
	amounts, err := d.amountPairs()
	if err != nil {
		return nil, err
	}
	var best *facts
	tried := 0
	for _, k := range d.links {
		if k.crowd() <= 1.5 || min(k.left, k.right) < 0.3*float64(min(d.left.rows, d.right.rows)) || tried == 3 {
			continue
		}
		tried++
		for _, a := range amounts[:min(len(amounts), 3)] {
			alone := &facts{link: k, amount: &a, crowd: true, again: func() error { return d.confidentAmount(k, &a) }}
			tries := []*facts{alone}
			for _, p := range d.nearDates() {
				tries = append(tries, &facts{link: k, amount: &a, crowd: true, again: func() error { return d.confidentNearest(k, &a, nil, &p) }})
			}
			for _, f := range tries[:min(len(tries), 4)] {
				if err := d.observe(f); err != nil {
					return nil, err
				}
				if f.pairs >= 2 && f.corroborated() && (best == nil || f.weight() > 1.2*best.weight()) {
					best = f
				}
				// Dates that were not chosen by their nearness say more.
				if f == alone && best == f && f.date != nil && f.pairs >= 0.2*min(k.left, k.right, samplePairs) {
					break
				}
			}
		}
	}
	return best, nil
}

// factsOfGroups reads facts off the values that several records share, where their sums agree.
func (d *drafter) factsOfGroups() (*facts, error) {
	var best *facts
	tried := 0
	for _, k := range d.links {
		if k.crowd() <= 1.5 || min(k.left, k.right) < 0.3*float64(min(d.left.rows, d.right.rows)) || tried == 3 {
			continue
		}
		tried++
		f := &facts{link: k, groups: true, again: func() error { return d.confidentGroups(k) }}
		if err := d.observe(f); err != nil {
			return nil, err
		}
		// Several records a group: what their dates and texts have in common is no rule for one of them.
		f.date, f.names, f.same = nil, nil, nil
		if f.pairs >= 2 && f.amount != nil && f.amount.near >= 0.5 && (best == nil || f.weight() > best.weight()) {
			best = f
		}
	}
	return best, nil
}

// nearDates are the pairs of columns of dates, those whose names are alike first.
func (d *drafter) nearDates() []pairing {
	return d.alikePairs(Dates, func(c *column) bool { return c.typ.Temporal() && c.distinct > 1 })
}

// likelyNames are pairs of columns that may hold names: texts with few digits.
func (d *drafter) likelyNames() []pairing {
	out := d.alikePairs(Names, func(c *column) bool {
		return c.typ.Kind == kalla.Text && !c.derived && c.distinct >= 3 && c.digits <= 0.3 && c.meanLen >= 4 && c.meanLen <= 60
	})
	return out[:min(len(out), 3)]
}

func (d *drafter) alikePairs(kind PairKind, ok func(*column) bool) []pairing {
	out := d.pairsOf(&facts{}, kind, 6, ok)
	slices.SortStableFunc(out, func(a, b pairing) int { return cmp.Compare(alike(b.l.name, b.r.name), alike(a.l.name, a.r.name)) })
	return out
}

// amountPairs lists the pairs of amount columns that share values, best first.
func (d *drafter) amountPairs() ([]amountFact, error) {
	if d.shared != nil {
		return d.shared, nil
	}
	type scored struct {
		amountFact
		score float64
	}
	var out []scored
	for _, s := range []*side{d.left, d.right} {
		var list []string
		for _, c := range s.columns {
			if !isAmount(c) || c.distinct < 3 {
				continue
			}
			x := exact(d.d.Ident(c.name))
			k := 1
			for int(c.distinct)/k > sketchSize {
				k *= 2
			}
			// Amounts 100 times as large are sketched as well, for cents.
			for scale, y := range []string{x, x + " * 100"} {
				list = append(list, fmt.Sprintf("SELECT %d AS col, %d AS scale, %d AS k, v, h, count(*) AS n FROM (SELECT CAST(%s AS DECIMAL(36,6)) AS v, hash(CAST(abs(%s) AS DECIMAL(36,6))) AS h FROM %s) WHERE v <> 0 AND h %% %d = 0 GROUP BY v, h",
					c.index, scale, k, y, y, s.table, k))
			}
		}
		if len(list) == 0 {
			return nil, nil
		}
		if err := d.exec("CREATE OR REPLACE TABLE %s AS %s", numberTable(s), strings.Join(list, " UNION ALL ")); err != nil {
			return nil, err
		}
	}
	err := d.each(fmt.Sprintf(`SELECT l.col, r.col, l.scale, r.scale, l.v = -r.v, count(*) * greatest(any_value(l.k), any_value(r.k)) FROM %s l JOIN %s r ON l.h = r.h AND l.scale + r.scale < 2 AND l.h %% greatest(l.k, r.k) = 0
GROUP BY ALL ORDER BY 1, 2, 3, 4, 5`, numberTable(d.left), numberTable(d.right)), func(scan func(...any) error) error {
		var i, j, ls, rs int
		var negative bool
		var shared float64
		if err := scan(&i, &j, &ls, &rs, &negative, &shared); err != nil {
			return err
		}
		l, r := d.left.columns[i], d.right.columns[j]
		t := plain
		switch {
		case rs == 1 && negative:
			t = leftCentsN
		case rs == 1:
			t = leftCents
		case ls == 1 && negative:
			t = rightCentsN
		case ls == 1:
			t = rightCents
		case negative:
			t = negated
		}
		contained := shared / float64(max(1, min(l.distinct, r.distinct)))
		if contained < 0.1 || shared < 2 || d.without(pairID(Amount, l, r)) {
			return nil
		}
		score := contained*min(1, shared/(0.1*float64(min(d.left.rows, d.right.rows)))) + 0.3*alike(l.name, r.name)
		if t != plain {
			score -= 0.05
		}
		if d.chosen(pairID(Amount, l, r)) {
			score += 10
		}
		out = append(out, scored{amountFact{id: pairID(Amount, l, r), l: l, r: r, turn: t, share: contained}, score})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	d.shared = []amountFact{} // none is an answer too
	for _, s := range out {
		s.exact, s.near = 1, 1
		d.shared = append(d.shared, s.amountFact)
	}
	return d.shared, nil
}

func numberTable(s *side) string { return "kalla_infer_numbers_" + string(s.name) }
