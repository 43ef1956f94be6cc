package infer

import (
	"fmt"
	"strings"

	"kalla"
)

// trial is a pass that is tried on the records that earlier passes leave. The
// result is what a run would give, but for the order in which records that are
// exactly alike are paired off.
type trial struct {
	cardinality kalla.Cardinality
	on          []pairing
	prefix      kalla.Op // of on[0]: prefix_of or has_prefix instead of equality
	amount      bool     // compare, or sum, the amounts
	exactly     bool     // without the tolerance
	date        bool
	name        *nameFact
	every       int  // looks at one in so many values of what is compared; 1 at all
	forced      bool // an example demands it
	affordable  bool // known to narrow the candidates enough
}

// outcome is what a trial gave.
type outcome struct {
	matches, left, right float64
	ambiguous            float64
	groups, several      float64 // balanced groups, and those with several records on a side of many
	pairs                float64 // in balanced groups of several on both sides
	unbalanced           float64 // groups of several that do not balance
	chance               float64 // matches of a one_to_one trial where every right record has another one's amount
}

func (o outcome) times(n float64) outcome {
	for _, x := range []*float64{&o.matches, &o.left, &o.right, &o.ambiguous, &o.groups, &o.several, &o.pairs, &o.unbalanced, &o.chance} {
		*x *= n
	}
	return o
}

const (
	pairTable  = "kalla_infer_pairs"
	matchTable = "kalla_infer_matches"
	clashTable = "kalla_infer_clashes"
	// pairsPerRecord bounds what a trial may join: more means that its conditions identify nothing.
	pairsPerRecord = 30
)

// freeTable holds the records that no pass matched so far, with the columns
// that passes may compare and, as kalla_infer_row, their row in the staged table.
func freeTable(s *side) string    { return "kalla_infer_free_" + string(s.name) }
func matchedTable(s *side) string { return "kalla_infer_matched_" + string(s.name) }

// items is a FROM item of a side's free records with what the trial compares:
// e0… the equalities, a the amount, d the date, s the name; and the key.
func (d *drafter) items(t trial, s *side, shuffled bool) string {
	f := d.facts
	list, present := []string{"t.kalla_infer_row AS id"}, []string{"TRUE"}
	pick := func(l, r *column) *column {
		if s == d.left {
			return l
		}
		return r
	}
	for i, p := range t.on {
		list = append(list, fmt.Sprintf("%s AS e%d", d.equal(p, pick(p.l, p.r), "t"), i))
	}
	sampled := "a"
	if len(t.on) > 0 {
		sampled = "e0"
	}
	if t.every > 1 && t.long() != s.name {
		present = append(present, fmt.Sprintf("hash(%s) %% %d = 0", sampled, t.every))
	}
	if t.amount {
		list = append(list, exact("t."+d.d.Ident(pick(f.amount.l, f.amount.r).name))+" AS a")
		present = append(present, "a IS NOT NULL")
	}
	if t.date {
		list = append(list, day("t."+d.d.Ident(pick(f.date.l, f.date.r).name))+" AS d")
	}
	if t.name != nil {
		list = append(list, "t."+d.d.Ident(pick(t.name.l, t.name.r).name)+" AS s")
	}
	var keys []string
	for i, k := range s.key {
		list = append(list, fmt.Sprintf("t.%s AS k%d", d.d.Ident(k), i))
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	q := fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s t) WHERE %s", strings.Join(list, ", "), freeTable(s), strings.Join(present, " AND "))
	replace := []string{}
	if shuffled {
		by := "hash(" + strings.Join(keys, ", ") + "), " + strings.Join(keys, ", ")
		replace = append(replace, fmt.Sprintf("coalesce(lead(a) OVER (ORDER BY %[1]s), first_value(a) OVER (ORDER BY %[1]s)) AS a", by))
	}
	if t.name != nil {
		replace = append(replace, "nullif("+d.normal(nameSteps(t.name.l, t.name.r), "s")+", '') AS s")
	}
	if len(replace) > 0 {
		q = fmt.Sprintf("SELECT * REPLACE (%s) FROM (%s)", strings.Join(replace, ", "), q)
	}
	return "(" + q + ")"
}

// long is the side whose values have those of the other as prefixes, if any.
func (t trial) long() kalla.Side {
	switch t.prefix {
	case kalla.OpPrefixOf:
		return kalla.Right
	case kalla.OpHasPrefix:
		return kalla.Left
	}
	return ""
}

