package gate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The decimal places that convert and divide can round to, from 0.
const (
	MaxConvertPlaces = 4
	MaxDividePlaces  = 10
)

// portable is a function that recipes may use.
type portable struct {
	least, most int    // arguments; most < 0 means any number
	macro       string // what stands for it, where DuckDB's own of that name means something else
	args        map[int]argument
	kind        functionKind
	rewrite     func(c *checker, n node, children []node) (node, error) // instead of macro
}

type functionKind int

const (
	scalar    functionKind = iota
	aggregate              // also over a window
	ranking                // over an ordered window only
)

// argument checks an argument that must be a literal.
type argument func(c *checker, n node) error

// functions are the functions of docs/functions.md, operators included.
var functions = map[string]portable{
	"concat":        {least: 2, most: -1, rewrite: concatenation},
	"||":            {least: 2, most: 2},
	"lower":         {least: 1, most: 1},
	"upper":         {least: 1, most: 1},
	"trim":          {least: 1, most: 1, macro: "kalla_norm_trim"},
	"length":        {least: 1, most: 1},
	"lpad":          {least: 3, most: 3, args: map[int]argument{1: integer(0, 1000), 2: someText}},
	"replace":       {least: 3, most: 3, args: map[int]argument{1: someText}},
	"split_part":    {least: 3, most: 3, macro: "kalla_split_part", args: map[int]argument{1: someText, 2: integer(1, 1000)}},
	"starts_with":   {least: 2, most: 2},
	"strpos":        {least: 2, most: 2, args: map[int]argument{1: someText}},
	"substring":     {least: 2, most: 3, macro: "kalla_substring"},
	"~~":            {least: 2, most: 2}, // LIKE
	"!~~":           {least: 2, most: 2},
	"normalize_ref": {least: 1, most: 1, macro: "kalla_normalize_ref"},
	"similarity":    {least: 2, most: 2, macro: "kalla_similarity"},

	"regexp_extract": {least: 2, most: 3, macro: "kalla_regexp_extract", args: map[int]argument{1: pattern, 2: integer(0, 99)}},
	"regexp_like":    {least: 2, most: 2, macro: "kalla_regexp_like", args: map[int]argument{1: pattern}},
	"regexp_replace": {least: 3, most: 3, macro: "kalla_regexp_replace", args: map[int]argument{1: pattern, 2: replacement}},
	"json_value":     {least: 2, most: 2, macro: "kalla_json_value", args: map[int]argument{1: jsonPath}},

	"+":               {least: 1, most: 2},
	"-":               {least: 1, most: 2},
	"*":               {least: 2, most: 2, macro: "kalla_times"},
	"%":               {least: 2, most: 2},
	"abs":             {least: 1, most: 1},
	"round":           {least: 1, most: 2, args: map[int]argument{1: integer(0, 18)}},
	"floor":           {least: 1, most: 1},
	"ceil":            {least: 1, most: 1},
	"greatest":        {least: 2, most: 4, macro: "kalla_greatest"},
	"least":           {least: 2, most: 4, macro: "kalla_least"},
	"nullif":          {least: 2, most: 2},
	"tolerance_match": {least: 3, most: 3, macro: "kalla_tolerance_match"},
	"convert":         {least: 3, most: 3, args: map[int]argument{2: integer(0, MaxConvertPlaces)}, rewrite: byPlaces("kalla_convert_")},
	"divide":          {least: 3, most: 3, args: map[int]argument{2: integer(0, MaxDividePlaces)}, rewrite: byPlaces("kalla_divide_")},

	"date_diff":  {least: 3, most: 3, macro: "kalla_date_diff", args: map[int]argument{0: oneOf(units...)}},
	"date_trunc": {least: 2, most: 2, args: map[int]argument{0: oneOf(units...)}},
	"date_add":   {least: 3, most: 3, macro: "kalla_date_add", args: map[int]argument{0: oneOf(units...)}},
	"date_part":  {least: 2, most: 2, args: map[int]argument{0: oneOf("year", "quarter", "month", "day", "hour", "minute")}}, // EXTRACT
	"year":       {least: 1, most: 1},
	"month":      {least: 1, most: 1},
	"day":        {least: 1, most: 1},

	"count":       {least: 1, most: 1, kind: aggregate},
	"count_star":  {kind: aggregate},
	"sum":         {least: 1, most: 1, kind: aggregate},
	"min":         {least: 1, most: 1, kind: aggregate},
	"max":         {least: 1, most: 1, kind: aggregate},
	"row_number":  {kind: ranking},
	"rank":        {kind: ranking},
	"dense_rank":  {kind: ranking},
	"lag":         {least: 1, most: 1, kind: ranking}, // DuckDB keeps offset and default apart
	"lead":        {least: 1, most: 1, kind: ranking},
	"first_value": {least: 1, most: 1, kind: ranking},
	"last_value":  {least: 1, most: 1, kind: ranking},
}

