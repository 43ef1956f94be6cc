package match

import (
	"fmt"
	"strings"

	"kalla"
)

// columns is a select list "expr AS prefix0, expr AS prefix1, …" with a leading comma, or nothing.
func columns(prefix string, exprs []string) string {
	var b strings.Builder
	for i, e := range exprs {
		fmt.Fprintf(&b, ", %s AS %s%d", e, prefix, i)
	}
	return b.String()
}

// names lists prefix0, prefix1, … qualified.
func names(qualifier, prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%s%d", qualifier, prefix, i)
	}
	return out
}

func list(parts ...[]string) string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return strings.Join(all, ", ")
}

// candidates is a query of the pass's candidate pairs (l_id, r_id, v0, v1, …).
func (c *compiler) candidates(p *pass) string {
	if len(p.spec.Block) > 0 {
		return c.blocked(p)
	}
	left, right := c.free(kalla.Left, p), c.free(kalla.Right, p)
	preds := c.predicates(p)
	if len(p.equalities()) == 0 {
		i := -1
		for n, k := range p.conditions {
			if k.form == prefix && i < 0 {
				i = n
			}
		}
		switch {
		case i >= 0:
			left, right, preds[i] = c.prefixJoin(p, p.conditions[i])
		case p.spec.SQL == "":
			for n, k := range p.conditions {
				if k.window != "" {
					preds[n] = k.window + " AND " + k.pred
				}
			}
		}
	}
	return expand("SELECT l.kalla_id AS l_id, r.kalla_id AS r_id{vector} FROM {l} JOIN {r} ON {on}",
		"vector", columns("v", p.vector), "l", left, "r", right, "on", strings.Join(preds, " AND "))
}

// predicates of the pass, in the order of its conditions, the raw SQL last.
func (c *compiler) predicates(p *pass) []string {
	var preds []string
	for _, k := range p.conditions {
		preds = append(preds, k.pred)
	}
	if p.spec.SQL != "" {
		preds = append(preds, "("+p.spec.SQL+")")
	}
	return preds
}

// prefixJoin turns "a is a prefix of b" into a hash join: each b is cut at every length that an a has.
func (c *compiler) prefixJoin(p *pass, k condition) (left, right, pred string) {
	left, right = c.free(kalla.Left, p), c.free(kalla.Right, p)
	if k.spec.Op == kalla.OpHasPrefix {
		left = cutAtPrefixes("l", k.l, left, k.r, right)
		return left, right, k.r + " = l.kalla_prefix"
	}
	right = cutAtPrefixes("r", k.r, right, k.l, left)
	return left, right, k.l + " = r.kalla_prefix"
}

// cutAtPrefixes is a FROM item, aliased a, of the records with the long text,
// each once for every length that a short text has, cut to it as kalla_prefix.
func cutAtPrefixes(a, long, from, short, shorts string) string {
	return expand(`(SELECT {a}.*, substring({long}, 1, n.len) AS kalla_prefix
 FROM {from} JOIN (SELECT DISTINCT length({short}) AS len FROM {shorts}) n ON length({long}) >= n.len) {a}`,
		"a", a, "long", long, "from", from, "short", short, "shorts", shorts)
}

// blocked compares only pairs that share a block; several blocks are united.
func (c *compiler) blocked(p *pass) string {
	var pairs []string
	for _, b := range p.spec.Block {
		l, _ := c.column(kalla.Left, b.Left)
		r, _ := c.column(kalla.Right, b.Right)
		le, re := c.text("l."+c.d.Ident(l.Name), l.Type), c.text("r."+c.d.Ident(r.Name), r.Type)
		from := func(side kalla.Side, expr string) string {
			a := alias(side)
			switch b.Transform {
			case kalla.BlockSoundex:
				expr = c.d.Soundex(expr)
			case kalla.BlockFirst:
				expr = fmt.Sprintf("substring(%s, 1, %d)", expr, b.N)
			case kalla.BlockNgram:
				return expand("(SELECT {a}.kalla_id AS id, t.g AS k FROM {from} CROSS JOIN UNNEST({grams}) AS t(g))",
					"a", a, "from", c.free(side, p), "grams", c.d.Ngrams(expr, b.N))
			}
			return expand("(SELECT {a}.kalla_id AS id, nullif({e}, '') AS k FROM {from})", "a", a, "e", expr, "from", c.free(side, p))
		}
		pairs = append(pairs, "SELECT x.id AS l_id, y.id AS r_id FROM "+from(kalla.Left, le)+" x JOIN "+from(kalla.Right, re)+" y ON x.k = y.k")
	}
	// UNION makes a set of several blocks; n-grams of one block may meet more than once too.
	union := strings.Join(pairs, "\nUNION\n")
	if len(pairs) == 1 {
		union = strings.Replace(union, "SELECT", "SELECT DISTINCT", 1)
	}
	return expand(`SELECT b.l_id, b.r_id{vector} FROM ({pairs}) b
JOIN {l} ON l.kalla_id = b.l_id JOIN {r} ON r.kalla_id = b.r_id WHERE {on}`,
		"vector", columns("v", p.vector), "pairs", union, "l", c.free(kalla.Left, p), "r", c.free(kalla.Right, p), "on", strings.Join(c.predicates(p), " AND "))
}

