package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// query checks a SELECT or a set operation and returns the names of its columns, nil where a star hides them.
func (c *checker) query(n node) ([]string, error) {
	c.depth++
	c.queries++
	outer, ctes := c.scope, len(c.ctes)
	defer func() { c.depth--; c.queries--; c.scope, c.ctes = outer, c.ctes[:ctes] }()
	if c.depth > maxGateDepth {
		return nil, c.refuse("the SQL is nested too deeply", "use common table expressions")
	}
	switch str(n, "type") {
	case "SELECT_NODE":
		return c.selectNode(n)
	case "SET_OPERATION_NODE":
		return c.setOperation(n)
	}
	return nil, c.unknown(n)
}

func (c *checker) selectNode(n node) ([]string, error) {
	if err := c.enter(n, "modifiers", "cte_map", "select_list", "from_table", "where_clause",
		"group_expressions", "group_sets", "aggregate_handling", "having"); err != nil {
		return nil, err
	}
	if h := str(n, "aggregate_handling"); h != "STANDARD_HANDLING" {
		return nil, c.refuse("GROUP BY ALL is not portable", "name the columns")
	}
	if len(list(n, "group_sets")) > 1 {
		return nil, c.refuse("grouping sets are not allowed", "write one GROUP BY and UNION ALL")
	}
	if err := c.withClause(n); err != nil {
		return nil, err
	}
	c.scope = &scope{outer: c.scope}
	if err := c.from(obj(n, "from_table")); err != nil {
		return nil, err
	}
	items := list(n, "select_list")
	for i, x := range items {
		item, ok := x.(node)
		if !ok {
			return nil, c.unknown(n)
		}
		checked, err := c.item(item)
		if err != nil {
			return nil, err
		}
		items[i] = checked
	}
	for _, f := range []string{"where_clause", "group_expressions", "having"} {
		if err := c.field(n, f); err != nil {
			return nil, err
		}
	}
	names := outputs(n)
	return names, c.modifiers(n, names)
}

// item checks one element of a select list: an expression that may have a name, or a star.
func (c *checker) item(n node) (node, error) {
	if str(n, "class") == "STAR" {
		if err := c.enter(n, "relation_name"); err != nil {
			return nil, c.refuse("only plain stars are portable", "name the columns")
		}
		name := str(n, "relation_name")
		if name != "" && !c.scope.has(name) {
			return nil, c.refuse("there is no table "+name+" here", "")
		}
		c.addColumn(name, "*")
		return n, nil
	}
	alias := n["alias"]
	n["alias"] = ""
	checked, err := c.expr(n)
	if err == nil {
		checked["alias"] = alias
	}
	return checked, err
}

// outputs returns the column names of a query, "" for those without one, nil where there is a star.
func outputs(n node) []string {
	if str(n, "type") == "SET_OPERATION_NODE" {
		return outputs(obj(n, "left"))
	}
	items := list(n, "select_list")
	names := make([]string, len(items))
	for i, x := range items {
		item, _ := x.(node)
		names[i] = str(item, "alias")
		switch str(item, "class") {
		case "STAR":
			return nil
		case "COLUMN_REF":
			if parts := list(item, "column_names"); names[i] == "" && len(parts) > 0 {
				names[i], _ = parts[len(parts)-1].(string)
			}
		}
	}
	return names
}

func (c *checker) setOperation(n node) ([]string, error) {
	if err := c.enter(n, "modifiers", "cte_map", "setop_type", "left", "right", "setop_all"); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"UNION", "EXCEPT", "INTERSECT"}, str(n, "setop_type")) {
		return nil, c.refuse("UNION BY NAME is not portable", "name the columns in the same order")
	}
	if err := c.withClause(n); err != nil {
		return nil, err
	}
	names, err := c.query(obj(n, "left"))
	if err != nil {
		return nil, err
	}
	if _, err := c.query(obj(n, "right")); err != nil {
		return nil, err
	}
	c.scope = &scope{outer: c.scope, sources: []scopeSource{{columns: names}}}
	return names, c.modifiers(n, names)
}

