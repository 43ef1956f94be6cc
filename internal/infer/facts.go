package infer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// facts are what pairs of records that surely belong together show.
type facts struct {
	link   *link // what identifies the pairs; nil where an amount does
	amount *amountFact
	date   *dateFact
	names  []nameFact
	same   []sameFact
	pairs  float64 // how many pairs the facts were read off
}

// amountFact is a pair of amount columns.
type amountFact struct {
	l, r   *column
	turn   turn          // how the right amount becomes the left one
	exact  float64       // share of pairs that are equal
	near   float64       // share of pairs that differ by 5% at most
	within *kalla.Within // nil: exactly equal
}

// dateFact is a pair of dates: right − left lies in the window.
type dateFact struct {
	l, r   *column
	window kalla.Window
}

// nameFact is a pair of texts that are alike where records belong together.
type nameFact struct {
	l, r    *column
	method  kalla.Method
	least   kalla.Decimal
	chance  float64 // share of other pairs that are as alike
	reached float64
}

// sameFact is a pair of columns that agree where records belong together.
type sameFact struct {
	pairing
	agree, chance float64
}

// turn is a convention in which amounts of both sides differ.
type turn int

const (
	plain       turn = iota
	negated          // right = −left
	leftCents        // left = 100 · right
	rightCents       // right = 100 · left
	leftCentsN       // left = −100 · right
	rightCentsN      // right = −100 · left
	turns
)

// sql is an amount of the left, or of the right as the left writes it.
func (t turn) sql(l, r string) (string, string) {
	switch t {
	case negated:
		return l, "-" + r
	case leftCents:
		return l, r + " * 100"
	case rightCents:
		return l + " * 100", r
	case leftCentsN:
		return l, r + " * -100"
	case rightCentsN:
		return l + " * -100", r
	}
	return l, r
}

const samplePairs = 10_000 // of surely corresponding records that facts are read off

// readFacts finds pairs of records that surely belong together, by a reference
// that only one record of each side has or else by an amount, and reads off
// them what amounts, dates and names do.
func (d *drafter) readFacts() error {
	var found []*facts
	tried := 0
	for _, k := range d.links {
		if k.crowd() > 3 && len(k.on) == 1 || tried == 6 {
			continue
		}
		tried++
		f, trusted, err := d.factsOf(k)
		if err != nil {
			return err
		}
		if trusted {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b *facts) int { return cmp.Compare(b.weight(), a.weight()) })
	var best *facts
	if len(found) > 0 {
		best = found[0]
	}
	if best == nil || best.amount == nil {
		// Records of both sides that are numbered in the order of time have dates
		// that agree, and still nothing to do with each other: amounts tell.
		byAmount, err := d.factsByAmount()
		if err != nil {
			return err
		}
		if byAmount != nil && (best == nil || byAmount.weight() > best.weight()) {
			best, found = byAmount, nil
		}
	}
	if best == nil {
		return nil
	}
	// What else identifies has to show as much agreement; the surest goes first.
	var rest []*link
	for _, k := range d.links {
		if !slices.ContainsFunc(found, func(f *facts) bool { return f.link == k }) {
			rest = append(rest, k)
		}
	}
	d.links = nil
	for _, f := range found {
		f.link.trusted = f.agreement() >= 0.6*best.agreement()
		d.links = append(d.links, f.link)
	}
	d.links = append(d.links, rest...)
	d.facts = *best
	return d.settleFacts()
}

// agreement is how much of other columns agrees in a pair, on a scale of its own.
func (f *facts) agreement() float64 {
	w := 0.5
	if f.amount != nil {
		w += f.amount.near
	}
	if f.date != nil {
		w += 0.3
	}
	return w + 0.2*float64(min(3, len(f.same)+len(f.names)))
}

// weight is how much the facts are worth: by the pairs and by how much agrees.
func (f *facts) weight() float64 { return f.pairs * f.agreement() }

// factsOf reads facts off the records that alone share a link. They are to be
// trusted when other columns agree as they would not by chance.
func (d *drafter) factsOf(k *link) (*facts, bool, error) {
	if err := d.confident(k); err != nil {
		return nil, false, err
	}
	f := &facts{link: k}
	if err := d.observe(f); err != nil {
		return nil, false, err
	}
	if f.pairs < 2 {
		return f, false, nil
	}
	if f.amount != nil || f.date != nil || len(f.names) > 0 || slices.ContainsFunc(f.same, func(s sameFact) bool { return s.agree-s.chance >= 0.2 }) {
		return f, true, nil
	}
	// Nothing else to go by: codes that both sides have are no accident, running numbers may be.
	return f, plausible(k) && min(k.left, k.right) >= 0.5*float64(min(d.left.rows, d.right.rows)), nil
}

