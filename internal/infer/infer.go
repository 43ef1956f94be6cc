// Package infer drafts a recipe from two sources: it looks at all their
// records, finds keys, the columns that belong together, tolerances and passes,
// and says for each what speaks for it and what against. It uses no model: the
// same sources give the same draft.
//
// All counting is done by the engine. The way of a draft:
//
//	stage → types that only the values tell → profile → keys → shared values (links)
//	→ pairs of records that surely belong together → amounts, dates, names read off them
//	→ passes, each kept if it explains what the earlier ones leave → compare
package infer

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

// Session is what drafting needs of an engine. The tables that it creates stay
// in the session, which is best closed afterwards.
type Session interface {
	Dialect() match.Dialect
	Stage(ctx context.Context, inputs []engine.Input, report func(kalla.Progress)) ([]engine.Table, error)
	Exec(ctx context.Context, query string) (rows int64, err error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Proposal is a drafted recipe and why it is what it is.
type Proposal struct {
	Recipe      *kalla.Recipe
	Evidence    []Evidence // in the order of the recipe's fields
	Left        Coverage
	Right       Coverage
	Keys        []KeyCandidate // best first, the left side's before the right's
	Pairs       []ColumnPair   // best first within a kind
	Suggestions []Suggestion
	Lessons     []Lesson // one for each example, in their order
}

// Coverage is how many records of a side the drafted passes match.
type Coverage struct {
	Total, Matched int64
}

// Evidence is one proposal: a part of the recipe, what speaks for it and what against.
type Evidence struct {
	ID              string        `json:"id"`      // of what is proposed, the same in every draft: "window:issued,paid"
	Path            string        `json:"path"`    // the field that it justifies: match[0].when[1]
	What            string        `json:"what"`    // what is proposed, in words
	Support         string        `json:"support"` // "98.2% of 9,310 pairs agree"
	Agree           int64         `json:"agree"`   // records or pairs that speak for it
	Of              int64         `json:"of"`      // so many looked at; 0 where there is nothing to count
	CounterExamples []string      `json:"counter_examples,omitempty"`
	Alternatives    []Alternative `json:"alternatives,omitempty"`
}

// Draft reads both sources whole and drafts a recipe for them, as far as guidance
// leaves it to the data. Of an input only Source, Alias, Filters and Types count; an
// empty alias is made from the place of the source. Errors are those of the session;
// sources that have nothing in common are an error of CodeRecipe.
func Draft(ctx context.Context, s Session, left, right engine.Input, guidance Guidance) (*Proposal, error) {
	d := &drafter{ctx: ctx, s: s, d: s.Dialect(), guidance: guidance}
	d.left, d.right = &side{name: kalla.Left, table: match.LeftTable, in: left}, &side{name: kalla.Right, table: match.RightTable, in: right}
	if err := d.draft(); err != nil {
		return nil, err
	}
	d.recipe.Sources.Left, d.recipe.Sources.Right = d.left.source(), d.right.source()
	// What a run would refuse, such as a column by a name that the engine keeps for itself, is better said now.
	if faults := recipe.Check(&d.recipe, nil, d.left.schema(), d.right.schema()); len(faults) > 0 {
		return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "drafting recipe", Where: d.recipe.ID, Err: faults}
	}
	return &Proposal{
		Recipe: &d.recipe, Evidence: d.ordered(),
		Left:  Coverage{d.left.rows, d.left.matched},
		Right: Coverage{d.right.rows, d.right.matched},
		Keys:  d.candidates, Pairs: d.pairsFound(), Suggestions: d.suggestions, Lessons: d.lessons,
	}, nil
}

// drafter is a draft in progress.
type drafter struct {
	ctx         context.Context
	s           Session
	d           match.Dialect
	left, right *side
	recipe      kalla.Recipe
	evidence    []Evidence
	links       []*link // what records of the two sides may share, best first
	facts       facts
	shared      []amountFact // the pairs of amounts that share values, once they are known
	guidance    Guidance
	candidates  []KeyCandidate
	suggestions []Suggestion
	lessons     []Lesson
	examples    []*example
	passes      []trial        // those of the recipe
	forced      []trial        // that examples demand
	required    []func(*trial) // conditions that examples add to passes of one to one
	dropped     []string       // passes that examples speak against
}

// side is one source.
type side struct {
	name    kalla.Side
	table   string
	in      engine.Input
	alias   string
	rows    int64
	columns []*column
	key     []string
	badKeys int64
	types   map[string]kalla.Type
	options map[string]string
	derive  []kalla.Derived
	matched int64
	free    []*column // the columns of freeTable, once there is one
}

// column is one column of a staged source with what its values are like.
type column struct {
	side       *side
	index      int
	name       string
	typ        kalla.Type
	filled     int64   // not NULL, not empty
	distinct   int64   // about
	meanLen    float64 // bytes
	maxLen     int64
	digits     float64 // share of values that hold a digit
	spaces     float64 // share of values that hold a space
	lower      bool    // some values have small letters
	separators string  // those of separators that occur
	part       int     // one in so many values is in the sketch
	derived    bool
	retyped    bool  // made text to be normalised
	money      bool  // a text of amounts, of which a number was derived
	wide       bool  // some values are not ASCII
	nonzero    int64 // of a number
	negative   int64
	opposite   string // of a sign that was derived: the expression of the other sign
}

func (s *side) source() kalla.Source {
	return kalla.Source{Alias: s.alias, URI: s.in.Source.Location(), PrimaryKey: s.key, Filters: s.in.Filters,
		Types: s.types, Options: s.options, Derive: s.derive}
}

// schema is the staged columns with the derived ones.
func (s *side) schema() kalla.Schema {
	var out kalla.Schema
	for _, c := range s.columns {
		out = append(out, kalla.Column{Name: c.name, Type: c.typ})
	}
	return out
}

func (s *side) other(d *drafter) *side {
	if s == d.left {
		return d.right
	}
	return d.left
}

func (s *side) find(name string) *column {
	for _, c := range s.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// a is the alias of a side in SQL.
func (s *side) a() string { return string(s.name)[:1] }

func (d *drafter) draft() error {
	if err := d.stage(); err != nil {
		return err
	}
	steps := []func() error{
		d.retype, d.profile, d.signs, d.keys, d.findLinks, d.readFacts, d.learn, d.suggest,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if len(d.recipe.Match) == 0 {
		return d.nothing("no column of one has values that tell which record of the other belongs to it")
	}
	return nil
}

// compose makes passes and comparisons of the facts.
func (d *drafter) compose() error {
	for _, step := range []func() error{d.choosePasses, d.chooseCompare, d.prune} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *drafter) nothing(why string) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: "drafting recipe", Where: d.left.alias + " and " + d.right.alias, Why: why,
		Hint: "look at both with kalla source profile, and write the recipe by hand: docs/recipe.md"}
}

func (d *drafter) stage() error {
	for _, s := range []*side{d.left, d.right} {
		s.in.Table = s.table
		s.in.Derive, s.in.Columns, s.in.Numeric = nil, nil, nil
		s.types = map[string]kalla.Type{}
		for name, t := range s.in.Types {
			s.types[name] = t
		}
	}
	d.name()
	tables, err := d.s.Stage(d.ctx, []engine.Input{d.left.in, d.right.in}, nil)
	if err != nil {
		return err
	}
	for i, s := range []*side{d.left, d.right} {
		s.rows = tables[i].Rows
		for n, c := range tables[i].Schema {
			s.columns = append(s.columns, &column{side: s, index: n, name: c.Name, typ: c.Type})
		}
		if s.rows == 0 {
			return d.nothing(s.alias + " has no records")
		}
	}
	return nil
}

// note notes what has not been noted before.
func (d *drafter) note(e Evidence) {
	if !slices.ContainsFunc(d.evidence, func(x Evidence) bool { return x.ID == e.ID }) {
		d.evidence = append(d.evidence, e)
	}
}

// ordered sorts the evidence by the fields of the recipe.
func (d *drafter) ordered() []Evidence {
	place := func(e Evidence) int {
		for i, p := range []string{"sources.left", "sources.right", "match", "compare"} {
			if len(e.Path) >= len(p) && e.Path[:len(p)] == p {
				return i
			}
		}
		return 4
	}
	out := slices.Clone(d.evidence)
	slices.SortStableFunc(out, func(a, b Evidence) int { return place(a) - place(b) })
	return out
}

func (d *drafter) exec(format string, args ...any) error {
	_, err := d.s.Exec(d.ctx, fmt.Sprintf(format, args...))
	return err
}

// row reads the only row of a query.
func (d *drafter) row(query string, into ...any) error {
	seen := false
	err := d.each(query, func(scan func(...any) error) error { seen = true; return scan(into...) })
	if err == nil && !seen {
		err = &kalla.Error{Code: kalla.CodeInternal, Op: "drafting recipe", Why: "a query gave no row"}
	}
	return err
}

func (d *drafter) each(query string, row func(scan func(...any) error) error) error {
	rows, err := d.s.Query(d.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// texts reads a query of one text column.
func (d *drafter) texts(query string) ([]string, error) {
	var out []string
	err := d.each(query, func(scan func(...any) error) error {
		var v sql.NullString
		if err := scan(&v); err != nil {
			return err
		}
		out = append(out, v.String)
		return nil
	})
	return out, err
}

// numbers reads one row of counts.
func (d *drafter) numbers(query string, n int) ([]float64, error) {
	values := make([]sql.NullFloat64, n)
	into := make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	if err := d.row(query, into...); err != nil {
		return nil, err
	}
	out := make([]float64, n)
	for i, v := range values {
		out[i] = v.Float64
	}
	return out, nil
}
