package recipe

import (
	"fmt"

	"kalla"
)

func (c checker) pass(path string, p kalla.Pass) {
	for i, cond := range p.When {
		where := item(join(path, "when"), i)
		l, lok := c.column(join(where, "left"), c.left, cond.Left)
		r, rok := c.column(join(where, "right"), c.right, cond.Right)
		if lok && rok {
			c.condition(where, cond, l, r)
		}
	}
	for i, b := range p.Block {
		where := item(join(path, "block"), i)
		l, lok := c.column(join(where, "left"), c.left, b.Left)
		r, rok := c.column(join(where, "right"), c.right, b.Right)
		switch {
		case !lok || !rok:
		case b.Transform == kalla.BlockExact:
			c.comparable(where, b.Left, b.Right, l, r)
		default:
			c.texts(where, fmt.Sprintf("%s is of texts", b.Transform), b.Left, b.Right, l, r)
		}
	}
	if s := p.Sum; s != nil {
		where := join(path, "sum")
		if t, ok := c.column(join(where, "left"), c.left, s.Left); ok {
			c.numeric(join(where, "left"), "left", s.Left, t)
		}
		if t, ok := c.column(join(where, "right"), c.right, s.Right); ok {
			c.numeric(join(where, "right"), "right", s.Right, t)
		}
	}
}

// condition checks the types of a condition whose columns exist.
func (c checker) condition(path string, cond kalla.Condition, l, r kalla.Type) {
	switch w := cond.Within; {
	case w != nil && (w.Days != nil || w.Hours != nil):
		where := join(path, "within")
		c.temporal(where, "left", cond.Left, l)
		c.temporal(where, "right", cond.Right, r)
	case w != nil:
		where := join(path, "within")
		if l.Temporal() && r.Temporal() {
			c.add(where, "the difference of two dates is a time, not a number", "write within: {days: 3} or {hours: 12}")
			return
		}
		c.numeric(where, "left", cond.Left, l)
		c.numeric(where, "right", cond.Right, r)
	case cond.Similar != nil:
		c.texts(join(path, "similar"), "similar is of texts", cond.Left, cond.Right, l, r)
	case isPrefix(cond) || cond.Op == kalla.OpContains || cond.Op == kalla.OpContainedIn:
		c.texts(join(path, "op"), string(cond.Op)+" is of texts", cond.Left, cond.Right, l, r)
	case len(cond.Normalize) > 0:
		c.texts(join(path, "normalize"), "only texts are normalized", cond.Left, cond.Right, l, r)
	default:
		c.comparable(path, cond.Left, cond.Right, l, r)
	}
}

// numeric reports a column that holds no numbers.
func (c checker) numeric(path, side, column string, t kalla.Type) {
	if t == unknownType || t.Numeric() {
		return
	}
	hint := "name a column of amounts"
	if t.Kind == kalla.Text {
		hint = fmt.Sprintf(`if it holds numbers, say so: sources.%s.types: {%s: "decimal(18,2)"}`, side, column)
	} else if t.Temporal() {
		hint = "for dates, write within: {days: 3}"
	}
	c.add(path, fmt.Sprintf("%s column %s is %s, not a number", side, quote(column), typeName(t)), hint)
}

// temporal reports a column that holds no dates.
func (c checker) temporal(path, side, column string, t kalla.Type) {
	if t == unknownType || t.Temporal() {
		return
	}
	hint := "name a column of dates"
	if t.Kind == kalla.Text {
		hint = fmt.Sprintf(`if it holds dates, say how they are written: sources.%s.types: {%s: {type: date, format: "%%d.%%m.%%Y"}}`, side, column)
	} else if t.Numeric() {
		hint = `for numbers, write within: "0.02" or within: 1%`
	}
	c.add(path, fmt.Sprintf("%s column %s is %s, not a date", side, quote(column), typeName(t)), hint)
}

// texts reports columns that hold no text.
func (c checker) texts(path, why, left, right string, l, r kalla.Type) {
	for _, x := range []struct {
		side, column string
		t            kalla.Type
	}{{"left", left, l}, {"right", right, r}} {
		if x.t == unknownType || x.t.Kind == kalla.Text {
			continue
		}
		hint := fmt.Sprintf("if it holds references rather than numbers, read it as text: sources.%s.types: {%s: text}", x.side, x.column)
		if x.t.Temporal() || x.t.Kind == kalla.Other {
			hint = "derive a text from it"
		}
		c.add(path, fmt.Sprintf("%s, and %s column %s is %s", why, x.side, quote(x.column), typeName(x.t)), hint)
	}
}

// family groups the kinds whose values can be compared with each other.
func family(t kalla.Type) string {
	switch {
	case t.Numeric():
		return "number"
	case t.Temporal():
		return "date"
	}
	return string(t.Kind)
}

// comparable reports columns whose values are never equal for being of different families.
// A text and a number, or a truth value, can be: they are compared as text.
func (c checker) comparable(path, left, right string, l, r kalla.Type) {
	if l == unknownType || r == unknownType {
		return
	}
	a, b := family(l), family(r)
	other := string(kalla.Other)
	switch {
	case a == other || b == other:
		side, column := "left", left
		if a != other {
			side, column = "right", right
		}
		c.add(path, fmt.Sprintf("%s column %s is of a type that cannot be compared", side, quote(column)), "derive a text or a number from it")
	case a == b:
	case (a == "text" || b == "text") && a != "date" && b != "date":
	default:
		hint := "compare columns of the same kind"
		if a == "text" && b == "date" {
			hint = fmt.Sprintf(`say how the dates are written: sources.left.types: {%s: {type: date, format: "%%d.%%m.%%Y"}}`, left)
		} else if a == "date" && b == "text" {
			hint = fmt.Sprintf(`say how the dates are written: sources.right.types: {%s: {type: date, format: "%%d.%%m.%%Y"}}`, right)
		}
		c.add(path, fmt.Sprintf("%s is %s and %s is %s: they cannot be compared", quote(left), typeName(l), quote(right), typeName(r)), hint)
	}
}
