package match

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// Names of the evidence files that a plan writes.
const (
	MatchedFile        = "matched.parquet"
	UnmatchedLeftFile  = "unmatched_left.parquet"
	UnmatchedRightFile = "unmatched_right.parquet"
	BreaksFile         = "breaks.parquet"
	CandidatesFile     = "candidates.parquet"
)

// Measures of Plan.Totals that are not amount columns.
const (
	CountMeasure  = "" // the number of records
	BadKeyMeasure = "#bad"
)

// measure is a difference shown in the evidence, right − left.
type measure struct{ name, sql string }

// measures are the signed differences of all within conditions and sums: amounts in their
// unit, dates in days, times in microseconds.
func (c *compiler) measures() []measure {
	var out []measure
	seen := map[string]string{}
	add := func(left, right, suffix, sql string) {
		name := left + suffix
		if old, ok := seen[strings.ToLower(name)]; ok {
			if old == sql {
				return
			}
			name = left + "_" + right + suffix
			if _, ok := seen[strings.ToLower(name)]; ok {
				return
			}
		}
		seen[strings.ToLower(name)] = sql
		out = append(out, measure{name, sql})
	}
	for _, p := range c.passes {
		for _, k := range p.conditions {
			if k.signed == "" {
				continue
			}
			suffix := ""
			if k.spec.Within.Hours != nil {
				suffix = "_us"
			}
			add(k.spec.Left, k.spec.Right, suffix, k.signed)
		}
		if p.sumL != "" {
			add(p.spec.Sum.Left, p.spec.Sum.Right, "", p.sumR+" - "+p.sumL)
		}
	}
	return out
}

// shown are the columns of a side that the evidence holds.
func (c *compiler) shown(side kalla.Side) []kalla.Column {
	if c.options.Detail == Keys {
		return c.keys[side]
	}
	return c.in[side].Schema
}

// unique gives names of Kalla's own that differ from the given columns, ignoring case.
func unique(taken []kalla.Column) func(string) string {
	used := map[string]bool{}
	for _, c := range taken {
		used[strings.ToLower(c.Name)] = true
	}
	return func(name string) string {
		for used[strings.ToLower(name)] {
			name = "kalla_" + name
		}
		used[strings.ToLower(name)] = true
		return name
	}
}

func (c *compiler) output(plan *Plan) error {
	if err := c.breaks(plan); err != nil {
		return err
	}
	plan.Nodes = c.nodes
	plan.Files = []File{
		c.matchedFile(), c.unmatchedFile(kalla.Left), c.unmatchedFile(kalla.Right), c.breaksFile(), c.candidatesFile(),
	}
	plan.queries.totals = c.totals(kalla.Left) + "\nUNION ALL\n" + c.totals(kalla.Right)
	plan.queries.passes = c.passCounts()
	var reasons []string
	for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
		reasons = append(reasons, expand("SELECT '{side}' AS side, {reason} AS reason, count(*) AS records FROM {u} u LEFT JOIN {k} k ON k.x_id = u.kalla_id GROUP BY 2",
			"side", string(s), "reason", reasonSQL, "u", unmatchedTable(s), "k", closestTable(s)))
	}
	plan.queries.reasons = strings.Join(reasons, "\nUNION ALL\n")
	return nil
}

const reasonSQL = "CASE WHEN u.kalla_bad THEN 'bad_key' ELSE coalesce(k.reason, 'no_candidate') END"

// nth picks one of the values by a number from 1, such as that of a pass.
func nth(of string, values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	var b strings.Builder
	for i, v := range values {
		fmt.Fprintf(&b, " WHEN %d THEN %s", i+1, v)
	}
	return "CASE " + of + b.String() + " END"
}

// matchID is SQL of the match_id, and the join that it needs, if any.
func (c *compiler) matchID(pass, leader string) (expr, join string) {
	multi := false
	var ids []string
	for _, p := range c.passes {
		multi = multi || p.multi
	}
	lead := c.keyText(kalla.Left, "l")
	if multi {
		lead = c.keyText(kalla.Left, "lead")
		join = expand(" JOIN {src} lead ON lead.{id} = {leader}", "src", LeftTable, "id", c.d.RowID(), "leader", leader)
	}
	escape := func(s string) string { return `replace(replace(` + s + `, '\', '\\'), '/', '\/')` }
	for _, p := range c.passes {
		id := fmt.Sprintf("'%d/' || %s", p.no, lead)
		if p.spec.Cardinality == kalla.AllPairs {
			id = fmt.Sprintf("'%d/' || %s || '/' || %s", p.no, escape(c.keyText(kalla.Left, "l")), escape(c.keyText(kalla.Right, "r")))
		}
		ids = append(ids, id)
	}
	return nth(pass, ids), join
}

