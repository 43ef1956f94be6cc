package infer

import (
	"fmt"
	"strings"

	"kalla"
)

const (
	goodTable   = "kalla_infer_good"   // pairs that belong together: every column as l0…, r0…
	chanceTable = "kalla_infer_chance" // the same left records, each with the right record of another pair
	pickedTable = "kalla_infer_picked" // the rows of the pairs that goodTable is made of
)

// confident makes goodTable of the records that are the only ones of their side with the link's value.
func (d *drafter) confident(k *link) error {
	if len(k.on) > 1 {
		return d.confidentAll(k)
	}
	// The sketches hold the values already, as they are written and how often.
	p := k.on[0]
	alone := func(s *side, c *column) string {
		e := "v"
		for _, n := range p.steps {
			e = d.d.Normalize(n, e)
		}
		if p.l.typ.Numeric() && p.r.typ.Numeric() {
			e = exact(e)
		} else {
			e = "nullif(" + e + ", '')"
		}
		values := fmt.Sprintf(`SELECT %s AS e, min(v) AS v FROM %s WHERE col = %d AND h %% (SELECT max(k) FROM (SELECT k FROM %s WHERE col = %d UNION ALL SELECT k FROM %s WHERE col = %d)) = 0 GROUP BY e HAVING sum(n) = 1`,
			e, sketchTable(s), c.index, sketchTable(d.left), p.l.index, sketchTable(d.right), p.r.index)
		return fmt.Sprintf("(SELECT t.rowid AS id, x.e FROM %s t JOIN (%s) x ON %s = x.v)", s.table, values, d.text(c, "t"))
	}
	return d.makePairs(fmt.Sprintf("SELECT l.id AS l_id, r.id AS r_id, hash(l.e) AS h FROM %s l JOIN %s r ON l.e = r.e", alone(d.left, p.l), alone(d.right, p.r)))
}

// linkedItems is a FROM item of the records of a side: id, e0… as the link compares
// them, and what else is asked for. One in so many values is looked at.
func (d *drafter) linkedItems(s *side, k *link, every int, more ...string) string {
	list, names, present := []string{"t.rowid AS id"}, []string{}, []string{}
	for i, p := range k.on {
		c := p.l
		if s == d.right {
			c = p.r
		}
		e := fmt.Sprintf("e%d", i)
		list = append(list, d.equal(p, c, "t")+" AS "+e)
		names = append(names, e)
		present = append(present, e+" IS NOT NULL")
	}
	return fmt.Sprintf("(SELECT * FROM (SELECT %s FROM %s t) WHERE %s AND hash(%s) %% %d = 0)",
		strings.Join(append(list, more...), ", "), s.table, strings.Join(present, " AND "), strings.Join(names, ", "), every)
}

// equalities are the names of what a link compares: e0, e1.
func (k *link) equalities(alias string) string {
	var out []string
	for i := range k.on {
		out = append(out, fmt.Sprintf("%se%d", alias, i))
	}
	return strings.Join(out, ", ")
}

// confidentAll is confident for a link of several pairings, by all records.
func (d *drafter) confidentAll(k *link) error {
	every := max(1, int(k.shared)/samplePairs)
	e := k.equalities("")
	alone := func(s *side) string {
		return fmt.Sprintf("(SELECT %s, min(id) AS id FROM %s GROUP BY %s HAVING count(*) = 1)", e, d.linkedItems(s, k, every), e)
	}
	return d.makePairs(fmt.Sprintf("SELECT l.id AS l_id, r.id AS r_id, hash(%s) AS h FROM %s l JOIN %s r USING (%s)", e, alone(d.left), alone(d.right), e))
}

// amounts are the amounts of both sides as SQL over t, as the left writes them.
func (d *drafter) amounts(a *amountFact) (l, r string) {
	l, r = a.turn.sql(exact("t."+d.d.Ident(a.l.name)), exact("t."+d.d.Ident(a.r.name)))
	return "CAST(" + l + " AS DECIMAL(36,6))", "CAST(" + r + " AS DECIMAL(36,6))"
}

