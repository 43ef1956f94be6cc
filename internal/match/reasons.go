package match

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

// linkBound is the most records of the other side that may share a value for it to be followed in the search for a closest candidate.
const linkBound = 50

// collect unites the passes' matches and sets aside what is left.
func (c *compiler) collect() {
	var all []string
	for _, p := range c.passes {
		from, confidence := p.matches(), "1.000000"
		if c.measured(p) {
			from, confidence = p.table("confidence"), "confidence"
		}
		all = append(all, fmt.Sprintf("SELECT %d AS pass, l_id, r_id, lead, ambiguous, CAST(%s AS DECIMAL(7,6)) AS confidence FROM %s", p.no, confidence, from))
	}
	c.add("all matches", "CREATE VIEW kalla_matches AS "+strings.Join(all, " UNION ALL "))
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		c.add("unmatched records of "+c.source(side).Alias, expand(`CREATE TABLE {u} AS SELECT s.{id} AS kalla_id, b.id IS NOT NULL AS kalla_bad, {cols} FROM {src} s LEFT JOIN {bad} b ON b.id = s.{id}
WHERE NOT EXISTS (SELECT 1 FROM kalla_matches m WHERE m.{a}_id = s.{id})`,
			"u", unmatchedTable(side), "id", c.d.RowID(), "src", table(side), "bad", badTable(side), "a", alias(side), "cols", list(c.needed(side, "s"))))
	}
}

// measured makes a table of the pass's matches with their confidence, the least
// similarity, if the pass measures any.
func (c *compiler) measured(p *pass) bool {
	var diffs []string
	for _, k := range p.conditions {
		if k.form == similar {
			diffs = append(diffs, k.diff)
		}
	}
	if len(diffs) == 0 {
		return false
	}
	worst := diffs[0]
	if len(diffs) > 1 {
		worst = "greatest(" + list(diffs) + ")"
	}
	from := func(side kalla.Side) string {
		return expand("(SELECT s.{id} AS kalla_id{prepared} FROM {src} s WHERE s.{id} IN (SELECT {a}_id FROM {m})) {a}",
			"id", c.d.RowID(), "prepared", c.prepared(p, side, "s"), "src", table(side), "a", alias(side), "m", p.matches())
	}
	c.add(p.name+": confidence", expand(`CREATE TABLE {t} AS SELECT m.l_id, m.r_id, m.lead, m.ambiguous, CAST(1000000 - {worst} AS DECIMAL(13,6)) * 0.000001 AS confidence
FROM {m} m JOIN {l} ON l.kalla_id = m.l_id JOIN {r} ON r.kalla_id = m.r_id`, "t", p.table("confidence"), "worst", worst, "m", p.matches(), "l", from(kalla.Left), "r", from(kalla.Right)))
	return true
}

// needed lists, qualified, the columns of a side that the search for reasons
// and the sums look at: the key, and what the recipe compares or sums.
func (c *compiler) needed(side kalla.Side, qualifier string) []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if col, err := c.column(side, name); err == nil && !seen[col.Name] {
			seen[col.Name] = true
			out = append(out, qualifier+"."+c.d.Ident(col.Name))
		}
	}
	pick := func(left, right string) {
		if side == kalla.Left {
			add(left)
		} else {
			add(right)
		}
	}
	for _, k := range c.keys[side] {
		add(k.Name)
	}
	for _, p := range c.passes {
		for _, k := range p.conditions {
			pick(k.spec.Left, k.spec.Right)
		}
		if p.spec.Sum != nil {
			pick(p.spec.Sum.Left, p.spec.Sum.Right)
		}
		if p.spec.SQL != "" && len(p.conditions) > 0 {
			for _, col := range c.in[side].Schema { // the predicate may name any
				add(col.Name)
			}
		}
	}
	for _, a := range c.amounts(side) {
		add(a.Name)
	}
	return out
}

func unmatchedTable(side kalla.Side) string { return "kalla_unmatched_" + string(side) }
func closestTable(side kalla.Side) string   { return "kalla_closest_" + string(side) }

