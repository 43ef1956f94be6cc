package trino

import (
	"fmt"
	"strings"

	"kalla/internal/gate"
)

// aTime is an argument that is a date or a time; a text that is written out is read as like.
func (w *writer) aTime(c *gate.Call, v value, like sqlType) value {
	if v.literal != nil && v.t.kind == text && like.temporal() {
		return value{sql: w.as(c.Pos(), v, like), t: like, plain: true}
	}
	w.wants(c, v, "a date or a timestamp", v.t.temporal())
	if !v.t.temporal() {
		return null(of(timestamp))
	}
	return v
}

// precise makes a timestamp of a date.
func (w *writer) precise(v value) value {
	if v.t.kind != date {
		return v
	}
	return value{sql: "CAST(" + v.sql + " AS TIMESTAMP(6))", t: of(timestamp), plain: v.plain}
}

// Months of the units that are made of them.
var months = map[string]int{"year": 12, "quarter": 3, "month": 1}

func dateDiff(w *writer, c *gate.Call, args []value) value {
	unit := literalText(c, 0)
	a, b := w.aTime(c, args[1], sqlType{}), w.aTime(c, args[2], sqlType{})
	switch unit {
	case "year":
		return value{sql: "(year(" + b.sql + ") - year(" + a.sql + "))", t: bigint}
	case "quarter", "month":
		return value{sql: fmt.Sprintf("((year(%s) - year(%s)) * %d + %s(%s) - %s(%s))", b.sql, a.sql, 12/months[unit], unit, b.sql, unit, a.sql), t: bigint}
	case "day":
		return value{sql: "date_diff('day', CAST(" + a.sql + " AS DATE), CAST(" + b.sql + " AS DATE))", t: bigint}
	case "week":
		return value{sql: "(date_diff('day', date_trunc('week', CAST(" + a.sql + " AS DATE)), date_trunc('week', CAST(" + b.sql + " AS DATE))) / 7)", t: bigint}
	}
	a, b = w.precise(a), w.precise(b)
	return value{sql: fmt.Sprintf("date_diff('%s', date_trunc('%s', %s), date_trunc('%s', %s))", unit, unit, a.sql, unit, b.sql), t: bigint}
}

func dateTrunc(w *writer, c *gate.Call, args []value) value {
	v := w.precise(w.aTime(c, args[1], sqlType{}))
	return value{sql: "date_trunc('" + literalText(c, 0) + "', " + v.sql + ")", t: v.t}
}

func dateAdd(w *writer, c *gate.Call, args []value) value {
	w.wants(c, args[1], "a whole number", args[1].t.exact())
	n := w.convert(c.Pos(), args[1], bigint, false)
	v := w.precise(w.aTime(c, args[2], of(timestamp)))
	unit := literalText(c, 0)
	if m, ok := months[unit]; ok && m > 1 {
		unit, n = "month", fmt.Sprintf("%d * %s", m, n)
	}
	return value{sql: "date_add('" + unit + "', " + n + ", " + v.sql + ")", t: of(timestamp)}
}

func datePart(w *writer, c *gate.Call, args []value) value {
	return datePartOf(w, c, literalText(c, 0), args[1])
}

func partNamed(name string) callWriter {
	return func(w *writer, c *gate.Call, args []value) value { return datePartOf(w, c, name, args[0]) }
}

func datePartOf(w *writer, c *gate.Call, name string, v value) value {
	v = w.precise(w.aTime(c, v, sqlType{}))
	return value{sql: name + "(" + v.sql + ")", t: bigint}
}

func isAggregate(name string) bool {
	switch name {
	case "count", "count_star", "sum", "min", "max":
		return true
	}
	return false
}

