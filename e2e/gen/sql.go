package gen

import (
	"strings"

	"pgregory.net/rapid"

	"kalla"
)

// predicates are what a pass may ask of l and r in SQL.
var predicates = []string{
	"l.amount + 0.01 >= r.amount",
	"abs(l.amount - r.amount) <= 0.02",
	"round(l.amount) = round(r.amount)",
	"l.amount * 2 = r.amount OR l.amount = r.amount",
	"l.num % 3 = r.num % 3",
	"CASE WHEN l.num > 2 THEN r.num > 2 ELSE r.num <= 2 END",
	"upper(l.ref) = upper(r.ref)",
	"trim(l.ref) = trim(r.ref)",
	"length(l.ref) = length(r.ref)",
	"substr(l.ref, 1, 1) = substr(r.ref, 1, 1)",
	"replace(l.ref, '-', '') = r.ref",
	"regexp_replace(l.ref, '[^A-Z]', '', 'g') = r.ref",
	"l.ref || r.ref LIKE '%AB%'",
	"l.ref IS NOT DISTINCT FROM r.ref",
	"coalesce(l.ccy, '?') = coalesce(r.ccy, '?')",
	"lower(l.ccy) IN ('eur', r.ccy)",
	"NOT (l.name < r.name)",
	"date_trunc('month', l.day) = date_trunc('month', r.day)",
	"date_diff('day', l.day, r.day) BETWEEN 0 AND 3",
	"EXISTS (SELECT 1 FROM rates x WHERE x.ccy = l.ccy AND l.amount * x.rate = r.amount)",
	"l.ccy NOT IN (SELECT ccy FROM rates WHERE rate > 1)",
}

// queries are what a recipe may say in SQL alone; KEYS stands for the primary keys of l and r.
var queries = []string{
	"SELECT KEYS FROM left_src l JOIN right_src r ON l.ref = r.ref AND l.amount = r.amount",
	"SELECT DISTINCT KEYS FROM left_src l JOIN rates x ON x.ccy = l.ccy JOIN right_src r ON r.amount = l.amount * x.rate",
	"WITH s AS (SELECT ref, sum(amount) AS total FROM right_src GROUP BY ref) SELECT KEYS FROM left_src l JOIN s ON s.ref = l.ref AND s.total >= l.amount JOIN right_src r ON r.ref = s.ref",
	"SELECT KEYS FROM left_src l JOIN (SELECT *, row_number() OVER (PARTITION BY ccy ORDER BY amount, num, ref, name, day) AS n FROM right_src WHERE amount > 0) r ON r.ccy = l.ccy AND r.n = 1",
}

const rates = "ccy,rate\nEUR,1\nUSD,2\neur,0.5\n"

// DrawSQL draws a case as Draw does, with what the oracle knows nothing of:
// SQL, extras, derived columns and filters. Engines are held to each other by it.
func DrawSQL(t *rapid.T) Case {
	c := draw(t, map[string]bool{"ref": true, "name": true, "ccy": true, "num": true, "amount": true, "day": true})
	c.Files = map[string]string{"rates.csv": rates}
	r := c.Recipe
	r.Extras = []kalla.Extra{{Alias: "rates", URI: "rates.csv"}}
	r.Sources.Left.Filters, r.Sources.Right.Filters = drawFilters(t), drawFilters(t)
	if oneIn(t, "derives", 3) {
		drawDerived(t, r)
	}
	p := &r.Match[0]
	predicate := rapid.SampledFrom(predicates).Draw(t, "predicate")
	switch {
	case oneIn(t, "one query", 4):
		var keys []string
		for _, side := range []string{"l.", "r."} {
			for _, k := range r.Sources.Left.PrimaryKey {
				keys = append(keys, side+k)
			}
		}
		r.MatchSQL = strings.Replace(rapid.SampledFrom(queries).Draw(t, "query"), "KEYS", strings.Join(keys, ", "), 1)
		r.Match = nil
	case oneIn(t, "predicate alone", 4):
		*p = kalla.Pass{Name: p.Name, SQL: "l.ccy = r.ccy AND (" + predicate + ")"}
	case p.Cardinality == kalla.OneToOne:
		p.SQL = predicate
	}
	return c
}

func drawFilters(t *rapid.T) []kalla.Filter {
	if !oneIn(t, "filters", 3) {
		return nil
	}
	return []kalla.Filter{rapid.SampledFrom([]kalla.Filter{
		{Column: "num", Op: kalla.FilterGte, Values: []string{"1"}},
		{Column: "amount", Op: kalla.FilterBetween, Values: []string{"-5", "20"}},
		{Column: "ccy", Op: kalla.FilterIn, Values: []string{"EUR", "eur"}},
		{Column: "ref", Op: kalla.FilterLike, Values: []string{"A%"}},
		{Column: "ref", Op: kalla.FilterIsNotNull},
		{Column: "day", Op: kalla.FilterLt, Values: []string{"2026-02-01"}},
	}).Draw(t, "filter")}
}

// drawDerived has the first pass compare a column of either side that is made of others.
func drawDerived(t *rapid.T, r *kalla.Recipe) {
	sql := rapid.SampledFrom([]string{
		"upper(trim(ref))", "coalesce(ccy, 'none') || '/' || num", "amount * 100", "date_trunc('month', day)", "divide(amount, 3, 2)", "num > 2",
	}).Draw(t, "derived")
	for _, src := range []*kalla.Source{&r.Sources.Left, &r.Sources.Right} {
		src.Derive = []kalla.Derived{{Name: "made", SQL: sql}}
	}
	r.Match[0].When = append(r.Match[0].When, kalla.Condition{Left: "made", Right: "made"})
}
