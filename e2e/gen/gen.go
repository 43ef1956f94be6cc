// Package gen draws small random tables and recipes for property tests. Values
// come from short lists, so that ties, duplicates, near misses and NULLs abound.
package gen

import (
	"fmt"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"kalla"
	"kalla/e2e/oracle"
)

// Case is a recipe and the tables that it is to reconcile. Their URIs are empty.
type Case struct {
	Recipe      *kalla.Recipe
	Left, Right oracle.Table
	Files       map[string]string // content of the extras, by URI
}

// field is a column that both sides have, and the values it may take.
type field struct {
	name   string
	typ    kalla.Type
	values []string // as oracle.Parse reads them; NULL is drawn beside them
}

var (
	text      = kalla.Type{Kind: kalla.Text}
	integer   = kalla.Type{Kind: kalla.Integer}
	boolean   = kalla.Type{Kind: kalla.Boolean}
	date      = kalla.Type{Kind: kalla.Date}
	timestamp = kalla.Type{Kind: kalla.Timestamp}
	instant   = kalla.Type{Kind: kalla.TimestampTZ}
)

func dec(precision, scale int) kalla.Type {
	return kalla.Type{Kind: kalla.DecimalKind, Precision: precision, Scale: scale}
}

var fields = map[string]field{
	"ref":    {"ref", text, []string{"A", "AB", "ABC", "ab", " A", "A-B", "00A", "ÄB", "", "--"}},
	"name":   {"name", text, []string{"Jon Smith", "John Smith", "Smith, John", "JOHN  SMITH", "Jörg Müller", "Jorg Muller", "Smyth", "John Smith Ltd", "x"}},
	"ccy":    {"ccy", text, []string{"EUR", "USD", "eur"}},
	"code":   {"code", text, []string{"1", "01", "2", "10", "3"}},
	"num":    {"num", integer, []string{"1", "2", "3", "10", "-2", "0"}},
	"amount": {"amount", dec(12, 2), []string{"10.00", "10.01", "10.02", "9.99", "20.00", "20.01", "30.00", "-10.00", "0.00"}},
	"fine":   {"fine", dec(14, 4), []string{"10.0000", "10.0100", "10.0001", "20.0000", "9.9950", "0.0000"}},
	"flag":   {"flag", boolean, []string{"true", "false"}},
	"day":    {"day", date, []string{"2026-01-30", "2026-01-31", "2026-02-01", "2026-02-03", "2024-02-29"}},
	"at":     {"at", timestamp, []string{"2026-01-31 00:00:00", "2026-01-31 23:59:59", "2026-02-01 00:00:00", "2026-02-01 01:00:01", "2026-01-30 12:00:00"}},
	"inst":   {"inst", instant, []string{"2026-01-31 00:00:00Z", "2026-01-31 23:30:00Z", "2026-02-01 00:30:00Z", "2026-02-01 02:00:00Z"}},
}

// order of the columns after the key, the same in every table.
var order = []string{"ref", "name", "ccy", "code", "num", "amount", "fine", "flag", "day", "at", "inst"}

// keyKinds are the shapes of primary key.
var keyKinds = [][]field{
	{{"id", text, []string{"a", "b", "B", "c", "d", "e", "f/1", "f|2", "ä", "10", "9"}}},
	{{"id", integer, []string{"1", "2", "3", "9", "10", "11", "-4"}}},
	{{"id", text, []string{"a", "b", "c"}}, {"part", integer, []string{"1", "2", "10"}}},
	{{"id", date, []string{"2026-01-01", "2026-01-02", "2026-01-03"}}, {"part", text, []string{"x", "y", "|"}}},
}

// Draw draws a case that the oracle can answer.
func Draw(t *rapid.T) Case { return draw(t, map[string]bool{}) }

// draw draws a case whose tables have the used columns, and those that its passes need.
func draw(t *rapid.T, used map[string]bool) Case {
	key := rapid.SampledFrom(keyKinds).Draw(t, "key")
	r := &kalla.Recipe{Version: 1, ID: "drawn"}
	names := make([]string, len(key))
	for i, f := range key {
		names[i] = f.name
	}
	r.Sources.Left = kalla.Source{Alias: "lefts", PrimaryKey: names}
	r.Sources.Right = kalla.Source{Alias: "rights", PrimaryKey: names}
	switch between(t, "anchor", 0, 2) {
	case 1:
		r.Sources.Left.Anchor = true
	case 2:
		r.Sources.Right.Anchor = true
	}
	for i := range between(t, "passes", 1, 3) {
		p := drawPass(t, used)
		p.Name = fmt.Sprintf("pass %d", i+1)
		r.Match = append(r.Match, p)
	}
	if rapid.Bool().Draw(t, "compares") {
		r.Compare = append(r.Compare, drawCompare(t, used))
	}
	cols := append([]field{}, key...)
	for _, name := range order {
		if used[name] {
			cols = append(cols, drawFew(t, fields[name]))
		}
	}
	return Case{Recipe: r, Left: drawTable(t, "left", len(key), cols), Right: drawTable(t, "right", len(key), cols)}
}

// drawFew keeps a few of the values of a field, so that records collide.
func drawFew(t *rapid.T, f field) field {
	out := f
	out.values = nil
	from, n := between(t, "from", 0, len(f.values)-1), between(t, "distinct", 1, 5)
	for k := range n {
		out.values = append(out.values, f.values[(from+k)%len(f.values)])
	}
	return out
}

// drawTable draws a table; the first columns are its key.
func drawTable(t *rapid.T, side string, keyColumns int, cols []field) oracle.Table {
	var out oracle.Table
	for _, f := range cols {
		out.Schema = append(out.Schema, kalla.Column{Name: f.name, Type: f.typ})
	}
	keys := rapid.Permutation(combinations(cols[:keyColumns])).Draw(t, side+" keys")
	for r := range between(t, side+" rows", 0, min(10, len(keys))) {
		var row []oracle.Value
		for i, f := range cols {
			var v string
			switch {
			case i >= keyColumns:
				v = rapid.SampledFrom(f.values).Draw(t, f.name)
			case oneIn(t, "duplicate", 30):
				v = keys[0][i]
			default:
				v = keys[r][i]
			}
			if oneIn(t, "null", 25) {
				row = append(row, nil)
				continue
			}
			parsed, err := oracle.Parse(v, f.typ)
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, parsed)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// combinations are all keys that the fields can make.
func combinations(key []field) [][]string {
	out := [][]string{nil}
	for _, f := range key {
		var longer [][]string
		for _, start := range out {
			for _, v := range f.values {
				longer = append(longer, append(append([]string{}, start...), v))
			}
		}
		out = longer
	}
	return out
}

// between draws evenly from lo to hi; rapid's own IntRange prefers its ends.
func between(t *rapid.T, label string, lo, hi int) int {
	all := make([]int, hi-lo+1)
	for i := range all {
		all[i] = lo + i
	}
	return rapid.SampledFrom(all).Draw(t, label)
}

// oneIn is true once in n times.
func oneIn(t *rapid.T, label string, n int) bool { return between(t, label, 1, n) == n }

func use(used map[string]bool, names ...string) {
	for _, n := range names {
		used[n] = true
	}
}

func number(s string) *kalla.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}