// confidentAmount makes goodTable of the records that are the only ones of
// their side with an amount, or with an amount and the value of a link.
func (d *drafter) confidentAmount(k *link, a *amountFact) error {
	l, r := d.amounts(a)
	if k == nil {
		k = &link{}
	}
	by := strings.TrimPrefix(k.equalities("")+", v", ", ")
	alone := func(s *side, x string) string {
		items := fmt.Sprintf("(SELECT t.rowid AS id, %s AS v FROM %s t)", x, s.table)
		if len(k.on) > 0 {
			items = d.linkedItems(s, k, max(1, int(min(k.left, k.right))/(4*samplePairs)), x+" AS v")
		}
		return fmt.Sprintf("(SELECT %s, min(id) AS id FROM %s WHERE v <> 0 GROUP BY %s HAVING count(*) = 1)", by, items, by)
	}
	return d.makePairs(fmt.Sprintf("SELECT l.id AS l_id, r.id AS r_id, hash(%s) AS h FROM %s l JOIN %s r USING (%s)", by, alone(d.left, l), alone(d.right, r), by))
}

// nearestPairs bounds the pairs of which confidentNearest takes the nearest.
const nearestPairs = 200_000

// confidentNearest makes goodTable of the records that share the amount and the
// value of the link, if any, and are nearest to each other: by the likeness of
// names, if any, and then by dates, if any.
func (d *drafter) confidentNearest(k *link, a *amountFact, names, dates *pairing) error {
	if k == nil {
		k = &link{}
	}
	left, right := d.amounts(a)
	by := strings.TrimPrefix(k.equalities("")+", v", ", ")
	// What is compared beside the equalities, and what of it makes a pair different from others.
	apart, h := "0", []string{by}
	more := map[*side][]string{d.left: {left + " AS v"}, d.right: {right + " AS v"}}
	compare := func(name string, p *pairing, form func(x string) string) {
		more[d.left] = append(more[d.left], form("t."+d.d.Ident(p.l.name))+" AS "+name)
		more[d.right] = append(more[d.right], form("t."+d.d.Ident(p.r.name))+" AS "+name)
		h = append(h, "l."+name, "r."+name)
	}
	if names != nil {
		compare("s", names, func(x string) string { return "nullif(" + d.normal(nameSteps(names.l, names.r), x) + ", '')" })
	}
	if dates != nil {
		compare("dt", dates, day)
		apart = "abs(r.dt - l.dt)"
	}
	items := func(s *side, every int) string {
		from := fmt.Sprintf("(SELECT t.rowid AS id, %s FROM %s t)", strings.Join(more[s], ", "), s.table)
		if len(k.on) > 0 {
			from = d.linkedItems(s, k, 1, more[s]...)
		}
		return fmt.Sprintf("(SELECT * FROM %s WHERE v <> 0 AND hash(%s) %% %d = 0)", from, by, every)
	}
	var pairs float64
	err := d.row(fmt.Sprintf("SELECT coalesce(sum(l.n * r.n), 0)::DOUBLE FROM (SELECT %[1]s, count(*) AS n FROM %[2]s GROUP BY %[1]s) l JOIN (SELECT %[1]s, count(*) AS n FROM %[3]s GROUP BY %[1]s) r USING (%[1]s)",
		by, items(d.left, 1), items(d.right, 1)), &pairs)
	if err != nil {
		return err
	}
	every := int(pairs/nearestPairs) + 1
	pick := "l.id AS l_id, r.id AS r_id, hash(" + strings.Join(h, ", ") + ") AS h, " + apart + " AS m1"
	near := fmt.Sprintf("%s l JOIN %s r USING (%s)", items(d.left, every), items(d.right, every), by)
	with, from := "", fmt.Sprintf("(SELECT %s, 0 AS m0 FROM %s)", pick, near)
	if names != nil {
		with = fmt.Sprintf("WITH p AS MATERIALIZED (SELECT %s, l.s AS ls, r.s AS rs FROM %s), %s ", pick, near, d.likeness(nearNames))
		from = fmt.Sprintf("(SELECT p.*, u.unlike AS m0 FROM p JOIN u USING (ls, rs) WHERE u.unlike <= %d)", farNames)
	}
	return d.makePairs(with + fmt.Sprintf(`SELECT l_id, r_id, h FROM (SELECT *, rank() OVER (PARTITION BY l_id ORDER BY m0, m1) AS la, count(*) OVER (PARTITION BY l_id, m0, m1) AS lb, rank() OVER (PARTITION BY r_id ORDER BY m0, m1) AS ra, count(*) OVER (PARTITION BY r_id, m0, m1) AS rb
FROM %s WHERE m1 IS NOT NULL) WHERE la = 1 AND lb = 1 AND ra = 1 AND rb = 1`, from))
}

