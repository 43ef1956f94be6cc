// Package kalla holds the nouns of the product: recipes, sources, columns,
// summaries, reasons and errors. Every other package speaks in these terms;
// this one imports only the standard library and a decimal type.
package kalla

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Decimal is an exact decimal number. Money and tolerances are always
// Decimals, never binary floats.
type Decimal = decimal.Decimal

// ParseRate reads a match rate, written 95% or 0.95, as a number of 0..1.
func ParseRate(s string) (Decimal, error) {
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(s), "%")
	digits = strings.TrimSpace(digits)
	rate, err := decimal.NewFromString(digits)
	// An exponent such as 1e999999999 would make the arithmetic below take all memory.
	if err == nil && !strings.ContainsAny(digits, "eE") {
		if isPercent {
			rate = rate.Shift(-2)
		}
		if !rate.IsNegative() && rate.LessThanOrEqual(decimal.NewFromInt(1)) {
			return rate, nil
		}
	}
	return Decimal{}, fmt.Errorf("%q is not a match rate", s)
}

// Side names one of the two sources of a reconciliation.
type Side string

// The two sides.
const (
	Left  Side = "left"
	Right Side = "right"
)

// Other returns the opposite side.
func (s Side) Other() Side {
	if s == Left {
		return Right
	}
	return Left
}

// Kind is the family of a column type, common to all engines.
type Kind string

// The kinds of column types that Kalla distinguishes.
const (
	Text        Kind = "text"
	Integer     Kind = "integer"
	DecimalKind Kind = "decimal"
	Float       Kind = "float" // only where the source itself holds binary floats
	Boolean     Kind = "boolean"
	Date        Kind = "date"
	Timestamp   Kind = "timestamp"   // without time zone
	TimestampTZ Kind = "timestamptz" // an instant
	Other       Kind = "other"       // carried through to the evidence, not comparable
)

// Type is a column type. Precision and Scale are set for DecimalKind only.
// Format is a strptime format for text that is to be read as a date or time
// ("%d.%m.%Y"); it is empty for ISO 8601.
type Type struct {
	Kind      Kind   `json:"kind"`
	Precision int    `json:"precision,omitempty"`
	Scale     int    `json:"scale,omitempty"`
	Format    string `json:"format,omitempty"`
}

// String writes the type as recipes do: "decimal(18,2)", "date", with its format behind it if it has one: "date %d.%m.%Y".
func (t Type) String() string {
	if t.Kind == DecimalKind {
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	if t.Format != "" {
		return string(t.Kind) + " " + t.Format
	}
	return string(t.Kind)
}

// Numeric reports whether values of the type can be subtracted as numbers.
func (t Type) Numeric() bool { return t.Kind == Integer || t.Kind == DecimalKind || t.Kind == Float }

// Temporal reports whether values of the type are dates or times.
func (t Type) Temporal() bool {
	return t.Kind == Date || t.Kind == Timestamp || t.Kind == TimestampTZ
}

// Column is a named, typed column of a source.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Schema is the ordered list of columns of a source.
type Schema []Column

// Find returns the column of that name (exact, then ignoring case) and whether there is one.
func (s Schema) Find(name string) (Column, bool) {
	for _, c := range s {
		if c.Name == name {
			return c, true
		}
	}
	var found Column
	n := 0
	for _, c := range s {
		if equalFold(c.Name, name) {
			found = c
			n++
		}
	}
	return found, n == 1
}