// overRows writes aggregates and window functions.
func (w *writer) overRows(c *gate.Call) value {
	args := w.exprs(c.Args)
	if c.Over != nil && c.Filter != nil && isAggregate(c.Name) { // FILTER stands not with OVER
		condition := w.condition(c.Filter)
		if len(args) == 0 {
			args = []value{{sql: "1", t: integer}}
		}
		args[0] = value{sql: "CASE WHEN " + condition + " THEN " + args[0].sql + " END", t: args[0].t}
	}
	name, t, list := c.Name, bigint, make([]string, len(args))
	for i, v := range args {
		list[i] = v.sql
	}
	switch c.Name {
	case "count", "count_star":
		name = "count"
		if len(list) == 0 {
			list = []string{"*"}
		}
	case "sum":
		w.wants(c, args[0], "numbers", args[0].t.numeric() || args[0].t.kind == boolean)
		switch args[0].t.kind {
		case double:
			t = of(double)
		case decimal:
			t = sqlType{decimal, 38, args[0].t.scale}
			list[0] = "CAST(" + list[0] + " AS " + t.name() + ")"
		default:
			t = hugeint
			list[0] = w.convert(c.Pos(), args[0], t, false)
		}
	case "min", "max", "first_value", "last_value":
		t = args[0].t
		w.wants(c, args[0], "what can be compared", t.kind != opaque || strings.HasSuffix(c.Name, "_value"))
		list[0] = w.as(c.Pos(), value{sql: args[0].sql, t: t}, t)
	case "lag", "lead":
		t = args[0].t
		if len(args) > 1 && !written(c.Args[1]) {
			w.fail(c.Pos(), "the distance of "+c.Name+" must be a whole number from 0, written out", "")
		}
		if len(args) > 1 {
			list[1] = fmt.Sprint(literalArgument(c, 1))
		}
		if len(args) > 2 {
			list[2] = w.convert(c.Pos(), args[2], t, false)
		}
	}
	distinct := ""
	if c.Distinct {
		distinct = "DISTINCT "
	}
	sql := name + "(" + distinct + strings.Join(list, ", ") + ")"
	if c.Over != nil {
		return value{sql: sql + " OVER (" + w.window(c) + ")", t: t}
	}
	if c.Filter != nil {
		sql += " FILTER (WHERE " + w.condition(c.Filter) + ")"
	}
	return value{sql: sql, t: t}
}

func written(e gate.Expr) bool {
	l, ok := e.(*gate.Literal)
	return ok && l.Kind == gate.IntegerLiteral && !strings.HasPrefix(l.Value, "-")
}

func (w *writer) window(c *gate.Call) string {
	var parts []string
	for i, e := range c.Over.Partition {
		parts = append(parts, []string{"PARTITION BY ", ", "}[min(i, 1)]+w.expr(e).sql)
	}
	if len(parts) > 0 {
		parts = []string{strings.Join(parts, "")}
	}
	var orders []string
	for _, o := range c.Over.Order {
		orders = append(orders, w.expr(o.Expr).sql+direction(o))
	}
	if len(orders) > 0 {
		parts = append(parts, "ORDER BY "+strings.Join(orders, ", "))
	}
	if c.Over.Frame != "" && (isAggregate(c.Name) || strings.HasSuffix(c.Name, "_value")) { // others look at no frame
		parts = append(parts, c.Over.Frame+" BETWEEN "+w.frameEnd(c, c.Over.From)+" AND "+w.frameEnd(c, c.Over.To))
	}
	return strings.Join(parts, " ")
}

func (w *writer) frameEnd(c *gate.Call, b gate.Bound) string {
	if b.Offset == nil {
		return b.Kind
	}
	if c.Over.Frame == "RANGE" {
		w.fail(c.Pos(), "RANGE with a distance differs between engines", "write ROWS, or join the rows in the range")
	} else if !written(b.Offset) {
		w.fail(c.Pos(), "the ends of a frame must be whole numbers from 0, written out", "")
	}
	l, _ := b.Offset.(*gate.Literal)
	if l == nil {
		return b.Kind
	}
	return l.Value + " " + b.Kind
}
