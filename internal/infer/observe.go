package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// observe makes goodTable and reads facts off it, held against chanceTable.
func (d *drafter) observe(f *facts) error {
	if err := f.again(); err != nil {
		return err
	}
	if err := d.row("SELECT count(*) FROM "+goodTable, &f.pairs); err != nil || f.pairs < 2 {
		return err
	}
	for _, read := range []func(*facts) error{d.observeAmounts, d.observeDates, d.observeTexts} {
		if err := read(f); err != nil {
			return err
		}
	}
	return nil
}

// both asks the same figures of the good pairs and of the chance pairs.
func (d *drafter) both(list []string, limit int) (good, chance []float64, err error) {
	ask := func(table string) ([]float64, error) {
		return d.numbers(fmt.Sprintf("SELECT %s FROM %s WHERE n <= %d", strings.Join(list, ", "), table, limit), len(list))
	}
	if good, err = ask(goodTable); err != nil {
		return nil, nil, err
	}
	chance, err = ask(chanceTable)
	return good, chance, err
}

// pairsOf lists the pairs of columns of both sides that satisfy ok, without those that the link compares.
func (d *drafter) pairsOf(f *facts, kind PairKind, most int, ok func(*column) bool) []pairing {
	pick := func(s *side) []*column {
		var out []*column
		for _, c := range s.columns {
			if ok(c) && c.filled > 0 && len(out) < most {
				out = append(out, c)
			}
		}
		return out
	}
	var out []pairing
	for _, l := range pick(d.left) {
		for _, r := range pick(d.right) {
			if f.link != nil && f.link.uses(l) && f.link.uses(r) || d.without(pairID(kind, l, r)) {
				continue
			}
			out = append(out, pairing{l: l, r: r})
		}
	}
	return out
}

func (p pairing) cells() (l, r string) {
	return fmt.Sprintf("l%d", p.l.index), fmt.Sprintf("r%d", p.r.index)
}

// isAmount reports whether a column may hold amounts rather than numbers that name something.
func isAmount(c *column) bool {
	return c.typ.Numeric() && (c.typ.Kind != kalla.Integer || means(c.name, "amount") || !means(c.name, "id") && !means(c.name, "number")) && !means(c.name, "date")
}

func exact(x string) string { return "TRY_CAST(" + x + " AS DECIMAL(28,6))" }

func (d *drafter) observeAmounts(f *facts) error {
	if f.amount != nil {
		return nil // the pairs were found by it
	}
	pairs := d.pairsOf(f, Amount, 12, isAmount)
	if len(pairs) == 0 {
		return nil
	}
	const each = 2
	var list []string
	for _, p := range pairs {
		l, r := p.cells()
		for t := range turns {
			a, b := t.sql(exact(l), exact(r))
			list = append(list, fmt.Sprintf("count_if(%s = %s AND %s <> 0)", a, b, l), fmt.Sprintf("count_if(abs(%[1]s - %[2]s) * 20 <= abs(%[1]s) AND %[3]s <> 0)", a, b, l))
		}
	}
	good, chance, err := d.both(list, 2_000)
	if err != nil {
		return err
	}
	n := min(f.pairs, 2_000)
	top := 0.0
	for i, p := range pairs {
		for t := range turns {
			at := (i*int(turns) + int(t)) * each
			equal, near, luck := good[at]/n, good[at+1]/n, chance[at+1]/n
			if near < 0.25 || near-luck < 0.2 {
				continue
			}
			score := near - luck + equal/2 + 0.3*alike(p.l.name, p.r.name)
			for _, c := range []*column{p.l, p.r} {
				if c.typ.Kind == kalla.DecimalKind {
					score += 0.15
				}
				if means(c.name, "amount") {
					score += 0.1
				}
			}
			if d.chosen(pairID(Amount, p.l, p.r)) {
				score += 10
			}
			if score > top+1e-9 {
				top, f.amount = score, &amountFact{id: pairID(Amount, p.l, p.r), l: p.l, r: p.r, turn: t, exact: equal, near: near}
			}
		}
	}
	return nil
}

// day is a date or time as a date.
func day(x string) string { return "CAST(" + x + " AS DATE)" }

