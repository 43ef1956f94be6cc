package records

import (
	"slices"
	"strings"

	"kalla"
	"kalla/internal/evidence"
)

// Table is one of the tables of the evidence.
type Table string

// The tables.
const (
	Matched        Table = "matched"         // a row for each pair
	UnmatchedLeft  Table = "unmatched_left"  // a row for each record
	UnmatchedRight Table = "unmatched_right" // a row for each record
	Breaks         Table = "breaks"          // a row for each compared field that differs
	Candidates     Table = "candidates"      // a row for each rival of an ambiguous record
)

// Unmatched is the table of the unmatched records of a side.
func Unmatched(s kalla.Side) Table {
	if s == kalla.Left {
		return UnmatchedLeft
	}
	return UnmatchedRight
}

// Column is a column of a table. Side and Of name the column of a source that
// it shows; both are empty for Kalla's own.
type Column struct {
	Name string     `json:"name"`
	Type kalla.Type `json:"type"`
	Side kalla.Side `json:"side,omitempty"`
	Of   string     `json:"of,omitempty"`
}

// text reports whether values are compared as texts.
func (c Column) text() bool { return c.Type.Kind == kalla.Text || c.Type.Kind == kalla.Other }

// table is a table of a run and what its columns mean.
type table struct {
	name    Table
	file    string                       // or folder, as people are told
	hash    string                       // of its files, and the run that it is of
	from    string                       // item of a FROM clause
	number  string                       // the column that numbers the rows, from 0
	pick    func(numbers []int64) string // from, with the rows of these numbers only
	rows    int64
	level   evidence.Level
	columns []Column

	key    []string // columns that put the rows in an order of their own
	find   []string // columns that a search looks at
	reason string   // column of the reason; empty where there is none
	pass   string   // column of the pass; empty where there is none
}

// pairColumns is how many columns of matched.parquet come before those of the
// sources: match_id, pass, cardinality, confidence, ambiguous.
const pairColumns = 5

// table describes a table of the run by its manifest.
func (r *Run) table(name Table) (*table, error) {
	if !slices.Contains([]Table{Matched, UnmatchedLeft, UnmatchedRight, Breaks, Candidates}, name) {
		return nil, usage("table "+string(name), "there is no such table", "name one of matched, unmatched_left, unmatched_right, breaks, candidates")
	}
	stored, ok := r.manifest.Table(string(name) + ".parquet")
	t := &table{name: name, file: stored.Place(), level: r.manifest.Level, rows: stored.Rows}
	if !ok {
		return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: "reading records", Where: r.dir, Why: "the manifest names no " + t.file,
			Hint: "kalla evidence verify " + r.dir + " lists what is wrong"}
	}
	t.hash = r.manifest.RunID
	for _, file := range stored.Files {
		t.hash += " " + r.manifest.Files[file].SHA256
	}
	t.from, t.number = stored.Numbered(r.dir)
	t.pick = func(numbers []int64) string { return stored.Pick(r.dir, numbers) }
	for _, c := range stored.Schema {
		t.columns = append(t.columns, Column{Name: c.Name, Type: c.Type})
	}
	switch name {
	case Matched:
		t.pass, t.key = "pass", []string{"match_id"}
		at := pairColumns
		for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
			at = t.shows(r.manifest, s, at, string(s)+"_")
			for _, k := range r.key(s) {
				t.key = append(t.key, string(s)+"_"+k)
			}
		}
	case UnmatchedLeft, UnmatchedRight:
		side := kalla.Left
		if name == UnmatchedRight {
			side = kalla.Right
		}
		own := t.shows(r.manifest, side, 0, "")
		t.key = r.key(side)
		if own < len(t.columns) {
			t.reason = t.columns[own].Name
		}
	case Breaks:
		t.key, t.find = []string{"match_id", "left_key", "right_key", "field"}, []string{"left_key", "right_key", "left_value", "right_value"}
	case Candidates:
		t.pass, t.key, t.find = "pass", []string{"pass", "side", "key", "rival_key"}, []string{"key", "rival_key"}
	}
	for _, c := range t.columns {
		if c.Side != "" && (c.Type.Kind == kalla.Text || slices.Contains(t.key, c.Name)) {
			t.find = append(t.find, c.Name)
		}
	}
	return t, nil
}

// shows says of the columns from at on that they are those of a side, and
// returns where they end.
func (t *table) shows(m *evidence.Manifest, s kalla.Side, at int, prefix string) int {
	src, _ := m.Side(s)
	n := len(src.Schema)
	if m.Level == evidence.Keys {
		n = len(src.PrimaryKey)
	}
	for range n {
		if at == len(t.columns) {
			break
		}
		c := &t.columns[at]
		c.Side, c.Of = s, strings.TrimPrefix(c.Name, prefix)
		at++
	}
	return at
}

// key are the names of the primary key columns of a side, as the source spells them.
func (r *Run) key(s kalla.Side) []string {
	src, _ := r.manifest.Side(s)
	out := slices.Clone(src.PrimaryKey)
	for i, k := range out {
		if c, ok := src.Schema.Find(k); ok {
			out[i] = c.Name
		}
	}
	return out
}

// column finds a column by name, exactly or ignoring case.
func (t *table) column(name string) (Column, error) {
	schema := make(kalla.Schema, len(t.columns))
	for i, c := range t.columns {
		schema[i] = kalla.Column{Name: c.Name, Type: c.Type}
	}
	if found, ok := schema.Find(name); ok {
		return t.columns[slices.IndexFunc(t.columns, func(c Column) bool { return c.Name == found.Name })], nil
	}
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	hint := "the columns are " + strings.Join(names, ", ")
	if t.level == evidence.Keys {
		hint = "the run kept the keys of records only; with evidence: full it keeps all; here " + hint
	}
	return Column{}, usage("column "+name, "table "+string(t.name)+" has no such column", hint)
}

// choose returns the named columns, all without names.
func (t *table) choose(names []string) ([]Column, error) {
	if len(names) == 0 {
		return t.columns, nil
	}
	out := make([]Column, len(names))
	for i, n := range names {
		c, err := t.column(n)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

// of returns the columns of a side.
func (t *table) of(s kalla.Side) []Column {
	return slices.DeleteFunc(slices.Clone(t.columns), func(c Column) bool { return c.Side != s })
}

// shown is a list of columns as texts.
func shown(columns []Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = asText(c.Name)
	}
	return strings.Join(list, ", ")
}

func asText(column string) string { return "CAST(" + ident(column) + " AS VARCHAR)" }

// keyText is a primary key in the text form that evidence
// writes: one as it is, several joined by | with \ before any | or \ inside.
func keyText(columns []Column) string {
	if len(columns) == 1 {
		return asText(columns[0].Name)
	}
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = asText(c.Name)
		if c.text() {
			parts[i] = `replace(replace(` + parts[i] + `, '\', '\\'), '|', '\|')`
		}
	}
	return "(" + strings.Join(parts, " || '|' || ") + ")"
}

// splitKey takes a key in text form apart; ok is false where it has not n parts.
func splitKey(key string, n int) (parts []string, ok bool) {
	if n == 1 {
		return []string{key}, true
	}
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		switch {
		case key[i] == '\\' && i+1 < len(key):
			i++
			b.WriteByte(key[i])
		case key[i] == '|':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(key[i])
		}
	}
	parts = append(parts, b.String())
	return parts, len(parts) == n
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
