package match

import (
	"fmt"
	"strings"

	"kalla"
)

// group compiles one_to_many (the left is the one) and many_to_one.
func (c *compiler) group(p *pass, one kalla.Side) error {
	many := one.Other()
	oid, mid := alias(one)+"_id", alias(many)+"_id"
	if p.spec.Subset != nil {
		return c.subset(p, one)
	}
	leave := p.spec.OnAmbiguous == kalla.Leave
	params := []string{"dealt", p.table("dealt"), "c", p.table("c"), "m", p.matches(), "oid", oid, "mid", mid, "id", c.d.RowID(),
		"osrc", table(one), "msrc", table(many), "rivals", p.table("rivals"), "bound", rivalBound, "many", string(many),
		"okeys", c.keyOrder(one, "t"), "locked", p.table("locked_" + string(many)), "vector", list(names("c.", "v", len(p.vector)), c.keyColumns(one, "t"))}
	x := func(t string) string { return expand(t, params...) }

	if p.onlyEqualities() && !c.uniqueSide(p, one) {
		c.dealByClass(p, one, x)
	} else {
		c.nodes = append(c.nodes, c.buildCandidates(p)...)
		level := "1"
		if n := len(p.vector); n > 0 {
			level = "rank() OVER (PARTITION BY c." + mid + " ORDER BY " + list(names("c.", "v", n)) + ")"
		}
		deal := []Node{
			Exec{"candidates ranked", expand(`CREATE TABLE {ranked} AS
SELECT c.l_id, c.r_id, {level} AS level, row_number() OVER (PARTITION BY c.{mid} ORDER BY {vector}) AS place
FROM {c} c JOIN {osrc} t ON t.{id} = c.{oid}`, append([]string{"ranked", p.table("ranked"), "level", level}, params...)...)},
			Exec{"each record to its best group", expand(`CREATE TABLE {dealt} AS
SELECT l_id, r_id, place = 1 AS best, ties > 1 AS ambiguous FROM (
 SELECT *, count(*) OVER (PARTITION BY {mid}) AS ties FROM {ranked} WHERE level = 1) b WHERE place <= {bound}`, append([]string{"ranked", p.table("ranked")}, params...)...)},
		}
		if c.uniqueSide(p, one) {
			deal = []Node{Exec{"each record to its group", x("CREATE VIEW {dealt} AS SELECT l_id, r_id, TRUE AS best, FALSE AS ambiguous FROM {c}")}}
		}
		c.nodes = append(c.nodes, deal...)
	}
	fits := "best"
	if leave {
		fits = "NOT ambiguous"
		c.add("ambiguous records", x("CREATE TABLE {locked} AS SELECT DISTINCT {mid} AS id FROM {dealt} WHERE ambiguous"))
		p.locked[many] = p.table("locked_" + string(many))
	}
	p.rivals = expand("SELECT '{many}' AS side, d.l_id, d.r_id, m.l_id IS NOT NULL AS chosen FROM {dealt} d LEFT JOIN {m} m ON m.l_id = d.l_id AND m.r_id = d.r_id WHERE d.ambiguous", params...)

	having := ""
	if p.spec.Sum != nil {
		ones, manies := "max("+p.sumL+")", c.d.Sum(p.sumR)
		if one == kalla.Right {
			ones, manies = c.d.Sum(p.sumL), "max("+p.sumR+")"
		}
		having = " HAVING " + balance(ones, manies, p.spec.Sum.Within)
	}
	groups := expand(`SELECT d.{oid} AS id, bool_or(d.ambiguous) AS ambiguous FROM {dealt} d
 JOIN {lsrc} l ON l.{id} = d.l_id JOIN {rsrc} r ON r.{id} = d.r_id WHERE d.{fits} GROUP BY d.{oid}{having}`,
		append([]string{"lsrc", LeftTable, "rsrc", RightTable, "having", having, "fits", fits}, params...)...)
	groups = strings.Replace(groups, "d.NOT ", "NOT d.", 1)
	if p.spec.Sum == nil {
		groups = expand("SELECT {oid} AS id, bool_or(ambiguous) AS ambiguous FROM {dealt} WHERE {fits} GROUP BY {oid}", append([]string{"fits", fits}, params...)...)
	}
	lead := "d.l_id"
	from := ""
	if one == kalla.Right {
		lead = expand("first_value(d.l_id) OVER (PARTITION BY d.r_id ORDER BY {keys})", "keys", c.keyOrder(kalla.Left, "lk"))
		from = expand(" JOIN {lsrc} lk ON lk.{id} = d.l_id", "lsrc", LeftTable, "id", c.d.RowID())
	}
	c.add("groups that balance", expand(`CREATE TABLE {m} AS
WITH g AS ({groups}), d AS (SELECT l_id, r_id FROM {dealt} WHERE {fits})
SELECT d.l_id, d.r_id, {lead} AS lead, g.ambiguous FROM d JOIN g ON g.id = d.{oid}{from}`,
		append([]string{"groups", groups, "lead", lead, "from", from, "fits", fits}, params...)...))
	return nil
}

