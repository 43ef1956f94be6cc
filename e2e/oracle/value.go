package oracle

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"kalla"
)

// compareValues orders two non-NULL values of one kind: numbers by value, times
// by time, text by its UTF-8 bytes, false before true.
func compareValues(a, b Value) int {
	switch a := a.(type) {
	case decimal.Decimal:
		return a.Cmp(b.(decimal.Decimal))
	case time.Time:
		return a.Compare(b.(time.Time))
	case bool:
		switch {
		case a == b.(bool):
			return 0
		case !a:
			return -1
		}
		return 1
	case string:
		return strings.Compare(a, b.(string))
	}
	panic(fmt.Sprintf("oracle: a value of type %T", a))
}

// compareKeys orders keys column by column; a NULL comes last, and two NULLs
// are equal, which only matters for records that are bad anyway.
func compareKeys(a, b []Value) int {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
			continue
		case a[i] == nil:
			return 1
		case b[i] == nil:
			return -1
		}
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Render is a value as text: decimals with the scale of their column, dates
// and times in ISO 8601 with a space, NULL as nothing.
func Render(v Value, t kalla.Type) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	case decimal.Decimal:
		if t.Kind == kalla.DecimalKind {
			return v.StringFixed(int32(t.Scale))
		}
		return v.String()
	case time.Time:
		v = v.UTC()
		switch t.Kind {
		case kalla.Date:
			return v.Format("2006-01-02")
		case kalla.TimestampTZ:
			return v.Format("2006-01-02 15:04:05.999999") + "+00"
		}
		return v.Format("2006-01-02 15:04:05.999999")
	}
	panic(fmt.Sprintf("oracle: a value of type %T", v))
}

var (
	partEscaper = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	pairEscaper = strings.NewReplacer(`\`, `\\`, `/`, `\/`)
)

// joinKey renders a key as match_id does: one column as it is, several joined by |.
func joinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = partEscaper.Replace(p)
	}
	return strings.Join(out, "|")
}

// floatPlaces is how many decimal places of a binary float are compared.
const floatPlaces = 9

// number returns v as a decimal; NULL is not ok.
func number(v Value) (decimal.Decimal, bool) {
	d, ok := v.(decimal.Decimal)
	return d, ok
}

const secondsPerDay = 24 * 60 * 60

// dayNumber counts calendar days since 1970-01-01 in UTC.
func dayNumber(t time.Time) int64 {
	t = t.UTC()
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return midnight.Unix() / secondsPerDay
}

// exact is a decimal as a fraction.
func exact(d decimal.Decimal) *big.Rat { return d.Rat() }
