package trino

import (
	"fmt"
	"strconv"

	"kalla"
	"kalla/internal/gate"
)

// sqlType is a type as DuckDB has it. Precision and scale are of decimals;
// whole numbers have the digits of their width: 5, 10, 19 or, held as decimals, 38.
type sqlType struct {
	kind             typeKind
	precision, scale int
}

type typeKind int

const (
	unknown typeKind = iota // of NULL
	boolean
	whole
	decimal
	double
	text
	date
	timestamp
	instant // a timestamp with time zone, held in UTC
	opaque  // carried through only
)

var (
	smallint = sqlType{kind: whole, precision: 5}
	integer  = sqlType{kind: whole, precision: 10}
	bigint   = sqlType{kind: whole, precision: 19}
	hugeint  = sqlType{kind: whole, precision: 38}
)

func of(k typeKind) sqlType { return sqlType{kind: k} }

func typeOf(t kalla.Type) sqlType {
	switch t.Kind {
	case kalla.Text:
		return of(text)
	case kalla.Integer:
		return bigint
	case kalla.DecimalKind:
		return sqlType{decimal, t.Precision, t.Scale}
	case kalla.Float:
		return of(double)
	case kalla.Boolean:
		return of(boolean)
	case kalla.Date:
		return of(date)
	case kalla.Timestamp:
		return of(timestamp)
	case kalla.TimestampTZ:
		return of(instant)
	}
	return of(opaque)
}

// name is Trino's name of the type that holds it.
func (t sqlType) name() string {
	switch t.kind {
	case boolean:
		return "BOOLEAN"
	case whole:
		switch t {
		case smallint:
			return "SMALLINT"
		case bigint:
			return "BIGINT"
		case hugeint:
			return "DECIMAL(38,0)"
		}
		return "INTEGER"
	case decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.precision, t.scale)
	case double:
		return "DOUBLE"
	case date:
		return "DATE"
	case timestamp, instant:
		return "TIMESTAMP(6)"
	case unknown:
		return "INTEGER"
	}
	return "VARCHAR"
}

// String is what a message calls the type.
func (t sqlType) String() string {
	switch t.kind {
	case unknown:
		return "NULL"
	case boolean:
		return "a boolean"
	case whole:
		return "a whole number"
	case decimal:
		return fmt.Sprintf("a decimal(%d,%d)", t.precision, t.scale)
	case double:
		return "a binary float"
	case text:
		return "a text"
	case date:
		return "a date"
	case timestamp:
		return "a timestamp"
	case instant:
		return "a timestamp with time zone"
	}
	return "a value of a type that only passes through"
}

func (t sqlType) exact() bool    { return t.kind == whole || t.kind == decimal }
func (t sqlType) numeric() bool  { return t.exact() || t.kind == double }
func (t sqlType) temporal() bool { return t.kind == date || t.kind == timestamp || t.kind == instant }

// kallaType is the type that Dialect.TextOf takes.
func (t sqlType) kallaType() kalla.Type {
	switch t.kind {
	case boolean:
		return kalla.Type{Kind: kalla.Boolean}
	case whole:
		return kalla.Type{Kind: kalla.Integer}
	case decimal:
		return kalla.Type{Kind: kalla.DecimalKind, Precision: t.precision, Scale: t.scale}
	case double:
		return kalla.Type{Kind: kalla.Float}
	case date:
		return kalla.Type{Kind: kalla.Date}
	case timestamp:
		return kalla.Type{Kind: kalla.Timestamp}
	case instant:
		return kalla.Type{Kind: kalla.TimestampTZ}
	}
	return kalla.Type{Kind: kalla.Text}
}

// mixing says what becomes of texts among values of another type.
type mixing int

const (
	strict   mixing = iota // a text is refused, a literal takes the other type
	equality               // a text is read as the other type
	union                  // the other becomes a text
)

// common is the type that values of several take together.
func (w *writer) common(at gate.Position, how mixing, values ...value) sqlType {
	out := values[0]
	for _, v := range values[1:] {
		t, ok := both(out, v, how)
		if !ok {
			w.fail(at, fmt.Sprintf("%v and %v do not go together", out.t, v.t), "cast one of them")
			return out.t
		}
		switch {
		case t == out.t && t == v.t && v.literal == nil:
			out = v // the same type, but not a literal any more
		case t != out.t:
			out = value{t: t}
			if v.t == t {
				out.literal = v.literal
			}
		}
	}
	return out.t
}

// both is the common type of two values, false where there is none.
func both(a, b value, how mixing) (sqlType, bool) {
	if a.t.kind > b.t.kind {
		a, b = b, a
	}
	switch {
	case a.t.kind == opaque || b.t.kind == opaque:
		return a.t, a.t.kind == unknown
	case a.t == b.t:
		return a.t, true
	case a.t.kind == unknown:
		return b.t, true
	case a.t.kind == text: // with a date or time
		return textWith(a, b, how)
	case b.t.kind == text:
		return textWith(b, a, how)
	case a.t.kind == whole && b.t.kind == whole:
		switch {
		case fits(a, b.t):
			return b.t, true
		case fits(b, a.t):
			return a.t, true
		}
		return sqlType{kind: whole, precision: max(a.t.precision, b.t.precision)}, true
	case a.t.kind == boolean:
		return b.t, b.t.kind == whole
	case a.t.numeric() && b.t.kind == double:
		return b.t, true
	case a.t.exact() && b.t.exact():
		before := max(a.t.precision-a.t.scale, b.t.precision-b.t.scale)
		scale := max(a.t.scale, b.t.scale)
		return sqlType{decimal, min(before+scale, 38), scale}, true
	case a.t.temporal() && b.t.temporal():
		return b.t, true
	}
	return a.t, false
}

// fits reports whether a literal takes a narrower type than its own.
func fits(v value, t sqlType) bool {
	if v.literal == nil {
		return false
	}
	n, err := strconv.ParseInt(v.literal.Value, 10, 64)
	return err == nil && (t != smallint || n == int64(int16(n))) && (t != integer || n == int64(int32(n)))
}

func textWith(t, other value, how mixing) (sqlType, bool) {
	switch {
	case how == union:
		return t.t, true
	case t.literal != nil || how == equality:
		return other.t, true
	}
	return t.t, other.literal != nil && other.t.kind == text
}
