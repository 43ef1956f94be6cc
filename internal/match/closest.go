package match

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// linkBound is the most records of the other side that may share a value for it to be followed in the search for a closest candidate.
const linkBound = 50

// link says by what a closest candidate is looked for.
type link int

const (
	byIdentity link = iota // equalities and prefixes
	byAmount               // numeric tolerances whose two values are equal
)

// links reports whether the pass has conditions of that kind.
func (p *pass) links(by link) bool {
	return slices.ContainsFunc(p.conditions, func(k condition) bool { return k.links(by) })
}

func (k condition) links(by link) bool {
	if by == byAmount {
		return k.form == number
	}
	return k.form == equal || k.form == prefix
}

// seekers and sought are FROM items, aliased l or r, of the unmatched records
// that look for a candidate and of all that may be one.
func (c *compiler) seekers(p *pass, side kalla.Side, by link) string {
	from := unmatchedTable(side)
	if by == byAmount {
		from = lonelyTable(side)
	}
	return "(SELECT s.*" + c.prepared(p, side, "s") + " FROM " + from + " s WHERE NOT kalla_bad) " + alias(side)
}

func (c *compiler) sought(p *pass, side kalla.Side) string {
	return expand("(SELECT s.{id} AS kalla_id, {cols}{prepared} FROM {src} s WHERE NOT EXISTS (SELECT 1 FROM {bad} b WHERE b.id = s.{id})) {a}",
		"id", c.d.RowID(), "cols", list(c.needed(side, "s")), "prepared", c.prepared(p, side, "s"), "src", table(side), "bad", badTable(side), "a", alias(side))
}

// sidesOf orders the two sides of a condition: the seeker's value, then the sought one's.
func sidesOf(k condition, side kalla.Side) (x, y string) {
	if side == kalla.Left {
		return k.l, k.r
	}
	return k.r, k.l
}