// reasons finds the closest candidate of every unmatched record and from it the reason.
func (c *compiler) reasons() {
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		var best []string
		for _, p := range c.passes {
			if len(p.conditions) > 0 {
				best = append(best, c.closestOfPass(p, side))
			}
		}
		c.closest(side, best)
	}
}

// seekers and sought are FROM items, aliased l or r, of the unmatched records
// and of all that may be the closest to them.
func (c *compiler) seekers(p *pass, side kalla.Side) string {
	return "(SELECT s.*" + c.prepared(p, side, "s") + " FROM " + unmatchedTable(side) + " s WHERE NOT kalla_bad) " + alias(side)
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
func (c *compiler) closestOfPass(p *pass, side kalla.Side) string {
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
	carried := columns("m", names("", "m", len(measures))) + columns("y", names("", "y", len(keys)))
	params := []string{"best", best, "x", x, "y", y, "failed", strings.Join(failed, " + "), "first", strings.Join(first, " "),
		"summed", summed, "carries", columns("f", tests) + columns("d", diffs) + columns("m", measures) + columns("y", keys), "carried", carried, "d", columns("d", names("n.", "d", len(diffs))),
		"X", c.seekers(p, side), "Y", c.sought(p, other), "bound", fmt.Sprint(linkBound),
		"order", list([]string{"failed"}, nullsLast(len(diffs)), names("n.", "y", len(keys)))}
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
		case k.form == prefix:
			links = append(links, pairs+c.prefixLink(p, side, k))
		case k.form == equal && c.coversKey([]condition{k}, other):
			links = append(links, pairs+e("{X} JOIN {Y} ON {xe} = {ye}", "xe", xe, "ye", ye))
		case k.form == equal || k.form == number:
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
	if eq := p.equalities(); crowd != "" && !c.coversKey(eq, other) {
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
	from := map[kalla.Side]string{side: c.seekers(p, side), side.Other(): c.sought(p, side.Other())}
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
	longFrom := expand(`(SELECT {a}.*, substring({long}, 1, n.len) AS kalla_prefix FROM {from} JOIN (SELECT DISTINCT length({short}) AS len FROM {shorts}) n ON length({long}) >= n.len) {a}`,
		"a", a, "long", long, "from", from[longSide], "short", short, "shorts", from[shortSide])
	items := map[kalla.Side]string{shortSide: from[shortSide], longSide: longFrom}
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
SELECT a.id AS x_id, b.id AS y_id FROM w a JOIN q b ON {on} AND a.lo = b.v WHERE a.side = 0
UNION SELECT a.id, b.id FROM w a JOIN q b ON {on} AND a.hi = b.v WHERE a.side = 0`, append(params, "ea", list(names("a.", "e", n)))...)},
		},
		Else: []Node{Exec{"no crowd", e("CREATE TABLE {crowd} (x_id BIGINT, y_id BIGINT)", params...)}},
	})
	return e(`{crowd} z JOIN {X} ON {x}.kalla_id = z.x_id JOIN {link} {y} ON {y}.kalla_id = z.y_id`, params...)
}

// closest makes kalla_closest_left (x_id, reason, closest_key, closest_pass, closest_score, taken_by, diff0, …).
func (c *compiler) closest(side kalla.Side, best []string) {
	other := side.Other()
	xid, yid := alias(side)+"_id", alias(other)+"_id"
	if len(best) == 0 {
		best = []string{c.noCandidates(side)}
	}
	var reason, score, pass []string
	locks := []string{"SELECT 0 AS pass, CAST(NULL AS BIGINT) AS id WHERE FALSE"}
	otherLocks := append([]string(nil), locks...)
	for _, p := range c.passes {
		if len(p.conditions) == 0 {
			continue
		}
		pass = append(pass, fmt.Sprintf("WHEN %d THEN %s", p.no, c.d.Text(p.name)))
		n := len(c.predicates(p))
		total := n
		if p.spec.Sum != nil {
			total++
		}
		for i := 0; i < total; i++ {
			reason = append(reason, fmt.Sprintf("WHEN %d THEN '%s'", p.no*1000+i, p.failure(i)))
		}
		for failed := 0; failed <= total; failed++ {
			share := decimal.NewFromInt(int64(total-failed)).DivRound(decimal.NewFromInt(int64(total)), 4)
			score = append(score, fmt.Sprintf("WHEN %d THEN %s", p.no*1000+failed, share.StringFixed(4)))
		}
		if t := p.locked[side]; t != "" {
			locks = append(locks, fmt.Sprintf("SELECT %d, id FROM %s", p.no, t))
		}
		if t := p.locked[other]; t != "" {
			otherLocks = append(otherLocks, fmt.Sprintf("SELECT %d, id FROM %s", p.no, t))
		}
	}
	caseOf := func(of string, whens []string, end string) string {
		if len(whens) == 0 {
			return end
		}
		return "CASE " + of + " " + strings.Join(whens, " ") + " ELSE " + end + " END"
	}
	params := []string{"closest", closestTable(side), "best", strings.Join(best, " UNION ALL "), "xid", xid, "yid", yid,
		"xsrc", table(side), "id", c.d.RowID(), "xkey", c.keyText(side, "k"), "xorder", c.keyOrder(side, "k"), "ykey", c.keyTextOf(other, names("b.", "y", len(c.keys[other]))),
		"reason", caseOf("b.pass * 1000 + b.first", reason, "'no_candidate'"), "score", caseOf("b.pass * 1000 + b.failed", score, "0.0000"), "pass", caseOf("b.pass", pass, "''"),
		"locks", strings.Join(locks, " UNION ALL "), "other_locks", strings.Join(otherLocks, " UNION ALL "), "diffs", columns("diff", names("b.", "m", len(c.measures())))}
	c.add("reasons of "+c.source(side).Alias, expand(`CREATE TABLE {closest} AS
WITH a AS ({best}),
b AS (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY x_id ORDER BY failed, pass) AS place FROM a) f WHERE place = 1),
t AS (SELECT y_id, taken_by FROM (SELECT m.{yid} AS y_id, {xkey} AS taken_by, row_number() OVER (PARTITION BY m.{yid} ORDER BY {xorder}) AS n
 FROM kalla_matches m JOIN {xsrc} k ON k.{id} = m.{xid} WHERE m.{yid} IN (SELECT y_id FROM b WHERE failed = 0)) f WHERE n = 1),
xl AS ({locks}), yl AS ({other_locks})
SELECT b.x_id, CASE WHEN b.failed > 0 THEN {reason}
  WHEN EXISTS (SELECT 1 FROM xl WHERE xl.pass = b.pass AND xl.id = b.x_id) OR EXISTS (SELECT 1 FROM yl WHERE yl.pass = b.pass AND yl.id = b.y_id) THEN 'ambiguous'
  ELSE 'taken' END AS reason,
 {ykey} AS closest_key, {pass} AS closest_pass, CAST({score} AS DECIMAL(5,4)) AS closest_score, t.taken_by{diffs}
FROM b LEFT JOIN t ON t.y_id = b.y_id`, params...))
}

// noCandidates is an empty result of closestOfPass, for recipes in which no pass has conditions.
func (c *compiler) noCandidates(side kalla.Side) string {
	var measures []string
	for _, m := range c.measures() {
		measures = append(measures, m.sql)
	}
	other := side.Other()
	return expand("SELECT 0 AS pass, {x}.kalla_id AS x_id, {y}.kalla_id AS y_id, 0 AS failed, 0 AS first{carries} FROM {X} JOIN {Y} ON FALSE",
		"x", alias(side), "y", alias(other), "X", c.seekers(&pass{}, side), "Y", c.sought(&pass{}, other), "carries", columns("m", measures)+columns("y", c.keyColumns(other, alias(other))))
}

// failure is the reason given when the i-th condition of the pass is the first to fail; sql comes after the conditions, sum last.
func (p *pass) failure(i int) kalla.Reason {
	if i < len(p.conditions) {
		identity := false
		for n, k := range p.conditions {
			if k.form == equal || k.form == prefix {
				identity = n == i
				break
			}
		}
		return p.conditions[i].failure(identity)
	}
	if p.spec.SQL != "" && i == len(p.conditions) {
		return kalla.ValueDiffers
	}
	return kalla.GroupUnbalanced
}
