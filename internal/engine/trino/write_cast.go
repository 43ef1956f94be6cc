package trino

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"kalla/internal/gate"
)

// as is an implicit conversion to the type that a value takes among others.
func (w *writer) as(at gate.Position, v value, to sqlType) string {
	if v.t == to && v.literal == nil || v.t.kind == text && to.kind == text {
		return v.sql
	}
	return w.convert(at, v, to, false)
}

// Texts that are not read here because DuckDB reads them by rules of its own:
// exponents, other bases, underscores, times behind dates, eras. They stop the
// run rather than give another value. Each pattern takes in all that DuckDB reads.
const (
	plainNumber = `^[ \t\n\x0b\f\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[ \t\n\x0b\f\r]*$`
	oddNumber   = `^[ \t\n\x0b\f\r]*[+-]?(0[xXbB]|[0-9.]*[0-9][0-9._]*([eE][+-]?[0-9._]+)?)[0-9a-fA-F_]*[ \t\n\x0b\f\r]*$`
	plainDate   = `^[ \t\n\x0b\f\r]*([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})[ \t\n\x0b\f\r]*$`
	plainTime   = `^[ \t\n\x0b\f\r]*([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})[ T]((?:[01]?[0-9]|2[0-3]):[0-5]?[0-9](?::[0-5]?[0-9](?:\.[0-9]{1,6})?)?)[ \t\n\x0b\f\r]*$`
	oddDate     = `(?i)^[ \t\n\x0b\f\r]*([0-9-]+[-/ \\][0-9]|[+-]?inf|epoch)`
)

// white is what DuckDB leaves out around a number or a date.
const white = "U&' \\0009\\000a\\000b\\000c\\000d'"

var truths = map[string]string{"true": "true", "t": "true", "1": "true", "yes": "true", "y": "true",
	"false": "false", "f": "false", "0": "false", "no": "false", "n": "false"}

// convert is a conversion as DuckDB makes it; one that tries gives NULL where the value does not fit.
func (w *writer) convert(at gate.Position, v value, to sqlType, try bool) string {
	plain := func(sql string) string { // Trino's own
		if try {
			return "TRY_CAST(" + sql + " AS " + to.name() + ")"
		}
		return "CAST(" + sql + " AS " + to.name() + ")"
	}
	refused := func() string {
		return w.fail(at, fmt.Sprintf("%v cannot be cast to %s", v.t, strings.ToLower(to.name())), "cast to varchar first, or leave the cast out").sql
	}
	from := v.t
	switch {
	case from.kind == unknown:
		return "CAST(NULL AS " + to.name() + ")"
	case from.kind == opaque:
		return refused()
	case from == to:
		return v.sql
	case to.kind == text && from.temporal(): // engines write other years in ways of their own
		return w.once(v, func(x string) string {
			return "CASE WHEN year(" + x + ") BETWEEN 1 AND 9999 THEN " + w.TextOf(x, from.kallaType()) +
				" WHEN " + x + " IS NOT NULL THEN CAST(fail('a date is not between the years 1 and 9999') AS VARCHAR) END"
		})
	case to.kind == text:
		return w.TextOf(v.sql, from.kallaType())
	case from.kind == text:
		return w.fromText(at, v, to, try)
	case to.kind == boolean && from.numeric():
		return "(" + v.sql + " <> 0)"
	case from.kind == boolean && to.exact():
		return plain("CAST(" + v.sql + " AS INTEGER)")
	case from.kind == double && to.kind == whole: // DuckDB rounds halves to even
		return plain(w.once(v, func(x string) string {
			return "CASE WHEN abs(" + x + " - truncate(" + x + ")) = 0.5E0 THEN 2 * round(" + x + " / 2) ELSE round(" + x + ") END"
		}))
	case from.kind == double && to.kind == decimal:
		return w.fail(at, "a binary float is rounded to a decimal in another way here", "give the column a decimal type under types").sql
	case from.numeric() && to.numeric():
		return plain(v.sql)
	case from.temporal() && to.temporal():
		if from.kind == date || to.kind == date {
			return plain(v.sql)
		}
		return v.sql // both hold UTC
	}
	return refused()
}