// closestOfPass makes a table with the closest candidate of each unmatched
// record in one pass: x_id, y_id, how many conditions failed, the index of the
// first that did, the recipe's measures m0…, and the key y0… of the candidate.
func (c *compiler) closestOfPass(p *pass, side kalla.Side, by link) string {
	other := side.Other()
	x, y := alias(side), alias(other)
	// What is costly is computed once, below: whether a condition fails (f0…)
	// and what it measures (d0…).
	var tests, failed, first, diffs, measures []string
	for i, pred := range c.predicates(p) {
		f := fmt.Sprintf("n.f%d", i)
		test := "CASE WHEN " + pred + " THEN 0 ELSE 1 END"
		if i < len(p.conditions) {
			k := p.conditions[i]
			if k.form == similar {
				f = fmt.Sprintf("CASE WHEN n.d%d <= %s THEN 0 ELSE 1 END", len(diffs), k.limit)
				test = "0"
			}
			if k.diff != "" {
				diffs = append(diffs, k.diff)
			}
		}
		tests = append(tests, test)
		failed = append(failed, f)
		first = append(first, fmt.Sprintf("WHEN %s = 1 THEN %d", f, i))
	}
	for _, m := range c.measures() {
		measures = append(measures, m.sql)
	}
	keys := c.keyColumns(other, y)
	summed := "TRUE"
	if p.spec.Sum != nil {
		summed = p.sumL + " IS NOT NULL AND " + p.sumR + " IS NOT NULL"
	}
	best := p.table("closest_" + string(side))
	if by == byAmount {
		best = p.table("closest_by_amount_" + string(side))
	}
	carried := columns("m", names("", "m", len(measures))) + columns("y", names("", "y", len(keys)))
	params := []string{"best", best, "x", x, "y", y, "failed", strings.Join(failed, " + "), "first", strings.Join(first, " "),
		"summed", summed, "carries", columns("f", tests) + columns("d", diffs) + columns("m", measures) + columns("y", keys), "carried", carried, "d", columns("d", names("n.", "d", len(diffs))),
		"X", c.seekers(p, side, by), "Y", c.sought(p, other), "bound", fmt.Sprint(linkBound),
		"order", list([]string{"failed", "first DESC"}, nullsLast(len(diffs)), names("n.", "y", len(keys)))}
	e := func(t string, more ...string) string { return expand(t, append(more, params...)...) }
	pairs := e(`SELECT {x}.kalla_id AS x_id, {y}.kalla_id AS y_id, {summed} AS summed{carries} FROM `)
	weighed := func(pairs string) string {
		return e(`SELECT x_id, y_id, {failed} AS failed, CASE {first} END AS first, summed{d}{carried} FROM (`) + pairs + ") n"
	}

	var links []string
	crowd := "" // the link in which a crowd shows
	for i, k := range p.conditions {
		xe, ye := sidesOf(k, side)
		switch {
		case !k.links(by):
		case k.form == prefix:
			links = append(links, pairs+c.prefixLink(p, side, k))
		case k.form == equal && c.coversKey([]condition{k}, other):
			links = append(links, pairs+e("{X} JOIN {Y} ON {xe} = {ye}", "xe", xe, "ye", ye))
		default:
			link := p.table(fmt.Sprintf("link%d_%s", i, side))
			if k.form == equal && crowd == "" {
				crowd = link
			}
			most := ""
			if crowd != link {
				most = fmt.Sprintf(" HAVING count(*) <= %d", linkBound)
			}
			if k.column != "" { // here over the records as they are: what is sought is prepared when it is found
				column, t := k.rightColumn, k.right
				if other == kalla.Left {
					column, t = k.leftColumn, k.left
				}
				ye = c.normalized(y+"."+column, t, k.spec.Normalize)
			}
			c.add("who shares "+k.spec.Left, e(`CREATE TABLE {link} AS SELECT {y}.*{prepared}, n.n AS kalla_n FROM {bare}
JOIN (SELECT {ye} AS v, count(*) AS n FROM {bare} WHERE {ye} IN (SELECT {xe} FROM {X}) GROUP BY {ye}{most}) n ON n.v = {ye}`,
				"link", link, "xe", xe, "ye", ye, "most", most, "bare", c.sought(&pass{}, other), "prepared", c.prepared(p, other, y)))
			_, ye = sidesOf(k, side)
			links = append(links, pairs+e("{X} JOIN (SELECT * FROM {link} WHERE kalla_n <= {bound}) {y} ON {xe} = {ye}", "link", link, "xe", xe, "ye", ye))
		}
	}
	if len(links) == 0 {
		links = append(links, pairs+e("{X} JOIN {Y} ON FALSE"))
	}
	if eq := p.equalities(); by == byIdentity && crowd != "" && !c.coversKey(eq, other) {
		links = append(links, pairs+c.crowded(p, side, crowd, e))
	}
	found := weighed(strings.Join(links, "\nUNION ALL\n"))
	if p.spec.Sum != nil {
		found = c.withSum(p, side, found, len(tests), columns("d", names("", "d", len(diffs)))+carried)
	}
	c.add("closest candidates", e(`CREATE TABLE {best} AS SELECT x_id, y_id, failed, first{carried} FROM
(SELECT n.*, row_number() OVER (PARTITION BY x_id ORDER BY {order}) AS place FROM (`)+found+") n) b WHERE place = 1")
	return fmt.Sprintf("SELECT %d AS pass, x_id, y_id, failed, first%s FROM %s", p.no, carried, best)
}

// withSum counts the sum among the failures of each pair: it is met only where
// something else kept the pair apart, ambiguity or a match that the candidate had by then.
func (c *compiler) withSum(p *pass, side kalla.Side, near string, index int, carried string) string {
	other := side.Other()
	apart := expand("n.y_id IN ({gone})", "gone", c.gone(other, p.no+1))
	if t := p.locked[side]; t != "" {
		apart += " OR n.x_id IN (SELECT id FROM " + t + ")"
	}
	if t := p.locked[other]; t != "" {
		apart += " OR n.y_id IN (SELECT id FROM " + t + ")"
	}
	return expand(`SELECT x_id, y_id, failed + unmet AS failed, CASE WHEN failed = 0 AND unmet = 1 THEN {i} ELSE first END AS first{carried} FROM
(SELECT n.*, CASE WHEN failed = 0 AND summed AND ({apart}) THEN 0 ELSE 1 END AS unmet FROM ({near}) n) s`,
		"i", fmt.Sprint(index), "apart", apart, "near", near, "carried", carried)
}

func nullsLast(n int) []string {
	out := names("n.", "d", n)
	for i := range out {
		out[i] += " NULLS LAST"
	}
	return out
}