var units = []string{"year", "quarter", "month", "week", "day", "hour", "minute", "second"}

// sameFunction maps spellings to the portable one.
var sameFunction = map[string]string{"substr": "substring", "char_length": "length", "character_length": "length",
	"ceiling": "ceil", "datediff": "date_diff", "datetrunc": "date_trunc", "datepart": "date_part"}

// Functions returns the names of the functions that recipes may call, sorted, operators left out.
func Functions() []string {
	names := slices.Collect(maps.Keys(functions))
	names = slices.DeleteFunc(names, func(n string) bool { return !plainName.MatchString(n) || n == "count_star" || n == "date_part" })
	names = append(names, "cast", "coalesce", "try_cast", "extract")
	slices.Sort(names)
	return names
}

// function checks a call and puts the portable definition in its place.
func (c *checker) function(n node) (node, error) {
	if err := c.enter(n, "function_name", "schema", "children", "filter", "order_bys", "distinct", "is_operator"); err != nil {
		return nil, err
	}
	name, f, err := c.lookup(n)
	if err != nil {
		return nil, err
	}
	switch {
	case f.kind == ranking:
		return nil, c.refuse(name+" needs OVER (… ORDER BY …)", "")
	case f.kind == aggregate && c.queries == 0:
		return nil, c.refuse(name+" goes over many rows, and there is one here", "use a sub-select over a table of extras")
	case f.kind == scalar && (flag(n, "distinct") || n["filter"] != nil):
		return nil, c.refuse(name+" takes neither DISTINCT nor FILTER", "")
	case !unset(n["order_bys"]):
		return nil, c.refuse("ORDER BY inside "+name+" is not portable", "")
	}
	if err := c.field(n, "filter"); err != nil {
		return nil, err
	}
	return c.call(n, name, f)
}

// lookup finds the function that a node calls, by the allow-list.
func (c *checker) lookup(n node) (string, portable, error) {
	name := strings.ToLower(str(n, "function_name"))
	if same, ok := sameFunction[name]; ok {
		name = same
		n["function_name"] = same
	}
	if s := str(n, "schema"); s != "" && s != "main" { // the parser itself writes main for EXTRACT and the like
		return "", portable{}, c.refuse("functions of other schemas are not allowed: "+s+"."+name, "")
	}
	f, ok := functions[name]
	if !ok {
		why, hint := refusedFunction(name)
		return "", portable{}, c.refuse(why, hint)
	}
	if name == "count_star" { // the parser's name for count(*)
		name = "count"
	}
	c.functions[name] = true
	return name, f, nil
}

// call checks the arguments and returns what stands for the call.
func (c *checker) call(n node, name string, f portable) (node, error) {
	args := list(n, "children")
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		return nil, c.refuse(fmt.Sprintf("%s takes %s, not %d", name, countOf(f.least, f.most), len(args)), "docs/functions.md shows how it is called")
	}
	for i, x := range args {
		if check := f.args[i]; check != nil {
			arg, _ := x.(node)
			if err := check(c, arg); err != nil {
				return nil, err
			}
		}
	}
	if err := c.field(n, "children"); err != nil {
		return nil, err
	}
	if f.rewrite != nil {
		children := make([]node, len(args))
		for i, x := range args {
			children[i] = x.(node)
		}
		return f.rewrite(c, n, children)
	}
	if f.macro != "" {
		n["function_name"], n["schema"], n["is_operator"] = f.macro, "", false
	}
	return n, nil
}