func (c *compiler) fromMatches(join string) string {
	return expand("FROM kalla_matches m JOIN {l} l ON l.{id} = m.l_id JOIN {r} r ON r.{id} = m.r_id{join}", "l", LeftTable, "r", RightTable, "id", c.d.RowID(), "join", join)
}

// selection is a select list in the making.
type selection struct {
	d       Dialect
	exprs   []string
	columns kalla.Schema
}

// add adds an expression under a name; the type is that of a source's column, or nothing.
func (s *selection) add(expr, name string, t kalla.Type) {
	s.exprs = append(s.exprs, expr+" AS "+s.d.Ident(name))
	s.columns = append(s.columns, kalla.Column{Name: name, Type: t})
}

// computed adds pairs of an expression and its name.
func (s *selection) computed(exprsAndNames ...string) {
	for i := 0; i < len(exprsAndNames); i += 2 {
		s.add(exprsAndNames[i], exprsAndNames[i+1], kalla.Type{})
	}
}

func (s *selection) String() string { return strings.Join(s.exprs, ", ") }

// exactly is the confidence of a match that no similarity takes part in.
const exactly = "CAST(1 AS DECIMAL(7,6))"

// matchedFile joins the matches to the right records first, and streams the
// left ones past the result: only one side's wide rows are held in memory.
func (c *compiler) matchedFile() File {
	id, join := c.matchID("r.kalla_pass", "r.kalla_lead")
	var pass, cardinality []string
	confidence := exactly
	for _, p := range c.passes {
		if slices.ContainsFunc(p.conditions, func(k condition) bool { return k.form == similar }) {
			confidence = "r.kalla_confidence"
		}
		pass = append(pass, c.d.Text(p.name))
		card := string(p.spec.Cardinality)
		if card == "" {
			card = "all_pairs"
		}
		cardinality = append(cardinality, c.d.Text(card))
	}
	cols := &selection{d: c.d}
	cols.computed(id, "match_id", nth("r.kalla_pass", pass), "pass", nth("r.kalla_pass", cardinality), "cardinality",
		confidence, "confidence", "r.kalla_ambiguous", "ambiguous")
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		for _, col := range c.shown(side) {
			cols.add(alias(side)+"."+c.d.Ident(col.Name), string(side)+"_"+col.Name, col.Type)
		}
	}
	for _, m := range c.measures() {
		cols.computed(m.sql, "diff_"+m.name)
	}
	// What is the same for all matches, or not asked for, is not carried through the join.
	carried := []string{"m.l_id AS kalla_l", "m.ambiguous AS kalla_ambiguous"}
	if len(c.passes) > 1 {
		carried = append(carried, "m.pass AS kalla_pass")
	}
	if join != "" {
		carried = append(carried, "m.lead AS kalla_lead")
	}
	if confidence != exactly {
		carried = append(carried, "m.confidence AS kalla_confidence")
	}
	query := expand(`SELECT {cols}
FROM {l} l JOIN (SELECT {carried}, r.* FROM kalla_matches m JOIN {r} r ON r.{id} = m.r_id) r ON r.kalla_l = l.{id}{join}`,
		"cols", cols.String(), "carried", list(carried), "l", LeftTable, "r", RightTable, "id", c.d.RowID(), "join", join)
	return File{Name: MatchedFile, Query: query, Columns: cols.columns, Per: Per{Table: "kalla_matches", ID: "r_id", Source: RightTable, Alone: true}}
}

func (c *compiler) unmatchedFile(side kalla.Side) File {
	name := unique(c.shown(side))
	cols := &selection{d: c.d}
	for _, col := range c.shown(side) {
		cols.add("s."+c.d.Ident(col.Name), col.Name, col.Type)
	}
	cols.computed(reasonSQL, name("reason"), "k.closest_key", name("closest_key"), "k.closest_pass", name("closest_pass"), "k.closest_score", name("closest_score"))
	for i, m := range c.measures() {
		cols.computed(fmt.Sprintf("k.diff%d", i), name("closest_diff_"+m.name))
	}
	cols.computed("CASE WHEN k.reason = 'taken' THEN k.taken_by END", name("taken_by"))
	file := map[kalla.Side]string{kalla.Left: UnmatchedLeftFile, kalla.Right: UnmatchedRightFile}[side]
	query := expand("SELECT {cols}\nFROM {u} u JOIN {src} s ON s.{id} = u.kalla_id LEFT JOIN {k} k ON k.x_id = u.kalla_id",
		"cols", cols.String(), "u", unmatchedTable(side), "src", table(side), "id", c.d.RowID(), "k", closestTable(side))
	return File{Name: file, Query: query, Columns: cols.columns, Per: Per{Table: unmatchedTable(side), ID: "kalla_id", Source: table(side), Alone: true}}
}

