package records

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/recipe"
)

// Bounds of a record's page.
const (
	maxMatches = 20  // matches of one record; more than one only where every pair is a match
	maxPairs   = 500 // pairs, breaks or rivals
)

// ErrNotFound is in the chain of the error for a key that no record has.
var ErrNotFound = errors.New("there is no such record")

// errShort is of a file whose columns are not those that the manifest promises.
var errShort = errors.New("columns or rows are missing")

// Record is one record and what became of it.
type Record struct {
	Side   kalla.Side `json:"side"`
	Key    string     `json:"key"`    // as the evidence writes it: columns joined by |
	Fields Rows       `json:"fields"` // one row; several where the key is not unique

	Matches   []Match   `json:"matches,omitempty"`
	Unmatched *Reasoned `json:"unmatched,omitempty"`
	Rivals    *Rows     `json:"rivals,omitempty"` // rows of candidates that it is part of
}

// Match is a match with all its records.
type Match struct {
	ID          string `json:"match_id"`
	Pass        string `json:"pass"`
	Cardinality string `json:"cardinality"`
	Confidence  string `json:"confidence"` // 0..1, six places
	Ambiguous   bool   `json:"ambiguous"`
	Left        Rows   `json:"left"`                // records, each once
	Right       Rows   `json:"right"`               // records, each once
	Pairs       Rows   `json:"pairs"`               // both keys and the differences of each pair
	Breaks      Rows   `json:"breaks"`              // compared fields that differ
	Truncated   bool   `json:"truncated,omitempty"` // there are more than 500 pairs
}

// Reasoned says why a record has no match.
type Reasoned struct {
	Reason      kalla.Reason `json:"reason"`
	ClosestKey  *string      `json:"closest_key"`
	ClosestPass *string      `json:"closest_pass"`
	Score       *string      `json:"closest_score"` // share of the conditions that hold
	TakenBy     *string      `json:"taken_by"`
	Closest     *Rows        `json:"closest,omitempty"` // the candidate; what its columns hold is all that level keys keeps
	Conditions  []Compared   `json:"conditions,omitempty"`
}

// Compared is a condition of the closest candidate's pass over the two records.
type Compared struct {
	Left       string  `json:"left"`  // column
	Right      string  `json:"right"` // column
	LeftValue  *string `json:"left_value"`
	RightValue *string `json:"right_value"`
	Rule       string  `json:"rule"`       // the condition in words
	Same       bool    `json:"same"`       // the values are written alike; a tolerance may still hold where they are not
	Holds      *bool   `json:"holds"`      // nil where it takes the engine to tell: similar texts, texts that are normalised
	Difference *string `json:"difference"` // right − left where the condition measures: in units, days or microseconds
}

// Record is the page of one record: what it holds and where it ended. The key
// is written as in the evidence: one column as it is, several joined by | with a
// \ before any | or \ inside. Without such a record the error is of CodeUsage
// and wraps ErrNotFound.
func (r *Run) Record(ctx context.Context, side kalla.Side, key string) (*Record, error) {
	if side != kalla.Left && side != kalla.Right {
		return nil, usage("side "+string(side), "there is no such side", "name left or right")
	}
	if _, ok := splitKey(key, len(r.key(side))); !ok || !utf8.ValidString(key) {
		return nil, usage("key "+strconv.Quote(shorten(key)), "the key has the columns "+strings.Join(r.key(side), ", "), "join their values by |")
	}
	rec := &Record{Side: side, Key: key}
	unmatched, err := r.table(Unmatched(side))
	if err != nil {
		return nil, err
	}
	rows, err := r.byKey(ctx, unmatched, side, key, unmatched.columns)
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 {
		own := len(unmatched.of(side))
		rec.Fields.Columns = unmatched.columns[:own]
		for _, row := range rows {
			rec.Fields.Rows = append(rec.Fields.Rows, row[:own])
		}
		if rec.Unmatched, err = r.reasoned(ctx, side, unmatched, rows[0]); err != nil {
			return nil, err
		}
	} else if err := r.matches(ctx, rec); err != nil {
		return nil, err
	}
	if len(rec.Fields.Rows) == 0 {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading records", Where: string(side) + " record " + strconv.Quote(shorten(key)),
			Why: "the run read no record with this key", Err: ErrNotFound}
	}
	return rec, r.rivals(ctx, rec)
}