func countOf(least, most int) string {
	switch {
	case most < 0:
		return fmt.Sprintf("%d arguments or more", least)
	case least == most && least == 1:
		return "1 argument"
	case least == most:
		return fmt.Sprintf("%d arguments", least)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

func (c *checker) window(n node) error {
	if err := c.enter(n, "function_name", "schema", "children", "partitions", "orders", "start", "end",
		"start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr", "exclude_clause"); err != nil {
		return err
	}
	name, f, err := c.lookup(n)
	if err != nil {
		return err
	}
	if name == "count" && unset(n["children"]) { // so the parser has count(*) OVER
		f = functions["count_star"]
	}
	switch {
	case f.kind == scalar:
		return c.refuse(name+" is not a window function", "")
	case c.queries == 0:
		return c.refuse("window functions go over many rows, and there is one here", "")
	case f.kind == ranking && unset(n["orders"]):
		return c.refuse(name+" without ORDER BY gives another result every time", "add ORDER BY the key to OVER (…)")
	case str(n, "exclude_clause") != "NO_OTHER":
		return c.refuse("EXCLUDE in a window is not portable", "")
	case strings.HasSuffix(str(n, "start"), "_GROUPS") || strings.HasSuffix(str(n, "end"), "_GROUPS"):
		return c.refuse("GROUPS in a window is not allowed", "write ROWS or RANGE")
	}
	if _, err := c.call(n, name, f); err != nil {
		return err
	}
	for _, key := range []string{"partitions", "start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr"} {
		if err := c.field(n, key); err != nil {
			return err
		}
	}
	return c.orders(list(n, "orders"))
}

// concatenation writes concat as ||, which is NULL when a part is; DuckDB's concat skips NULLs.
func concatenation(_ *checker, n node, children []node) (node, error) {
	out := asText(children[0])
	for _, child := range children[1:] {
		out = node{"class": "FUNCTION", "type": "FUNCTION", "alias": "", "query_location": n["query_location"],
			"function_name": "||", "schema": "", "catalog": "", "children": []any{out, asText(child)},
			"filter": nil, "order_bys": n["order_bys"], "distinct": false, "is_operator": true, "export_state": false}
	}
	return out, nil
}

func asText(n node) node {
	return node{"class": "CAST", "type": "OPERATOR_CAST", "alias": "", "query_location": n["query_location"], "child": n,
		"cast_type": node{"id": "VARCHAR", "type_info": nil}, "try_cast": false}
}

// byPlaces makes the last argument, the decimal places, part of the macro's name: the type of the result depends on it.
func byPlaces(macro string) func(*checker, node, []node) (node, error) {
	return func(_ *checker, n node, children []node) (node, error) {
		last := len(children) - 1
		places, _ := literalInteger(children[last])
		n["function_name"], n["schema"] = macro+strconv.Itoa(places), ""
		n["children"] = list(n, "children")[:last]
		return n, nil
	}
}

func literalText(n node) (string, bool) {
	v := obj(n, "value")
	s, ok := v["value"].(string)
	return s, ok && str(n, "class") == "CONSTANT" && str(obj(v, "type"), "id") == "VARCHAR"
}

func literalInteger(n node) (int, bool) {
	v := obj(n, "value")
	i, err := strconv.Atoi(fmt.Sprint(v["value"]))
	return i, err == nil && str(n, "class") == "CONSTANT" && str(obj(v, "type"), "id") == "INTEGER"
}

func integer(least, most int) argument {
	return func(c *checker, n node) error {
		if i, ok := literalInteger(n); !ok || i < least || i > most {
			return c.refuse(fmt.Sprintf("a whole number from %d to %d must stand here, written out", least, most), "")
		}
		return nil
	}
}

func someText(c *checker, n node) error {
	if s, ok := literalText(n); !ok || s == "" {
		return c.refuse("a text in quotes, not empty, must stand here", "engines differ in what an empty one means")
	}
	return nil
}

func oneOf(words ...string) argument {
	return func(c *checker, n node) error {
		if s, ok := literalText(n); !ok || !slices.Contains(words, s) {
			return c.refuse("the unit must be one of "+strings.Join(words, ", ")+", in quotes and small letters", "")
		}
		return nil
	}
}

// pattern accepts what Go's, DuckDB's and Trino's RE2 have in common.
func pattern(c *checker, n node) error {
	s, ok := literalText(n)
	if !ok {
		return c.refuse("a regular expression in quotes must stand here", "")
	}
	if _, err := regexp.Compile(s); err != nil {
		return c.refuse(fmt.Sprintf("%q is not a regular expression: %s", s, strings.TrimPrefix(err.Error(), "error parsing regexp: ")),
			"the syntax is RE2's: no back references, no look-around")
	}
	c.patterns = append(c.patterns, patternAt{s, c.at})
	return nil
}

func replacement(c *checker, n node) error {
	if s, ok := literalText(n); !ok || strings.ContainsAny(s, `\$`) {
		return c.refuse(`a text in quotes, without \ and $, must stand here`, "engines differ in how groups are named; use regexp_extract and concat")
	}
	return nil
}

var plainPath = regexp.MustCompile(`^\$(\.[A-Za-z_][A-Za-z0-9_]*|\."[^"\\*]+"|\[[0-9]{1,9}\])*$`)

func jsonPath(c *checker, n node) error {
	if s, ok := literalText(n); !ok || !plainPath.MatchString(s) {
		return c.refuse("a path in quotes must stand here, of names and positions only", `'$.payment."end to end"[0]'`)
	}
	return nil
}
