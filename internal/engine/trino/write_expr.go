package trino

import (
	"fmt"
	"strconv"
	"strings"

	"kalla/internal/gate"
)

func (w *writer) expr(e gate.Expr) value {
	switch e := e.(type) {
	case *gate.Literal:
		return w.literal(e)
	case *gate.Column:
		return w.column(e)
	case *gate.Call:
		return w.call(e)
	case *gate.Cast:
		return w.cast(e)
	case *gate.Case:
		return w.caseOf(e)
	case *gate.Logic:
		parts := make([]string, len(e.Args))
		for i, x := range e.Args {
			parts[i] = w.condition(x)
		}
		return truth("(" + strings.Join(parts, " "+e.Op+" ") + ")")
	case *gate.Not:
		return truth("(NOT " + w.condition(e.Expr) + ")")
	case *gate.IsNull:
		not := ""
		if e.Not {
			not = "NOT "
		}
		return truth("(" + w.expr(e.Expr).sql + " IS " + not + "NULL)")
	case *gate.Compare:
		left, right := w.expr(e.Left), w.expr(e.Right)
		return truth(w.compare(e.Pos(), e.Op, left, right))
	case *gate.Between:
		x, low, high := w.expr(e.Expr), w.expr(e.Low), w.expr(e.High)
		t := w.common(e.Pos(), strict, x, low, high)
		return truth("(" + w.as(e.Pos(), x, t) + " BETWEEN " + w.as(e.Pos(), low, t) + " AND " + w.as(e.Pos(), high, t) + ")")
	case *gate.In:
		return w.in(e)
	case *gate.Subquery:
		return w.subquery(e)
	}
	return w.fail(gate.Position{}, fmt.Sprintf("%T cannot be written", e), "")
}

func truth(sql string) value { return value{sql: sql, t: of(boolean)} }

func (w *writer) exprs(list []gate.Expr) []value {
	out := make([]value, len(list))
	for i, e := range list {
		out[i] = w.expr(e)
	}
	return out
}

// condition writes an expression as a boolean.
func (w *writer) condition(e gate.Expr) string {
	v := w.expr(e)
	switch v.t.kind {
	case boolean:
		return v.sql
	case unknown, whole:
		return w.convert(e.Pos(), v, of(boolean), false)
	}
	return w.fail(e.Pos(), fmt.Sprintf("a condition is expected, and there is %v", v.t), "compare it with something").sql
}

func (w *writer) literal(l *gate.Literal) value {
	v := value{literal: l, plain: true}
	switch l.Kind {
	case gate.NullLiteral:
		return value{sql: "NULL", plain: true}
	case gate.BooleanLiteral:
		return value{sql: l.Value, t: of(boolean), plain: true}
	case gate.TextLiteral:
		v.sql, v.t = w.text(l), of(text)
	case gate.DecimalLiteral:
		digits := strings.TrimLeft(l.Value, "-")
		whole, fraction, _ := strings.Cut(digits, ".")
		v.t = sqlType{decimal, len(strings.TrimLeft(whole, "0")) + len(fraction), len(fraction)}
		v.literal, v.sql = nil, "CAST(DECIMAL '"+l.Value+"' AS "+v.t.name()+")"
	case gate.IntegerLiteral:
		v.t, v.sql = hugeint, "CAST(DECIMAL '"+l.Value+"' AS DECIMAL(38,0))"
		if n, err := strconv.ParseInt(l.Value, 10, 64); err == nil {
			v.t, v.sql = bigint, "BIGINT '"+l.Value+"'"
			if n == int64(int32(n)) {
				v.t, v.sql = integer, "INTEGER '"+l.Value+"'"
			}
		}
	}
	return v
}

// text is a literal; the type of a bare one would be varchar(n), which combines in ways of its own.
func (w *writer) text(l *gate.Literal) string { return "CAST(" + w.Text(l.Value) + " AS VARCHAR)" }

