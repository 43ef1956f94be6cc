// Package gate lets SQL texts of recipes through that can do nothing but
// compute over the run's own tables, the same on every engine.
package gate

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kalla"
)

// Bounds of an SQL text from a recipe. A text is far below them in practice.
const (
	maxGateText  = 64 << 10 // bytes
	maxGateNodes = 5000     // of the syntax tree
	maxGateDepth = 100      // of the syntax tree; DuckDB's own bound is 1000
)

// Querier runs the gate's own queries: *sql.DB, *sql.Conn and *sql.Tx are Queriers.
type Querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tables are the tables that a text may name: the name it uses → the table of
// the session that holds the rows. Names are compared ignoring case.
type Tables map[string]string

// Gate lets SQL texts from recipes through that can do nothing but compute over
// the run's own tables, with the functions of docs/functions.md. A text is given
// to DuckDB's parser only, as a value; it is never prepared or executed. What is
// executed later is Checked.SQL, written anew from the syntax tree that was
// checked. The tree is walked by an allow-list: what the gate does not know, it refuses.
type Gate struct{ db Querier }

// New returns a gate that parses with db. The connection needs the macros of
// Macros only where Checked.SQL is executed.
func New(db Querier) *Gate { return &Gate{db: db} }

// Checked is an SQL text that passed the gate.
type Checked struct {
	// SQL is the text written anew: an expression, or a SELECT. Functions are
	// replaced by their portable definitions, comments are gone.
	SQL string
	// Columns are the references to columns in the order of the text; Name is
	// "*" for a star. Tables and Functions are sorted, as the text names them.
	Columns   []ColumnRef
	Tables    []string
	Functions []string
	// Equalities are those of a predicate that must hold and that compare an
	// expression over l alone with one over r alone: what a join can hash by.
	Equalities []Equality
	// Outputs are the columns of a SELECT; nil where a star makes them unknown,
	// "" for a column without a name.
	Outputs []string
	// Expr is the tree of an expression, Query that of a SELECT.
	Expr  Expr
	Query *Query
}

// Equality is an equality of a predicate, as SQL over l and over r.
type Equality struct{ LeftSQL, RightSQL string }

// Expression checks a scalar expression over the columns of one source, which
// are named without a qualifier. Sub-selects may read tables.
func (g *Gate) Expression(ctx context.Context, text string, tables Tables) (*Checked, error) {
	root := &scope{sources: []scopeSource{{table: "", named: true}}}
	return g.check(ctx, text, "SELECT ", tables, root)
}

// Predicate checks a boolean expression over the aliases l and r of a pair of
// records. Sub-selects may read tables.
func (g *Gate) Predicate(ctx context.Context, text string, tables Tables) (*Checked, error) {
	root := &scope{pair: true, sources: []scopeSource{
		{alias: "l", table: "l", named: true}, {alias: "r", table: "r", named: true}}}
	return g.check(ctx, text, "SELECT ", tables, root)
}

// Select checks one SELECT over tables. Common table expressions, joins, set
// operations, aggregates and window functions are allowed.
func (g *Gate) Select(ctx context.Context, text string, tables Tables) (*Checked, error) {
	return g.check(ctx, text, "", tables, nil)
}

