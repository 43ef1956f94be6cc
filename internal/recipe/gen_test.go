package recipe_test

import (
	"fmt"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"kalla"
)

// recipes generates valid recipes, with texts that YAML, SQL and parameters could stumble over.
func recipes() *rapid.Generator[*kalla.Recipe] {
	return rapid.Custom(func(t *rapid.T) *kalla.Recipe {
		g := gen{t}
		r := &kalla.Recipe{Version: 1, ID: rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,20}`).Draw(t, "id"),
			Name: g.maybe(g.name), Description: g.maybe(g.text),
			OnBadKey:    rapid.SampledFrom([]kalla.OnBadKey{"", kalla.ReportBadKeys, kalla.FailOnBadKeys}).Draw(t, "bad"),
			Consistency: rapid.SampledFrom([]kalla.Consistency{"", kalla.AnyConsistency, kalla.OneSnapshot}).Draw(t, "consistency")}
		for i := range g.n(0, 3) {
			p := kalla.Parameter{Name: fmt.Sprintf("p%d", i), Description: g.maybe(g.text),
				Type: rapid.SampledFrom([]string{"text", "integer", "decimal", "date", "boolean"}).Draw(t, "type")}
			p.HasDefault = g.yes()
			if p.HasDefault {
				p.Default = map[string]string{"text": g.free(), "integer": "-7", "decimal": g.decimal().String(), "date": "2024-02-29", "boolean": "true"}[p.Type]
			}
			r.Parameters = append(r.Parameters, p)
		}
		anchor := rapid.IntRange(0, 2).Draw(t, "anchor")
		r.Sources.Left = g.source("invoices")
		r.Sources.Right = g.source("payments")
		r.Sources.Left.Anchor = anchor == 1
		r.Sources.Right.Anchor = anchor == 2
		for i := range g.n(0, 2) {
			r.Extras = append(r.Extras, kalla.Extra{Alias: fmt.Sprintf("x%d", i), URI: g.uri(),
				Role: rapid.SampledFrom([]string{"", "lookup"}).Draw(t, "role"), Types: g.types(), Options: g.options()})
		}
		if g.yes() {
			for i := range g.n(1, 4) {
				r.Match = append(r.Match, g.pass(i))
			}
		} else {
			r.MatchSQL = g.text()
		}
		for i := range g.n(0, 3) {
			c := kalla.Compare{Left: fmt.Sprintf("c%d", i), Right: g.name()}
			if g.yes() {
				c.Within = g.within(true)
			} else {
				c.Normalize = g.normalize()
			}
			r.Compare = append(r.Compare, c)
		}
		return r
	})
}

type gen struct{ t *rapid.T }

func (g gen) yes() bool          { return rapid.Bool().Draw(g.t, "yes") }
func (g gen) n(from, to int) int { return rapid.IntRange(from, to).Draw(g.t, "n") }

func (g gen) maybe(f func() string) string {
	if g.yes() {
		return ""
	}
	return f()
}

var troubles = []string{
	"~", "null", "true", "no", "1e3", "0x1F", "007", "2026-11-30", "a: b", "a #b", "- a", "[a", "{a}", "'", `"`, `\`, "*a", "&a", "!a", "%a", "@a",
	"${p0}", "$${p0}", "$$${", "${", "${}", "$", "a${b}c", "=", "<<", "|", ">", "?", "a\u00a0b", "\ufeffx", "é", "😀", "\U000e0001", ":", ",", "---", "...",
	"\ue000\ue001x\ue002", "\ufffd", "\uffff", "a  b", "#", "a:", "-",
}

// name is a text of one line that names something.
func (g gen) name() string {
	if g.yes() {
		return rapid.StringMatching(`[A-Za-z][A-Za-z0-9_ .-]{0,12}[a-z]`).Draw(g.t, "name")
	}
	return rapid.SampledFrom(troubles).Draw(g.t, "trouble")
}

// text is a text of any number of lines that is not blank.
func (g gen) text() string {
	parts := rapid.SliceOfN(rapid.SampledFrom(append([]string{"\n", " ", "\t", "\r", "\n\n", "  x", "SELECT", "-- c", "\u2028", "\x1b"}, troubles...)), 0, 8).Draw(g.t, "parts")
	s := "t"
	if g.yes() {
		s = ""
	}
	for _, p := range parts {
		s += p
	}
	return s + rapid.SampledFrom([]string{"t", "t ", "t\n", "t\n\n", "\nt"}).Draw(g.t, "end")
}

// free is a value: any text that holds no reference, the empty one too.
func (g gen) free() string {
	return rapid.SampledFrom([]string{"", " ", "a", "O'Brien", "2026-11", "1", "true", "~", "\n", " a\n b", "$", "{", "$}", "\u0007"}).Draw(g.t, "free")
}

func (g gen) decimal() decimal.Decimal {
	d := decimal.New(rapid.Int64Range(0, 1e15).Draw(g.t, "coefficient"), -int32(g.n(0, 12)))
	return decimal.RequireFromString(d.String())
}

func (g gen) uri() string {
	return rapid.SampledFrom([]string{"a.csv", "postgres://u:${PW}@h/db?table=a.b", "s3://b/${p9}/$${x}", "file:///a b/c#d", "${WHERE}", "C:\\a.csv"}).Draw(g.t, "uri")
}

func (g gen) columns(from, to int) []string {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return gen{t}.name() }), from, to, rapid.ID[string]).Draw(g.t, "columns")
}