// breaks makes kalla_breaks (pass, l_id, r_id, lead, field, left_value, right_value, difference).
func (c *compiler) breaks(plan *Plan) error {
	var parts []string
	for _, cmp := range c.recipe.Compare {
		k, err := c.compileCondition(kalla.Condition{Left: cmp.Left, Right: cmp.Right, Within: cmp.Within, Normalize: cmp.Normalize}, -1)
		if err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		lc, _ := c.column(kalla.Left, cmp.Left)
		rc, _ := c.column(kalla.Right, cmp.Right)
		l, r := "l."+c.d.Ident(lc.Name), "r."+c.d.Ident(rc.Name)
		difference := "CAST(NULL AS VARCHAR)"
		switch {
		case k.signed != "":
			difference = "CAST(" + k.signed + " AS VARCHAR)"
		case lc.Type.Numeric() && rc.Type.Numeric() && len(cmp.Normalize) == 0:
			difference = "CAST(" + k.r + " - " + k.l + " AS VARCHAR)"
		}
		parts = append(parts, expand("SELECT m.pass, m.l_id, m.r_id, m.lead, {field}, {l}, {r}, {difference} {from} WHERE NOT coalesce({pred}, FALSE) AND NOT ({ln} IS NULL AND {rn} IS NULL)",
			"field", c.d.Text(lc.Name), "l", c.text(l, lc.Type), "r", c.text(r, rc.Type), "difference", difference, "from", c.fromMatches(""), "pred", k.pred,
			"ln", blankless(k.l, k.left), "rn", blankless(k.r, k.right)))
	}
	c.add("breaks", "CREATE TABLE kalla_breaks (pass INTEGER, l_id BIGINT, r_id BIGINT, lead BIGINT, field VARCHAR, left_value VARCHAR, right_value VARCHAR, difference VARCHAR)")
	if len(parts) > 0 {
		c.add("what differs", "INSERT INTO kalla_breaks\n"+strings.Join(parts, "\nUNION ALL\n"))
	}
	plan.queries.breaks = "SELECT field, count(*) AS records FROM kalla_breaks GROUP BY field"
	return nil
}

// blankless makes empty text NULL, so that two blanks are no break.
func blankless(expr string, t kalla.Type) string {
	if t.Kind == kalla.Text && !strings.HasPrefix(expr, "nullif(") {
		return "nullif(" + expr + ", '')"
	}
	return expr
}

func (c *compiler) breaksFile() File {
	id, join := c.matchID("m.pass", "m.lead")
	from := strings.Replace(c.fromMatches(join), "kalla_matches", "kalla_breaks", 1)
	cols := &selection{d: c.d}
	cols.computed(id, "match_id", c.keyText(kalla.Left, "l"), "left_key", c.keyText(kalla.Right, "r"), "right_key",
		"m.field", "field", "m.left_value", "left_value", "m.right_value", "right_value", "m.difference", "difference")
	return File{Name: BreaksFile, Query: "SELECT " + cols.String() + " " + from, Any: "SELECT count(*) > 0 FROM kalla_breaks", Columns: cols.columns}
}