// pairEstimate is a query of the number of pairs that agree on all equalities.
func (c *compiler) pairEstimate(p *pass) string {
	eq := p.equalities()
	side := func(s kalla.Side) string {
		var exprs, by []string
		for i, k := range eq {
			e := k.l
			if s == kalla.Right {
				e = k.r
			}
			exprs = append(exprs, fmt.Sprintf("%s AS e%d", e, i))
			by = append(by, fmt.Sprint(i+1))
		}
		return expand("(SELECT {e}, count(*) AS n FROM {from} GROUP BY {by})", "e", strings.Join(exprs, ", "), "from", c.free(s, p), "by", strings.Join(by, ", "))
	}
	var on []string
	for i := range eq {
		on = append(on, fmt.Sprintf("a.e%d = b.e%d", i, i))
	}
	return expand("SELECT CAST(coalesce(sum(CAST(a.n AS DOUBLE) * b.n), 0) AS BIGINT) FROM {l} a JOIN {r} b ON {on}",
		"l", side(kalla.Left), "r", side(kalla.Right), "on", strings.Join(on, " AND "))
}

// equalitiesUnique is a query whether no two records of a side agree on all the
// equalities; then there are no more pairs than records of the other side.
// Negative Options.ManyPairs asks for classes in any case.
func (c *compiler) equalitiesUnique(p *pass, side kalla.Side) string {
	if c.options.ManyPairs < 0 {
		return ""
	}
	var exprs []string
	for _, k := range p.equalities() {
		x, _ := sidesOf(k, side)
		exprs = append(exprs, x)
	}
	from := expand("{from} WHERE {e} IS NOT NULL", "from", c.free(side, p), "e", strings.Join(exprs, " IS NOT NULL AND "))
	return "SELECT " + allDistinct(c.d.KeyHash(exprs), from) + " FROM " + from
}

// buildCandidates makes the table kalla_pN_c, bounded.
func (c *compiler) buildCandidates(p *pass) []Node {
	const hint = "add an equality, a narrower tolerance or a block to the pass, so that fewer records are compared"
	guard := func(query string) Node {
		return Guard{Name: "the number of pairs is bounded", Query: query, Max: c.options.MaxPairs, Code: kalla.CodeLimit,
			Why: fmt.Sprintf("pass %q would compare %%d pairs; the limit is %d", p.name, c.options.MaxPairs), Hint: hint}
	}
	query := c.candidates(p)
	if len(p.equalities()) > 0 && len(p.spec.Block) == 0 {
		var nodes []Node
		_, byClasses := c.axis(p)
		estimated := byClasses && p.spec.Cardinality == kalla.OneToOne // and found to be few, or the classes would do it
		if !c.uniqueSide(p, kalla.Left) && !c.uniqueSide(p, kalla.Right) && !estimated {
			nodes = append(nodes, If{Name: p.name + ": records share the same values", Query: "SELECT TRUE", Unless: c.equalitiesUnique(p, kalla.Right), Then: []Node{guard(c.pairEstimate(p))}})
		}
		return append(nodes, Exec{"candidates", "CREATE TABLE " + p.table("c") + " AS " + query})
	}
	return []Node{
		Exec{"candidates", fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM (%s) x LIMIT %d", p.table("c"), query, c.options.MaxPairs+1)},
		guard("SELECT count(*) FROM " + p.table("c")),
	}
}
