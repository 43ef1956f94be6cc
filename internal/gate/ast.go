package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checker walks the syntax tree of one text, refuses what it does not know, and
// replaces functions by their portable definitions.
type checker struct {
	text   string
	prefix int // bytes before the text in what the parser saw
	at     int // position of the node the walk is at, -1 unknown

	tables   Tables
	root     *scope // where an expression is expected: what it sees
	ctes     []cte
	scope    *scope // what the node at hand sees
	nodes    int
	depth    int
	queries  int  // how many queries the walk is in
	ordering bool // the walk is in ORDER BY

	columns   []ColumnRef
	used      map[string]bool
	functions map[string]bool
	patterns  []patternAt
	decimals  bool // DECIMAL without precision was looked for
}

type cte struct {
	name    string
	columns []string // nil means unknown
}

type patternAt struct {
	text string
	at   int
}

// enter counts a node, moves to its position, and refuses fields that are set but not known.
func (c *checker) enter(n node, known ...string) error {
	c.moveTo(n)
	c.nodes++
	if c.nodes > maxGateNodes {
		return c.refuse("the SQL has too many parts", "put the values into a table under extras and join it by its alias")
	}
	for key, v := range n {
		switch key {
		case "class", "type", "query_location":
		default:
			if !unset(v) && !slices.Contains(known, key) {
				return c.refuse(strings.ReplaceAll(key, "_", " ")+" is not allowed here", "")
			}
		}
	}
	return nil
}

// moveTo notes the position of a node; some that the parser makes up have none.
func (c *checker) moveTo(n node) {
	if at, err := strconv.ParseUint(fmt.Sprint(n["query_location"]), 10, 31); err == nil {
		c.at = int(at)
	}
}

func unset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case node:
		if orders, ok := v["orders"]; ok { // an ORDER_MODIFIER that every function has
			return unset(orders)
		}
		if m, ok := v["map"]; ok { // a cte_map
			return unset(m)
		}
		return len(v) == 0
	}
	return false
}

// statement checks the tree as a whole and returns the node of its one query.
func (c *checker) statement(tree node) (node, error) {
	statements := list(tree, "statements")
	if len(statements) != 1 {
		return nil, c.refuse(fmt.Sprintf("there are %d statements", len(statements)), "write one, without a semicolon")
	}
	s, _ := statements[0].(node)
	if !unset(s["named_param_map"]) {
		return nil, c.refuse("? and $ stand for nothing here", "a parameter of the recipe is written ${name}")
	}
	n := obj(s, "node")
	if c.root == nil {
		_, err := c.query(n)
		return n, err
	}
	items := list(n, "select_list")
	if str(n, "type") != "SELECT_NODE" || len(items) != 1 || str(obj(n, "from_table"), "type") != "EMPTY" ||
		!unset(n["modifiers"]) || !unset(n["cte_map"]) || !unset(n["where_clause"]) || !unset(n["group_expressions"]) ||
		!unset(n["having"]) || !unset(n["qualify"]) || !unset(n["sample"]) {
		return nil, c.refuse("this is more than one expression", "write an expression alone; a sub-select goes in parentheses")
	}
	item, _ := items[0].(node)
	if str(item, "alias") != "" {
		return nil, c.refuse("AS "+str(item, "alias")+" is not allowed here", "the name of a derived column is its key in the recipe")
	}
	c.scope = c.root
	checked, err := c.expr(item)
	items[0] = checked
	return n, err
}

// expr checks an expression and returns what stands for it.
func (c *checker) expr(n node) (node, error) {
	c.depth++
	defer func(at int) { c.depth--; c.at = at }(c.at)
	if c.depth > maxGateDepth {
		return nil, c.refuse("the SQL is nested too deeply", "split it into derived columns")
	}
	c.moveTo(n)
	switch str(n, "class") {
	case "CONSTANT":
		return n, c.constant(n)
	case "COLUMN_REF":
		return n, c.column(n)
	case "CONJUNCTION":
		return n, c.children(n, []string{"children"})
	case "COMPARISON":
		return n, c.children(n, []string{"left", "right"})
	case "BETWEEN":
		return n, c.children(n, []string{"input", "lower", "upper"})
	case "OPERATOR":
		if !slices.Contains(operators, str(n, "type")) {
			return nil, c.unknown(n)
		}
		return n, c.children(n, []string{"children"})
	case "CASE":
		return n, c.caseOf(n)
	case "CAST":
		return n, c.cast(n)
	case "FUNCTION":
		return c.function(n)
	case "WINDOW":
		return n, c.window(n)
	case "SUBQUERY":
		return n, c.subquery(n)
	}
	return nil, c.unknown(n)
}