// byKey returns the rows of a table whose record of a side has a key.
func (r *Run) byKey(ctx context.Context, t *table, side kalla.Side, key string, columns []Column) ([][]*string, error) {
	var p predicate
	keys := t.keyOf(r, side)
	parts, _ := splitKey(key, len(keys))
	for i, c := range keys {
		p.equals(c, parts[i])
	}
	rows, err := r.store.rows(ctx, "SELECT "+shown(columns)+" FROM "+t.from+p.where()+" ORDER BY "+t.number+" LIMIT "+strconv.Itoa(maxPairs), p.args...)
	if err != nil {
		return nil, r.reading(ctx, t.file, err)
	}
	return rows, nil
}

// keyOf are the columns of a table that hold the key of a side.
func (t *table) keyOf(r *Run, side kalla.Side) []Column {
	var out []Column
	for _, k := range r.key(side) {
		for _, c := range t.of(side) {
			if c.Of == k {
				out = append(out, c)
			}
		}
	}
	return out
}

// equals adds that a column has a value written as text; a text that is no
// value of the column's type equals none. Comparing by type lets the reader
// skip the parts of the file where the value cannot be.
func (p *predicate) equals(c Column, value string) {
	switch {
	case c.text() || c.Type.Kind == kalla.Float:
		p.add(asText(c.Name)+" = ?", value)
	default:
		p.add(ident(c.Name)+" = TRY_CAST(? AS "+evidence.TypeName(c.Type)+")", value)
	}
}

// reasoned reads Kalla's columns of an unmatched record, and looks at its closest candidate.
func (r *Run) reasoned(ctx context.Context, side kalla.Side, t *table, row []*string) (*Reasoned, error) {
	// reason, closest_key, closest_pass, closest_score, closest_diff_…, taken_by
	own := row[len(t.of(side)):]
	if len(own) < 5 {
		return nil, r.reading(ctx, t.file, errShort)
	}
	u := &Reasoned{ClosestKey: own[1], ClosestPass: own[2], Score: own[3], TakenBy: own[len(own)-1]}
	if own[0] != nil {
		u.Reason = kalla.Reason(*own[0])
	}
	if u.ClosestKey == nil {
		return u, nil
	}
	closest, err := r.find(ctx, side.Other(), *u.ClosestKey)
	if err != nil {
		return nil, err
	}
	if closest == nil {
		return u, nil
	}
	u.Closest = closest
	differences := map[string]*string{}
	for i, c := range t.columns[len(t.of(side)):] {
		_, of, ok := strings.Cut(c.Name, "closest_diff_")
		if ok {
			differences[of] = own[i]
		}
	}
	return u, r.compare(u, side, Rows{Columns: t.columns, Rows: [][]*string{row}}, differences)
}

// find returns a record from wherever it ended, nil if there is none.
func (r *Run) find(ctx context.Context, side kalla.Side, key string) (*Rows, error) {
	for _, name := range []Table{Unmatched(side), Matched} {
		t, err := r.table(name)
		if err != nil {
			return nil, err
		}
		columns := t.of(side)
		rows, err := r.byKey(ctx, t, side, key, columns)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			return &Rows{Columns: columns, Rows: rows[:1]}, nil
		}
	}
	return nil, nil
}

// value is what a record holds in a column of its source.
func (r Rows) value(of string) *string {
	for i, c := range r.Columns {
		if strings.EqualFold(c.Of, of) {
			return r.Rows[0][i]
		}
	}
	return nil
}