// withClause checks the common table expressions of a query. Each sees those
// before it, never itself: a name that is not yet defined must not reach the
// engine, which would look for a file of that name.
func (c *checker) withClause(n node) error {
	for _, x := range list(obj(n, "cte_map"), "map") {
		entry, _ := x.(node)
		name, value := str(entry, "key"), obj(entry, "value")
		if err := c.enter(value, "aliases", "query", "materialized"); err != nil {
			return err
		}
		if _, ok := c.tables.find(name); ok || c.cte(name) != nil {
			return c.refuse(name+" is a table already", "give the common table expression another name")
		}
		columns, err := c.query(obj(obj(value, "query"), "node"))
		if err != nil {
			return err
		}
		c.ctes = append(c.ctes, cte{name: name, columns: renamed(columns, list(value, "aliases"))})
	}
	return nil
}

func (c *checker) cte(name string) *cte {
	for i := range c.ctes {
		if strings.EqualFold(c.ctes[i].name, name) {
			return &c.ctes[i]
		}
	}
	return nil
}

// renamed gives columns the names of a list of aliases, which may be shorter.
func renamed(columns []string, aliases []any) []string {
	out := slices.Clone(columns)
	for i, a := range aliases {
		name, _ := a.(string)
		if i < len(out) {
			out[i] = name
		}
	}
	return out
}

func (c *checker) modifiers(n node, names []string) error {
	ordered := false
	for _, x := range list(n, "modifiers") {
		m, _ := x.(node)
		switch str(m, "type") {
		case "DISTINCT_MODIFIER":
			if !unset(m["distinct_on_targets"]) {
				return c.refuse("DISTINCT ON is not portable", "use row_number() OVER (PARTITION BY … ORDER BY …) = 1 in a sub-select")
			}
		case "ORDER_MODIFIER":
			ordered = true
			c.scope.aliases = names
			if err := c.orders(list(m, "orders")); err != nil {
				return err
			}
		case "LIMIT_MODIFIER":
			if !ordered {
				return c.refuse("LIMIT without ORDER BY takes other rows every time", "add ORDER BY the key")
			}
			for _, f := range []string{"limit", "offset"} {
				if m[f] != nil && str(obj(m, f), "class") != "CONSTANT" {
					return c.refuse("LIMIT takes a number", "")
				}
			}
		default:
			return c.refuse("LIMIT with a percentage is not portable", "")
		}
	}
	return nil
}

func (c *checker) orders(orders []any) error {
	defer func(before bool) { c.ordering = before }(c.ordering)
	c.ordering = true
	for _, x := range orders {
		o, _ := x.(node)
		if err := c.enter(o, "null_order", "expression"); err != nil {
			return err
		}
		if err := c.field(o, "expression"); err != nil {
			return err
		}
	}
	return nil
}

var plainName = regexp.MustCompile(`^[\pL_][\pL\p{Nd}_]*$`)

// from checks a FROM clause and adds its tables to the scope.
func (c *checker) from(n node) error {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxGateDepth {
		return c.refuse("too many tables are joined", "")
	}
	columns := list(n, "column_name_alias")
	switch str(n, "type") {
	case "EMPTY":
		return c.enter(n)
	case "BASE_TABLE":
		if err := c.enter(n, "alias", "table_name", "schema_name", "catalog_name", "column_name_alias"); err != nil {
			return c.refuse("only the table itself can be read: no samples, no versions", "")
		}
		return c.baseTable(n, columns)
	case "SUBQUERY":
		if err := c.enter(n, "alias", "subquery", "column_name_alias"); err != nil {
			return c.refuse("samples are not allowed: they differ every time", "")
		}
		names, err := c.query(obj(obj(n, "subquery"), "node"))
		if err != nil {
			return err
		}
		c.scope.sources = append(c.scope.sources, scopeSource{alias: str(n, "alias"), columns: renamed(names, columns)})
		return nil
	case "EXPRESSION_LIST":
		if err := c.enter(n, "alias", "values", "column_name_alias"); err != nil {
			return err
		}
		for _, row := range list(n, "values") {
			cells, _ := row.([]any)
			if err := c.field(node{"cells": cells}, "cells"); err != nil {
				return err
			}
		}
		c.scope.sources = append(c.scope.sources, scopeSource{alias: str(n, "alias")})
		return nil
	case "JOIN":
		return c.join(n)
	}
	return c.unknown(n)
}