// dealByClass deals where equalities decide alone: of the ones that are equal
// the first by key gets all, so no pair table is needed.
func (c *compiler) dealByClass(p *pass, one kalla.Side, x func(string) string) {
	var mine, on []string
	for i, k := range p.equalities() {
		o, m := k.l, k.r
		if one == kalla.Right {
			o, m = k.r, k.l
		}
		mine = append(mine, o)
		on = append(on, fmt.Sprintf("%s = f.e%d", m, i))
	}
	many := one.Other()
	c.add("the first of equal records", expand(`CREATE TABLE {first} AS SELECT * FROM (
SELECT {a}.kalla_id AS id{e}, row_number() OVER (PARTITION BY {by} ORDER BY {keys}) AS rn, count(*) OVER (PARTITION BY {by}) AS n FROM {from}) f WHERE rn <= {bound}`,
		"first", p.table("first"), "a", alias(one), "e", columns("e", mine), "by", list(mine), "keys", c.keyOrder(one, alias(one)), "from", c.free(one, p), "bound", rivalBound))
	c.add("each record to the first group that it fits", x(expand(`CREATE TABLE {dealt} AS
SELECT {a}.kalla_id AS {mid}, f.id AS {oid}, f.rn = 1 AS best, f.n > 1 AS ambiguous FROM {from} JOIN {first} f ON {on}`,
		"a", alias(many), "from", c.free(many, p), "first", p.table("first"), "on", strings.Join(on, " AND "))))
}

// largestProduct is the most pairs that a many_to_many group lists in full.
const largestProduct = 10_000

// manyToMany compiles groups of all records that agree on the equalities.
func (c *compiler) manyToMany(p *pass) error {
	eq := p.equalities()
	if len(eq) == 0 || len(eq) != len(p.conditions) || p.spec.SQL != "" {
		return fmt.Errorf("a many_to_many pass takes equalities only")
	}
	e := names("", "e", len(eq))
	member := func(side kalla.Side) string {
		var exprs []string
		for _, k := range eq {
			if side == kalla.Left {
				exprs = append(exprs, k.l)
			} else {
				exprs = append(exprs, k.r)
			}
		}
		sum := map[kalla.Side]string{kalla.Left: p.sumL, kalla.Right: p.sumR}[side]
		if sum == "" {
			sum = "0"
		}
		return expand(`SELECT {a}.kalla_id AS id{e}, {sum} AS amount, row_number() OVER (PARTITION BY {by} ORDER BY {keys}) AS rn FROM {from} WHERE {by_present}`,
			"a", alias(side), "e", columns("e", exprs), "sum", sum, "by", list(exprs), "keys", c.keyOrder(side, alias(side)), "from", c.free(side, p),
			"by_present", strings.Join(exprs, " IS NOT NULL AND ")+" IS NOT NULL")
	}
	same := func(l, r string) string {
		var on []string
		for _, n := range e {
			on = append(on, l+"."+n+" = "+r+"."+n)
		}
		return strings.Join(on, " AND ")
	}
	balanced := "TRUE"
	if p.spec.Sum != nil {
		balanced = balance("a.total", "b.total", p.spec.Sum.Within)
	}
	params := []string{"left", p.table("left"), "right", p.table("right"), "groups", p.table("groups"), "m", p.matches(), "e", list(e),
		"ab", same("a", "b"), "gl", same("g", "l"), "gr", same("g", "r"), "balanced", balanced, "ge", list(names("a.", "e", len(e))), "most", fmt.Sprint(largestProduct), "total", c.d.Sum("amount")}
	x := func(t string) string { return expand(t, params...) }
	c.add("left members", x("CREATE TABLE {left} AS ")+member(kalla.Left))
	c.add("right members", x("CREATE TABLE {right} AS ")+member(kalla.Right))
	c.add("groups that balance", x(`CREATE TABLE {groups} AS SELECT {ge}, a.lead, a.n AS nl, b.n AS nr FROM
(SELECT {e}, max(CASE WHEN rn = 1 THEN id END) AS lead, count(*) AS n, {total} AS total FROM {left} GROUP BY {e}) a
JOIN (SELECT {e}, count(*) AS n, {total} AS total FROM {right} GROUP BY {e}) b ON {ab} WHERE {balanced}`))
	// Small groups list every pair; in large ones the shorter side starts over, so that rows grow with the records.
	c.add("pairs", x(`CREATE TABLE {m} AS
SELECT l.id AS l_id, r.id AS r_id, g.lead, FALSE AS ambiguous FROM {groups} g JOIN {left} l ON {gl} JOIN {right} r ON {gr} WHERE nl * nr <= {most}
UNION ALL SELECT l.id, r.id, g.lead, FALSE FROM {groups} g JOIN {left} l ON {gl} JOIN {right} r ON {gr} AND r.rn = (l.rn - 1) % g.nr + 1 WHERE nl * nr > {most} AND nl >= nr
UNION ALL SELECT l.id, r.id, g.lead, FALSE FROM {groups} g JOIN {right} r ON {gr} JOIN {left} l ON {gl} AND l.rn = (r.rn - 1) % g.nl + 1 WHERE nl * nr > {most} AND nl < nr`))
	return nil
}

