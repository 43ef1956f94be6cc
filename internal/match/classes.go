package match

import (
	"fmt"
	"strconv"
	"strings"

	"kalla"
)

// axis is the one ordered tolerance of a pass whose other conditions are
// equalities: numbers x for both sides, and how far right may lie below and above left.
type axis struct {
	l, r         string // SQL of x, empty when there is no tolerance at all
	below, above string // bounds of left − right and right − left, not negative
}

// axis returns the pass's only tolerance if equalities decide all the rest.
// Percentages do not qualify: their width is not the same seen from both ends.
func (c *compiler) axis(p *pass) (axis, bool) {
	if p.spec.SQL != "" || len(p.spec.Block) > 0 || len(p.equalities()) == 0 {
		return axis{}, false
	}
	var a axis
	for _, k := range p.conditions {
		if k.form == equal {
			continue
		}
		ordered := (k.form == number || k.form == calendar) && k.low != ""
		around := strings.HasPrefix(k.low, "-") || k.low == "0"
		if !ordered || !around || strings.HasPrefix(k.high, "-") || a.l != "" || len(p.vector) != 1 || p.vector[0] != k.diff {
			return axis{}, false
		}
		a = axis{l: k.l, r: k.r, below: strings.TrimPrefix(k.low, "-"), above: k.high}
		switch {
		case k.spec.Within.Days != nil:
			epoch := c.d.Literal("1970-01-01", kalla.Type{Kind: kalla.Date})
			a.l, a.r = c.d.Days(epoch, k.l), c.d.Days(epoch, k.r)
		case k.spec.Within.Hours != nil:
			epoch := c.d.Literal("1970-01-01 00:00:00", kalla.Type{Kind: kalla.Timestamp})
			a.l, a.r = c.d.Microseconds(epoch, k.l), c.d.Microseconds(epoch, k.r)
		}
	}
	return a, true
}