// compare sets the two records side by side, by the conditions of the closest candidate's pass.
func (r *Run) compare(u *Reasoned, side kalla.Side, record Rows, differences map[string]*string) error {
	rec, err := r.recipe()
	if err != nil {
		return err
	}
	left, right := record, *u.Closest
	if side == kalla.Right {
		left, right = right, left
	}
	for _, pass := range rec.Match {
		if u.ClosestPass == nil || pass.Name != *u.ClosestPass {
			continue
		}
		conditions := pass.When
		if pass.Sum != nil {
			conditions = append(conditions[:len(conditions):len(conditions)], kalla.Condition{Left: pass.Sum.Left, Right: pass.Sum.Right, Within: pass.Sum.Within})
		}
		for _, c := range conditions {
			cmp := Compared{Left: c.Left, Right: c.Right, LeftValue: left.value(c.Left), RightValue: right.value(c.Right), Rule: recipe.Phrase(rec, c)}
			cmp.Same = cmp.LeftValue != nil && cmp.RightValue != nil && *cmp.LeftValue == *cmp.RightValue
			name := c.Left
			if c.Within != nil && c.Within.Hours != nil {
				name += "_us"
			}
			cmp.Difference = differences[name]
			cmp.Holds = holds(c, cmp)
			u.Conditions = append(u.Conditions, cmp)
		}
	}
	return nil
}

// holds reports whether a condition holds for what was compared, as far as the
// evidence tells.
func holds(c kalla.Condition, v Compared) *bool {
	if v.LeftValue == nil || v.RightValue == nil {
		return new(false) // what is missing equals nothing
	}
	equality := c.Within == nil && c.Similar == nil && (c.Op == "" || c.Op == kalla.OpEq)
	switch {
	case c.Within != nil:
		if v.Difference == nil {
			return nil
		}
		d, err := decimal.NewFromString(*v.Difference)
		if err != nil {
			return nil
		}
		return within(*c.Within, d, *v.LeftValue)
	case equality && v.Same:
		return new(true)
	case !equality || len(c.Normalize) > 0:
		return nil
	}
	l, errL := decimal.NewFromString(*v.LeftValue)
	r, errR := decimal.NewFromString(*v.RightValue)
	return new(errL == nil && errR == nil && l.Equal(r)) // 1.5 and 1.50 are written differently
}

func within(w kalla.Within, d kalla.Decimal, left string) *bool {
	span := func(window kalla.Window, unit int64) *bool {
		return new(!d.LessThan(decimal.NewFromInt(int64(window.From)*unit)) && !d.GreaterThan(decimal.NewFromInt(int64(window.To)*unit)))
	}
	switch {
	case w.Absolute != nil:
		return new(!d.Abs().GreaterThan(*w.Absolute))
	case w.Days != nil:
		return span(*w.Days, 1)
	case w.Hours != nil:
		return span(*w.Hours, 3_600_000_000)
	case w.Percent != nil:
		if base, err := decimal.NewFromString(left); err == nil {
			return new(!d.Abs().GreaterThan(base.Abs().Mul(*w.Percent).Shift(-2)))
		}
	}
	return nil
}

// recipe is the recipe as it ran.
func (r *Run) recipe() (*kalla.Recipe, error) {
	doc, err := recipe.Parse(r.manifest.Recipe, evidence.ManifestFile)
	if err == nil {
		var rec *kalla.Recipe
		if rec, err = doc.Bind(nil); err == nil {
			return rec, nil
		}
	}
	return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: "reading records", Where: r.dir, Err: err,
		Why: "the recipe in the manifest cannot be read: " + firstLine(err), Hint: "kalla evidence verify " + r.dir + " lists what is wrong"}
}

// matches reads the matches of a record, each with all its records.
func (r *Run) matches(ctx context.Context, rec *Record) error {
	t, err := r.table(Matched)
	if err != nil {
		return err
	}
	id, err := t.column("match_id")
	if err != nil {
		return err
	}
	mine, err := r.byKey(ctx, t, rec.Side, rec.Key, append([]Column{id}, t.of(rec.Side)...))
	if err != nil || len(mine) == 0 {
		return err
	}
	rec.Fields = Rows{Columns: t.of(rec.Side), Rows: [][]*string{mine[0][1:]}}
	var ids []string
	seen := map[string]bool{}
	for _, row := range mine {
		if m := row[0]; m != nil && !seen[*m] && len(ids) < maxMatches {
			seen[*m] = true
			ids = append(ids, *m)
		}
	}
	for _, id := range ids {
		m, err := r.match(ctx, t, id)
		if err != nil {
			return err
		}
		rec.Matches = append(rec.Matches, *m)
	}
	return nil
}

