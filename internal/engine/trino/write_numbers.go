package trino

import (
	"fmt"
	"strings"

	"kalla/internal/gate"
)

// numbers refuses arguments that are not.
func (w *writer) numbers(c *gate.Call, args []value) bool {
	for _, v := range args {
		w.wants(c, v, "numbers", v.t.numeric())
		if v.t.kind == unknown || !v.t.numeric() {
			return false
		}
	}
	return true
}

func null(t sqlType) value { return value{sql: "CAST(NULL AS " + t.name() + ")", t: t} }

// addition writes + and −, also of a day and a number of days, and the sign.
func addition(w *writer, c *gate.Call, args []value) value {
	if len(args) == 1 {
		if !w.numbers(c, args) {
			return null(integer)
		}
		if c.Name == "+" {
			return args[0]
		}
		return value{sql: "(-" + args[0].sql + ")", t: args[0].t}
	}
	a, b := args[0], args[1]
	if c.Name == "+" && b.t.kind == date {
		a, b = b, a
	}
	switch {
	case a.t.kind == date && (b.t.kind == whole || b.t.kind == unknown):
		sign := ""
		if c.Name == "-" {
			sign = "-"
		}
		return value{sql: "date_add('day', " + sign + "(" + w.as(c.Pos(), b, bigint) + "), " + a.sql + ")", t: of(date)}
	case a.t.kind == date && b.t.kind == date && c.Name == "-":
		return value{sql: w.Days(b.sql, a.sql), t: bigint}
	case a.t.temporal() || b.t.temporal():
		return w.fail(c.Pos(), "times have no "+c.Name, "write date_add('hour', 3, t), or date_diff('minute', a, b)")
	}
	if !w.numbers(c, args) {
		return null(integer)
	}
	t := sum(a, b)
	return value{sql: "CAST(" + w.as(c.Pos(), a, t) + " " + c.Name + " " + w.as(c.Pos(), b, t) + " AS " + t.name() + ")", t: t}
}

// sum is the type of a sum or a difference: that of decimals has one digit more, but stays within 18 where both are.
func sum(a, b value) sqlType {
	t, _ := both(a, b, strict)
	if t.kind != decimal {
		return t
	}
	digits := max(a.t.precision, b.t.precision)
	needed := max(max(a.t.precision-a.t.scale, b.t.precision-b.t.scale)+t.scale, digits) + 1
	bound := 38
	if digits <= 18 {
		bound = 18
	}
	return sqlType{decimal, min(needed, bound), t.scale}
}

// wide gives an exact number 38 digits.
func (w *writer) wide(v value) value {
	if v.t.kind == double {
		return v
	}
	t := hugeint
	if v.t.kind == decimal {
		t = sqlType{decimal, 38, v.t.scale}
	}
	return value{sql: "CAST(" + v.sql + " AS " + t.name() + ")", t: t, plain: v.plain}
}

func product(w *writer, c *gate.Call, args []value) value {
	if !w.numbers(c, args) {
		return null(hugeint)
	}
	a, b := args[0], args[1]
	if a.t.kind == double || b.t.kind == double {
		return value{sql: "(" + w.as(c.Pos(), a, of(double)) + " * " + w.as(c.Pos(), b, of(double)) + ")", t: of(double)}
	}
	return w.times(c, w.wide(a), b)
}

// times multiplies exact numbers, the first of which is wide.
func (w *writer) times(c *gate.Call, a, b value) value {
	t := hugeint
	if scale := a.t.scale + b.t.scale; a.t.kind == decimal || b.t.kind == decimal {
		t = sqlType{decimal, 38, scale}
		if scale > 38 {
			return w.fail(c.Pos(), fmt.Sprintf("the product has %d decimal places", scale), "cast a factor to a decimal with fewer")
		}
	}
	if b.t.kind == whole {
		b = value{sql: "CAST(" + b.sql + " AS DECIMAL(" + fmt.Sprint(b.t.precision) + ",0))"}
	}
	return value{sql: "(" + a.sql + " * " + b.sql + ")", t: t}
}

func remainder(w *writer, c *gate.Call, args []value) value {
	if !w.numbers(c, args) {
		return null(integer)
	}
	t, _ := both(args[0], args[1], strict)
	if t.kind == double {
		return w.fail(c.Pos(), "% of binary floats differs between engines", "cast to decimal(18,4), say")
	}
	return value{sql: "CAST(" + w.as(c.Pos(), args[0], t) + " % nullif(" + w.as(c.Pos(), args[1], t) + ", 0) AS " + t.name() + ")", t: t}
}

