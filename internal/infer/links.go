package infer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"kalla"
)

// A sketch of a column holds the values whose reduced form hashes to 0 modulo a
// power of two, so that the sketches of two columns hold the same values of both.
const sketchSize = 16_384

// pairing is two columns whose values are compared for equality.
type pairing struct {
	l, r  *column
	steps []kalla.Normalize
}

// link is what records of both sides may share: one pairing, or several where only all together identify.
type link struct {
	on      []pairing
	pairs   float64 // about how many pairs of records share it
	left    float64 // about how many left records have a partner
	right   float64
	shared  float64 // about how many different values both sides have
	trusted bool    // records that share it belong together, as other columns show
}

// crowd is how many partners a record has on average.
func (k *link) crowd() float64 { return k.pairs / max(1, min(k.left, k.right)) }

func (k *link) text() string {
	var out []string
	for _, p := range k.on {
		out = append(out, p.l.name+" = "+p.r.name)
	}
	return strings.Join(out, " and ")
}

// id names the link: its first pairing stands for it where there is one only.
func (k *link) id() string {
	var out []string
	for _, p := range k.on {
		out = append(out, p.l.name+"="+p.r.name)
	}
	return string(Reference) + ":" + strings.Join(out, ",")
}

func (k *link) uses(c *column) bool {
	return slices.ContainsFunc(k.on, func(p pairing) bool { return p.l == c || p.r == c })
}

// canLink reports whether a column may hold references, names of accounts, codes.
func canLink(c *column) bool {
	switch c.typ.Kind {
	case kalla.Text:
		// In a large source, texts of several words that hardly ever repeat are no references.
		prose := c.side.rows > 100_000 && c.spaces > 0.5 && c.distinct > c.filled/4
		return !c.money && c.distinct >= 2 && c.meanLen <= 32 && c.maxLen <= 64 && !prose
	case kalla.Integer:
		return c.distinct >= 2
	case kalla.DecimalKind:
		return c.distinct >= 2 && c.typ.Scale == 0
	}
	return false
}

// reduced is what is left of a value when the ways of writing references are taken off: capitals, separators, leading zeros.
func (d *drafter) reduced(c *column, x string) string {
	if c.typ.Kind != kalla.Text {
		return x
	}
	if c.lower {
		x = "upper(" + x + ")"
	}
	if n := len(c.separators); n > 3 {
		x = "translate(" + x + ", " + d.d.Text(c.separators) + ", '')"
	} else {
		for _, r := range c.separators { // cheaper, a few times
			x = "replace(" + x + ", " + d.d.Text(string(r)) + ", '')"
		}
	}
	return "ltrim(" + x + ", '0')"
}

func sketchTable(s *side) string { return "kalla_infer_values_" + string(s.name) }