// check parses prefix+text and walks the tree. A root scope asks for an
// expression in it, none for a SELECT.
func (g *Gate) check(ctx context.Context, text, prefix string, tables Tables, root *scope) (*Checked, error) {
	c := &checker{text: text, prefix: len(prefix), at: -1, tables: tables, root: root,
		used: map[string]bool{}, functions: map[string]bool{}}
	if err := c.plausible(); err != nil {
		return nil, err
	}
	tree, err := g.parse(ctx, c, prefix+text)
	if err != nil {
		return nil, err
	}
	original, _ := clone(tree).(node)
	statement, err := c.statement(tree)
	if err != nil {
		return nil, err
	}
	for _, p := range c.patterns {
		if err := g.pattern(ctx, c, p); err != nil {
			return nil, err
		}
	}
	out := &Checked{Columns: c.columns, Tables: sortedKeys(c.used), Functions: sortedKeys(c.functions)}
	build := &builder{c: c}
	original = obj(list(original, "statements")[0].(node), "node")
	if root == nil {
		out.Outputs = outputs(statement)
		out.Query = build.query(original)
	} else {
		out.Expr = build.expr(list(original, "select_list")[0].(node))
	}
	if build.err != nil {
		return nil, build.err
	}
	if out.SQL, err = g.write(ctx, c, tree); err != nil {
		return nil, err
	}
	out.SQL = strings.TrimPrefix(out.SQL, prefix)
	if root != nil && root.pair {
		for _, pair := range equalities(list(statement, "select_list")[0].(node)) {
			var e Equality
			if e.LeftSQL, err = g.write(ctx, c, selectOf(pair[0])); err != nil {
				return nil, err
			}
			if e.RightSQL, err = g.write(ctx, c, selectOf(pair[1])); err != nil {
				return nil, err
			}
			e.LeftSQL, e.RightSQL = strings.TrimPrefix(e.LeftSQL, prefix), strings.TrimPrefix(e.RightSQL, prefix)
			out.Equalities = append(out.Equalities, e)
		}
	}
	return out, nil
}

// plausible refuses texts that are not worth parsing.
func (c *checker) plausible() error {
	switch {
	case strings.TrimSpace(c.text) == "":
		return c.refuse("the SQL is empty", "")
	case len(c.text) > maxGateText:
		return c.refuse(fmt.Sprintf("the SQL is longer than %d KiB", maxGateText>>10), "put the values into a table under extras and join it by its alias")
	case !utf8.ValidString(c.text):
		return c.refuse("the SQL is not valid UTF-8", "")
	}
	for i, r := range c.text {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			c.at = i + c.prefix
			return c.refuse(fmt.Sprintf("the SQL holds the control character U+%04X", r), "remove it")
		}
	}
	return nil
}

// parse returns the syntax tree of a text, which is a value of the query and not part of it.
func (g *Gate) parse(ctx context.Context, c *checker, text string) (node, error) {
	var out string
	if err := g.db.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql($1::VARCHAR) AS VARCHAR)", text).Scan(&out); err != nil {
		return nil, g.failed(ctx, err)
	}
	var tree node
	if err := json.Unmarshal([]byte(out), &tree); err != nil {
		// The one thing that DuckDB writes and JSON has not: an infinite number.
		return nil, c.refuse("a number is too large for a decimal", "decimals have at most 38 digits")
	}
	if tree["error"] != true {
		return tree, nil
	}
	why := str(tree, "error_message")
	if at, err := strconv.Atoi(str(tree, "position")); err == nil {
		c.at = byteOf(text, at) // the parser counts characters in errors, bytes in the tree
	}
	first := strings.Fields(c.text)[0]
	switch {
	case str(tree, "error_type") == "not implemented" && strings.HasPrefix(why, "Only SELECT"):
		return nil, c.refuse(fmt.Sprintf("%.20s is not allowed: a recipe reads, and changes nothing", strings.ToUpper(first)), "write one SELECT")
	case c.root != nil && slices.Contains([]string{"select", "with", "from"}, strings.ToLower(first)):
		c.at = c.prefix
		return nil, c.refuse("a query stands where an expression is expected", "put a sub-select in parentheses: (SELECT rate FROM fx WHERE …)")
	case strings.HasPrefix(why, "Max expression depth") || strings.HasPrefix(why, "memory exhausted"):
		return nil, c.refuse("the SQL is nested too deeply", "split it into derived columns")
	}
	return nil, c.refuse(why, "")
}

