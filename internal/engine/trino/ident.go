package trino

import (
	"strconv"
	"strings"

	"kalla/internal/engine"
)

// Ident quotes a name. Letters, digits and _ of ASCII stand for themselves and
// keep their case, which Trino does not look at but gives back; any other
// character, and what would look like an escape, is written _x41_ by its code
// point, so that every name has a form that hive takes, and no two have the same.
func (Dialect) Ident(name string) string { return `"` + encode(name) + `"` }

func encode(name string) string {
	var b strings.Builder
	escape := func(r rune) { b.WriteString("_x" + strconv.FormatInt(int64(r), 16) + "_") }
	for i, r := range name {
		next := byte(0)
		if i+1 < len(name) {
			next = name[i+1]
		}
		switch {
		case i == 0 && strings.EqualFold(name, engine.RowColumn): // that one is Kalla's own
			escape(r)
		case r == '_' && (next == 'x' || next == 'X'):
			escape(r)
		case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		default:
			escape(r)
		}
	}
	if b.Len() == 0 {
		return "_x_"
	}
	return b.String()
}

// decode is the reverse of encode.
func decode(name string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(name, "_x")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, after, _ := strings.Cut(rest, "_")
		if n, err := strconv.ParseInt(code, 16, 32); err == nil {
			b.WriteRune(rune(n))
		}
		name = after
	}
}
