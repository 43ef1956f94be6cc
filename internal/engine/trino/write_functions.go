package trino

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/gate"
)

// callWriter writes a call whose arguments are written.
type callWriter func(w *writer, c *gate.Call, args []value) value

// calls are the functions and operators of docs/functions.md that are not over many rows.
var calls map[string]callWriter

func init() { // not a literal: the writers refer to it
	calls = map[string]callWriter{
		"concat": concat, "||": concat,
		"lower":         texts(of(text), func(w *writer, a []string) string { return "lower(" + a[0] + ")" }),
		"upper":         texts(of(text), func(w *writer, a []string) string { return w.Normalize(kalla.Upper, a[0]) }),
		"trim":          texts(of(text), func(w *writer, a []string) string { return w.Normalize(kalla.Trim, a[0]) }),
		"length":        texts(bigint, func(_ *writer, a []string) string { return "length(" + a[0] + ")" }),
		"replace":       texts(of(text), func(_ *writer, a []string) string { return "replace(" + strings.Join(a, ", ") + ")" }),
		"starts_with":   texts(of(boolean), func(w *writer, a []string) string { return w.StartsWith(a[0], a[1]) }),
		"strpos":        texts(bigint, func(_ *writer, a []string) string { return "strpos(" + a[0] + ", " + a[1] + ")" }),
		"~~":            texts(of(boolean), func(_ *writer, a []string) string { return "(" + a[0] + " LIKE " + a[1] + ")" }),
		"!~~":           texts(of(boolean), func(_ *writer, a []string) string { return "(" + a[0] + " NOT LIKE " + a[1] + ")" }),
		"normalize_ref": texts(of(text), normalizeRef),
		"similarity":    texts(sqlType{decimal, 9, 6}, similarity),
		"split_part":    partOf, "lpad": lpad, "substring": substring,
		"regexp_extract": regexpExtract, "regexp_like": regexpLike, "regexp_replace": regexpReplace, "json_value": jsonValue,

		"+": addition, "-": addition, "*": product, "%": remainder,
		"abs": sameType("abs"), "round": round, "floor": toWhole("floor"), "ceil": toWhole("ceil"),
		"greatest": ofCommon("greatest"), "least": ofCommon("least"), "coalesce": ofCommon("coalesce"), "nullif": nullIf,
		"tolerance_match": toleranceMatch, "convert": convertAmount, "divide": divide,

		"date_diff": dateDiff, "date_trunc": dateTrunc, "date_add": dateAdd, "date_part": datePart,
		"year": partNamed("year"), "month": partNamed("month"), "day": partNamed("day"),
	}
}

func (w *writer) call(c *gate.Call) value {
	if isAggregate(c.Name) || c.Over != nil {
		return w.overRows(c)
	}
	write, ok := calls[c.Name]
	if !ok {
		return w.fail(c.Pos(), c.Name+" cannot be computed on a cluster", "run the recipe on the embedded engine, or write it in another way")
	}
	return write(w, c, w.exprs(c.Args))
}

// wants refuses an argument of another kind.
func (w *writer) wants(c *gate.Call, v value, what string, ok bool) {
	if !ok && v.t.kind != unknown {
		w.fail(c.Pos(), fmt.Sprintf("%s takes %s, not %v", called(c.Name), what, v.t), "cast it")
	}
}

// called is what a message calls a function or an operator.
func called(name string) string {
	switch name {
	case "~~":
		return "LIKE"
	case "!~~":
		return "NOT LIKE"
	}
	return name
}

// asTexts are arguments that must be texts.
func (w *writer) asTexts(c *gate.Call, args []value) []string {
	out := make([]string, len(args))
	for i, v := range args {
		w.wants(c, v, "texts", v.t.kind == text)
		out[i] = w.as(c.Pos(), v, of(text))
	}
	return out
}

// texts is a function of texts alone.
func texts(t sqlType, write func(w *writer, args []string) string) callWriter {
	return func(w *writer, c *gate.Call, args []value) value {
		return value{sql: write(w, w.asTexts(c, args)), t: t}
	}
}

// wholeArgument is an argument that is a whole number, as a bigint.
func (w *writer) wholeArgument(c *gate.Call, v value) value {
	w.wants(c, v, "a whole number", v.t.kind == whole)
	return value{sql: w.as(c.Pos(), v, bigint), t: bigint, plain: v.plain}
}

// literalArgument is a number that the gate made sure is written out.
func literalArgument(c *gate.Call, i int) int {
	l, _ := c.Args[i].(*gate.Literal)
	if l == nil {
		return 0
	}
	n, _ := strconv.Atoi(l.Value)
	return n
}

func literalText(c *gate.Call, i int) string {
	l, _ := c.Args[i].(*gate.Literal)
	if l == nil {
		return ""
	}
	return l.Value
}

func concat(w *writer, c *gate.Call, args []value) value {
	parts := make([]string, len(args))
	for i, v := range args {
		parts[i] = w.convert(c.Pos(), v, of(text), false)
	}
	return value{sql: "(" + strings.Join(parts, " || ") + ")", t: of(text)}
}

func normalizeRef(w *writer, a []string) string {
	s := a[0]
	for _, step := range []kalla.Normalize{kalla.Unaccent, kalla.Upper, kalla.Alnum} {
		s = w.Normalize(step, s)
	}
	return "nullif(" + s + ", '')"
}

func similarity(w *writer, a []string) string {
	return "CAST(CAST(1000000 - " + w.Dissimilarity(kalla.Levenshtein, a[0], a[1]) + " AS DECIMAL(7,0)) * DECIMAL '0.000001' AS DECIMAL(9,6))"
}

