package duckdb

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// valueClass is the set of forms that the values of a text column have, with
// the size of its numbers. The zero value is that of a column without values.
type valueClass struct {
	forms form
	scale int // digits behind the decimal point
	whole int // digits before it
}

// orWanted is the class itself, or, where no value was seen, that of what the
// recipe takes the column for, so that a file without records fits every recipe.
// A value that turns up later decides anew.
func (v valueClass) orWanted(in engine.Input, name string) valueClass {
	same := func(s string) bool { return strings.EqualFold(s, name) }
	switch {
	case v.forms != 0:
	case slices.ContainsFunc(in.Numeric, same):
		v.forms = formDecimal
	case slices.ContainsFunc(in.Dates, same):
		v.forms = formDate
	}
	return v
}

// form is a bit set.
type form int

const (
	formText      form = 1 << iota
	formInteger        // as a number is written by a program: no +, no leading zero, at most 18 digits
	formWide           // the same with more digits
	formDecimal        // the same with a decimal point, or -0
	formDate           // 2026-01-31
	formTimestamp      // 2026-01-31 12:00:00.000000, with a space or a T
	formInstant        // the same with an offset
)

// columnType is the narrowest type that holds all values exactly. It depends
// on the set of values only, not on their order.
func (v valueClass) columnType() kalla.Type {
	switch {
	case v.forms == formInteger:
		return kalla.Type{Kind: kalla.Integer}
	case v.forms&formDecimal != 0 && v.forms&^(formDecimal|formInteger|formWide) == 0:
		if t, ok := decimalFor(v.whole, v.scale); ok {
			return t
		}
	case v.forms == formDate:
		return kalla.Type{Kind: kalla.Date}
	case v.forms&formTimestamp != 0 && v.forms&^(formTimestamp|formDate) == 0:
		return kalla.Type{Kind: kalla.Timestamp}
	case v.forms == formInstant:
		return kalla.Type{Kind: kalla.TimestampTZ}
	}
	return kalla.Type{Kind: kalla.Text}
}

// numberFormat is how numbers are written in a file.
type numberFormat struct {
	point     string // "." or ","
	thousands string // "" for none
}

func numberFormatOf(src source.Source) numberFormat {
	return numberFormat{point: src.Get("decimal"), thousands: src.Get("thousands")}
}

func (n numberFormat) plain() bool { return n.point == "." && n.thousands == "" }

// normal returns SQL that writes the number x as SQL does.
func (n numberFormat) normal(x string) string {
	if n.thousands != "" {
		x = "replace(" + x + ", " + text(n.thousands) + ", '')"
	}
	if n.point != "." {
		x = "replace(" + x + ", " + text(n.point) + ", '.')"
	}
	return x
}

// Regular expressions are of RE2, as DuckDB's are.

func (n numberFormat) whole(digits string) string {
	if n.thousands == "" {
		return digits
	}
	return "(" + digits + "|[1-9]\\d{0,2}(" + regexp.QuoteMeta(n.thousands) + "\\d{3})+)"
}

func (n numberFormat) integer() string { return "0|-?" + n.whole("[1-9]\\d*") }

// decimal matches numbers with at most scale digits behind the point, any number where scale is negative.
func (n numberFormat) decimal(scale int) string {
	p := regexp.QuoteMeta(n.point)
	frac := p + "\\d+"
	switch {
	case scale == 0:
		return "-?(0|" + n.whole("[1-9]\\d*") + ")"
	case scale > 0:
		frac = fmt.Sprintf("%s\\d{1,%d}", p, scale)
	}
	return "-?((0|" + n.whole("[1-9]\\d*") + ")(" + frac + ")?|" + frac + ")"
}

// lenientDecimal also takes a plus, leading zeros, and zeros behind the scale: what
// people write when they mean a number. With a negative scale any number matches.
func (n numberFormat) lenientDecimal(scale int) string {
	p := regexp.QuoteMeta(n.point)
	frac := "\\d*"
	if scale >= 0 {
		frac = fmt.Sprintf("\\d{0,%d}0*", scale)
	}
	return "[+-]?(" + n.whole("\\d+") + "(" + p + frac + ")?|" + p + "\\d" + strings.Replace(frac, fmt.Sprintf("{0,%d}", scale), fmt.Sprintf("{0,%d}", max(scale-1, 0)), 1) + ")"
}

func matches(x, pattern string) string { return "regexp_full_match(" + x + ", " + text(pattern) + ")" }

const (
	timestampPattern = `\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?`
	instantPattern   = `\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d(:?\d\d)?)`
)

