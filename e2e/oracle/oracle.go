// Package oracle executes a recipe record by record, as naively as possible,
// from the words of docs/matching.md. It shares no code with the engines and is
// what they are compared with; its cost is the product of the two sides, so it
// is for small tables only.
//
// SQL text (sql, derive, match_sql) is out of its scope: see [ErrScope].
package oracle

import (
	"errors"
	"fmt"
	"sort"

	"github.com/shopspring/decimal"

	"kalla"
)

// ErrScope is returned, wrapped, for a recipe that holds SQL text.
var ErrScope = errors.New("the oracle does not run SQL")

// Value is one field: nil for NULL, string for text, bool, decimal.Decimal for
// every kind of number, time.Time for dates (midnight UTC), timestamps (in UTC)
// and instants.
type Value = any

// Table is one source: every row has as many values as the schema has columns.
type Table struct {
	Schema kalla.Schema
	Rows   [][]Value
}

// Result is all that a recipe says of two tables. Keys are rendered as in a
// match_id; every list is in pass order, then key order.
type Result struct {
	Matches   []Match
	Unmatched map[kalla.Side][]Unmatched
	Passes    []PassCount
	Breaks    []Break
	Rate      decimal.Decimal // 0..1, rounded down to four places
	Sides     map[kalla.Side]SideCount
}

// Match is one group of records that belong together.
type Match struct {
	ID          string
	Pass        int // from 1
	Cardinality kalla.Cardinality
	Ambiguous   bool
	Left, Right []string // in key order
	Pairs       []Pair   // the rows that the evidence lists
}

// Pair is a left key and a right key of one match.
type Pair struct{ Left, Right string }

// Unmatched says why a record is not in a match.
type Unmatched struct {
	Row          int // index in the table that was given to Run
	Key          string
	Reason       kalla.Reason
	ClosestKey   string // empty when there is none
	ClosestPass  int    // from 1; 0 when there is none
	ClosestScore string // four decimals, empty when there is none
	TakenBy      string // the least key that the closest record matched, for reason taken
}

// PassCount is what one pass contributed.
type PassCount struct{ Matches, Pairs, Left, Right, Ambiguous int }

// Break is a compared field, named by its left column, that differs on a matched pair.
type Break struct {
	MatchID string
	Pair    Pair
	Column  string
}

// SideCount is the proof of one side: Total = Matched + Unmatched in counts and in sums.
type SideCount struct {
	Total, Matched, Unmatched, BadKeys int
	Sums                               map[string]kalla.SumTriple // by amount column
}

// record is one row of a side that passed the filters.
type record struct {
	row   int // index in the table given
	vals  []Value
	key   []Value
	name  string // the rendered key
	match int    // index of its match, -1 while it has none
	good  bool
}

// run is the state of one execution. Good records are in key order, so an
// index into left or right is also the rank of its key.
type run struct {
	recipe      *kalla.Recipe
	schema      map[kalla.Side]kalla.Schema
	left, right []*record // good records
	all         map[kalla.Side][]*record
	passes      []pass
	matches     []Match
	leftAside   []map[*record]bool // per pass: records left by on_ambiguous: leave
}

// pass is a kalla.Pass whose columns are resolved.
type pass struct {
	kalla.Pass
	when   []condition
	blocks []block
	// vector lists the conditions whose differences rank a pair.
	vector     []condition
	sumL, sumR int // column indexes, -1 without sum
}

// Run executes the recipe, whose parameters are bound. An error means that the
// recipe names unknown columns or is out of scope.
func Run(r *kalla.Recipe, left, right Table) (Result, error) {
	if err := inScope(r); err != nil {
		return Result{}, err
	}
	x := &run{
		recipe: r,
		schema: map[kalla.Side]kalla.Schema{kalla.Left: left.Schema, kalla.Right: right.Schema},
		all:    map[kalla.Side][]*record{},
	}
	var err error
	if x.left, err = x.load(kalla.Left, r.Sources.Left, left); err != nil {
		return Result{}, err
	}
	if x.right, err = x.load(kalla.Right, r.Sources.Right, right); err != nil {
		return Result{}, err
	}
	for i, p := range r.Match {
		bound, err := x.bindPass(p)
		if err != nil {
			return Result{}, fmt.Errorf("pass %d: %w", i+1, err)
		}
		x.passes = append(x.passes, bound)
		x.leftAside = append(x.leftAside, map[*record]bool{})
		x.runPass(i)
	}
	return x.result()
}