// rivals is a query (pass, side, l_id, r_id, chosen) of the candidates that were as good as each other.
func (c *compiler) rivals() string {
	parts := []string{"SELECT 0 AS pass, '' AS side, CAST(NULL AS BIGINT) AS l_id, CAST(NULL AS BIGINT) AS r_id, FALSE AS chosen WHERE FALSE"}
	for _, p := range c.passes {
		if p.rivals != "" {
			parts = append(parts, fmt.Sprintf("SELECT %d, x.* FROM (%s) x", p.no, p.rivals))
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

// candidatesFile lists, for each ambiguous record, its rivals.
func (c *compiler) candidatesFile() File {
	var pass []string
	for _, p := range c.passes {
		pass = append(pass, c.d.Text(p.name))
	}
	of := func(l, r string) string { return "CASE WHEN m.side = 'left' THEN " + l + " ELSE " + r + " END" }
	l, r := c.keyText(kalla.Left, "l"), c.keyText(kalla.Right, "r")
	cols := &selection{d: c.d}
	cols.computed(nth("m.pass", pass), "pass", "m.side", "side", of(l, r), "key", of(r, l), "rival_key", "m.chosen", "chosen")
	for _, m := range c.measures() {
		cols.computed(m.sql, "diff_"+m.name)
	}
	query := "SELECT " + cols.String() + "\n" + strings.Replace(c.fromMatches(""), "kalla_matches", "("+c.rivals()+")", 1)
	return File{Name: CandidatesFile, Query: query, Any: "SELECT count(*) > 0 FROM (" + c.rivals() + ") x", Columns: cols.columns}
}

// amounts are the numeric columns of a side whose sums prove conservation.
func (c *compiler) amounts(side kalla.Side) []kalla.Column {
	var out []kalla.Column
	seen := map[string]bool{}
	add := func(left, right string) {
		name := left
		if side == kalla.Right {
			name = right
		}
		col, err := c.column(side, name)
		if err != nil || !col.Type.Numeric() || seen[col.Name] {
			return
		}
		seen[col.Name] = true
		out = append(out, col)
	}
	for _, p := range c.passes {
		for _, k := range p.conditions {
			exactMoney := k.form == equal && (k.left.Kind == kalla.DecimalKind || k.right.Kind == kalla.DecimalKind)
			if k.form == number || exactMoney {
				add(k.spec.Left, k.spec.Right)
			}
		}
		if p.spec.Sum != nil {
			add(p.spec.Sum.Left, p.spec.Sum.Right)
		}
	}
	for _, cmp := range c.recipe.Compare {
		add(cmp.Left, cmp.Right)
	}
	return out
}

// totals gives a row per measure of a side: the counts (CountMeasure), the bad keys ('#bad') and the sum of each amount column.
// The three figures come from three different tables, so that they prove something. Each table is
// read once, into one row, whatever the number of measures: not every engine keeps what WITH names.
func (c *compiler) totals(side kalla.Side) string {
	aggregates, names, rows := []string{"count(*) AS f1"}, []string{c.d.Text(CountMeasure)}, []string{"(1)"}
	for i, a := range c.amounts(side) {
		aggregates = append(aggregates, fmt.Sprintf("coalesce(%s, 0) AS f%d", c.d.Sum(c.exact("s."+c.d.Ident(a.Name), a.Type)), i+2))
		names = append(names, c.d.Text(a.Name))
		rows = append(rows, fmt.Sprintf("(%d)", i+2))
	}
	figure := func(from string) string {
		texts := make([]string, len(names))
		for i := range names {
			texts[i] = fmt.Sprintf("CAST(%s.f%d AS VARCHAR)", from, i+1)
		}
		return nth("v.i", texts)
	}
	return expand(`SELECT '{side}' AS side, {name} AS measure, {t} AS total, {m} AS matched, {u} AS unmatched
FROM (SELECT {agg} FROM {src} s) t
CROSS JOIN (SELECT {agg} FROM {src} s WHERE s.{id} IN (SELECT {a}_id FROM kalla_matches)) m
CROSS JOIN (SELECT {agg} FROM {unmatched} s) u CROSS JOIN (VALUES {rows}) v(i)
UNION ALL SELECT '{side}', {bad_measure}, CAST(count(*) AS VARCHAR), '0', CAST(count(*) AS VARCHAR) FROM {bad}`,
		"name", nth("v.i", names), "t", figure("t"), "m", figure("m"), "u", figure("u"), "agg", list(aggregates), "src", table(side), "id", c.d.RowID(), "a", alias(side),
		"unmatched", unmatchedTable(side), "rows", list(rows), "bad_measure", c.d.Text(BadKeyMeasure), "bad", badTable(side), "side", string(side))
}

// passCounts counts matches, pairs and records of each pass.
func (c *compiler) passCounts() string {
	var parts []string
	for _, p := range c.passes {
		matches, left, right := "count(DISTINCT lead)", "count(DISTINCT l_id)", "count(DISTINCT r_id)"
		ambiguous := "count(DISTINCT CASE WHEN ambiguous THEN lead END)"
		switch p.spec.Cardinality {
		case kalla.OneToOne:
			matches, left, right, ambiguous = "count(*)", "count(*)", "count(*)", "count(CASE WHEN ambiguous THEN 1 END)"
		case kalla.OneToMany:
			right = "count(*)"
		case kalla.ManyToOne:
			left = "count(*)"
		case kalla.AllPairs:
			matches = "count(*)"
		}
		parts = append(parts, fmt.Sprintf("SELECT %d AS pass, %s AS matches, count(*) AS pairs, %s AS l, %s AS r, %s AS ambiguous FROM %s",
			p.no, matches, left, right, ambiguous, p.matches()))
	}
	return strings.Join(parts, "\nUNION ALL\n") + "\nORDER BY 1"
}