func sameType(name string) callWriter {
	return func(w *writer, c *gate.Call, args []value) value {
		if !w.numbers(c, args) {
			return null(integer)
		}
		return value{sql: name + "(" + args[0].sql + ")", t: args[0].t}
	}
}

// toWhole writes floor and ceil, of which DuckDB makes binary floats where the number is whole already.
func toWhole(name string) callWriter {
	return func(w *writer, c *gate.Call, args []value) value {
		if !w.numbers(c, args) {
			return null(of(double))
		}
		if t := args[0].t; t.kind == decimal {
			t.scale = 0
			return value{sql: "CAST(" + name + "(" + args[0].sql + ") AS " + t.name() + ")", t: t}
		}
		return value{sql: name + "(CAST(" + args[0].sql + " AS DOUBLE))", t: of(double)}
	}
}

func round(w *writer, c *gate.Call, args []value) value {
	if !w.numbers(c, args[:1]) {
		return null(integer)
	}
	places := 0
	if len(args) > 1 {
		places = literalArgument(c, 1)
	}
	v := args[0]
	switch {
	case v.t.kind == whole || v.t.kind == decimal && places >= v.t.scale:
		return v
	case v.t.kind == decimal:
		t := sqlType{decimal, v.t.precision, places}
		return value{sql: fmt.Sprintf("CAST(round(%s, %d) AS %s)", v.sql, places, t.name()), t: t}
	case places > 0:
		return w.fail(c.Pos(), "round of a binary float to places differs between engines", "give the column a decimal type under types")
	}
	return value{sql: "round(" + v.sql + ")", t: v.t}
}

func toleranceMatch(w *writer, c *gate.Call, args []value) value {
	if !w.numbers(c, args) {
		return null(of(boolean))
	}
	difference := &gate.Call{Position: c.Position, Name: "-"}
	d := addition(w, difference, []value{w.wide(args[0]), args[1]})
	d.sql = "abs(" + d.sql + ")"
	return truth(w.compare(c.Pos(), "<=", d, args[2]))
}

// exactly refuses binary floats in arithmetic on money.
func (w *writer) exactly(c *gate.Call, args []value) bool {
	for _, v := range args {
		if v.t.kind == double {
			w.fail(c.Pos(), c.Name+" takes no binary floats", "cast it to decimal(p,s), or give the column a decimal type under types")
		}
	}
	return w.numbers(c, args)
}

// scaled divides a whole number by 10^places.
func scaled(sql string, places int) value {
	whole := "CAST(" + sql + " AS DECIMAL(38,0))"
	t := sqlType{decimal, 38, places}
	if places > 0 {
		whole = "CAST(" + whole + " * DECIMAL '0." + strings.Repeat("0", places-1) + "1' AS " + t.name() + ")"
	}
	return value{sql: whole, t: t}
}

func power(n int) value {
	return value{sql: "DECIMAL '1" + strings.Repeat("0", n) + "'", t: sqlType{kind: whole, precision: n + 1}}
}

func convertAmount(w *writer, c *gate.Call, args []value) value {
	places := literalArgument(c, 2)
	if !w.exactly(c, args[:2]) {
		return null(sqlType{decimal, 38, places})
	}
	amount := w.times(c, w.times(c, w.wide(args[0]), w.wide(args[1])), power(places))
	return scaled(w.once(amount, func(x string) string { // halves go to the even neighbour
		return "floor(" + x + ") + CASE WHEN " + x + " - floor(" + x + ") > DECIMAL '0.5' THEN 1" +
			" WHEN " + x + " - floor(" + x + ") = DECIMAL '0.5' AND floor(" + x + ") % 2 <> 0 THEN 1 ELSE 0 END"
	}), places)
}

func divide(w *writer, c *gate.Call, args []value) value {
	places := literalArgument(c, 2)
	if !w.exactly(c, args[:2]) {
		return null(sqlType{decimal, 38, places})
	}
	units := func(v value) string { // of 10^-10, a whole number
		return w.once(v, func(x string) string {
			narrow := "CAST(" + x + " AS DECIMAL(38,10))"
			if v.t.scale > 10 {
				narrow = "CASE WHEN " + x + " IS NULL OR " + narrow + " = " + x + " THEN " + narrow + " ELSE CAST(fail('divide takes decimals of at most 10 places') AS DECIMAL(38,10)) END"
			}
			return "CAST(" + narrow + " * DECIMAL '10000000000' AS DECIMAL(38,0))"
		})
	}
	// Trino divides decimals without places to a whole number, halves away from zero.
	return scaled("("+units(args[0])+" * "+power(places).sql+") / nullif("+units(args[1])+", DECIMAL '0')", places)
}