func (w *writer) column(c *gate.Column) value {
	for s := w.scope; s != nil; s = s.outer {
		if c.Qualifier == "" {
			for _, m := range s.merged {
				if strings.EqualFold(m.name, c.Name) {
					return w.inSight(c, s, m.value)
				}
			}
		}
		var found *value
		for _, src := range s.sources {
			if c.Qualifier != "" && !strings.EqualFold(src.alias, c.Qualifier) {
				continue
			}
			for i := range src.columns {
				if col := &src.columns[i]; strings.EqualFold(col.name, c.Name) {
					if found != nil {
						return w.fail(c.Pos(), c.Name+" is a column of several tables", "write the table before it: table."+c.Name)
					}
					found = &col.value
				}
			}
		}
		if found != nil {
			return w.inSight(c, s, *found)
		}
	}
	name := c.Name
	if c.Qualifier != "" {
		name = c.Qualifier + "." + name
	}
	return w.fail(c.Pos(), "there is no column "+name, "write its name as kalla inspect shows it")
}

func (w *writer) inSight(c *gate.Column, s *scope, v value) value {
	if s.lateral {
		return w.fail(c.Pos(), "a sub-select in FROM uses "+c.Name+" of a table beside it", "join the two, or put the sub-select among the columns")
	}
	return v
}

var castTypes = map[string]sqlType{"VARCHAR": of(text), "BOOLEAN": of(boolean), "SMALLINT": smallint, "INTEGER": integer, "BIGINT": bigint,
	"DATE": of(date), "TIMESTAMP": of(timestamp)}

func (w *writer) cast(c *gate.Cast) value {
	t, ok := castTypes[c.Type.Name]
	if !ok {
		t = sqlType{decimal, c.Type.Precision, c.Type.Scale}
	}
	v := w.expr(c.Expr)
	at := c.Pos()
	if at.Line == 0 { // DATE '…' has no place of its own
		at = c.Expr.Pos()
	}
	plain := v.literal != nil || v.plain && v.t == t
	return value{sql: w.convert(at, v, t, c.Try), t: t, plain: plain}
}

func (w *writer) caseOf(c *gate.Case) value {
	values := []value{w.expr(c.Else)}
	for _, x := range c.Whens {
		values = append(values, w.expr(x.Value))
	}
	t := w.common(c.Pos(), strict, values...)
	var b strings.Builder
	b.WriteString("CASE")
	for i, x := range c.Whens {
		b.WriteString(" WHEN " + w.condition(x.Condition) + " THEN " + w.as(c.Pos(), values[i+1], t))
	}
	return value{sql: b.String() + " ELSE " + w.as(c.Pos(), values[0], t) + " END", t: t}
}

func (w *writer) compare(at gate.Position, op string, left, right value) string {
	how := strict
	if op == "=" || op == "<>" || strings.HasPrefix(op, "IS ") {
		how = equality
	}
	t := w.common(at, how, left, right)
	return "(" + w.as(at, left, t) + " " + op + " " + w.as(at, right, t) + ")"
}

func (w *writer) in(e *gate.In) value {
	values := append([]value{w.expr(e.Expr)}, w.exprs(e.List)...)
	t := w.common(e.Pos(), equality, values...)
	list := make([]string, len(e.List))
	for i, v := range values[1:] {
		list[i] = w.as(e.Pos(), v, t)
	}
	op := " IN ("
	if e.Not {
		op = " NOT IN ("
	}
	return truth("(" + w.as(e.Pos(), values[0], t) + op + strings.Join(list, ", ") + "))")
}

func (w *writer) subquery(s *gate.Subquery) value {
	var left value
	if s.Left != nil {
		left = w.expr(s.Left)
	}
	w.scope = &scope{outer: w.scope}
	sql, columns := w.query(s.Query)
	w.scope = w.scope.outer
	if s.Kind == "EXISTS" {
		return truth("EXISTS (" + sql + ")")
	}
	if s.Kind == "NOT_EXISTS" {
		return truth("(NOT EXISTS (" + sql + "))")
	}
	if len(columns) != 1 {
		return w.fail(s.Pos(), fmt.Sprintf("the sub-select has %d columns", len(columns)), "select one")
	}
	if s.Kind == "SCALAR" {
		return value{sql: "(" + sql + ")", t: columns[0].t}
	}
	t := w.common(s.Pos(), equality, left, columns[0].value)
	if columns[0].t != t {
		sql = w.retyped(s.Pos(), sql, columns, []sqlType{t})
	}
	return truth("(" + w.as(s.Pos(), left, t) + " " + s.Op + " ANY (" + sql + "))")
}