// The operators that are allowed beside those that are functions.
var operators = []string{"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_COALESCE", "COMPARE_IN", "COMPARE_NOT_IN"}

// What to say of classes and types of the tree that people may well write.
var refusals = map[string][2]string{
	"LAMBDA":               {"-> and lambda functions are not portable", "for a field of JSON write json_value(column, '$.field')"},
	"PARAMETER":            {"? and $ stand for nothing here", "a parameter of the recipe is written ${name}"},
	"POSITIONAL_REFERENCE": {"# references are not portable", "name the column"},
	"STAR":                 {"* is not allowed here", "name the columns"},
	"COLLATE":              {"COLLATE is not portable", "compare upper(a) = upper(b)"},
	"DEFAULT":              {"DEFAULT is not allowed here", ""},
	"ARRAY_EXTRACT":        {"lists and their elements are not portable", "for a part of a text write substring or split_part"},
	"ARRAY_SLICE":          {"slices are not portable", "write substring(s, start, length)"},
	"OPERATOR_TRY":         {"TRY is not portable", "write try_cast"},
	"TABLE_FUNCTION":       {"functions that give tables are not allowed: they read files and catalogues", "put the file under extras and join it by its alias"},
	"PIVOT":                {"PIVOT is not portable", "write sum(CASE WHEN … END) and GROUP BY"},
	"SHOW_REF":             {"DESCRIBE, SHOW and SUMMARIZE are not allowed", ""},
	"RECURSIVE_CTE_NODE":   {"recursion is not allowed: it may not end", ""},
}

func (c *checker) unknown(n node) error {
	for _, key := range []string{str(n, "type"), str(n, "class")} {
		if r, ok := refusals[key]; ok {
			return c.refuse(r[0], r[1])
		}
	}
	return c.refuse(str(n, "type")+" is not allowed", "docs/functions.md lists what is")
}

// children checks a node whose fields are expressions or lists of them.
func (c *checker) children(n node, fields []string) error {
	if err := c.enter(n, fields...); err != nil {
		return err
	}
	for _, f := range fields {
		if err := c.field(n, f); err != nil {
			return err
		}
	}
	return nil
}

// field checks the expression, or the list of expressions, in a field; it may be unset.
func (c *checker) field(n node, f string) error {
	switch v := n[f].(type) {
	case nil:
		return nil
	case node:
		if str(v, "alias") != "" {
			return c.refuse("the name "+str(v, "alias")+" is not allowed here", "")
		}
		checked, err := c.expr(v)
		n[f] = checked
		return err
	case []any:
		for i, x := range v {
			e, ok := x.(node)
			if !ok {
				return c.unknown(n)
			}
			if str(e, "alias") != "" {
				return c.refuse("named arguments are not portable: "+str(e, "alias"), "give the value alone")
			}
			checked, err := c.expr(e)
			if err != nil {
				return err
			}
			v[i] = checked
		}
		return nil
	}
	return c.unknown(n)
}

// The types of literals. A binary float is none: 0.02 is a decimal, 2e-2 is not.
var literalTypes = []string{"NULL", "BOOLEAN", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "VARCHAR"}

func (c *checker) constant(n node) error {
	if err := c.enter(n, "value"); err != nil {
		return err
	}
	id := str(obj(obj(n, "value"), "type"), "id")
	switch {
	case id == "DOUBLE":
		return c.refuse("a number with an exponent or more than 38 digits is a binary float, which is not exact", "write it as a decimal: 0.02")
	case !slices.Contains(literalTypes, id):
		return c.refuse("a literal of type "+id+" is not allowed", "")
	}
	return nil
}

