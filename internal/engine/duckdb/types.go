package duckdb

import (
	"regexp"
	"strconv"
	"strings"

	"kalla"
)

var decimalName = regexp.MustCompile(`^DECIMAL\((\d+),(\d+)\)$`)

// kallaType maps DuckDB's name of a type to a kind. Wider integers than BIGINT
// are decimals without a scale, so that no value is out of range.
func kallaType(name string) kalla.Type {
	if m := decimalName.FindStringSubmatch(name); m != nil {
		p, _ := strconv.Atoi(m[1])
		s, _ := strconv.Atoi(m[2])
		return kalla.Type{Kind: kalla.DecimalKind, Precision: p, Scale: s}
	}
	switch name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER":
		return kalla.Type{Kind: kalla.Integer}
	case "UBIGINT":
		return kalla.Type{Kind: kalla.DecimalKind, Precision: 20}
	case "HUGEINT", "UHUGEINT":
		return kalla.Type{Kind: kalla.DecimalKind, Precision: 38}
	case "FLOAT", "DOUBLE":
		return kalla.Type{Kind: kalla.Float}
	case "BOOLEAN":
		return kalla.Type{Kind: kalla.Boolean}
	case "DATE":
		return kalla.Type{Kind: kalla.Date}
	case "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS":
		return kalla.Type{Kind: kalla.Timestamp}
	case "TIMESTAMP WITH TIME ZONE":
		return kalla.Type{Kind: kalla.TimestampTZ}
	case "VARCHAR", "UUID", "TIME", "TIME WITH TIME ZONE", "NULL", `"NULL"`:
		return kalla.Type{Kind: kalla.Text}
	}
	if strings.HasPrefix(name, "ENUM(") {
		return kalla.Type{Kind: kalla.Text}
	}
	return kalla.Type{Kind: kalla.Other}
}

// decimalFor returns the decimal type that holds whole digits before the point
// and scale behind it: 18 digits wide where that suffices, as DuckDB computes
// with 64 bits then, else 38. ok is false where neither does.
func decimalFor(whole, scale int) (kalla.Type, bool) {
	switch n := whole + scale; {
	case n <= 18:
		return kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: scale}, true
	case n <= 38:
		return kalla.Type{Kind: kalla.DecimalKind, Precision: 38, Scale: scale}, true
	}
	return kalla.Type{}, false
}

// unsizedDecimal reports whether a declared type leaves the scale to the data.
func unsizedDecimal(t kalla.Type) bool { return t.Kind == kalla.DecimalKind && t.Precision == 0 }
