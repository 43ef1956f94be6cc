package gate

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// builder makes the exported tree of nodes that have been checked.
type builder struct {
	c   *checker
	err error // the first node that it does not know
}

// clone copies a tree, which the walk changes.
func clone(v any) any {
	switch v := v.(type) {
	case node:
		out := maps.Clone(v)
		for k, x := range out {
			out[k] = clone(x)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i, x := range out {
			out[i] = clone(x)
		}
		return out
	}
	return v
}

// unknown keeps the first refusal; the gate lets nothing through that it cannot describe.
func (b *builder) unknown(n node) {
	if b.err == nil {
		b.c.at = -1
		b.c.moveTo(n)
		b.err = b.c.unknown(n)
	}
}

func (b *builder) pos(n node) Position {
	b.c.at = -1
	b.c.moveTo(n)
	if b.c.at < b.c.prefix {
		return Position{}
	}
	line, column := lineColumn(b.c.text, b.c.at-b.c.prefix)
	return Position{line, column}
}

var comparisons = map[string]string{"COMPARE_EQUAL": "=", "COMPARE_NOTEQUAL": "<>", "COMPARE_LESSTHAN": "<", "COMPARE_GREATERTHAN": ">",
	"COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHANOREQUALTO": ">=",
	"COMPARE_DISTINCT_FROM": "IS DISTINCT FROM", "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM"}

func (b *builder) compareOp(n node, key string) string {
	op, ok := comparisons[str(n, key)]
	if !ok {
		b.unknown(n)
	}
	return op
}

// optional builds the expression of a field that may be unset.
func (b *builder) optional(n node, key string) Expr {
	if x := obj(n, key); x != nil {
		return b.expr(x)
	}
	return nil
}

func (b *builder) exprs(list []any) []Expr {
	var out []Expr
	for _, x := range list {
		n, _ := x.(node)
		out = append(out, b.expr(n))
	}
	return out
}

func (b *builder) expr(n node) Expr {
	pos := b.pos(n)
	switch kind := str(n, "type"); str(n, "class") {
	case "CONSTANT":
		return b.literal(n, pos)
	case "COLUMN_REF":
		parts := list(n, "column_names")
		ref := &Column{Position: pos, Name: fmt.Sprint(parts[len(parts)-1])}
		if len(parts) > 1 {
			ref.Qualifier = fmt.Sprint(parts[0])
		}
		return ref
	case "CONJUNCTION":
		return &Logic{Position: pos, Op: strings.TrimPrefix(kind, "CONJUNCTION_"), Args: b.exprs(list(n, "children"))}
	case "COMPARISON":
		return &Compare{Position: pos, Op: b.compareOp(n, "type"), Left: b.expr(obj(n, "left")), Right: b.expr(obj(n, "right"))}
	case "BETWEEN":
		return &Between{Position: pos, Expr: b.expr(obj(n, "input")), Low: b.expr(obj(n, "lower")), High: b.expr(obj(n, "upper"))}
	case "OPERATOR":
		args := b.exprs(list(n, "children"))
		switch kind {
		case "OPERATOR_NOT":
			return &Not{Position: pos, Expr: args[0]}
		case "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL":
			return &IsNull{Position: pos, Expr: args[0], Not: kind == "OPERATOR_IS_NOT_NULL"}
		case "OPERATOR_COALESCE":
			return &Call{Position: pos, Name: "coalesce", Args: args}
		case "COMPARE_IN", "COMPARE_NOT_IN":
			return &In{Position: pos, Expr: args[0], List: args[1:], Not: kind == "COMPARE_NOT_IN"}
		}
	case "CASE":
		out := &Case{Position: pos, Else: b.optional(n, "else_expr")}
		for _, x := range list(n, "case_checks") {
			check, _ := x.(node)
			out.Whens = append(out.Whens, When{b.expr(obj(check, "when_expr")), b.expr(obj(check, "then_expr"))})
		}
		return out
	case "CAST":
		t := obj(n, "cast_type")
		info := obj(t, "type_info")
		return &Cast{Position: pos, Expr: b.expr(obj(n, "child")), Try: flag(n, "try_cast"),
			Type: CastType{Name: str(t, "id"), Precision: number(info["width"]), Scale: number(info["scale"])}}
	case "FUNCTION":
		return &Call{Position: pos, Name: nameOf(n), Args: b.exprs(list(n, "children")), Distinct: flag(n, "distinct"), Filter: b.optional(n, "filter")}
	case "WINDOW":
		return b.window(n, pos)
	case "SUBQUERY":
		out := &Subquery{Position: pos, Kind: str(n, "subquery_type"), Left: b.optional(n, "child"), Query: b.query(obj(obj(n, "subquery"), "node"))}
		if out.Left != nil {
			out.Op = b.compareOp(n, "comparison_type")
		}
		return out
	}
	b.unknown(n)
	return nil
}

// nameOf returns the portable name of the function that a node calls.
func nameOf(n node) string {
	name := strings.ToLower(str(n, "function_name"))
	if same, ok := sameFunction[name]; ok {
		return same
	}
	return name
}

func number(v any) int {
	var i int
	_, _ = fmt.Sscan(fmt.Sprint(v), &i) // a missing one is 0
	return i
}

func (b *builder) literal(n node, pos Position) Expr {
	v := obj(n, "value")
	info := obj(obj(v, "type"), "type_info")
	value := fmt.Sprint(v["value"])
	if wide := obj(v, "value"); wide != nil { // 128 bits: two's complement in two halves
		upper, _ := new(big.Int).SetString(fmt.Sprint(wide["upper"]), 10)
		lower, _ := new(big.Int).SetString(fmt.Sprint(wide["lower"]), 10)
		if upper == nil || lower == nil {
			b.unknown(n)
			return nil
		}
		value = upper.Lsh(upper, 64).Add(upper, lower).String()
	}
	out := &Literal{Position: pos, Value: value}
	switch id := str(obj(v, "type"), "id"); {
	case flag(v, "is_null") || id == "NULL":
		out.Kind, out.Value = NullLiteral, ""
	case id == "BOOLEAN":
		out.Kind = BooleanLiteral
	case id == "DECIMAL":
		out.Kind, out.Value = DecimalLiteral, point(value, number(info["scale"]))
	case id == "VARCHAR":
		out.Kind = TextLiteral
	default:
		out.Kind = IntegerLiteral
	}
	return out
}

// point puts the decimal point into a whole number.
func point(digits string, scale int) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if scale == 0 {
		return sign + digits
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	at := len(digits) - scale
	return sign + digits[:at] + "." + digits[at:]
}

func (b *builder) window(n node, pos Position) Expr {
	w := &Window{Partition: b.exprs(list(n, "partitions")), Order: b.orders(list(n, "orders"))}
	start, end := str(n, "start"), str(n, "end")
	if start != "UNBOUNDED_PRECEDING" || end != "CURRENT_ROW_RANGE" {
		w.Frame = "RANGE"
		if strings.HasSuffix(start, "_ROWS") || strings.HasSuffix(end, "_ROWS") {
			w.Frame = "ROWS"
		}
	}
	w.From, w.To = Bound{bounds[start], b.optional(n, "start_expr")}, Bound{bounds[end], b.optional(n, "end_expr")}
	if w.From.Kind == "" || w.To.Kind == "" {
		b.unknown(n)
	}
	out := &Call{Position: pos, Name: nameOf(n), Args: b.exprs(list(n, "children")), Filter: b.optional(n, "filter_expr"), Over: w}
	for _, key := range []string{"offset_expr", "default_expr"} {
		if x := b.optional(n, key); x != nil {
			out.Args = append(out.Args, x)
		}
	}
	return out
}

var bounds = map[string]string{"UNBOUNDED_PRECEDING": "UNBOUNDED PRECEDING", "UNBOUNDED_FOLLOWING": "UNBOUNDED FOLLOWING",
	"CURRENT_ROW_ROWS": "CURRENT ROW", "CURRENT_ROW_RANGE": "CURRENT ROW",
	"EXPR_PRECEDING_ROWS": "PRECEDING", "EXPR_PRECEDING_RANGE": "PRECEDING", "EXPR_FOLLOWING_ROWS": "FOLLOWING", "EXPR_FOLLOWING_RANGE": "FOLLOWING"}

func (b *builder) orders(orders []any) []Order {
	var out []Order
	for _, x := range orders {
		o, _ := x.(node)
		out = append(out, Order{Expr: b.expr(obj(o, "expression")), Descending: str(o, "type") == "DESCENDING",
			NullsFirst: strings.HasSuffix(str(o, "null_order"), "FIRST")})
	}
	return out
}

func (b *builder) query(n node) *Query {
	out := &Query{Position: b.pos(n)}
	for _, x := range list(obj(n, "cte_map"), "map") {
		entry, _ := x.(node)
		value := obj(entry, "value")
		out.With = append(out.With, CTE{str(entry, "key"), names(list(value, "aliases")), b.query(obj(obj(value, "query"), "node"))})
	}
	distinct := false
	for _, x := range list(n, "modifiers") {
		m, _ := x.(node)
		switch str(m, "type") {
		case "DISTINCT_MODIFIER":
			distinct = true
		case "ORDER_MODIFIER":
			out.OrderBy = b.orders(list(m, "orders"))
		case "LIMIT_MODIFIER":
			out.Limit, out.Offset = limit(obj(m, "limit")), limit(obj(m, "offset"))
		}
	}
	if str(n, "type") == "SET_OPERATION_NODE" {
		out.Set = &Set{Op: str(n, "setop_type"), All: flag(n, "setop_all"), Left: b.query(obj(n, "left")), Right: b.query(obj(n, "right"))}
		return out
	}
	s := &Select{Distinct: distinct, Where: b.optional(n, "where_clause"), GroupBy: b.exprs(list(n, "group_expressions")), Having: b.optional(n, "having")}
	for _, x := range list(n, "select_list") {
		item, _ := x.(node)
		if str(item, "class") == "STAR" {
			s.Items = append(s.Items, Item{Star: true, Qualifier: str(item, "relation_name")})
			continue
		}
		s.Items = append(s.Items, Item{Expr: b.expr(item), Alias: str(item, "alias")})
	}
	if from := obj(n, "from_table"); str(from, "type") != "EMPTY" {
		s.From = b.relation(from)
	}
	out.Select = s
	return out
}

func limit(n node) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(obj(n, "value")["value"])
}

