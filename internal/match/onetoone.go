package match

import (
	"fmt"
	"strings"

	"kalla"
)

// oneToOne compiles the stable assignment. Three ways lead to the same result:
//
//   - no record has two candidates (one aggregate tells): the candidates are the matches;
//   - otherwise rounds over the pairs that conflict, each round taking the pairs that are best for both ends;
//   - where the equalities alone would give far more pairs than records, and
//     at most one ordered tolerance is left to decide: rounds over classes of equal records, never a table of pairs.
func (c *compiler) oneToOne(p *pass) error {
	pairs := c.oneToOneByPairs(p)
	if axis, ok := c.axis(p); ok && !c.uniqueSide(p, kalla.Left) && !c.uniqueSide(p, kalla.Right) {
		c.nodes = append(c.nodes, If{
			Name:   p.name + ": many records share the same values",
			Query:  fmt.Sprintf("SELECT (%s) > %d", c.pairEstimate(p), c.options.ManyPairs),
			Unless: c.equalitiesUnique(p, kalla.Right),
			Then:   c.oneToOneByClasses(p, axis),
			Else:   pairs,
		})
	} else {
		c.nodes = append(c.nodes, pairs...)
	}
	p.rivals = "SELECT side, l_id, r_id, chosen FROM " + p.table("rivals")
	if p.spec.OnAmbiguous == kalla.Leave {
		for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
			p.locked[s] = p.table("locked_" + string(s))
		}
	}
	return nil
}

// emptyTables are the by-products of a pass in which nothing was ambiguous.
func (p *pass) emptyTables() []Node {
	nodes := []Node{Exec{"no rivals", fmt.Sprintf("CREATE TABLE %s (side VARCHAR, l_id BIGINT, r_id BIGINT, chosen BOOLEAN)", p.table("rivals"))}}
	if p.spec.OnAmbiguous == kalla.Leave {
		nodes = append(nodes, p.lockTables()...)
	}
	return nodes
}

func (p *pass) lockTables() []Node {
	var nodes []Node
	for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
		nodes = append(nodes, Exec{"no locks", fmt.Sprintf("CREATE TABLE %s (id BIGINT)", p.table("locked_"+string(s)))})
	}
	return nodes
}

func (c *compiler) oneToOneByPairs(p *pass) []Node {
	clean := []string{}
	if !c.uniqueSide(p, kalla.Left) {
		clean = append(clean, allDistinct("r_id", p.table("c")))
	}
	if !c.uniqueSide(p, kalla.Right) {
		clean = append(clean, allDistinct("l_id", p.table("c")))
	}
	if len(clean) == 0 {
		clean = append(clean, "TRUE")
	}
	direct := append([]Node{Exec{"matches", expand("CREATE VIEW {m} AS SELECT l_id, r_id, l_id AS lead, FALSE AS ambiguous FROM {c}", "m", p.matches(), "c", p.table("c"))}}, p.emptyTables()...)
	return append(c.buildCandidates(p), If{
		Name:  p.name + ": no record has two candidates",
		Query: "SELECT " + strings.Join(clean, " AND ") + " FROM " + p.table("c"),
		Then:  direct,
		Else:  c.assignByRounds(p),
	})
}