// keyItems is ORDER BY text of the key of an item.
func (s *side) keyItems(alias string) string {
	var out []string
	for i := range s.key {
		out = append(out, fmt.Sprintf("%s.k%d", alias, i))
	}
	return strings.Join(out, ", ")
}

// pairs is a query of the candidate pairs: l, r, the amounts, and the measures v0…
func (d *drafter) pairs(t trial, shuffled bool) (query string, measures []string) {
	f := d.facts
	left, right := d.items(t, d.left, false), d.items(t, d.right, shuffled)
	var on []string
	for i := range t.on {
		if i == 0 && t.prefix != "" {
			short, long, from := "l", "r", &right
			other := left
			if t.prefix == kalla.OpHasPrefix {
				short, long, from, other = "r", "l", &left, right
			}
			*from = fmt.Sprintf("(SELECT x.*, substring(x.e0, 1, n.len) AS p FROM %s x JOIN (SELECT DISTINCT length(e0) AS len FROM %s) n ON length(x.e0) >= n.len)", *from, other)
			on = append(on, short+".e0 = "+long+".p")
			measures = append(measures, "abs(length(l.e0) - length(r.e0))")
			continue
		}
		on = append(on, fmt.Sprintf("l.e%d = r.e%d", i, i))
	}
	if t.amount && t.cardinality == kalla.OneToOne {
		if t.exactly || f.amount.within == nil {
			on = append(on, "l.a = r.a")
		} else {
			on = append(on, holds(*f.amount.within, "l.a", "r.a"))
			measures = append(measures, "abs(l.a - r.a)")
		}
	}
	named := -1 // the measure that is the likeness of names
	if t.name != nil {
		named = len(measures)
		measures = append(measures, "")
	}
	if t.date {
		on = append(on, fmt.Sprintf("r.d - l.d BETWEEN %d AND %d", f.date.window.From, f.date.window.To))
		measures = append(measures, "abs(r.d - l.d)")
	}
	amounts := ""
	if t.amount {
		amounts = ", l.a AS la, r.a AS ra"
	}
	// The key of the one decides to which of equally good groups a record goes.
	if one, ok := map[kalla.Cardinality]*side{kalla.OneToMany: d.left, kalla.ManyToOne: d.right}[t.cardinality]; ok {
		for i := range one.key {
			amounts += fmt.Sprintf(", %s.k%d", one.a(), i)
		}
	}
	list := ""
	for i, m := range measures {
		if i == named {
			list += ", l.s AS ls, r.s AS rs"
		} else {
			list += fmt.Sprintf(", %s AS v%d", m, i)
		}
		measures[i] = fmt.Sprintf("v%d", i)
	}
	query = fmt.Sprintf("SELECT l.id AS l, r.id AS r%s%s FROM %s l JOIN %s r ON %s", amounts, list, left, right, strings.Join(on, " AND "))
	if named >= 0 {
		query = fmt.Sprintf("WITH p AS MATERIALIZED (%s), %s SELECT p.* EXCLUDE (ls, rs), u.unlike AS v%d FROM p JOIN u USING (ls, rs) WHERE u.unlike <= %s", query, d.likeness(t.name.method), named, one.Sub(t.name.least).Shift(6))
	}
	return query, measures
}

// likeness is a table u of how unlike the names ls and rs of p are. Names repeat, and to compare them is what costs.
func (d *drafter) likeness(method kalla.Method) string {
	return fmt.Sprintf("u AS MATERIALIZED (SELECT ls, rs, %s AS unlike FROM (SELECT DISTINCT ls, rs FROM p))", d.d.Dissimilarity(method, "ls", "rs"))
}

// affordable reports whether the equalities of a trial narrow the candidates enough.
func (d *drafter) affordable(t trial) (bool, error) {
	if t.prefix != "" {
		var lengths int
		from := d.items(t, d.left, false)
		if t.prefix == kalla.OpHasPrefix {
			from = d.items(t, d.right, false)
		}
		err := d.row("SELECT count(DISTINCT length(e0)) FROM "+from, &lengths)
		return lengths <= 12, err
	}
	var keys []string
	for i := range t.on {
		keys = append(keys, fmt.Sprintf("e%d", i))
	}
	if t.amount && t.cardinality == kalla.OneToOne && (t.exactly || d.facts.amount.within == nil) {
		keys = append(keys, "a")
	}
	if len(keys) == 0 {
		return false, nil
	}
	list := strings.Join(keys, ", ")
	var pairs float64
	err := d.row(fmt.Sprintf("SELECT coalesce(sum(l.n * r.n), 0)::DOUBLE FROM (SELECT %[1]s, count(*) AS n FROM %[2]s GROUP BY %[1]s) l JOIN (SELECT %[1]s, count(*) AS n FROM %[3]s GROUP BY %[1]s) r USING (%[1]s)",
		list, d.items(t, d.left, false), d.items(t, d.right, false)), &pairs)
	return pairs <= float64(pairsPerRecord*(d.left.rows+d.right.rows))/float64(t.every)+100_000, err
}