// allPairs compiles a pass whose every pair is a match.
func (c *compiler) allPairs(p *pass) error {
	c.nodes = append(c.nodes, c.buildCandidates(p)...)
	c.add("every pair is a match", expand("CREATE VIEW {m} AS SELECT l_id, r_id, l_id AS lead, FALSE AS ambiguous FROM {c}", "m", p.matches(), "c", p.table("c")))
	return nil
}

// matchSQL compiles the guide's form: one SELECT whose first columns are the
// left key, then the right key.
func (c *compiler) matchSQL() {
	p := &pass{no: 1, name: "match_sql", locked: map[kalla.Side]string{}}
	c.passes = append(c.passes, p)
	nl, nr := len(c.keys[kalla.Left]), len(c.keys[kalla.Right])
	cols := names("", "k", nl+nr)
	join := func(side kalla.Side, offset int) string {
		var on []string
		for i, k := range c.keyColumns(side, alias(side)) {
			on = append(on, fmt.Sprintf("%s = t.k%d", k, i+offset))
		}
		return strings.Join(on, " AND ")
	}
	good := func(side kalla.Side) string {
		return expand("(SELECT s.*, s.{id} AS kalla_id FROM {src} s WHERE s.{id} NOT IN (SELECT id FROM {bad})) {a}",
			"id", c.d.RowID(), "src", table(side), "bad", badTable(side), "a", alias(side))
	}
	params := []string{"raw", p.table("raw"), "m", p.matches(), "cols", list(cols), "sql", c.recipe.MatchSQL, "l", good(kalla.Left), "r", good(kalla.Right),
		"lon", join(kalla.Left, 0), "ron", join(kalla.Right, nl), "lsrc", LeftTable, "rsrc", RightTable}
	x := func(t string) string { return expand(t, params...) }
	c.add("match_sql", x("CREATE TABLE {raw} AS SELECT DISTINCT {cols} FROM ({sql}) t({cols})"))
	c.nodes = append(c.nodes, Guard{
		Name: "match_sql returns keys of the sources", Code: kalla.CodeRecipe,
		Query: x("SELECT count(*) FROM {raw} t WHERE NOT EXISTS (SELECT 1 FROM {lsrc} l WHERE {lon}) OR NOT EXISTS (SELECT 1 FROM {rsrc} r WHERE {ron})"),
		Why:   "match_sql returned %d pairs whose keys are not those of a record on both sides",
		Hint:  "select the left primary key first, then the right one, unchanged",
	})
	c.add("every pair is a match", x("CREATE TABLE {m} AS SELECT l.kalla_id AS l_id, r.kalla_id AS r_id, l.kalla_id AS lead, FALSE AS ambiguous FROM {raw} t JOIN {l} ON {lon} JOIN {r} ON {ron}"))
}