// match reads all pairs of a match.
func (r *Run) match(ctx context.Context, t *table, id string) (*Match, error) {
	rows, err := r.store.rows(ctx, "SELECT "+shown(t.columns)+" FROM "+t.from+" WHERE match_id = ? ORDER BY "+t.number+" LIMIT "+strconv.Itoa(maxPairs+1), id)
	if err != nil {
		return nil, r.reading(ctx, t.file, err)
	}
	if len(rows) == 0 || len(t.columns) < pairColumns {
		return nil, r.reading(ctx, t.file, errShort)
	}
	m := &Match{ID: id, Truncated: len(rows) > maxPairs}
	rows = rows[:min(len(rows), maxPairs)]
	for i, to := range []*string{1: &m.Pass, 2: &m.Cardinality, 3: &m.Confidence} {
		if v := rows[0][i]; v != nil && to != nil {
			*to = *v
		}
	}
	m.Ambiguous = rows[0][4] != nil && *rows[0][4] == "true"
	var pair []int
	for _, s := range []struct {
		side kalla.Side
		to   *Rows
	}{{kalla.Left, &m.Left}, {kalla.Right, &m.Right}} {
		var at, keys []int
		for i, c := range t.columns {
			if c.Side == s.side {
				at = append(at, i)
			}
		}
		for _, k := range t.keyOf(r, s.side) {
			for _, i := range at {
				if t.columns[i].Name == k.Name {
					keys = append(keys, i)
				}
			}
		}
		pair = append(pair, keys...)
		*s.to = distinct(t.columns, rows, at, keys)
	}
	for i, c := range t.columns[pairColumns:] {
		if c.Side == "" {
			pair = append(pair, pairColumns+i)
		}
	}
	m.Pairs = distinct(t.columns, rows, pair, pair)
	m.Breaks, err = r.rowsOf(ctx, Breaks, "match_id = ?", id)
	return m, err
}

// distinct takes the columns at the given places out of rows, each row once by the key.
func distinct(columns []Column, rows [][]*string, at, key []int) Rows {
	out := Rows{Rows: [][]*string{}}
	for _, i := range at {
		out.Columns = append(out.Columns, columns[i])
	}
	seen := map[string]bool{}
	for _, row := range rows {
		var id strings.Builder
		for _, i := range key {
			if row[i] != nil {
				id.WriteString(strconv.Quote(*row[i]))
			}
			id.WriteByte(',')
		}
		if seen[id.String()] {
			continue
		}
		seen[id.String()] = true
		taken := make([]*string, len(at))
		for n, i := range at {
			taken[n] = row[i]
		}
		out.Rows = append(out.Rows, taken)
	}
	return out
}

// rivals adds the candidates that were as good as each other.
func (r *Run) rivals(ctx context.Context, rec *Record) error {
	rows, err := r.rowsOf(ctx, Candidates, "(side = ? AND key = ?) OR (side = ? AND rival_key = ?)", string(rec.Side), rec.Key, string(rec.Side.Other()), rec.Key)
	if err == nil && len(rows.Rows) > 0 {
		rec.Rivals = &rows
	}
	return err
}

// rowsOf are the rows of a table for which a condition holds, at most maxPairs.
func (r *Run) rowsOf(ctx context.Context, name Table, where string, args ...any) (Rows, error) {
	t, err := r.table(name)
	if err != nil {
		return Rows{}, err
	}
	rows, err := r.store.rows(ctx, "SELECT "+shown(t.columns)+" FROM "+t.from+" WHERE "+where+" ORDER BY "+t.number+" LIMIT "+strconv.Itoa(maxPairs), args...)
	if err != nil {
		return Rows{}, r.reading(ctx, t.file, err)
	}
	return Rows{Columns: t.columns, Rows: rows}, nil
}