// assignByRounds settles the conflicts among candidate pairs. lr and rr rank a
// pair among those of its left and right record, ties by key; lt and rt are the
// same without the keys, so that equal numbers mean equal vectors.
func (c *compiler) assignByRounds(p *pass) []Node {
	v := names("", "v", len(p.vector))
	byVector := func(rest ...string) string { return " ORDER BY " + list(v, rest) }
	level := "1"
	levelOver := func(by string) string {
		if len(v) == 0 {
			return level
		}
		return "rank() OVER (PARTITION BY " + by + byVector() + ")"
	}
	params := []string{"c", p.table("c"), "cc", p.table("conflicts"), "m", p.matches(), "live", p.table("live"), "won", p.table("won"),
		"lsrc", LeftTable, "rsrc", RightTable, "id", c.d.RowID(), "lkeys", c.keyOrder(kalla.Left, "t"), "rkeys", c.keyOrder(kalla.Right, "t"),
		"lt", levelOver("l_id"), "rt", levelOver("r_id"), "lbest", byVector("ro"), "rbest", byVector("lo"),
		"settled", p.table("settled"), "locked_l", p.table("locked_left"), "locked_r", p.table("locked_right"), "rivals", p.table("rivals")}
	x := func(t string) string { return expand(t, params...) }
	nodes := []Node{
		Exec{"conflicting candidates", x(`CREATE TABLE {cc} AS
WITH n AS (SELECT *, count(*) OVER (PARTITION BY l_id) AS nl, count(*) OVER (PARTITION BY r_id) AS nr FROM {c}),
x AS (SELECT * FROM n WHERE nl > 1 OR nr > 1),
lo AS (SELECT t.{id} AS l_id, row_number() OVER (ORDER BY {lkeys}) AS lo FROM {lsrc} t WHERE t.{id} IN (SELECT l_id FROM x)),
ro AS (SELECT t.{id} AS r_id, row_number() OVER (ORDER BY {rkeys}) AS ro FROM {rsrc} t WHERE t.{id} IN (SELECT r_id FROM x)),
k AS (SELECT x.*, lo.lo, ro.ro FROM x JOIN lo ON lo.l_id = x.l_id JOIN ro ON ro.r_id = x.r_id)
SELECT l_id, r_id, {lt} AS lt, {rt} AS rt,
 row_number() OVER (PARTITION BY l_id{lbest}) AS lr, row_number() OVER (PARTITION BY r_id{rbest}) AS rr FROM k`)},
		Exec{"candidates without conflict", x(`CREATE TABLE {m} AS SELECT c.l_id, c.r_id, c.l_id AS lead, FALSE AS ambiguous FROM {c} c
WHERE NOT EXISTS (SELECT 1 FROM {cc} x WHERE x.l_id = c.l_id) AND NOT EXISTS (SELECT 1 FROM {cc} x WHERE x.r_id = c.r_id)`)},
		Exec{"conflicts to settle", x("CREATE TABLE {live}0 AS SELECT * FROM {cc}")},
		Exec{"settled", x("CREATE TABLE {settled} (l_id BIGINT, r_id BIGINT, lt BIGINT, rt BIGINT)")},
	}
	while := x("SELECT count(*) > 0 FROM {live}{i}")
	next := Exec{"what is left", x(`CREATE TABLE {live}{j} AS SELECT * FROM {live}{i} p
WHERE NOT EXISTS (SELECT 1 FROM {won}{i} w WHERE w.l_id = p.l_id) AND NOT EXISTS (SELECT 1 FROM {won}{i} w WHERE w.r_id = p.r_id)`)}
	drop := []Node{Exec{"tidy", x("DROP TABLE {won}{i}")}, Exec{"tidy", x("DROP TABLE {live}{i}")}}
	if p.spec.OnAmbiguous == kalla.Leave {
		nodes = append(nodes, p.lockTables()...)
		nodes = append(nodes, Loop{Name: "conflicts are left", While: while, Body: append([]Node{
			// A pair is first when no better one is live at either end. It is contested when another first pair shares an
			// end; it waits when an equal pair there is not first, because the other record may yet go to a better one.
			Exec{"pairs best for both ends", x(`CREATE TABLE {won}{i} AS
WITH a AS (SELECT *, lt = min(lt) OVER (PARTITION BY l_id) AS lfirst, rt = min(rt) OVER (PARTITION BY r_id) AS rfirst FROM {live}{i}),
b AS (SELECT *, lfirst AND rfirst AS first,
 count(CASE WHEN lfirst AND rfirst THEN 1 END) OVER (PARTITION BY l_id) AS lf, count(CASE WHEN lfirst AND rfirst THEN 1 END) OVER (PARTITION BY r_id) AS rf,
 count(CASE WHEN lfirst THEN 1 END) OVER (PARTITION BY l_id) AS ltied, count(CASE WHEN rfirst THEN 1 END) OVER (PARTITION BY r_id) AS rtied FROM a)
SELECT l_id, r_id, lt, rt, lf > 1 OR rf > 1 AS contested FROM b
WHERE first AND (lf > 1 OR rf > 1 OR (ltied = 1 AND rtied = 1))`)},
			Exec{"uncontested pairs match", x("INSERT INTO {settled} SELECT l_id, r_id, lt, rt FROM {won}{i} WHERE NOT contested")},
			Exec{"contested left records", x("INSERT INTO {locked_l} SELECT DISTINCT l_id AS id FROM {won}{i} WHERE contested")},
			Exec{"contested right records", x("INSERT INTO {locked_r} SELECT DISTINCT r_id AS id FROM {won}{i} WHERE contested")},
			next,
		}, drop...)},
			Exec{"matches", x("INSERT INTO {m} SELECT l_id, r_id, l_id AS lead, FALSE AS ambiguous FROM {settled}")},
			Exec{"rivals", x(`CREATE TABLE {rivals} AS
WITH l AS (SELECT *, row_number() OVER (PARTITION BY l_id ORDER BY lr) AS n FROM {cc} WHERE l_id IN (SELECT id FROM {locked_l}) AND r_id IN (SELECT id FROM {locked_r})),
r AS (SELECT *, row_number() OVER (PARTITION BY r_id ORDER BY rr) AS n FROM {cc} WHERE l_id IN (SELECT id FROM {locked_l}) AND r_id IN (SELECT id FROM {locked_r}))
SELECT 'left' AS side, l_id, r_id, FALSE AS chosen FROM l WHERE n <= ` + rivalBound + `
UNION ALL SELECT 'right', l_id, r_id, FALSE FROM r WHERE n <= ` + rivalBound)})
		return nodes
	}
	return append(nodes, Loop{Name: "conflicts are left", While: while, Body: append([]Node{
		Exec{"pairs best for both ends", x(`CREATE TABLE {won}{i} AS SELECT l_id, r_id, lt, rt FROM
(SELECT *, min(lr) OVER (PARTITION BY l_id) AS lbest, min(rr) OVER (PARTITION BY r_id) AS rbest FROM {live}{i}) b WHERE lr = lbest AND rr = rbest`)},
		Exec{"they match", x("INSERT INTO {settled} SELECT * FROM {won}{i}")},
		next,
	}, drop...)},
		// A match is ambiguous when a pair as good shares one of its ends and that pair's other end had not gone to a better one.
		Exec{"rivals", x(`CREATE TABLE {rivals} AS
WITH l AS (SELECT m.l_id, m.r_id AS chosen_id, q.r_id, q.lr FROM {settled} m JOIN {cc} q ON q.l_id = m.l_id AND q.lt = m.lt
  LEFT JOIN {settled} o ON o.r_id = q.r_id WHERE o.r_id IS NULL OR o.rt >= q.rt),
r AS (SELECT m.r_id, m.l_id AS chosen_id, q.l_id, q.rr FROM {settled} m JOIN {cc} q ON q.r_id = m.r_id AND q.rt = m.rt
  LEFT JOIN {settled} o ON o.l_id = q.l_id WHERE o.l_id IS NULL OR o.lt >= q.lt),
ln AS (SELECT *, row_number() OVER (PARTITION BY l_id ORDER BY CASE WHEN r_id = chosen_id THEN 0 ELSE 1 END, lr) AS n, count(*) OVER (PARTITION BY l_id) AS c FROM l),
rn AS (SELECT *, row_number() OVER (PARTITION BY r_id ORDER BY CASE WHEN l_id = chosen_id THEN 0 ELSE 1 END, rr) AS n, count(*) OVER (PARTITION BY r_id) AS c FROM r)
SELECT 'left' AS side, l_id, r_id, r_id = chosen_id AS chosen FROM ln WHERE c > 1 AND n <= ` + rivalBound + `
UNION ALL SELECT 'right', l_id, r_id, l_id = chosen_id FROM rn WHERE c > 1 AND n <= ` + rivalBound)},
		Exec{"matches", x(`INSERT INTO {m} SELECT s.l_id, s.r_id, s.l_id AS lead,
 s.l_id IN (SELECT l_id FROM {rivals} WHERE side = 'left') OR s.r_id IN (SELECT r_id FROM {rivals} WHERE side = 'right') AS ambiguous FROM {settled} s`)})
}

// rivalBound is the most rivals that candidates.parquet lists for one record.
const rivalBound = "10"