// inferredColumn reads a column as what was seen of it, exactly: whatever does
// not come out as it was written is a misfit.
//
// Comparing the cast value's text with the raw one proves that nothing was lost
// at a third of the cost of a regular expression, which only values in another
// form pay for: 12.5 in a column of scale 2.
func (n numberFormat) inferredColumn(v valueClass) column {
	t := v.columnType()
	c := column{Type: t, Cast: "TRY_CAST({x} AS " + dialect.TypeName(t) + ")"}
	const same = "CAST({t} AS VARCHAR) = {x}"
	number := "TRY_CAST(" + n.normal("{x}") + " AS " + dialect.TypeName(t) + ")"
	switch t.Kind {
	case kalla.Integer:
		const bound = " AND {t} BETWEEN -999999999999999999 AND 999999999999999999"
		c.Fits = same + bound
		if !n.plain() {
			c.Cast, c.Fits = number, "{t} IS NOT NULL AND "+matches("{x}", n.integer())+bound
		}
	case kalla.DecimalKind:
		c.Cast, c.Fits = number, "{t} IS NOT NULL AND "+matches("{x}", n.decimal(t.Scale))
		if n.plain() {
			c.Fits = "(" + same + " OR " + c.Fits + ")"
		}
	case kalla.Date:
		c.Fits = "strlen({x}) = 10 AND " + same
	case kalla.Timestamp:
		c.Fits = "strlen({x}) >= 10 AND (strlen({x}) = 19 AND " + same + " OR {t} IS NOT NULL AND " + matches("{x}", timestampPattern) + ")"
	case kalla.TimestampTZ:
		c.Fits = "{t} IS NOT NULL AND " + matches("{x}", instantPattern)
	default:
		c.Cast = ""
		if v.forms == 0 { // no value was seen; the first one decides
			c.Cast, c.Fits = "{x}", "false"
		}
	}
	return c
}

// declaredColumn reads a column as the recipe says. White space around a value does not count.
func (n numberFormat) declaredColumn(t kalla.Type) column {
	c := column{Type: t, Declared: true, Fits: "{t} IS NOT NULL"}
	trimmed := fmt.Sprintf(trimmedSQL, "{x}")
	cast := func(x string) string { return "TRY_CAST(" + x + " AS " + dialect.TypeName(t) + ")" }
	switch t.Kind {
	case kalla.Integer:
		c.Cast = cast(n.normal(trimmed))
		c.Fits += " AND " + matches(trimmed, "[+-]?"+n.whole("\\d+"))
	case kalla.DecimalKind:
		c.Cast = cast(n.normal(trimmed))
		c.Fits += " AND " + matches(trimmed, n.lenientDecimal(t.Scale))
	case kalla.Float:
		c.Cast = cast(n.normal(trimmed))
	case kalla.Boolean:
		c.Cast = "CASE WHEN lower(" + trimmed + ") IN ('true', 't', 'yes', 'y', '1') THEN true WHEN lower(" + trimmed + ") IN ('false', 'f', 'no', 'n', '0') THEN false END"
	case kalla.Date, kalla.Timestamp, kalla.TimestampTZ:
		if t.Format != "" {
			c.Cast = "CAST(try_strptime(" + trimmed + ", " + text(t.Format) + ") AS " + dialect.TypeName(t) + ")"
			break
		}
		c.Cast = cast(trimmed)
		pattern := timestampPattern
		if t.Kind == kalla.Date {
			pattern = `\d{4}-\d\d-\d\d`
		} else if t.Kind == kalla.TimestampTZ {
			pattern += "|" + instantPattern
		}
		c.Fits += " AND " + matches(trimmed, pattern)
	default:
		c.Fits = ""
	}
	return c
}

// classify looks at the values of the columns whose type is not declared, in
// the first limit rows, or in all where limit is 0.
func (s *Session) classify(ctx context.Context, f *csvFile, declared []*kalla.Type, limit int) ([]valueClass, error) {
	from := f.from("")
	if limit > 0 {
		from = fmt.Sprintf("(SELECT * FROM %s LIMIT %d)", f.from(fmt.Sprintf(", parallel=false, buffer_size=%d", 2*maxRecord)), limit)
	}
	raws := make([]string, len(f.names))
	for i := range raws {
		if declared[i] == nil {
			raws[i] = rawName(i)
		}
	}
	return s.classifyColumns(ctx, from, raws, numberFormatOf(f.src))
}

