package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
)

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
func lonelyTable(side kalla.Side) string    { return "kalla_lonely_" + string(side) }

// reasons finds the closest candidate of every unmatched record and from it the
// reason. Where a side has none, as is common, that is not compiled into a dozen empty tables.
func (c *compiler) reasons() {
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		before := c.nodes
		c.nodes = nil
		var best []string
		for _, p := range c.passes {
			if len(p.conditions) > 0 {
				best = append(best, c.closestOfPass(p, side, byIdentity))
			}
		}
		// Equal amounts alone say little; they are followed only for who has nothing better.
		amounts := slices.ContainsFunc(c.passes, func(p *pass) bool { return p.links(byAmount) })
		if amounts {
			found := "SELECT CAST(NULL AS BIGINT) AS x_id WHERE FALSE"
			if len(best) > 0 {
				found = strings.Join(best, " UNION ALL ")
			}
			c.add("records without a candidate", expand("CREATE TABLE {lonely} AS SELECT u.* FROM {u} u WHERE NOT u.kalla_bad AND NOT EXISTS (SELECT 1 FROM ({found}) f WHERE f.x_id = u.kalla_id)",
				"lonely", lonelyTable(side), "u", unmatchedTable(side), "found", found))
		}
		for _, p := range c.passes {
			if p.links(byAmount) {
				best = append(best, c.closestOfPass(p, side, byAmount))
			}
		}
		none := c.closest(side, nil)
		if len(best) == 0 {
			c.nodes = append(before, none...)
			continue
		}
		c.nodes = append(before, If{
			Name:  "records of " + c.source(side).Alias + " are unmatched",
			Query: "SELECT count(*) > 0 FROM " + unmatchedTable(side) + " WHERE NOT kalla_bad",
			Then: []Node{Each{
				Name:   "reasons of " + c.source(side).Alias,
				Per:    Per{Table: unmatchedTable(side), ID: "kalla_id", Source: table(side)},
				Nodes:  append(c.nodes, c.closest(side, best)...),
				Result: closestTable(side),
			}},
			Else: none,
		})
	}
}

// closest makes kalla_closest_left (x_id, reason, closest_key, closest_pass, closest_score, taken_by, diff0, …)
// of queries of candidates; without any it is empty.
func (c *compiler) closest(side kalla.Side, best []string) []Node {
	other := side.Other()
	xid, yid := alias(side)+"_id", alias(other)+"_id"
	sought := len(best) > 0
	if !sought {
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
	params := []string{"closest", closestTable(side), "taken", "kalla_taken_" + string(side), "best", strings.Join(best, " UNION ALL "), "xid", xid, "yid", yid,
		"xsrc", table(side), "id", c.d.RowID(), "xkey", c.keyText(side, "k"), "xorder", c.keyOrder(side, "k"), "ykey", c.keyTextOf(other, names("b.", "y", len(c.keys[other]))),
		"reason", caseOf("b.pass * 1000 + b.first", reason, "'no_candidate'"), "score", caseOf("b.pass * 1000 + b.failed", score, "0.0000"), "pass", caseOf("b.pass", pass, "''"),
		"locks", strings.Join(locks, " UNION ALL "), "other_locks", strings.Join(otherLocks, " UNION ALL "), "diffs", columns("diff", names("b.", "m", len(c.measures())))}
	var taken Node = Exec{"nobody took any", expand("CREATE TABLE {taken} (y_id BIGINT, taken_by VARCHAR)", params...)}
	if sought {
		// Who has the candidates that nothing speaks against; mostly there are none, and then no match need be looked at.
		taken = If{
			Name:  "candidates of " + c.source(side).Alias + " are taken",
			Query: expand("SELECT count(*) > 0 FROM ({best}) a WHERE failed = 0", params...),
			Then: []Node{Exec{"who took them", expand(`CREATE TABLE {taken} AS SELECT y_id, taken_by FROM (
SELECT m.{yid} AS y_id, {xkey} AS taken_by, row_number() OVER (PARTITION BY m.{yid} ORDER BY {xorder}) AS n
FROM kalla_matches m JOIN {xsrc} k ON k.{id} = m.{xid} WHERE m.{yid} IN (SELECT y_id FROM ({best}) a WHERE failed = 0)) f WHERE n = 1`, params...)}},
			Else: []Node{taken},
		}
	}
	return []Node{taken, Exec{"reasons of " + c.source(side).Alias, expand(`CREATE TABLE {closest} AS
WITH a AS ({best}),
b AS (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY x_id ORDER BY failed, pass) AS place FROM a) f WHERE place = 1),
xl AS ({locks}), yl AS ({other_locks})
SELECT b.x_id, CASE WHEN b.failed > 0 THEN {reason}
  WHEN EXISTS (SELECT 1 FROM xl WHERE xl.pass = b.pass AND xl.id = b.x_id) OR EXISTS (SELECT 1 FROM yl WHERE yl.pass = b.pass AND yl.id = b.y_id) THEN 'ambiguous'
  ELSE 'taken' END AS reason,
 {ykey} AS closest_key, {pass} AS closest_pass, CAST({score} AS DECIMAL(5,4)) AS closest_score, t.taken_by{diffs}
FROM b LEFT JOIN {taken} t ON t.y_id = b.y_id`, params...)}}
}

// noCandidates is an empty result of closestOfPass, for recipes in which no pass has conditions.
func (c *compiler) noCandidates(side kalla.Side) string {
	var measures []string
	for _, m := range c.measures() {
		measures = append(measures, m.sql)
	}
	other := side.Other()
	return expand("SELECT 0 AS pass, {x}.kalla_id AS x_id, {y}.kalla_id AS y_id, 0 AS failed, 0 AS first{carries} FROM {X} JOIN {Y} ON FALSE",
		"x", alias(side), "y", alias(other), "X", c.seekers(&pass{}, side, byIdentity), "Y", c.sought(&pass{}, other), "carries", columns("m", measures)+columns("y", c.keyColumns(other, alias(other))))
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