func (w *writer) fromText(at gate.Position, v value, to sqlType, try bool) string {
	if v.literal != nil {
		if sql, ok := literalAs(v.literal.Value, to); ok {
			return sql
		}
		if !try {
			return w.fail(at, fmt.Sprintf("%q is not %v as it is written here", v.literal.Value, to), "write dates as 2026-01-31, numbers as 12.50").sql
		}
	}
	null := "CAST(NULL AS " + to.name() + ")"
	stop := func(why string) string { return "CAST(fail('" + why + "') AS " + to.name() + ")" }
	if !try {
		null = stop("a text is not " + to.String() + ": write try_cast to have NULL there")
	}
	odd := stop("a text may be " + to.String() + " but is written in a way that only the embedded engine reads")
	branches := func(x string, whens ...string) string {
		return "CASE WHEN " + x + " IS NULL THEN NULL " + strings.Join(whens, " ") + " ELSE " + null + " END"
	}
	tried := func(sql string) string {
		tried := "TRY_CAST(" + sql + " AS " + to.name() + ")"
		if try {
			return tried
		}
		return "coalesce(" + tried + ", " + null + ")"
	}
	when := func(x, pattern, then string) string {
		return "WHEN regexp_like(" + x + ", " + w.Text(pattern) + ") THEN " + then
	}
	return w.once(v, func(x string) string {
		switch to.kind {
		case whole, decimal:
			number := "trim(BOTH " + white + " FROM " + x + ")"
			if to.kind == whole && to != hugeint { // as a decimal, which rounds
				number = "TRY_CAST(" + number + " AS DECIMAL(38,0))"
			}
			return branches(x, when(x, plainNumber, tried(number)), when(x, oddNumber, odd))
		case boolean:
			return branches(x, "WHEN lower("+x+") IN ('true', 't', '1', 'yes', 'y') THEN true", "WHEN lower("+x+") IN ('false', 'f', '0', 'no', 'n') THEN false")
		case date:
			day := func(pattern string) string { return tried("regexp_extract(" + x + ", " + w.Text(pattern) + ", 1)") }
			return branches(x, when(x, plainDate, day(plainDate)), when(x, plainTime, day(plainTime)), when(x, oddDate, odd))
		case timestamp:
			return branches(x, when(x, plainDate, tried("regexp_extract("+x+", "+w.Text(plainDate)+", 1)")),
				when(x, plainTime, tried("regexp_extract("+x+", "+w.Text(plainTime)+", 1) || ' ' || regexp_extract("+x+", "+w.Text(plainTime)+", 2)")),
				when(x, oddDate, odd))
		}
		return w.fail(at, fmt.Sprintf("a text is not read as %v here", to), "give the column its type under types").sql
	})
}

var (
	numberLiteral = regexp.MustCompile(plainNumber)
	dateLiteral   = regexp.MustCompile(plainDate)
	timeLiteral   = regexp.MustCompile(plainTime)
)

// literalAs is a text literal as one of another type; ok is false where it is
// written in a way that is not read here.
func literalAs(s string, to sqlType) (sql string, ok bool) {
	switch to.kind {
	case whole, decimal:
		if !numberLiteral.MatchString(s) {
			return "", false
		}
		x, ok := new(big.Rat).SetString(strings.TrimSpace(s))
		if !ok {
			return "", false
		}
		digits := x.FloatString(to.scale) // rounds half away from zero
		unscaled, _ := new(big.Int).SetString(strings.Replace(digits, ".", "", 1), 10)
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(to.precision)), nil)
		if to.kind == whole && to != hugeint {
			bits := map[sqlType]uint{smallint: 15, integer: 31, bigint: 63}[to]
			limit = new(big.Int).Lsh(big.NewInt(1), bits)
		}
		if unscaled.CmpAbs(limit) >= 0 {
			return "", false
		}
		return "CAST(DECIMAL '" + digits + "' AS " + to.name() + ")", true
	case boolean:
		sql, ok = truths[strings.ToLower(s)]
		return sql, ok
	case date, timestamp, instant:
		day, clock := "", "0:0:0"
		if m := dateLiteral.FindStringSubmatch(s); m != nil {
			day = m[1]
		} else if m := timeLiteral.FindStringSubmatch(s); m != nil {
			day, clock = m[1], m[2]
		}
		if strings.Count(clock, ":") == 1 {
			clock += ":0"
		}
		t, err := time.Parse("2006-1-2 15:4:5", day+" "+clock) // takes a fraction, too
		if err != nil || t.Year() == 0 {
			return "", false
		}
		if to.kind == date {
			return t.Format("DATE '2006-01-02'"), true
		}
		return t.Format("TIMESTAMP '2006-01-02 15:04:05.000000'"), true
	}
	return "", false
}