func names(list []any) []string {
	var out []string
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func (b *builder) relation(n node) Relation {
	pos, alias, columns := b.pos(n), str(n, "alias"), names(list(n, "column_name_alias"))
	switch str(n, "type") {
	case "BASE_TABLE":
		name := str(n, "table_name")
		out := &Table{Position: pos, Physical: name, Alias: alias, Columns: columns}
		if written, ok := b.c.tables.find(name); ok {
			out.Name, out.Physical = written, b.c.tables[written]
		}
		if alias == "" {
			out.Alias = name
		}
		return out
	case "SUBQUERY":
		return &Derived{Position: pos, Query: b.query(obj(obj(n, "subquery"), "node")), Alias: alias, Columns: columns}
	case "EXPRESSION_LIST":
		out := &Values{Position: pos, Alias: alias, Columns: columns}
		for _, row := range list(n, "values") {
			cells, _ := row.([]any)
			out.Rows = append(out.Rows, b.exprs(cells))
		}
		return out
	case "JOIN":
		out := &Join{Position: pos, Kind: str(n, "join_type"), Left: b.relation(obj(n, "left")), Right: b.relation(obj(n, "right")),
			On: b.optional(n, "condition"), Using: names(list(n, "using_columns"))}
		switch {
		case str(n, "ref_type") == "CROSS":
			out.Kind = "CROSS"
		case out.Kind == "OUTER":
			out.Kind = "FULL"
		}
		return out
	}
	b.unknown(n)
	return nil
}