func (c *checker) baseTable(n node, columns []any) error {
	name := str(n, "table_name")
	alias := str(n, "alias")
	if alias == "" {
		alias = name
	}
	if str(n, "schema_name") != "" || str(n, "catalog_name") != "" {
		return c.refuse("tables of other schemas cannot be read: "+name, "put the table under extras and join it by its alias")
	}
	if found := c.cte(name); found != nil {
		c.scope.sources = append(c.scope.sources, scopeSource{alias: alias, columns: renamed(found.columns, columns)})
		return nil
	}
	written, ok := c.tables.find(name)
	if !ok {
		if !plainName.MatchString(name) {
			return c.refuse("files cannot be read by their name: "+name, "put the file under extras and join it by its alias")
		}
		hint := "put it under extras and join it by its alias"
		if len(c.tables) > 0 {
			hint = "the tables are " + strings.Join(c.tables.names(), ", ")
		}
		return c.refuse("there is no table "+name+" here", hint)
	}
	c.used[written] = true
	if physical := c.tables[written]; physical != name {
		n["table_name"], n["alias"] = physical, alias
	}
	source := scopeSource{alias: alias, table: written, named: true}
	if len(columns) > 0 {
		source = scopeSource{alias: alias} // some columns have other names: which is not known here
	}
	c.scope.sources = append(c.scope.sources, source)
	return nil
}

func (c *checker) join(n node) error {
	if err := c.enter(n, "left", "right", "condition", "join_type", "ref_type", "using_columns"); err != nil {
		return err
	}
	switch kind := str(n, "ref_type"); kind {
	case "REGULAR", "CROSS":
	case "ASOF":
		return c.refuse("ASOF joins are not portable", "join by the inequality and keep row_number() OVER (PARTITION BY … ORDER BY …) = 1")
	case "NATURAL":
		return c.refuse("NATURAL joins change with the columns of the tables", "write ON or USING")
	default:
		return c.refuse(kind+" joins are not allowed: rows have no order of their own", "write ON")
	}
	if kind := str(n, "join_type"); !slices.Contains([]string{"INNER", "LEFT", "RIGHT", "FULL", "OUTER"}, kind) {
		return c.refuse(kind+" joins are not portable", "write WHERE EXISTS (…) or NOT EXISTS (…)")
	}
	if err := c.from(obj(n, "left")); err != nil {
		return err
	}
	if err := c.from(obj(n, "right")); err != nil {
		return err
	}
	for _, x := range list(n, "using_columns") {
		c.scope.using = append(c.scope.using, fmt.Sprint(x))
	}
	return c.field(n, "condition")
}

// find returns the name of a table as the Tables have it.
func (t Tables) find(name string) (string, bool) {
	for written := range t {
		if strings.EqualFold(written, name) {
			return written, true
		}
	}
	return "", false
}

func (t Tables) names() []string {
	names := make([]string, 0, len(t))
	for n := range t {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

var bareDecimalWord = regexp.MustCompile(`(?i)\b(?:decimal|numeric|dec)\b\s*(?:[^(\s]|$)`)

// bareDecimal returns where a text names the type decimal without a precision, or -1.
func bareDecimal(text string) int {
	if at := bareDecimalWord.FindStringIndex(text); at != nil {
		return at[0]
	}
	return -1
}