func (d *drafter) observeDates(f *facts) error {
	pairs := d.pairsOf(f, Dates, 8, func(c *column) bool { return c.typ.Temporal() && c.distinct > 1 })
	if len(pairs) == 0 {
		return nil
	}
	var list []string
	for _, p := range pairs {
		l, r := p.cells()
		diff := "(" + day(r) + " - " + day(l) + ")"
		list = append(list, "quantile_disc("+diff+", 0.05)", "quantile_disc("+diff+", 0.95)", "count("+diff+")")
	}
	good, chance, err := d.both(list, samplePairs)
	if err != nil {
		return err
	}
	var best *dateFact
	top := 0.0
	for i, p := range pairs {
		width, luck, n := good[3*i+1]-good[3*i], chance[3*i+1]-chance[3*i], good[3*i+2]
		// By chance the differences spread over the whole period.
		if n < 0.5*f.pairs || luck == 0 || width > 0.6*luck && !(width <= 3 && luck > width) {
			continue
		}
		middle := (good[3*i+1] + good[3*i]) / 2
		if d.chosen(pairID(Dates, p.l, p.r)) {
			width = 0
		}
		score := 1/(1+width) + 0.2*alike(p.l.name, p.r.name)/(1+width) + 0.1/(1+max(middle, -middle))/(1+width)
		if score > top {
			top, best = score, &dateFact{l: p.l, r: p.r}
		}
	}
	f.date = best
	return nil
}

func (d *drafter) observeTexts(f *facts) error {
	pairs := d.pairsOf(f, "", 12, func(c *column) bool {
		return c.distinct > 0 && (c.typ.Kind == kalla.Text && c.maxLen <= 200 || c.typ.Kind == kalla.Integer && !isAmount(c) || c.typ.Kind == kalla.Boolean)
	})
	pairs = slices.DeleteFunc(pairs, func(p pairing) bool { return p.l.typ.Kind != p.r.typ.Kind })
	if len(pairs) == 0 {
		return nil
	}
	var list []string
	for _, p := range pairs {
		l, r := p.cells()
		list = append(list, fmt.Sprintf("count_if(%s = %s)", l, r), fmt.Sprintf("count(%s || %s)", l, r))
		if p.l.typ.Kind == kalla.Text {
			list = append(list, fmt.Sprintf("avg(jaro_winkler_similarity(lower(%s), lower(%s)))", l, r))
		} else {
			list = append(list, "0")
		}
	}
	const sample = 1_000
	good, chance, err := d.both(list, sample)
	if err != nil {
		return err
	}
	n := min(f.pairs, sample)
	for i, p := range pairs {
		g, c := good[3*i:], chance[3*i:]
		if g[1] < 0.3*n {
			continue
		}
		equal, luck := g[0]/g[1], c[0]/max(1, c[1])
		if !d.without(pairID(Same, p.l, p.r)) && equal >= 0.9 && (equal-luck >= 0.15 || alike(p.l.name, p.r.name) >= 0.5 && equal > luck) {
			f.same = append(f.same, sameFact{pairing: p, agree: equal, chance: luck})
		}
		if !d.without(pairID(Names, p.l, p.r)) && p.l.typ.Kind == kalla.Text && equal < 0.995 && g[2] >= 0.75 && g[2]-c[2] >= 0.15 {
			f.names = append(f.names, nameFact{l: p.l, r: p.r, reached: g[2], chance: c[2]})
		}
	}
	slices.SortStableFunc(f.same, func(a, b sameFact) int {
		return cmp.Compare(b.agree-b.chance+0.2*alike(b.l.name, b.r.name), a.agree-a.chance+0.2*alike(a.l.name, a.r.name))
	})
	slices.SortStableFunc(f.names, func(a, b nameFact) int { return cmp.Compare(b.reached-b.chance, a.reached-a.chance) })
	f.same = once(f.same, func(s sameFact) pairing { return s.pairing })
	f.names = once(f.names, func(s nameFact) pairing { return pairing{l: s.l, r: s.r} })
	return nil
}

// once keeps the first of the facts that name the same column.
func once[T any](facts []T, of func(T) pairing) []T {
	seen := map[*column]bool{}
	var out []T
	for _, f := range facts {
		p := of(f)
		if !seen[p.l] && !seen[p.r] {
			out = append(out, f)
			seen[p.l], seen[p.r] = true, true
		}
	}
	return out
}
