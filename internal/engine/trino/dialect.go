package trino

import (
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/match"
)

// Dialect writes SQL for Trino.
type Dialect struct{}

var _ match.Dialect = Dialect{}

// Name returns "trino".
func (Dialect) Name() string { return "trino" }

// Text quotes a text literal. A NUL is left out, as everywhere.
func (Dialect) Text(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, "\x00", ""), "'", "''") + "'"
}

// Literal writes a typed literal; dates and times are in ISO 8601.
func (d Dialect) Literal(value string, t kalla.Type) string {
	if t.Kind == kalla.Text || t.Kind == kalla.Other {
		return d.Text(value)
	}
	return "CAST(" + d.Text(value) + " AS " + d.TypeName(t) + ")"
}

// TypeName returns Trino's name of a type. Instants are timestamps in UTC: hive
// has no type for them.
func (Dialect) TypeName(t kalla.Type) string {
	switch t.Kind {
	case kalla.Integer:
		return "BIGINT"
	case kalla.DecimalKind:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case kalla.Float:
		return "DOUBLE"
	case kalla.Boolean:
		return "BOOLEAN"
	case kalla.Date:
		return "DATE"
	case kalla.Timestamp, kalla.TimestampTZ:
		return "TIMESTAMP(6)"
	}
	return "VARCHAR"
}

// RowID returns the column that numbers the rows of a staged table.
func (Dialect) RowID() string { return engine.RowColumn }

// TextOf renders a value as DuckDB does: ISO 8601 dates, times without needless
// zeros, decimals with all their places, binary floats by their shortest digits.
func (Dialect) TextOf(expr string, t kalla.Type) string {
	text := "CAST(" + expr + " AS VARCHAR)"
	switch t.Kind {
	case kalla.Text, kalla.Other:
		return expr
	case kalla.Float:
		return "kalla_float_text(" + expr + ")"
	case kalla.Timestamp, kalla.TimestampTZ:
		text = "trim(TRAILING '.' FROM trim(TRAILING '0' FROM CAST(" + expr + " AS VARCHAR)))"
		if t.Kind == kalla.TimestampTZ {
			return "(" + text + " || '+00')"
		}
	}
	return text
}

// Decimal converts to DECIMAL, NULL where the value does not fit.
func (Dialect) Decimal(expr string, precision, scale int) string {
	return fmt.Sprintf("TRY_CAST(%s AS DECIMAL(%d,%d))", expr, precision, scale)
}

// Sum adds up exact numbers in 38 digits. Adding a decimal widens integers, whose sum would overflow.
func (Dialect) Sum(expr string) string { return "sum(" + expr + " + DECIMAL '0')" }

// KeyHash gives the key itself: Trino groups by it as fast as by a hash.
func (Dialect) KeyHash(exprs []string) string {
	if len(exprs) == 1 {
		return exprs[0]
	}
	return "ROW(" + strings.Join(exprs, ", ") + ")"
}

// Days is the number of days from one date to another.
func (Dialect) Days(from, to string) string { return "date_diff('day', " + from + ", " + to + ")" }

// Microseconds is the time from one timestamp to another.
func (Dialect) Microseconds(from, to string) string {
	return "(kalla_epoch_us(" + to + ") - kalla_epoch_us(" + from + "))"
}

// AddDays moves a date.
func (Dialect) AddDays(date string, days int) string {
	return fmt.Sprintf("date_add('day', %d, %s)", days, date)
}

// AddSeconds moves a timestamp.
func (Dialect) AddSeconds(timestamp string, seconds int64) string {
	return fmt.Sprintf("date_add('second', %d, %s)", seconds, timestamp)
}

// whiteSpace lists the characters of Unicode's White_Space property.
const whiteSpace = " \t\n\v\f\r\u0085\u00a0\u1680" +
	"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
	"\u2028\u2029\u202f\u205f\u3000"

// Letters whose stroke or missing dot has no decomposition in Unicode.
const (
	strokeLetters = "ŁłØøĐđĦħŦŧı"
	plainLetters  = "LlOoDdHhTti"
)

// Normalize applies one step to text.
func (d Dialect) Normalize(step kalla.Normalize, expr string) string {
	switch step {
	case kalla.Trim:
		return "trim(BOTH " + d.Text(whiteSpace) + " FROM " + expr + ")"
	case kalla.Upper: // Java has no capital for ß; it came to Unicode late
		return "replace(upper(" + expr + "), 'ß', 'ẞ')"
	case kalla.Unaccent:
		return "translate(normalize(regexp_replace(normalize(" + expr + ", NFD), " + d.Text(marks) + "), NFC), " + d.Text(strokeLetters) + ", " + d.Text(plainLetters) + ")"
	case kalla.Alnum:
		return "regexp_replace(" + expr + ", " + d.Text(notAlnum) + ")"
	case kalla.Digits:
		return "regexp_replace(" + expr + ", '[^0-9]+')"
	case kalla.StripLeadingZeros:
		return "trim(LEADING '0' FROM " + expr + ")"
	}
	return "regexp_replace(" + expr + ", " + d.Text("["+whiteSpace+"]+") + ", ' ')" // collapse_spaces
}

// Dissimilarity is 1 − score in millionths.
func (Dialect) Dissimilarity(method kalla.Method, a, b string) string {
	return "kalla_" + string(method) + "_diff(" + a + ", " + b + ")"
}

// StartsWith reports whether a text begins with another.
func (Dialect) StartsWith(s, prefix string) string { return "starts_with(" + s + ", " + prefix + ")" }

// Contains reports whether a text occurs in another.
func (Dialect) Contains(s, part string) string { return "(strpos(" + s + ", " + part + ") > 0)" }

// Soundex is the American Soundex code.
func (Dialect) Soundex(expr string) string { return "kalla_soundex(" + expr + ")" }

// Ngrams lists the distinct runs of n characters.
func (Dialect) Ngrams(expr string, n int) string { return fmt.Sprintf("kalla_ngrams(%s, %d)", expr, n) }