// write returns the SQL of a tree, proven to mean that tree by parsing it again.
func (g *Gate) write(ctx context.Context, c *checker, tree node) (string, error) {
	encoded, err := json.Marshal(tree)
	if err != nil {
		return "", g.failed(ctx, err)
	}
	var text string
	if err := g.db.QueryRowContext(ctx, "SELECT json_deserialize_sql($1::JSON)", string(encoded)).Scan(&text); err != nil {
		return "", g.failed(ctx, err)
	}
	again, err := g.parse(ctx, c, text)
	if err != nil || !reflect.DeepEqual(bare(tree), bare(again)) {
		c.at = -1
		return "", c.refuse("DuckDB cannot write this SQL back as it was read", "write it in simpler parts")
	}
	return text, nil
}

// bare drops from a tree what does not change its meaning: positions, and that a function was found in schema main.
func bare(v any) any {
	switch v := v.(type) {
	case node:
		if values := valuesOf(v); values != nil {
			return bare(values)
		}
		out := make(map[string]any, len(v))
		for k, x := range v {
			if k == "query_location" || k == "schema" {
				continue
			}
			out[k] = bare(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = bare(x)
		}
		return out
	}
	return v
}

// valuesOf returns the VALUES list of FROM (VALUES …) AS valueslist, which is how DuckDB
// writes, and then reads as a sub-select, a VALUES list; nil for anything else.
func valuesOf(n node) node {
	inner := obj(obj(n, "subquery"), "node")
	values := obj(inner, "from_table")
	if str(n, "type") != "SUBQUERY" || str(n, "alias") != "valueslist" || str(values, "type") != "EXPRESSION_LIST" ||
		!unset(n["column_name_alias"]) || !unset(inner["where_clause"]) || !unset(inner["modifiers"]) {
		return nil
	}
	return values
}

// pattern compiles a regular expression with DuckDB; Go's own check came before.
func (g *Gate) pattern(ctx context.Context, c *checker, p patternAt) error {
	var matches bool
	err := g.db.QueryRowContext(ctx, "SELECT regexp_matches('', $1::VARCHAR)", p.text).Scan(&matches)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return g.failed(ctx, err)
	}
	c.at = p.at
	return c.refuse(fmt.Sprintf("%q is not a regular expression: %s", p.text, firstLine(err.Error())), "the syntax is RE2's")
}

func (g *Gate) failed(ctx context.Context, err error) error {
	code := kalla.CodeEngine
	if errors.Is(ctx.Err(), context.Canceled) {
		code = kalla.CodeCanceled
	}
	return &kalla.Error{Code: code, Op: checkingSQL, Err: err}
}

const checkingSQL = "checking SQL"

// refuse says why the text does not pass, at the place where the walk is.
func (c *checker) refuse(why, hint string) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: checkingSQL, Where: c.where(c.at), Why: why, Hint: hint}
}

// where turns a position of the parser, a byte of prefix+text, into a line and
// a column of the text, both from 1; "" where the position is unknown.
func (c *checker) where(at int) string {
	if at < 0 {
		return ""
	}
	line, column := lineColumn(c.text, at-c.prefix)
	return fmt.Sprintf("line %d column %d", line, column)
}

// lineColumn returns the line and the column, in characters, of a byte of text.
func lineColumn(text string, at int) (line, column int) {
	before := text[:min(max(at, 0), len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// byteOf returns where the n-th character of s starts, from 0.
func byteOf(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func sortedKeys(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

var _ json.Unmarshaler = (*node)(nil)

// node is an object of the syntax tree.
type node map[string]any

// UnmarshalJSON makes every object below a node a node as well.
func (n *node) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		return err
	}
	*n = nodes(m).(node)
	return nil
}

func nodes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = nodes(x)
		}
		return node(v)
	case []any:
		for i, x := range v {
			v[i] = nodes(x)
		}
	}
	return v
}

func str(n node, key string) string { s, _ := n[key].(string); return s }

func obj(n node, key string) node { o, _ := n[key].(node); return o }

func list(n node, key string) []any { l, _ := n[key].([]any); return l }

func flag(n node, key string) bool { b, _ := n[key].(bool); return b }