// confidentGroups makes goodTable of the values of a link that several records
// of a side share: amounts as their sum, dates as the last of them.
func (d *drafter) confidentGroups(k *link) error {
	every := max(1, int(k.shared)/samplePairs)
	e := k.equalities("")
	grouped := func(s *side) string {
		list := []string{e, "count(*) AS n"}
		for _, c := range s.columns {
			x := "t." + d.d.Ident(c.name)
			switch {
			case isAmount(c) && c.typ.Kind != kalla.Float:
				x = "sum(" + x + ")"
			case isAmount(c) || c.typ.Temporal():
				x = "max(" + x + ")"
			case c.typ.Kind == kalla.Other:
				x = "NULL"
			default:
				x = fmt.Sprintf("CASE WHEN min(%[1]s) = max(%[1]s) THEN min(%[1]s) END", x)
			}
			list = append(list, fmt.Sprintf("%s AS %s%d", x, s.a(), c.index))
		}
		return fmt.Sprintf("(SELECT %s FROM %s x JOIN %s t ON t.rowid = x.id GROUP BY %s)", strings.Join(list, ", "), d.linkedItems(s, k, every), s.table, e)
	}
	err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT * EXCLUDE (h), row_number() OVER (ORDER BY h) AS n FROM (SELECT hash(%s) AS h, l.* EXCLUDE (n), r.* EXCLUDE (n, %s) FROM %s l JOIN %s r USING (%s) WHERE l.n + r.n > 2 ORDER BY h LIMIT %d)",
		goodTable, e, e, grouped(d.left), grouped(d.right), e, samplePairs)
	if err != nil {
		return err
	}
	return d.makeChance()
}

// makePairs makes goodTable and chanceTable of a query of (l_id, r_id, h), h being different for each pair and the same on every run.
func (d *drafter) makePairs(query string) error {
	var list []string
	for _, s := range []*side{d.left, d.right} {
		for _, c := range s.columns {
			list = append(list, fmt.Sprintf("%s.%s AS %s%d", s.a(), d.d.Ident(c.name), s.a(), c.index))
		}
	}
	if err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT l_id, r_id, row_number() OVER (ORDER BY h) AS n FROM (SELECT * FROM (%s) ORDER BY h LIMIT %d)", pickedTable, query, samplePairs); err != nil {
		return err
	}
	err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT p.n, %s FROM %s p JOIN %s l ON l.rowid = p.l_id JOIN %s r ON r.rowid = p.r_id",
		goodTable, strings.Join(list, ", "), pickedTable, d.left.table, d.right.table)
	if err != nil {
		return err
	}
	return d.makeChance()
}

func (d *drafter) makeChance() error {
	var n int64 // known beforehand, so that the join below is one by equality
	if err := d.row("SELECT count(*) FROM "+goodTable, &n); err != nil {
		return err
	}
	var list []string
	for _, c := range d.left.columns {
		list = append(list, fmt.Sprintf("a.l%d", c.index))
	}
	for _, c := range d.right.columns {
		list = append(list, fmt.Sprintf("b.r%d", c.index))
	}
	return d.exec("CREATE OR REPLACE TABLE %[1]s AS SELECT a.n, %[2]s FROM %[3]s a JOIN %[3]s b ON b.n = a.n %% %[4]d + 1", chanceTable, strings.Join(list, ", "), goodTable, max(1, n))
}