func inScope(r *kalla.Recipe) error {
	if r.MatchSQL != "" || len(r.Sources.Left.Derive) > 0 || len(r.Sources.Right.Derive) > 0 {
		return fmt.Errorf("match_sql or derive: %w", ErrScope)
	}
	for i, p := range r.Match {
		if p.SQL != "" {
			return fmt.Errorf("pass %d: %w", i+1, ErrScope)
		}
	}
	return nil
}

// load filters a table, and returns its good records in key order.
func (x *run) load(side kalla.Side, s kalla.Source, t Table) ([]*record, error) {
	keep, err := filters(s.Filters, t.Schema)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	keyCols := make([]int, len(s.PrimaryKey))
	for i, name := range s.PrimaryKey {
		if keyCols[i], err = column(t.Schema, name); err != nil {
			return nil, fmt.Errorf("%s key: %w", side, err)
		}
	}
	var all []*record
	for i, row := range t.Rows {
		if len(row) != len(t.Schema) {
			return nil, fmt.Errorf("%s row %d has %d values, the schema %d columns", side, i, len(row), len(t.Schema))
		}
		if !keep(row) {
			continue
		}
		rec := &record{row: i, vals: row, match: -1, good: true}
		parts := make([]string, len(keyCols))
		for j, c := range keyCols {
			rec.key = append(rec.key, row[c])
			rec.good = rec.good && row[c] != nil
			parts[j] = Render(row[c], t.Schema[c].Type)
		}
		rec.name = joinKey(parts)
		all = append(all, rec)
	}
	for _, a := range all {
		for _, b := range all {
			if a != b && compareKeys(a.key, b.key) == 0 {
				a.good = false
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return compareKeys(all[i].key, all[j].key) < 0 })
	var good []*record
	for _, rec := range all {
		if rec.good {
			good = append(good, rec)
		}
	}
	x.all[side] = all
	return good, nil
}

func (x *run) bindPass(p kalla.Pass) (pass, error) {
	out := pass{Pass: p, sumL: -1, sumR: -1}
	for _, c := range p.When {
		b, err := x.bindCondition(c)
		if err != nil {
			return pass{}, err
		}
		out.when = append(out.when, b)
	}
	for _, b := range p.Block {
		c, err := x.bindCondition(kalla.Condition{Left: b.Left, Right: b.Right})
		if err != nil {
			return pass{}, err
		}
		out.blocks = append(out.blocks, block{condition: c, transform: b.Transform, n: b.N})
	}
	if p.Sum != nil {
		var err error
		if out.sumL, err = column(x.schema[kalla.Left], p.Sum.Left); err != nil {
			return pass{}, err
		}
		if out.sumR, err = column(x.schema[kalla.Right], p.Sum.Right); err != nil {
			return pass{}, err
		}
	}
	out.vector = vectorOf(out.when, p.Prefer)
	return out, nil
}

// vectorOf returns the measuring conditions that prefer names, in its order, or
// all of them without prefer.
func vectorOf(when []condition, prefer []string) []condition {
	var measuring []condition
	for _, c := range when {
		if c.measures() {
			measuring = append(measuring, c)
		}
	}
	if len(prefer) == 0 {
		return measuring
	}
	var out []condition
	for _, name := range prefer {
		named := func(of func(condition) string) bool {
			for _, c := range measuring {
				if of(c) == name {
					out = append(out, c)
					return true
				}
			}
			return false
		}
		if !named(func(c condition) string { return c.Left }) {
			named(func(c condition) string { return c.Right })
		}
	}
	return out
}

func column(s kalla.Schema, name string) (int, error) {
	c, ok := s.Find(name)
	if !ok {
		return 0, fmt.Errorf("there is no column %q", name)
	}
	for i := range s {
		if s[i].Name == c.Name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("there is no column %q", name)
}
