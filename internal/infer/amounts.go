package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// factsByAmount reads facts off records whose amount no other record of their
// side has: what is left where there is no reference. They are trusted when
// dates, names or other columns agree as they would not by chance.
func (d *drafter) factsByAmount() (*facts, error) {
	candidates, err := d.amountPairs()
	if err != nil {
		return nil, err
	}
	var best *facts
	for _, a := range candidates[:min(len(candidates), 4)] {
		if err := d.confidentAmount(&a); err != nil {
			return nil, err
		}
		a.exact, a.near = 1, 1
		f := &facts{amount: &a}
		if err := d.observe(f); err != nil {
			return nil, err
		}
		if f.pairs < 2 || f.date == nil && len(f.names) == 0 && !slices.ContainsFunc(f.same, func(s sameFact) bool { return s.agree-s.chance >= 0.2 }) {
			continue
		}
		if best == nil || f.weight() > 1.2*best.weight() {
			best = f
		}
	}
	return best, nil
}

// amountPairs lists the pairs of amount columns that share values, best first.
func (d *drafter) amountPairs() ([]amountFact, error) {
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
		if err := d.exec("CREATE TABLE %s AS %s", numberTable(s), strings.Join(list, " UNION ALL ")); err != nil {
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
		if contained < 0.1 || shared < 2 {
			return nil
		}
		score := contained*min(1, shared/(0.1*float64(min(d.left.rows, d.right.rows)))) + 0.3*alike(l.name, r.name)
		if t != plain {
			score -= 0.05
		}
		out = append(out, scored{amountFact{l: l, r: r, turn: t}, score})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	var facts []amountFact
	for _, s := range out {
		facts = append(facts, s.amountFact)
	}
	return facts, nil
}

func numberTable(s *side) string { return "kalla_infer_numbers_" + string(s.name) }

// confidentAmount makes goodTable of the records that are the only ones of their side with an amount.
func (d *drafter) confidentAmount(a *amountFact) error {
	l, r := a.turn.sql(exact("t."+d.d.Ident(a.l.name)), exact("t."+d.d.Ident(a.r.name)))
	alone := func(s *side, x string) string {
		return fmt.Sprintf("(SELECT CAST(v AS DECIMAL(36,6)) AS v, min(id) AS id FROM (SELECT t.rowid AS id, %s AS v FROM %s t) WHERE v <> 0 GROUP BY 1 HAVING count(*) = 1)", x, s.table)
	}
	return d.makePairs(fmt.Sprintf("SELECT l.id AS l_id, r.id AS r_id, hash(l.v) AS h FROM %s l JOIN %s r ON l.v = r.v", alone(d.left, l), alone(d.right, r)))
}