// prefixLink joins the records whose text is, or has, a prefix on the other side; each long text is cut at every length that is there.
func (c *compiler) prefixLink(p *pass, side kalla.Side, k condition) string {
	from := map[kalla.Side]string{side: c.seekers(p, side, byIdentity), side.Other(): c.sought(p, side.Other())}
	shortSide, longSide := kalla.Left, kalla.Right
	if k.spec.Op == kalla.OpHasPrefix {
		shortSide, longSide = longSide, shortSide
	}
	short, long := k.l, k.r
	if shortSide == kalla.Right {
		short, long = k.r, k.l
	}
	y := side.Other()
	a := alias(longSide)
	items := map[kalla.Side]string{shortSide: from[shortSide], longSide: cutAtPrefixes(a, long, from[longSide], short, from[shortSide])}
	value := map[kalla.Side]string{shortSide: short, longSide: a + ".kalla_prefix"}
	items[y] = expand(`(SELECT * FROM (SELECT {y}.*, count(*) OVER (PARTITION BY {v}) AS kalla_n FROM {from}) n WHERE kalla_n <= {bound}) {y}`,
		"y", alias(y), "v", value[y], "from", items[y], "bound", fmt.Sprint(linkBound))
	return items[side] + " JOIN " + items[y] + " ON " + value[side] + " = " + value[y]
}

// crowded finds candidates where more records than linkBound share all the
// equalities: the nearest below and above by the first tolerance, or the first
// by key. It returns FROM text of the pairs.
func (c *compiler) crowded(p *pass, side kalla.Side, link string, e func(string, ...string) string) string {
	other := side.Other()
	var xs, ys, on []string
	for i, k := range p.equalities() {
		xe, ye := sidesOf(k, side)
		xs, ys = append(xs, xe), append(ys, ye)
		on = append(on, fmt.Sprintf("a.e%d = b.e%d", i, i))
	}
	n := len(xs)
	xv, yv := "0", "0"
	for _, k := range p.conditions {
		if k.form == number || k.form == calendar {
			xv, yv = sidesOf(k, side)
			break
		}
	}
	params := []string{"xs", columns("e", xs), "ys", columns("e", ys), "e", list(names("", "e", n)), "on", strings.Join(on, " AND "),
		"xv", xv, "yv", yv, "keys", c.keyOrder(other, alias(other)), "crowd", p.table("crowd_" + string(side)), "link", link}
	crowd := e(`SELECT {e} FROM (SELECT {y}.kalla_id{ys} FROM {link} {y}) q WHERE ({e}) IN (SELECT {e} FROM (SELECT {x}.kalla_id{xs} FROM {X}) s) GROUP BY {e} HAVING count(*) > {bound}`, params...)
	c.nodes = append(c.nodes, If{
		Name:  "many records share all the values that " + p.name + " compares",
		Query: e("SELECT count(*) > 0 FROM {link} WHERE kalla_n > {bound}", "link", link),
		Then: []Node{
			Exec{"nearest in the crowd", e(`CREATE TABLE {crowd} AS
WITH g AS (`+crowd+`),
s AS (SELECT a.* FROM (SELECT {x}.kalla_id AS id, {xv} AS v{xs} FROM {X}) a JOIN g b ON {on}),
q AS (SELECT * FROM (SELECT a.*, row_number() OVER (PARTITION BY {ea}, a.v ORDER BY a.place) AS n FROM (
 SELECT {y}.kalla_id AS id, {yv} AS v{ys}, row_number() OVER (ORDER BY {keys}) AS place FROM {link} {y}) a JOIN g b ON {on}) f WHERE n = 1),
u AS (SELECT 0 AS side, id, v, {e} FROM s UNION ALL SELECT 1, id, v, {e} FROM q),
w AS (SELECT *, max(CASE WHEN side = 1 THEN v END) OVER (PARTITION BY {e} ORDER BY v RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS lo,
 min(CASE WHEN side = 1 THEN v END) OVER (PARTITION BY {e} ORDER BY v RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS hi FROM u)
SELECT a.id AS x_id, b.id AS y_id FROM w a JOIN q b ON {on} AND a.lo = b.v WHERE a.side = 0 AND a.v IS NOT NULL
UNION SELECT a.id, b.id FROM w a JOIN q b ON {on} AND a.hi = b.v WHERE a.side = 0 AND a.v IS NOT NULL
UNION SELECT a.id, b.id FROM s a JOIN (SELECT q.*, row_number() OVER (PARTITION BY {e} ORDER BY place) AS f FROM q) b ON {on} AND b.f = 1 WHERE a.v IS NULL`, append(params, "ea", list(names("a.", "e", n)))...)},
		},
		Else: []Node{Exec{"no crowd", e("CREATE TABLE {crowd} (x_id BIGINT, y_id BIGINT)", params...)}},
	})
	return e(`{crowd} z JOIN {X} ON {x}.kalla_id = z.x_id JOIN {link} {y} ON {y}.kalla_id = z.y_id`, params...)
}