// oneToOneByClasses assigns without a table of pairs. Records of a side that
// agree on everything the pass looks at are a class; within a class key order
// decides, so a class is consumed from its head and only counts move. Classes
// with equal values pair off first; then, in rounds, classes that are nearest
// to each other along the axis. A class waits while an equally near one may
// still go to a nearer one, so the result is that of docs/matching.md to the letter.
//
// Tables: members (id, the equalities e0…, x, rn: the place in its class by key),
// classes (cid ascending with x inside a group gid; side 0 is left), ranges (the
// k members of class a after the first a0 match the k of class b after the first b0).
func (c *compiler) oneToOneByClasses(p *pass, a axis) []Node {
	leave := p.spec.OnAmbiguous == kalla.Leave
	eq := p.equalities()
	e := names("", "e", len(eq))
	member := func(side kalla.Side) string {
		x := a.l
		var exprs []string
		for _, k := range eq {
			if side == kalla.Left {
				exprs = append(exprs, k.l)
			} else {
				exprs = append(exprs, k.r)
			}
		}
		if side == kalla.Right {
			x = a.r
		}
		if x == "" {
			x = "0"
		}
		present := strings.Join(append(exprs, x), " IS NOT NULL AND ") + " IS NOT NULL"
		return expand(`SELECT {a}.kalla_id AS id, {x} AS x{e}, row_number() OVER (PARTITION BY {class} ORDER BY {keys}) AS rn FROM {from} WHERE {present}`,
			"a", alias(side), "x", x, "e", columns("e", exprs), "class", list(exprs, []string{x}), "keys", c.keyOrder(side, alias(side)), "from", c.free(side, p), "present", present)
	}
	same := func(l, r string) string {
		on := []string{l + ".x = " + r + ".x"}
		for _, n := range e {
			on = append(on, l+"."+n+" = "+r+"."+n)
		}
		return strings.Join(on, " AND ")
	}
	params := []string{
		"members", p.table("members"), "classes", p.table("classes"), "ranges", p.table("ranges"), "equal", p.table("ranges"), "contested", p.table("contested"), "places", p.table("places"),
		"rivals", p.table("rivals"), "m", p.matches(), "locked_left", p.table("locked_left"), "locked_right", p.table("locked_right"),
		"e", list(e), "same_ab", same("a", "b"), "same_tc", same("t", "c"), "bound", strconv.Itoa(classRivals),
	}
	if leave { // what is contested is taken out once it is known
		params = append([]string{"equal", p.table("equal")}, params...)
	}
	x := func(t string) string { return expand(t, params...) }
	nodes := []Node{
		Exec{"left members", x("CREATE TABLE {members}_left0 AS ") + member(kalla.Left)},
		Exec{"right members", x("CREATE TABLE {members}_right0 AS ") + member(kalla.Right)},
		Exec{"classes", x(`CREATE TABLE {classes} AS
SELECT row_number() OVER (ORDER BY {e}, x, side) AS cid, dense_rank() OVER (ORDER BY {e}) AS gid, t.* FROM (
 SELECT 0 AS side, {e}, x, count(*) AS n FROM {members}_left0 GROUP BY {e}, x
 UNION ALL SELECT 1, {e}, x, count(*) FROM {members}_right0 GROUP BY {e}, x) t`)},
	}
	for i, side := range []string{"left", "right"} {
		nodes = append(nodes, Exec{side + " members by class", x(fmt.Sprintf(
			"CREATE TABLE {members}_%[1]s AS SELECT c.cid, t.id, t.rn FROM {members}_%[1]s0 t JOIN {classes} c ON c.side = %[2]d AND {same_tc}", side, i))})
	}
	nodes = append(nodes,
		Exec{"equal values pair off", x(`CREATE TABLE {equal} AS SELECT a.cid AS a, CAST(0 AS BIGINT) AS a0, b.cid AS b, CAST(0 AS BIGINT) AS b0,
 CASE WHEN a.n < b.n THEN a.n ELSE b.n END AS k, a.n > 1 OR b.n > 1 AS ambiguous
FROM {classes} a JOIN {classes} b ON {same_ab} WHERE a.side = 0 AND b.side = 1`)},
		// The classes that compete, as they stood; many tells that the left one had a choice.
		Exec{"contested classes", x(`CREATE TABLE {contested} AS SELECT r.a, r.a0, r.b, r.b0, b.n > 1 AS many FROM {equal} r JOIN {classes} b ON b.cid = r.b WHERE r.ambiguous`)})
	if leave {
		nodes = append(nodes, Exec{"contested classes are left", x("CREATE TABLE {ranges} AS SELECT * FROM {equal} WHERE NOT ambiguous")})
	}
	if a.l != "" {
		nodes = append(nodes, c.nearestRounds(p, a, leave)...)
	}
	// In two statements, so that the second joins by class and place: by class alone it would be all pairs.
	nodes = append(nodes,
		Exec{"places of the left members", x(`CREATE TABLE {places} AS SELECT l.id, g.b, l.rn - g.a0 + g.b0 AS place, g.ambiguous FROM {ranges} g
JOIN {members}_left l ON l.cid = g.a AND l.rn > g.a0 AND l.rn <= g.a0 + g.k`)},
		Exec{"matches", x(`CREATE TABLE {m} AS SELECT p.id AS l_id, r.id AS r_id, p.id AS lead, p.ambiguous FROM {places} p JOIN {members}_right r ON r.cid = p.b AND r.rn = p.place`)})
	whose := func(side string) string {
		return fmt.Sprintf("s.id IN (SELECT %s_id FROM %s WHERE ambiguous)", side[:1], p.matches())
	}
	if leave {
		for _, side := range []string{"left", "right"} {
			nodes = append(nodes, Exec{"contested " + side + " records", x(fmt.Sprintf(
				"CREATE TABLE {locked_%[1]s} AS SELECT id FROM {members}_%[1]s WHERE cid IN (SELECT %[2]s FROM {contested})", side, map[string]string{"left": "a", "right": "b"}[side]))})
		}
		whose = func(string) string { return "TRUE" }
	}
	return append(nodes, Exec{"rivals", expand(`CREATE TABLE {rivals} AS
WITH g AS (SELECT a, b, min(a0) AS a0, min(b0) AS b0, bool_or(many) AS many FROM {contested} GROUP BY a, b)
SELECT u.*, m.l_id IS NOT NULL AS chosen FROM (
SELECT 'left' AS side, s.id AS l_id, o.id AS r_id FROM g JOIN {members}_left s ON s.cid = g.a AND s.rn > g.a0
 JOIN {members}_right o ON o.cid = g.b AND o.rn > g.b0 AND o.rn <= g.b0 + {bound} WHERE g.many AND {ours_l}
UNION ALL SELECT 'right', o.id, s.id FROM g JOIN {members}_right s ON s.cid = g.b AND s.rn > g.b0
 JOIN {members}_left o ON o.cid = g.a AND o.rn > g.a0 AND o.rn <= g.a0 + {bound} WHERE NOT g.many AND {ours_r}) u
LEFT JOIN {m} m ON m.l_id = u.l_id AND m.r_id = u.r_id`, append([]string{"ours_l", whose("left"), "ours_r", whose("right")}, params...)...)})
}