func (g gen) types() map[string]kalla.Type {
	var out map[string]kalla.Type
	for _, c := range g.columns(0, 3) {
		if out == nil {
			out = map[string]kalla.Type{}
		}
		out[c] = rapid.SampledFrom([]kalla.Type{{Kind: kalla.Text}, {Kind: kalla.Integer}, {Kind: kalla.Boolean}, {Kind: kalla.Date},
			{Kind: kalla.Timestamp, Format: "%d/%m %H"}, {Kind: kalla.TimestampTZ}, {Kind: kalla.Date, Format: "%Y${"},
			{Kind: kalla.DecimalKind, Precision: 38, Scale: 38}, {Kind: kalla.DecimalKind, Precision: 5}}).Draw(g.t, "type")
	}
	return out
}

func (g gen) options() map[string]string {
	all := map[string]string{"delimiter": "\\t", "quote": "'", "escape": "none", "comment": "#", "header": "true", "skip": "3", "null": "${x}", "decimal": ",",
		"thousands": " ", "sheet": "a: b", "range": "A1:B2", "encoding": "latin-1", "compression": "gzip", "format": "csv"}
	var out map[string]string
	for _, k := range []string{"delimiter", "quote", "escape", "comment", "header", "skip", "null", "decimal", "thousands", "sheet", "range", "encoding", "compression", "format"} {
		if g.n(0, 4) > 0 {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = all[k]
	}
	return out
}

func (g gen) source(alias string) kalla.Source {
	s := kalla.Source{Alias: alias, PrimaryKey: g.columns(1, 3), Types: g.types(), Options: g.options()}
	if g.yes() {
		s.URI = g.uri()
	} else {
		s.Source = g.name()
	}
	for i := range g.n(0, 3) {
		s.Derive = append(s.Derive, kalla.Derived{Name: fmt.Sprintf("d%d", i), SQL: g.text()})
	}
	for range g.n(0, 3) {
		f := kalla.Filter{Column: "f " + g.name(), Op: rapid.SampledFrom([]kalla.FilterOp{"eq", "neq", "gt", "gte", "lt", "lte", "between", "in", "like", "is_null", "not_null"}).Draw(g.t, "op")}
		switch f.Op {
		case kalla.FilterBetween:
			f.Values = []string{g.free(), g.name()}
		case kalla.FilterIn:
			for range g.n(1, 3) {
				f.Values = append(f.Values, g.name())
			}
		case kalla.FilterIsNull, kalla.FilterIsNotNull:
		default:
			f.Values = []string{g.free()}
		}
		s.Filters = append(s.Filters, f)
	}
	return s
}

func (g gen) normalize() []kalla.Normalize {
	if g.yes() {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom([]kalla.Normalize{"trim", "upper", "alnum", "digits", "strip_leading_zeros", "unaccent", "collapse_spaces"}), 1, 3).Draw(g.t, "normalize")
}

func (g gen) within(time bool) *kalla.Within {
	d := g.decimal()
	from, to := g.n(-100, 100), g.n(-100, 100)
	w := &kalla.Window{From: min(from, to), To: max(from, to)}
	all := []*kalla.Within{{Absolute: &d}, {Percent: &d}, {Days: w}, {Hours: w}}
	if !time {
		all = all[:2]
	}
	return rapid.SampledFrom(all).Draw(g.t, "within")
}

func (g gen) condition() kalla.Condition {
	c := kalla.Condition{Left: g.name(), Right: g.name()}
	switch g.n(0, 2) {
	case 0:
		c.Within = g.within(true)
	case 1:
		s := decimal.New(int64(g.n(1, 100)), -2)
		s = decimal.RequireFromString(s.String())
		c.Similar = &s
		c.Method = rapid.SampledFrom([]kalla.Method{"", "levenshtein", "jaro_winkler", "token_set"}).Draw(g.t, "method")
		c.Normalize = g.normalize()
	default:
		c.Op = rapid.SampledFrom([]kalla.Op{"", "eq", "neq", "gt", "gte", "lt", "lte", "prefix_of", "has_prefix", "contained_in", "contains"}).Draw(g.t, "op")
		c.Normalize = g.normalize()
	}
	return c
}

func (g gen) pass(i int) kalla.Pass {
	p := kalla.Pass{Name: fmt.Sprintf("%d %s", i, g.name()),
		Cardinality: rapid.SampledFrom([]kalla.Cardinality{"", "one_to_one", "one_to_many", "many_to_one", "many_to_many"}).Draw(g.t, "cardinality")}
	p.When = []kalla.Condition{{Left: "key", Right: "key"}}
	sum := func() *kalla.Sum {
		s := &kalla.Sum{Left: g.name(), Right: g.name()}
		if g.yes() {
			s.Within = g.within(false)
		}
		return s
	}
	if p.Cardinality == kalla.ManyToMany {
		if g.yes() {
			p.Sum = sum()
		}
		return p
	}
	for range g.n(0, 3) {
		p.When = append(p.When, g.condition())
	}
	for range g.n(0, 2) {
		b := rapid.SampledFrom([]kalla.Block{{}, {Transform: kalla.BlockSoundex}, {Transform: kalla.BlockFirst, N: 4}, {Transform: kalla.BlockNgram, N: 3}}).Draw(g.t, "block")
		b.Left, b.Right = g.name(), g.name()
		p.Block = append(p.Block, b)
	}
	if p.Cardinality == kalla.AllPairs {
		p.SQL = g.text()
		return p
	}
	if g.yes() {
		p.When = append(p.When, kalla.Condition{Left: "amount", Right: "paid", Within: g.within(true)})
		p.Prefer = []string{"amount"}
	}
	p.OnAmbiguous = rapid.SampledFrom([]kalla.Ambiguity{"", "best", "leave"}).Draw(g.t, "ambiguous")
	if p.Cardinality != kalla.OneToOne && g.yes() {
		p.Sum = sum()
		if g.yes() {
			p.Subset = &kalla.Subset{Max: g.n(1, 32)}
		}
	}
	return p
}
