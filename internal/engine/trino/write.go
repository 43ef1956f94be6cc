package trino

import (
	"fmt"

	"kalla"
	"kalla/internal/gate"
)

// WriteSQL writes a text that passed the gate as SQL of Trino that gives what
// the embedded engine gives. Types are inferred from schemas, which are those
// that gate.Checked.Missing takes: of the tables by the names that the text
// uses, of a predicate's sides by "l" and "r", of an expression's source by "".
// What Trino would compute differently is refused with CodeRecipe, naming the
// line, the function and what to write instead.
func WriteSQL(c *gate.Checked, schemas map[string]kalla.Schema) (string, error) {
	w := &writer{schemas: schemas}
	var sql string
	if c.Query != nil {
		sql = w.result(c.Query)
	} else {
		w.scope = &scope{}
		for _, alias := range []string{"", "l", "r"} {
			if schema, ok := schemas[alias]; ok {
				w.scope.sources = append(w.scope.sources, w.source(alias, schema, nil))
			}
		}
		sql = w.expr(c.Expr).sql
	}
	return sql, w.err
}

// writer writes one text. The first error is kept, and what is written after it does not count.
type writer struct {
	Dialect
	schemas map[string]kalla.Schema
	ctes    []withQuery // that are in sight
	scope   *scope
	bound   int // how many lambdas the text at hand is in
	derived int // sub-selects without a name of their own
	err     error
}

// value is an expression as SQL, with its type in DuckDB.
type value struct {
	sql     string
	t       sqlType
	literal *gate.Literal // of a literal, which takes the type of what it meets
	plain   bool          // a column or a literal: may be written twice
}

// fail keeps the first refusal.
func (w *writer) fail(at gate.Position, why, hint string) value {
	if w.err == nil {
		where := ""
		if at.Line > 0 {
			where = fmt.Sprintf("line %d column %d", at.Line, at.Column)
		}
		w.err = &kalla.Error{Code: kalla.CodeRecipe, Op: "writing SQL for the cluster", Where: where, Why: why, Hint: hint}
	}
	return value{sql: "NULL"}
}

// once gives f a name for an expression, so that it is computed once where f uses it several times.
func (w *writer) once(v value, f func(name string) string) string {
	if v.plain {
		return f(v.sql)
	}
	w.bound++
	defer func() { w.bound-- }()
	name := fmt.Sprintf("kalla_v%d", w.bound)
	return "element_at(transform(ARRAY[" + v.sql + "], " + name + " -> " + f(name) + "), 1)"
}

// scope is what an expression sees: the columns of its FROM clause, then those of the queries around it.
type scope struct {
	outer   *scope
	sources []source
	merged  []named // that USING made one of two
	lateral bool    // beside the FROM clause, whose tables a sub-select in it must not use
}

type source struct {
	alias   string
	columns []named
}

// named is a column of a source: its name in the text and what stands for it.
type named struct {
	name string
	value
}

// withQuery is a common table expression: its name and columns, whose values are bare identifiers.
type withQuery struct {
	name    string
	columns []named
}