// try runs a trial. The records that it matches are in matchedTable of both sides.
func (d *drafter) try(t trial) (outcome, error) {
	if !t.affordable {
		if ok, err := d.affordable(t); err != nil || !ok {
			return outcome{}, err
		}
	}
	switch t.cardinality {
	case kalla.OneToOne:
		return d.tryPairs(t)
	case kalla.ManyToMany:
		return d.tryGroups(t)
	}
	return d.tryGroup(t)
}

func (d *drafter) tryPairs(t trial) (outcome, error) {
	var o outcome
	query, measures := d.pairs(t, false)
	rank := strings.Join(append(measures, ""), ", ")
	top := "1"
	if len(measures) > 0 {
		top = "rank() OVER (PARTITION BY %s ORDER BY " + strings.Join(measures, ", ") + ")"
	}
	level := func(by string) string { return strings.ReplaceAll(top, "%s", by) }
	for _, q := range []string{
		fmt.Sprintf("CREATE OR REPLACE TABLE %s AS %s", pairTable, query),
		fmt.Sprintf(`CREATE OR REPLACE TABLE %s AS SELECT p.*, dense_rank() OVER (ORDER BY %s) AS lo, dense_rank() OVER (ORDER BY %s) AS ro
FROM (SELECT * FROM %[4]s WHERE l IN (SELECT l FROM %[4]s GROUP BY l HAVING count(*) > 1) OR r IN (SELECT r FROM %[4]s GROUP BY r HAVING count(*) > 1)) p JOIN %[5]s x ON x.kalla_infer_row = p.l JOIN %[6]s y ON y.kalla_infer_row = p.r`,
			clashTable, d.keyOf(d.left, "x"), d.keyOf(d.right, "y"), pairTable, freeTable(d.left), freeTable(d.right)),
		fmt.Sprintf("CREATE OR REPLACE TABLE %s AS SELECT l, r FROM %s WHERE (l, r) NOT IN (SELECT (l, r) FROM %s)", matchTable, pairTable, clashTable),
	} {
		if err := d.exec("%s", q); err != nil {
			return o, err
		}
	}
	const rounds = 20
	for range rounds {
		n, err := d.s.Exec(d.ctx, fmt.Sprintf(`INSERT INTO %[1]s SELECT l, r FROM (SELECT l, r, row_number() OVER (PARTITION BY l ORDER BY %[2]s ro) AS a, row_number() OVER (PARTITION BY r ORDER BY %[2]s lo) AS b
FROM %[3]s WHERE l NOT IN (SELECT l FROM %[1]s) AND r NOT IN (SELECT r FROM %[1]s)) WHERE a = 1 AND b = 1`, matchTable, rank, clashTable))
		if err != nil {
			return o, err
		}
		if n == 0 {
			break
		}
	}
	err := d.row(fmt.Sprintf(`SELECT (SELECT count(*) FROM %[1]s), (SELECT count(*) FROM %[1]s WHERE l IN (SELECT l FROM (SELECT l, %[3]s AS k FROM %[2]s) WHERE k = 1 GROUP BY l HAVING count(*) > 1) OR r IN (SELECT r FROM (SELECT r, %[4]s AS k FROM %[2]s) WHERE k = 1 GROUP BY r HAVING count(*) > 1))`,
		matchTable, clashTable, level("l"), level("r")), &o.matches, &o.ambiguous)
	if err != nil {
		return o, err
	}
	o.left, o.right = o.matches, o.matches
	if t.amount && o.matches > 0 && !t.affordable && !d.trustedOn(t) {
		shuffled, _ := d.pairs(t, true)
		if err := d.row("SELECT least(count(DISTINCT l), count(DISTINCT r)) FROM ("+shuffled+")", &o.chance); err != nil {
			return o, err
		}
	}
	return o, d.matchedOf("SELECT l AS id FROM "+matchTable, "SELECT r AS id FROM "+matchTable)
}