func (c *checker) caseOf(n node) error {
	if err := c.enter(n, "case_checks", "else_expr"); err != nil {
		return err
	}
	for _, x := range list(n, "case_checks") {
		check, ok := x.(node)
		if !ok {
			return c.unknown(n)
		}
		if err := c.children(check, []string{"when_expr", "then_expr"}); err != nil {
			return err
		}
	}
	return c.field(n, "else_expr")
}

// The types that a cast may name, as DuckDB calls them.
var castTypes = []string{"VARCHAR", "BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "DATE", "TIMESTAMP"}

func (c *checker) cast(n node) error {
	if err := c.enter(n, "child", "cast_type", "try_cast"); err != nil {
		return err
	}
	t := obj(n, "cast_type")
	id := str(t, "id")
	name := id
	if info := str(obj(t, "type_info"), "name"); info != "" {
		name = info
	}
	switch {
	case id == "DOUBLE" || id == "FLOAT":
		return c.refuse("a cast to "+name+" gives a binary float, which is not exact", "cast to decimal(18,4), say")
	case id == "TIMESTAMP WITH TIME ZONE":
		return c.refuse("a cast to "+name+" depends on a time zone that the text does not name", "give the column its type and format under types")
	case !slices.Contains(castTypes, id):
		return c.refuse("a cast to "+name+" is not allowed", "the types are varchar, boolean, integer, bigint, decimal(p,s), date and timestamp")
	case id == "DECIMAL" && !c.decimals:
		// DuckDB takes a bare decimal for decimal(18,3), other engines for decimal(38,0).
		c.decimals = true
		if at := bareDecimal(c.text); at >= 0 {
			c.at = at + c.prefix
			return c.refuse("decimal without a precision differs between engines", "write decimal(18,2), say")
		}
	}
	return c.field(n, "child")
}

func (c *checker) subquery(n node) error {
	if err := c.enter(n, "subquery_type", "subquery", "child", "comparison_type"); err != nil {
		return err
	}
	if !slices.Contains([]string{"SCALAR", "EXISTS", "NOT_EXISTS", "ANY"}, str(n, "subquery_type")) {
		return c.unknown(n)
	}
	if err := c.field(n, "child"); err != nil {
		return err
	}
	s := obj(n, "subquery")
	if !unset(s["named_param_map"]) {
		return c.unknown(node{"class": "PARAMETER"})
	}
	_, err := c.query(obj(s, "node"))
	return err
}

// selectOf returns the tree of SELECT expr.
func selectOf(expr node) node {
	return node{"error": false, "statements": []any{node{"named_param_map": []any{}, "node": node{
		"type": "SELECT_NODE", "modifiers": []any{}, "cte_map": node{"map": []any{}}, "select_list": []any{expr},
		"from_table":   node{"type": "EMPTY", "alias": "", "sample": nil, "query_location": 0},
		"where_clause": nil, "group_expressions": []any{}, "group_sets": []any{},
		"aggregate_handling": "STANDARD_HANDLING", "having": nil, "sample": nil, "qualify": nil,
	}}}}
}

// equalities returns the (l, r) expressions of the equalities that a predicate demands.
func equalities(n node) [][2]node {
	switch str(n, "type") {
	case "CONJUNCTION_AND":
		var out [][2]node
		for _, x := range list(n, "children") {
			out = append(out, equalities(x.(node))...)
		}
		return out
	case "COMPARE_EQUAL":
		left, right := obj(n, "left"), obj(n, "right")
		switch {
		case sideOf(left) == "l" && sideOf(right) == "r":
			return [][2]node{{left, right}}
		case sideOf(left) == "r" && sideOf(right) == "l":
			return [][2]node{{right, left}}
		}
	}
	return nil
}

// sideOf returns "l" or "r" for an expression over the columns of that side alone, else "".
func sideOf(n node) string {
	sides := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case node:
			switch str(v, "class") {
			case "COLUMN_REF":
				sides[strings.ToLower(fmt.Sprint(list(v, "column_names")[0]))] = true
			case "SUBQUERY":
				sides[""] = true
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(n)
	if len(sides) == 1 {
		for s := range sides {
			return s
		}
	}
	return ""
}
