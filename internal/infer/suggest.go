package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// suggest looks for values of columns like a status whose records hardly ever
// match, where those of other values do: they may be records to leave out.
func (d *drafter) suggest() error {
	for _, s := range []*side{d.left, d.right} {
		if 2*s.matched < s.rows || s.free == nil {
			continue // too little matches to tell
		}
		for _, c := range s.columns {
			if c.derived || c.typ.Kind != kalla.Text && c.typ.Kind != kalla.Boolean || c.distinct < 2 || c.distinct > 20 || c.maxLen > 40 {
				continue
			}
			if err := d.suggestValues(s, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *drafter) suggestValues(s *side, c *column) error {
	const few = 0.02 // of the records of a value that may match all the same
	var values []string
	var records, matched int64
	err := d.each(fmt.Sprintf(`SELECT %[1]s AS v, count(*), count(*) FILTER (WHERE t.rowid NOT IN (SELECT kalla_infer_row FROM %[2]s)) FROM %[3]s t GROUP BY v ORDER BY v`,
		d.text(c, "t"), freeTable(s), s.table), func(scan func(...any) error) error {
		var v *string
		var n, m int64
		if err := scan(&v, &n, &m); err != nil {
			return err
		}
		if v != nil && n >= max(5, s.rows/500) && n <= s.rows/3 && float64(m) <= few*float64(n) {
			values = append(values, *v)
			records, matched = records+n, matched+m
		}
		return nil
	})
	if err != nil || len(values) == 0 {
		return err
	}
	keep := kalla.Filter{Column: c.name, Op: kalla.FilterNeq, Values: values}
	if len(values) > 1 {
		// There is no "not in": what is kept is listed.
		kept, err := d.texts(fmt.Sprintf("SELECT DISTINCT %[1]s AS v FROM %[2]s t WHERE v IS NOT NULL ORDER BY v", d.text(c, "t"), s.table))
		if err != nil {
			return err
		}
		keep.Op = kalla.FilterIn
		keep.Values = slices.DeleteFunc(kept, func(v string) bool { return slices.Contains(values, v) })
	}
	d.suggestions = append(d.suggestions, Suggestion{
		ID: "filter:" + string(s.name) + "." + c.name, Side: s.name, Filter: keep,
		What:    fmt.Sprintf("%s whose %s is %s never match", s.alias, c.name, strings.Join(values, " or ")),
		Support: fmt.Sprintf("%s of %s records match, of the others %s of %s", count(matched), count(records), count(s.matched-matched), count(s.rows-records)),
		Records: records, Matched: matched,
	})
	return nil
}

// pairsFound lists the columns of both sides that have to do with each other, whether the recipe uses them or not.
func (d *drafter) pairsFound() []ColumnPair {
	var out []ColumnPair
	add := func(id string, kind PairKind, l, r *column, score float64) {
		if slices.ContainsFunc(out, func(p ColumnPair) bool { return p.ID == id }) {
			return
		}
		used := slices.ContainsFunc(d.recipe.Match, func(p kalla.Pass) bool {
			return p.Sum != nil && p.Sum.Left == l.name && p.Sum.Right == r.name || slices.ContainsFunc(p.When, func(c kalla.Condition) bool { return c.Left == l.name && c.Right == r.name })
		}) || slices.ContainsFunc(d.recipe.Compare, func(c kalla.Compare) bool { return c.Left == l.name && c.Right == r.name })
		out = append(out, ColumnPair{ID: id, Left: l.name, Right: r.name, Kind: kind, Score: min(1, max(0, score)), Used: used})
	}
	for _, k := range d.links {
		if len(k.on) == 1 {
			add(k.id(), Reference, k.on[0].l, k.on[0].r, min(k.left, k.right)/float64(min(d.left.rows, d.right.rows))/max(1, k.crowd()))
		}
	}
	if f := d.facts; f.amount != nil {
		add(f.amount.id, Amount, f.amount.l, f.amount.r, f.amount.near)
	}
	for _, a := range d.shared {
		add(a.id, Amount, a.l, a.r, a.share)
	}
	if f := d.facts.date; f != nil {
		add(pairID(Dates, f.l, f.r), Dates, f.l, f.r, d.scoreOf(pairID(Dates, f.l, f.r)))
	}
	for _, n := range d.facts.names {
		add(pairID(Names, n.l, n.r), Names, n.l, n.r, n.reached-n.chance)
	}
	for _, s := range d.facts.same {
		add(pairID(Same, s.l, s.r), Same, s.l, s.r, s.agree-s.chance)
	}
	order := []PairKind{Reference, Amount, Dates, Names, Same}
	slices.SortStableFunc(out, func(a, b ColumnPair) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(b.Score, a.Score))
	})
	return out
}

// scoreOf is the share of pairs that the evidence of that ID speaks of.
func (d *drafter) scoreOf(id string) float64 {
	for _, e := range d.evidence {
		if e.ID == id && e.Of > 0 {
			return float64(e.Agree) / float64(e.Of)
		}
	}
	return 0
}