func (d *drafter) matchedOf(left, right string) error {
	if err := d.exec("CREATE OR REPLACE TABLE %s AS %s", matchedTable(d.left), left); err != nil {
		return err
	}
	return d.exec("CREATE OR REPLACE TABLE %s AS %s", matchedTable(d.right), right)
}

// tryGroup tries one record of a side against several of the other.
func (d *drafter) tryGroup(t trial) (outcome, error) {
	var o outcome
	query, measures := d.pairs(t, false)
	one, many, src := "l", "r", d.left
	if t.cardinality == kalla.ManyToOne {
		one, many, src = "r", "l", d.right
	}
	err := d.exec(`CREATE OR REPLACE TABLE %s AS SELECT p.l, p.r, p.la, p.ra FROM (SELECT p.*, row_number() OVER (PARTITION BY %s ORDER BY %s) AS place FROM (%s) p) p WHERE place = 1`,
		pairTable, many, strings.Join(append(measures, src.keyItems("p")), ", "), query)
	if err != nil {
		return o, err
	}
	sumOf := fmt.Sprintf("sum(%sa)", many)
	left, right := "any_value(la)", sumOf
	if t.cardinality == kalla.ManyToOne {
		left, right = sumOf, "any_value(ra)"
	}
	if err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT %s AS one, count(*) AS n, coalesce(%s, FALSE) AS balanced FROM %s GROUP BY %s", matchTable, one, d.balanced(left, right), pairTable, one); err != nil {
		return o, err
	}
	if err := d.row(fmt.Sprintf("SELECT count(*) FILTER (WHERE balanced), count(*) FILTER (WHERE balanced AND n > 1), count(*) FILTER (WHERE NOT balanced AND n > 1), coalesce(sum(n) FILTER (WHERE balanced), 0) FROM %s", matchTable), &o.groups, &o.several, &o.unbalanced, &o.right); err != nil {
		return o, err
	}
	o.matches, o.left = o.groups, o.groups
	if t.cardinality == kalla.ManyToOne {
		o.left, o.right = o.right, o.left
	}
	of := func(x string) string {
		return fmt.Sprintf("SELECT DISTINCT p.%s AS id FROM %s p JOIN %s m ON m.one = p.%s WHERE m.balanced", x, pairTable, matchTable, one)
	}
	return o, d.matchedOf(of("l"), of("r"))
}

// tryGroups tries all records that agree on the equalities as one group.
func (d *drafter) tryGroups(t trial) (outcome, error) {
	var o outcome
	var keys, same []string
	for i := range t.on {
		keys = append(keys, fmt.Sprintf("e%d", i))
		same = append(same, fmt.Sprintf("m.e%d = t.e%d", i, i))
	}
	list := strings.Join(keys, ", ")
	grouped := func(s *side) string {
		return fmt.Sprintf("(SELECT %s, sum(a) AS a, count(*) AS n FROM %s GROUP BY %s)", list, d.items(t, s, false), list)
	}
	err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT %s, l.n AS ln, r.n AS rn, coalesce(%s, FALSE) AS balanced FROM %s l JOIN %s r USING (%s)",
		matchTable, list, d.balanced("l.a", "r.a"), grouped(d.left), grouped(d.right), list)
	if err != nil {
		return o, err
	}
	if err := d.row(fmt.Sprintf("SELECT count(*) FILTER (WHERE balanced), count(*) FILTER (WHERE balanced AND ln > 1 AND rn > 1), count(*) FILTER (WHERE NOT balanced AND ln > 1 AND rn > 1), coalesce(sum(ln * rn) FILTER (WHERE balanced AND ln > 1 AND rn > 1), 0)::DOUBLE, coalesce(sum(ln) FILTER (WHERE balanced), 0), coalesce(sum(rn) FILTER (WHERE balanced), 0) FROM %s", matchTable),
		&o.groups, &o.several, &o.unbalanced, &o.pairs, &o.left, &o.right); err != nil {
		return o, err
	}
	o.matches = o.groups
	of := func(s *side) string {
		return fmt.Sprintf("SELECT t.id FROM %s t JOIN %s m ON %s WHERE m.balanced", d.items(t, s, false), matchTable, strings.Join(same, " AND "))
	}
	return o, d.matchedOf(of(d.left), of(d.right))
}

// balanced is SQL of whether two sums agree.
func (d *drafter) balanced(left, right string) string {
	w := d.facts.amount.within
	if w == nil {
		w = &tolerances[0]
	}
	return holds(*w, left, right)
}