// classRivals is the most rivals of one class that candidates.parquet lists for
// a record: where thousands are equal, the first two say it.
const classRivals = 2

// nearestRounds pairs classes along the axis. live holds, per round, the classes
// that have members left and something within reach: used counts the members
// that are gone, tied is the distance at which the class was contested, so that
// what is left of it stays ambiguous at that distance. What is not within reach
// once never will be, because classes only leave; so the rounds end.
func (c *compiler) nearestRounds(p *pass, a axis, leave bool) []Node {
	params := []string{
		"live", p.table("live"), "near", p.table("near"), "edges", p.table("edges"), "take", p.table("take"),
		"members", p.table("members"), "classes", p.table("classes"), "ranges", p.table("ranges"), "contested", p.table("contested"),
		"below", a.below, "above", a.above, "id", c.d.RowID(), "lsrc", LeftTable, "rsrc", RightTable,
		"lkeys", c.keyOrder(kalla.Left, "lk"), "rkeys", c.keyOrder(kalla.Right, "rk"),
		"before", "PARTITION BY gid ORDER BY cid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
		"after", "PARTITION BY gid ORDER BY cid ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
	}
	x := func(t string) string { return expand(t, params...) }
	round := []Node{
		// The nearest opposite class on both sides; cid ascends with x, so max and min find it.
		Exec{"neighbours", x(`CREATE TABLE {near}{i} AS
WITH o AS (SELECT *, max(CASE WHEN side = 0 THEN cid END) OVER ({before}) AS pl, max(CASE WHEN side = 1 THEN cid END) OVER ({before}) AS pr,
 min(CASE WHEN side = 0 THEN cid END) OVER ({after}) AS nl, min(CASE WHEN side = 1 THEN cid END) OVER ({after}) AS nr FROM {live}{i}),
n AS (SELECT o.*, p.cid AS pc, o.x - p.x AS pd, q.cid AS qc, q.x - o.x AS qd FROM o
 LEFT JOIN {live}{i} p ON p.cid = CASE WHEN o.side = 0 THEN o.pr ELSE o.pl END LEFT JOIN {live}{i} q ON q.cid = CASE WHEN o.side = 0 THEN o.nr ELSE o.nl END),
d AS (SELECT cid, gid, side, x, n, used, tied, pc, qc, CASE WHEN pd <= CASE WHEN side = 0 THEN {below} ELSE {above} END THEN pd END AS pd,
 CASE WHEN qd <= CASE WHEN side = 0 THEN {above} ELSE {below} END THEN qd END AS qd FROM n)
SELECT *, CASE WHEN pd IS NULL OR qd < pd THEN qd ELSE pd END AS dist FROM d WHERE pd IS NOT NULL OR qd IS NOT NULL`)},
		// An edge joins a left class a and a right class b that are nearest to each other; fa of the ta nearest of a are such.
		Exec{"nearest classes", x(`CREATE TABLE {edges}{i} AS
WITH t AS (SELECT cid, side, pc AS other FROM {near}{i} WHERE pd = dist UNION ALL SELECT cid, side, qc FROM {near}{i} WHERE qd = dist),
f AS (SELECT a.cid AS a, b.cid AS b, count(*) OVER (PARTITION BY a.cid) AS fa, count(*) OVER (PARTITION BY b.cid) AS fb
 FROM t a JOIN t b ON a.other = b.cid AND b.other = a.cid WHERE a.side = 0 AND b.side = 1)
SELECT f.*, a.dist, a.n - a.used AS na, b.n - b.used AS nb, a.used AS a0, b.used AS b0,
 a.n - a.used > 1 OR b.n - b.used > 1 OR fa > 1 OR fb > 1 OR coalesce(a.tied = a.dist, FALSE) OR coalesce(b.tied = b.dist, FALSE) AS contested,
 coalesce(a.pd = a.qd AND fa = 1, FALSE) AS wa, coalesce(b.pd = b.qd AND fb = 1, FALSE) AS wb
FROM f JOIN {near}{i} a ON a.cid = f.a JOIN {near}{i} b ON b.cid = f.b`)},
		Exec{"contested classes", x("INSERT INTO {contested} SELECT a, a0, b, b0, nb > 1 OR fa > 1 AS many FROM {edges}{i} WHERE contested")},
	}
	left := `CREATE TABLE {live}{j} AS SELECT n.cid, n.gid, n.side, n.x, n.n, n.used + coalesce(t.k, 0) AS used, coalesce(s.dist, n.tied) AS tied FROM {near}{i} n
LEFT JOIN (SELECT a AS cid, k FROM {take}{i} UNION ALL SELECT b, k FROM {take}{i}) t ON t.cid = n.cid
LEFT JOIN (SELECT DISTINCT cid, dist FROM (SELECT a AS cid, dist FROM {edges}{i} WHERE contested UNION ALL SELECT b, dist FROM {edges}{i} WHERE contested) e) s ON s.cid = n.cid
WHERE n.used + coalesce(t.k, 0) < n.n`
	if leave {
		round = append(round, Exec{"uncontested classes match", x("CREATE TABLE {take}{i} AS SELECT a, a0, b, b0, CAST(1 AS BIGINT) AS k, FALSE AS ambiguous FROM {edges}{i} WHERE NOT contested AND NOT wa AND NOT wb")})
		left += " AND s.cid IS NULL"
	} else {
		// One edge at each end: the whole of the smaller class goes. Several: the heads that come first for each other by key go.
		round = append(round, Exec{"nearest classes match", x(`CREATE TABLE {take}{i} AS
WITH h AS (SELECT e.*, row_number() OVER (PARTITION BY e.a ORDER BY {rkeys}) AS ar, row_number() OVER (PARTITION BY e.b ORDER BY {lkeys}) AS br FROM {edges}{i} e
 JOIN {members}_left l ON l.cid = e.a AND l.rn = e.a0 + 1 JOIN {lsrc} lk ON lk.{id} = l.id
 JOIN {members}_right r ON r.cid = e.b AND r.rn = e.b0 + 1 JOIN {rsrc} rk ON rk.{id} = r.id WHERE e.fa > 1 OR e.fb > 1)
SELECT a, a0, b, b0, CASE WHEN na < nb THEN na ELSE nb END AS k, contested AS ambiguous FROM {edges}{i} WHERE fa = 1 AND fb = 1 AND NOT wa AND NOT wb
UNION ALL SELECT a, a0, b, b0, CAST(1 AS BIGINT), TRUE FROM h WHERE ar = 1 AND br = 1 AND NOT wa AND NOT wb`)})
	}
	round = append(round, Exec{"they are matched", x("INSERT INTO {ranges} SELECT * FROM {take}{i}")}, Exec{"classes left", x(left)})
	for _, t := range []string{"live", "near", "edges", "take"} {
		round = append(round, Exec{"tidy", x("DROP TABLE {" + t + "}{i}")})
	}
	lost := ""
	if leave {
		lost = x(" AND c.cid NOT IN (SELECT a FROM {contested} UNION ALL SELECT b FROM {contested})")
	}
	return []Node{
		Exec{"classes left", x(`CREATE TABLE {live}0 AS WITH u AS (SELECT cid, sum(k) AS k FROM (SELECT a AS cid, k FROM {ranges} UNION ALL SELECT b, k FROM {ranges}) g GROUP BY cid)
SELECT c.cid, c.gid, c.side, c.x, c.n, CAST(coalesce(u.k, 0) AS BIGINT) AS used, CASE WHEN FALSE THEN c.x - c.x END AS tied FROM {classes} c LEFT JOIN u ON u.cid = c.cid
WHERE coalesce(u.k, 0) < c.n`) + lost},
		Loop{Name: p.name + ": classes are near each other", While: x("SELECT count(*) > 0 FROM {live}{i}"), Body: round},
	}
}