// classifyColumns looks at text columns, given as SQL over from. Those that are "" are left out.
func (s *Session) classifyColumns(ctx context.Context, from string, raws []string, nf numberFormat) ([]valueClass, error) {
	out := make([]valueClass, len(raws))
	var first, second, third []string
	var targets []any
	for i, raw := range raws {
		if raw == "" {
			continue
		}
		x, k, n := helper("x", i), helper("k", i), helper("n", i)
		first = append(first, raw+" AS "+x)
		second = append(second, formSQL(x, nf)+" AS "+k, "ltrim("+nf.normal(x)+", '-') AS "+n)
		isNumber := fmt.Sprintf("FILTER (%s IN (%d, %d, %d))", k, formInteger, formWide, formDecimal)
		third = append(third, "coalesce(bit_or("+k+"), 0)", "coalesce(max("+scaleSQL(n)+") "+isNumber+", 0)", "coalesce(max("+wholeSQL(n)+") "+isNumber+", 0)")
		targets = append(targets, &out[i].forms, &out[i].scale, &out[i].whole)
	}
	if len(third) == 0 {
		return out, nil
	}
	q := "SELECT " + strings.Join(third, ", ") + " FROM (SELECT " + strings.Join(second, ", ") +
		" FROM (SELECT " + strings.Join(first, ", ") + " FROM " + from + "))"
	return out, s.conn.QueryRowContext(ctx, q).Scan(targets...)
}

// scaleSQL and wholeSQL count the digits behind and before the point of a number without sign.
func scaleSQL(n string) string {
	return "CASE WHEN strpos(" + n + ", '.') > 0 THEN strlen(" + n + ") - strpos(" + n + ", '.') ELSE 0 END"
}

func wholeSQL(n string) string {
	return "CASE WHEN strpos(" + n + ", '.') > 0 THEN strpos(" + n + ", '.') - 1 ELSE strlen(" + n + ") END"
}

// formSQL returns the form of a value, NULL for NULL. Most text is told by its first byte.
func formSQL(x string, nf numberFormat) string {
	return fmt.Sprintf("CASE WHEN %[1]s IS NULL THEN NULL WHEN %[1]s < ',' OR %[1]s >= ':' THEN %[2]d "+
		"WHEN %[3]s THEN CASE WHEN strlen(ltrim(%[4]s, '-')) <= 18 THEN %[5]d ELSE %[6]d END "+
		"WHEN %[7]s THEN %[8]d "+
		"WHEN strlen(%[1]s) = 10 AND CAST(TRY_CAST(%[1]s AS DATE) AS VARCHAR) = %[1]s THEN %[9]d "+
		"WHEN %[10]s AND strlen(%[1]s) > 10 AND TRY_CAST(%[1]s AS TIMESTAMP) IS NOT NULL THEN %[11]d "+
		"WHEN %[12]s AND TRY_CAST(%[1]s AS TIMESTAMPTZ) IS NOT NULL THEN %[13]d ELSE %[2]d END",
		x, formText, matches(x, nf.integer()), nf.normal(x), formInteger, formWide, matches(x, nf.decimal(-1)), formDecimal,
		formDate, matches(x, timestampPattern), formTimestamp, matches(x, instantPattern), formInstant)
}

const trimmedSQL = `trim(%s, E' \t\r\n')`

// notNumber is the condition under which the text raw is not a number that people would take for one.
func (n numberFormat) notNumber(raw string) string {
	return "NOT " + matches(fmt.Sprintf(trimmedSQL, raw), n.lenientDecimal(-1))
}

// numericText finds the decimal type of a text column whose values the recipe
// takes for numbers. bad counts those that are none.
func (s *Session) numericText(ctx context.Context, from, raw string, nf numberFormat) (t kalla.Type, bad int64, err error) {
	x := fmt.Sprintf(trimmedSQL, raw)
	var scale, whole int
	q := fmt.Sprintf("SELECT count(*) FILTER (%s), coalesce(max(%s), 0), coalesce(max(%s), 0) FROM (SELECT %s AS x, CASE WHEN contains(n, '.') THEN rtrim(n, '0') ELSE n END AS n "+
		"FROM (SELECT %s AS x, ltrim(%s, '+-0') AS n FROM %s))", nf.notNumber("x"), scaleSQL("n"), wholeSQL("n"), "x", x, nf.normal(x), from)
	if err := s.conn.QueryRowContext(ctx, q).Scan(&bad, &scale, &whole); err != nil {
		return t, 0, err
	}
	t, ok := decimalFor(whole, scale)
	if bad == 0 && !ok {
		return t, 0, &kalla.Error{Code: kalla.CodeSource, Why: "its numbers have more than 38 digits", Hint: "compare the column as text"}
	}
	return t, bad, nil
}
