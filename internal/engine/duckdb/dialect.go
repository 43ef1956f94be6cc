package duckdb

import (
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/match"
)

// Dialect writes SQL for DuckDB.
type Dialect struct{}

var _ match.Dialect = Dialect{}

// Name returns "duckdb".
func (Dialect) Name() string { return "duckdb" }

// Ident quotes an identifier.
func (Dialect) Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Text quotes a text literal. A NUL cannot stand in SQL text and is left out.
func (Dialect) Text(value string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(value, "\x00", ""), "'", "''") + "'"
}

// Literal writes a typed literal.
func (d Dialect) Literal(value string, t kalla.Type) string {
	if t.Kind == kalla.Text || t.Kind == kalla.Other {
		return d.Text(value)
	}
	if t.Format != "" && t.Temporal() {
		return "strptime(" + d.Text(value) + ", " + d.Text(t.Format) + ")::" + d.TypeName(t)
	}
	return "CAST(" + d.Text(value) + " AS " + d.TypeName(t) + ")"
}

// TypeName returns DuckDB's name of a type.
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
	case kalla.Timestamp:
		return "TIMESTAMP"
	case kalla.TimestampTZ:
		return "TIMESTAMPTZ"
	}
	return "VARCHAR"
}

// StagedDialect is that of queries over staged objects, whose rows are numbered by a column.
type StagedDialect struct{ Dialect }

// RowID returns engine.RowColumn.
func (StagedDialect) RowID() string { return engine.RowColumn }

var dialect Dialect

func ident(name string) string { return dialect.Ident(name) }

func text(value string) string { return dialect.Text(value) }

// RowID returns the pseudo-column that numbers the rows of a table.
func (Dialect) RowID() string { return "rowid" }

// TextOf renders a value as text: ISO 8601 dates, decimals with all their places.
func (Dialect) TextOf(expr string, t kalla.Type) string {
	if t.Kind == kalla.Text {
		return expr
	}
	return "CAST(" + expr + " AS VARCHAR)"
}

// Decimal converts to DECIMAL, NULL where the value does not fit.
func (Dialect) Decimal(expr string, precision, scale int) string {
	return fmt.Sprintf("TRY_CAST(%s AS DECIMAL(%d,%d))", expr, precision, scale)
}

// Sum adds up exact numbers; DuckDB widens by itself.
func (Dialect) Sum(expr string) string { return "sum(" + expr + ")" }

// KeyHash hashes a key to 64 bits.
func (Dialect) KeyHash(exprs []string) string { return "hash(" + strings.Join(exprs, ", ") + ")" }

// Days is the number of days from one date to another.
func (Dialect) Days(from, to string) string { return "(" + to + " - " + from + ")" }

// Microseconds is the time from one timestamp to another.
func (Dialect) Microseconds(from, to string) string {
	return "(epoch_us(" + to + ") - epoch_us(" + from + "))"
}

// AddDays moves a date.
func (Dialect) AddDays(date string, days int) string { return fmt.Sprintf("(%s + (%d))", date, days) }

// AddSeconds moves a timestamp.
func (Dialect) AddSeconds(timestamp string, seconds int64) string {
	return fmt.Sprintf("(%s + to_seconds(%d))", timestamp, seconds)
}

// Normalize applies one step to text.
func (Dialect) Normalize(step kalla.Normalize, expr string) string {
	return "kalla_norm_" + string(step) + "(" + expr + ")"
}

// Dissimilarity is 1 − score in millionths.
func (Dialect) Dissimilarity(method kalla.Method, a, b string) string {
	return "kalla_" + string(method) + "_diff(" + a + ", " + b + ")"
}

// StartsWith reports whether a text begins with another.
func (Dialect) StartsWith(s, prefix string) string { return "starts_with(" + s + ", " + prefix + ")" }

// Contains reports whether a text occurs in another.
func (Dialect) Contains(s, part string) string { return "contains(" + s + ", " + part + ")" }

// Soundex is the American Soundex code.
func (Dialect) Soundex(expr string) string { return "kalla_soundex(" + expr + ")" }

// Ngrams lists the distinct runs of n characters.
func (Dialect) Ngrams(expr string, n int) string { return fmt.Sprintf("kalla_ngrams(%s, %d)", expr, n) }