func partOf(w *writer, c *gate.Call, args []value) value {
	s := w.asTexts(c, args[:2])
	return value{sql: fmt.Sprintf("nullif(split_part(%s, %s, %d), '')", s[0], s[1], literalArgument(c, 2)), t: of(text)}
}

func lpad(w *writer, c *gate.Call, args []value) value {
	s := w.asTexts(c, []value{args[0], args[2]})
	return value{sql: fmt.Sprintf("lpad(%s, %d, %s)", s[0], literalArgument(c, 1), s[1]), t: of(text)}
}

func substring(w *writer, c *gate.Call, args []value) value {
	w.asTexts(c, args[:1])
	s := value{sql: w.as(c.Pos(), args[0], of(text)), t: of(text), plain: args[0].plain}
	from := w.wholeArgument(c, args[1])
	return value{t: of(text), sql: w.once(s, func(s string) string {
		return w.once(from, func(i string) string {
			outside := s + " IS NOT NULL AND (" + i + " = 0 OR -" + i + " > length(" + s + ")"
			if len(args) == 2 {
				return "CASE WHEN " + outside + ") THEN '' ELSE substr(" + s + ", " + i + ") END"
			}
			return w.once(w.wholeArgument(c, args[2]), func(n string) string {
				return "CASE WHEN " + outside + " OR " + n + " < 1) THEN '' ELSE substr(" + s + ", " + i + ", " + n + ") END"
			})
		})
	})}
}

// pattern is a literal pattern as Trino takes it, and its number of groups.
func (w *writer) pattern(c *gate.Call) (string, int) {
	p := literalText(c, 1)
	written, err := Pattern(p)
	if err != nil {
		w.fail(c.Pos(), fmt.Sprintf("the pattern %q cannot be matched on a cluster: %v", p, err), "write it with classes of letters and digits")
	}
	groups := 0
	if re, err := regexp.Compile(p); err == nil {
		groups = re.NumSubexp()
	}
	return w.Text(written), groups
}

func regexpExtract(w *writer, c *gate.Call, args []value) value {
	s := w.asTexts(c, args[:1])[0]
	pattern, groups := w.pattern(c)
	group := 0
	if len(args) > 2 {
		group = literalArgument(c, 2)
	}
	if group > groups {
		return value{sql: "CAST(NULL AS VARCHAR)", t: of(text)}
	}
	return value{sql: fmt.Sprintf("nullif(regexp_extract(%s, %s, %d), '')", s, pattern, group), t: of(text)}
}

func regexpLike(w *writer, c *gate.Call, args []value) value {
	pattern, _ := w.pattern(c)
	return truth("regexp_like(" + w.asTexts(c, args[:1])[0] + ", " + pattern + ")")
}

func regexpReplace(w *writer, c *gate.Call, args []value) value {
	pattern, _ := w.pattern(c)
	if matchesNothing(literalText(c, 1)) {
		return w.fail(c.Pos(), "the pattern of regexp_replace may match an empty text, which engines replace differently", "write + in place of *, say")
	}
	return value{sql: "regexp_replace(" + w.asTexts(c, args[:1])[0] + ", " + pattern + ", " + w.Text(literalText(c, 2)) + ")", t: of(text)}
}

var jsonStep = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_]*)|\."([^"]*)"|(\[[0-9]+\])`)

// DuckDB reads trailing commas and NaN in JSON, which nothing here does.
const oddJSON = `(?is)^[ \t\n\r]*[\[{].*(,[ \t\n\r]*[\]}]|[:,\[][ \t\n\r]*-?(nan|inf|infinity)[ \t\n\r]*[,\]}])`

func jsonValue(w *writer, c *gate.Call, args []value) value {
	w.asTexts(c, args[:1])
	path := "$"
	for _, m := range jsonStep.FindAllStringSubmatch(literalText(c, 1), -1) {
		if m[3] != "" {
			path += m[3]
			continue
		}
		path += `["` + m[1] + m[2] + `"]`
	}
	s := value{sql: w.as(c.Pos(), args[0], of(text)), plain: args[0].plain}
	return value{t: of(text), sql: w.once(s, func(s string) string {
		return "CASE WHEN TRY(json_parse(" + s + ")) IS NOT NULL THEN CAST(json_extract_scalar(" + s + ", " + w.Text(path) + ") AS VARCHAR)" +
			" WHEN regexp_like(" + s + ", " + w.Text(oddJSON) + ") THEN CAST(fail('a text holds JSON that only the embedded engine reads: trailing commas or NaN') AS VARCHAR) END"
	})}
}

func ofCommon(name string) callWriter {
	return func(w *writer, c *gate.Call, args []value) value {
		t := w.common(c.Pos(), strict, args...)
		if t.kind == double && name != "coalesce" {
			w.fail(c.Pos(), name+" of binary floats treats NaN differently", "cast to decimal(18,4), say")
		}
		list := make([]string, len(args))
		for i, v := range args {
			list[i] = w.as(c.Pos(), v, t)
		}
		return value{sql: name + "(" + strings.Join(list, ", ") + ")", t: t}
	}
}

func nullIf(w *writer, c *gate.Call, args []value) value {
	return value{t: args[0].t, sql: w.once(args[0], func(x string) string {
		x0 := args[0]
		x0.sql = x
		return "CASE WHEN " + w.compare(c.Pos(), "=", x0, args[1]) + " THEN NULL ELSE " + x + " END"
	})}
}