const (
	goodTable   = "kalla_infer_good"   // pairs that belong together: every column as l0…, r0…
	chanceTable = "kalla_infer_chance" // the same left records, each with the right record of another pair
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

// confidentAll is confident for a link of several pairings, by all records.
func (d *drafter) confidentAll(k *link) error {
	exprs := func(s *side) []string {
		var out []string
		for i, p := range k.on {
			c := p.l
			if s == d.right {
				c = p.r
			}
			out = append(out, fmt.Sprintf("%s AS e%d", d.equal(p, c, "t"), i))
		}
		return out
	}
	every := max(1, int(k.shared)/samplePairs)
	names, present := []string{}, []string{}
	for i := range k.on {
		names = append(names, fmt.Sprintf("e%d", i))
		present = append(present, fmt.Sprintf("e%d IS NOT NULL", i))
	}
	e := strings.Join(names, ", ")
	alone := func(s *side) string {
		return fmt.Sprintf("(SELECT %s, min(id) AS id FROM (SELECT t.rowid AS id, %s FROM %s t) WHERE %s AND hash(%s) %% %d = 0 GROUP BY %s HAVING count(*) = 1)",
			e, strings.Join(exprs(s), ", "), s.table, strings.Join(present, " AND "), e, every, e)
	}
	return d.makePairs(fmt.Sprintf("SELECT l.id AS l_id, r.id AS r_id, hash(%s) AS h FROM %s l JOIN %s r USING (%s)", e, alone(d.left), alone(d.right), e))
}

// makePairs makes goodTable and chanceTable of a query of (l_id, r_id, h), h being the same on every run.
func (d *drafter) makePairs(query string) error {
	var list []string
	for _, s := range []*side{d.left, d.right} {
		for _, c := range s.columns {
			list = append(list, fmt.Sprintf("%s.%s AS %s%d", s.a(), d.d.Ident(c.name), s.a(), c.index))
		}
	}
	err := d.exec(`CREATE OR REPLACE TABLE %s AS SELECT * FROM (SELECT row_number() OVER (ORDER BY p.h, %s, %s) AS n, %s FROM (%s) p JOIN %s l ON l.rowid = p.l_id JOIN %s r ON r.rowid = p.r_id) WHERE n <= %d`,
		goodTable, d.keyOf(d.left, "l"), d.keyOf(d.right, "r"), strings.Join(list, ", "), query, d.left.table, d.right.table, samplePairs)
	if err != nil {
		return err
	}
	var left, right []string
	for _, c := range d.left.columns {
		left = append(left, fmt.Sprintf("a.l%d", c.index))
	}
	for _, c := range d.right.columns {
		right = append(right, fmt.Sprintf("b.r%d", c.index))
	}
	return d.exec(`CREATE OR REPLACE TABLE %[1]s AS SELECT a.n, %[2]s, %[3]s FROM %[4]s a JOIN %[4]s b ON b.n = a.n %% (SELECT max(n) FROM %[4]s) + 1`,
		chanceTable, strings.Join(left, ", "), strings.Join(right, ", "), goodTable)
}

// observe reads facts off goodTable, held against chanceTable.
func (d *drafter) observe(f *facts) error {
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
func (d *drafter) pairsOf(f *facts, most int, ok func(*column) bool) []pairing {
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
			if f.link != nil && f.link.uses(l) && f.link.uses(r) {
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
	pairs := d.pairsOf(f, 12, isAmount)
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
			if score > top+1e-9 {
				top, f.amount = score, &amountFact{l: p.l, r: p.r, turn: t, exact: equal, near: near}
			}
		}
	}
	return nil
}

// day is a date or time as a date.
func day(x string) string { return "CAST(" + x + " AS DATE)" }

func (d *drafter) observeDates(f *facts) error {
	pairs := d.pairsOf(f, 8, func(c *column) bool { return c.typ.Temporal() && c.distinct > 1 })
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
		score := 1/(1+width) + 0.2*alike(p.l.name, p.r.name)/(1+width) + 0.1/(1+max(middle, -middle))/(1+width)
		if score > top {
			top, best = score, &dateFact{l: p.l, r: p.r}
		}
	}
	f.date = best
	return nil
}

func (d *drafter) observeTexts(f *facts) error {
	pairs := d.pairsOf(f, 12, func(c *column) bool {
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
		if equal >= 0.9 && (equal-luck >= 0.15 || alike(p.l.name, p.r.name) >= 0.5 && equal > luck) {
			f.same = append(f.same, sameFact{pairing: p, agree: equal, chance: luck})
		}
		if p.l.typ.Kind == kalla.Text && equal < 0.995 && g[2] >= 0.75 && g[2]-c[2] >= 0.15 {
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