func (d *drafter) sketch(s *side, columns []*column, create bool) error {
	var list []string
	for _, c := range columns {
		if !canLink(c) {
			continue
		}
		k := 1
		for int(c.distinct)/k > sketchSize {
			k *= 2
		}
		c.part = k
		// One condition on what is costly: DuckDB computes it for each condition again.
		// Where values repeat they are grouped first, since reducing them is what costs.
		values := fmt.Sprintf("SELECT %s AS v, 1 AS n FROM %s t", d.text(c, "t"), s.table)
		if c.distinct < s.rows/3 {
			values = fmt.Sprintf("SELECT %s AS v, count(*) AS n FROM %s t GROUP BY 1", d.text(c, "t"), s.table)
		}
		list = append(list, fmt.Sprintf("SELECT %d AS col, %d AS k, hash(w) AS h, v, sum(n) AS n FROM (SELECT %s AS w, v, n FROM (%s)) WHERE hash(w) %% %d = 0 GROUP BY w, v HAVING w <> ''",
			c.index, k, d.reduced(c, "v"), values, k))
	}
	if create {
		if err := d.exec("CREATE TABLE %s (col INTEGER, k INTEGER, h UBIGINT, v VARCHAR, n BIGINT)", sketchTable(s)); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	return d.exec("INSERT INTO %s %s", sketchTable(s), strings.Join(list, " UNION ALL "))
}

// findLinks compares all columns of one side with all of the other by the values that they share.
func (d *drafter) findLinks() error {
	for _, s := range []*side{d.left, d.right} {
		if err := d.sketch(s, s.columns, true); err != nil {
			return err
		}
	}
	if err := d.compareSketches(); err != nil {
		return err
	}
	if d.wellLinked() {
		return nil
	}
	added, err := d.embedded()
	if err != nil || !added {
		return err
	}
	return d.compareSketches()
}

// wellLinked reports whether half the records of the smaller side share something with the other that identifies the records of a side.
func (d *drafter) wellLinked() bool {
	return slices.ContainsFunc(d.links, func(k *link) bool {
		identifies := len(k.on) > 1
		for _, p := range k.on {
			for _, c := range []*column{p.l, p.r} {
				identifies = identifies || float64(c.distinct) >= 0.85*float64(c.filled)
			}
		}
		return identifies && k.crowd() <= 3 && min(k.left, k.right) >= 0.5*float64(min(d.left.rows, d.right.rows)) && plausible(k)
	})
}

// plausible doubts links by running numbers, which agree by their nature.
func plausible(k *link) bool {
	for _, p := range k.on {
		if p.l.typ.Kind == kalla.Text || p.r.typ.Kind == kalla.Text || alike(p.l.name, p.r.name) >= 0.5 {
			return true
		}
	}
	return false
}

const leastShare = 0.05 // of the records of a side that must share a value for columns to be linked

func (d *drafter) compareSketches() error {
	d.links = nil
	grouped := func(s *side) string {
		return "(SELECT col, any_value(k) AS k, h, sum(n)::DOUBLE AS n FROM " + sketchTable(s) + " GROUP BY col, h)"
	}
	err := d.each(fmt.Sprintf(`SELECT l.col, r.col, count(*) * greatest(any_value(l.k), any_value(r.k)), sum(l.n) * greatest(any_value(l.k), any_value(r.k)),
 sum(r.n) * greatest(any_value(l.k), any_value(r.k)), sum(l.n * r.n) * greatest(any_value(l.k), any_value(r.k))
FROM %s l JOIN %s r ON l.h = r.h AND l.h %% greatest(l.k, r.k) = 0 GROUP BY 1, 2 ORDER BY 1, 2`, grouped(d.left), grouped(d.right)), func(scan func(...any) error) error {
		var i, j int
		k := &link{}
		if err := scan(&i, &j, &k.shared, &k.left, &k.right, &k.pairs); err != nil {
			return err
		}
		l, r := d.left.columns[i], d.right.columns[j]
		k.on = []pairing{{l: l, r: r}}
		if d.without(pairID(Reference, l, r)) {
			return nil
		}
		if chosen := d.chosen(pairID(Reference, l, r)); chosen || k.shared >= 2 && max(k.left/float64(max(1, l.filled)), k.right/float64(max(1, r.filled))) >= leastShare {
			d.links = append(d.links, k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range d.links {
		if err := d.normalise(&k.on[0]); err != nil {
			return err
		}
	}
	d.composeLinks()
	d.rankLinks()
	return nil
}

func (d *drafter) rankLinks() {
	score := func(k *link) float64 {
		if len(k.on) == 1 && d.chosen(k.id()) {
			return math.Inf(1)
		}
		name := 0.0
		for _, p := range k.on {
			name += alike(p.l.name, p.r.name) / float64(len(k.on))
		}
		return min(k.left, k.right) / max(1, k.crowd()) * (1 + 0.3*name)
	}
	slices.SortStableFunc(d.links, func(a, b *link) int { return cmp.Compare(score(b), score(a)) })
}

// variants are the normalisations that are tried, the least change first.
var variants = [][]kalla.Normalize{
	nil,
	{kalla.Trim},
	{kalla.StripLeadingZeros},
	{kalla.Upper},
	{kalla.Trim, kalla.Upper},
	{kalla.Alnum},
	{kalla.Alnum, kalla.Upper},
	{kalla.Alnum, kalla.Upper, kalla.StripLeadingZeros},
}

// normalise chooses the least normalisation that finds nearly all that the strongest finds.
func (d *drafter) normalise(p *pairing) error {
	if p.l.typ.Kind != kalla.Text && p.r.typ.Kind != kalla.Text {
		return nil
	}
	form := func(steps []kalla.Normalize) string {
		x := "v"
		for _, n := range steps {
			x = d.d.Normalize(n, x)
		}
		return "nullif(" + x + ", '')"
	}
	var list []string
	for _, steps := range variants {
		x := form(steps)
		list = append(list, fmt.Sprintf("coalesce((SELECT sum(n) FROM l WHERE %[1]s IN (SELECT %[1]s FROM r WHERE %[1]s IS NOT NULL)), 0)", x))
	}
	part := max(p.l.part, p.r.part)
	if part > 1 { // a quarter tells
		part *= 4
	}
	found, err := d.numbers(fmt.Sprintf(`WITH l AS (SELECT v, n FROM %s WHERE col = %d AND h %% %d = 0), r AS (SELECT v, n FROM %s WHERE col = %d AND h %% %d = 0) SELECT %s`,
		sketchTable(d.left), p.l.index, part, sketchTable(d.right), p.r.index, part, strings.Join(list, ", ")), len(list))
	if err != nil {
		return err
	}
	most := slices.Max(found)
	for i, n := range found {
		if n >= 0.995*most {
			p.steps = variants[i]
			return nil
		}
	}
	return nil
}

// composeLinks joins pairings that identify only together: those of the columns of a compound key.
func (d *drafter) composeLinks() {
	for _, s := range []*side{d.left, d.right} {
		if len(s.key) < 2 {
			continue
		}
		k := &link{left: float64(d.left.rows), right: float64(d.right.rows)}
		for _, name := range s.key {
			var best *link
			for _, c := range d.links {
				if len(c.on) == 1 && c.uses(s.find(name)) && !k.uses(c.on[0].l) && !k.uses(c.on[0].r) &&
					(best == nil || alike(c.on[0].l.name, c.on[0].r.name) > alike(best.on[0].l.name, best.on[0].r.name)) {
					best = c
				}
			}
			if best == nil {
				k = nil
				break
			}
			k.on = append(k.on, best.on[0])
			k.left, k.right = min(k.left, best.left), min(k.right, best.right)
			k.shared = max(k.shared, best.shared)
		}
		if k == nil {
			continue
		}
		k.pairs = min(k.left, k.right) // what remains to be verified
		if !slices.ContainsFunc(d.links, func(x *link) bool { return x.text() == k.text() }) {
			d.links = append(d.links, k)
		}
	}
}

// condition writes a pairing as a condition of the recipe.
func (p pairing) condition() kalla.Condition {
	return kalla.Condition{Left: p.l.name, Right: p.r.name, Normalize: p.steps}
}

// equal is SQL of a value as a pairing compares it.
func (d *drafter) equal(p pairing, c *column, alias string) string {
	x := alias + "." + d.d.Ident(c.name)
	if p.l.typ.Numeric() && p.r.typ.Numeric() {
		return x
	}
	if c.typ.Kind != kalla.Text {
		x = d.d.TextOf(x, c.typ)
	}
	for _, n := range p.steps {
		x = d.d.Normalize(n, x)
	}
	return "nullif(" + x + ", '')"
}

// asText makes a column of a normalised pairing text, since only texts are normalised.
func (d *drafter) asText(p pairing) error {
	if len(p.steps) == 0 {
		return nil
	}
	for _, c := range []*column{p.l, p.r} {
		if c.typ.Kind == kalla.Text && !c.retyped || c.derived {
			continue
		}
		c.retyped = true
		if err := d.exec("ALTER TABLE %s ALTER %s TYPE VARCHAR", c.side.table, d.d.Ident(c.name)); err != nil {
			return err
		}
		if c.side.free != nil {
			if err := d.exec("ALTER TABLE %s ALTER %s TYPE VARCHAR", freeTable(c.side), d.d.Ident(c.name)); err != nil {
				return err
			}
		}
		c.typ = kalla.Type{Kind: kalla.Text}
		c.side.types[c.name] = c.typ
		d.note(Evidence{ID: typeID(c), Path: "sources." + string(c.side.name) + ".types", What: c.name + " is read as text", Support: "it holds references, which are compared with those of " + p.other(c).name})
	}
	return nil
}

func (p pairing) other(c *column) *column {
	if c == p.l {
		return p.r
	}
	return p.l
}
