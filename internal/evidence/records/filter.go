package records

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"kalla"
)

// predicate is a condition of a WHERE clause and the values bound to it.
type predicate struct {
	sql  []string // joined by AND
	args []any
}

func (p *predicate) add(sql string, args ...any) {
	p.sql = append(p.sql, sql)
	p.args = append(p.args, args...)
}

// where is the clause, or nothing.
func (p *predicate) where() string {
	if len(p.sql) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(p.sql, " AND ")
}

// maxDigits is the most digits of a decimal.
const maxDigits = 38

// maxValues is the most values of one filter.
const maxValues = 1000

var filterSigns = map[kalla.FilterOp]string{
	kalla.FilterEq: "=", kalla.FilterNeq: "<>", kalla.FilterGt: ">", kalla.FilterGte: ">=", kalla.FilterLt: "<", kalla.FilterLte: "<=",
}

// filter adds a filter with the meaning that it has in a recipe: NULL passes is_null only.
func (p *predicate) filter(t *table, f kalla.Filter) error {
	c, err := t.column(f.Column)
	if err != nil {
		return err
	}
	col := ident(c.Name)
	if c.text() || f.Op == kalla.FilterLike {
		col = asText(c.Name)
	}
	least, most := 1, 1
	switch f.Op {
	case kalla.FilterIsNull, kalla.FilterIsNotNull:
		least, most = 0, 0
	case kalla.FilterBetween:
		least, most = 2, 2
	case kalla.FilterIn:
		most = maxValues
	case kalla.FilterLike:
	default:
		if filterSigns[f.Op] == "" {
			return filterFault(f, "there is no operation "+strconv.Quote(string(f.Op)), "use eq, neq, gt, gte, lt, lte, between, in, like, is_null or not_null")
		}
	}
	if n := len(f.Values); n < least || n > most {
		want := strconv.Itoa(least)
		if most > least {
			want += " to " + strconv.Itoa(most)
		}
		return filterFault(f, string(f.Op)+" takes "+want+" values, not "+strconv.Itoa(n), "")
	}
	places := make([]string, len(f.Values))
	args := make([]any, len(f.Values))
	for i, v := range f.Values {
		places[i], args[i] = "?", v
		if f.Op == kalla.FilterLike {
			continue
		}
		if places[i], args[i], err = bound(f, c, v); err != nil {
			return err
		}
	}
	switch f.Op {
	case kalla.FilterIsNull:
		p.add(col + " IS NULL")
	case kalla.FilterIsNotNull:
		p.add(col + " IS NOT NULL")
	case kalla.FilterBetween:
		p.add(col+" BETWEEN "+places[0]+" AND "+places[1], args...)
	case kalla.FilterIn:
		p.add(col+" IN ("+strings.Join(places, ", ")+")", args...)
	case kalla.FilterLike:
		p.add(col+" LIKE ?", args...)
	default:
		p.add(col+" "+filterSigns[f.Op]+" "+places[0], args...)
	}
	return nil
}

func filterFault(f kalla.Filter, why, hint string) error {
	return usage("filter on "+f.Column, why, hint)
}

var (
	numberText = regexp.MustCompile(`^([+-]?)0*(\d*)(?:\.(\d*))?$`)
	dateText   = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	timeText   = regexp.MustCompile(`^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$`)
)

// bound is the place of a value in a statement, and the value. Numbers keep
// their own scale: amount < 0.005 means that, whatever the scale of amount.
func bound(f kalla.Filter, c Column, v string) (string, any, error) {
	bad := func(what string) (string, any, error) {
		return "", nil, filterFault(f, strconv.Quote(shorten(v))+" is not "+what+", as the column is", "")
	}
	as := func(typ, v string) (string, any, error) { return "CAST(? AS " + typ + ")", v, nil }
	switch c.Type.Kind {
	case kalla.Integer, kalla.DecimalKind, kalla.Float:
		n := strings.TrimSpace(v)
		m := numberText.FindStringSubmatch(n)
		if m == nil || !strings.ContainsAny(n, "0123456789") {
			return bad("a number")
		}
		if c.Type.Kind == kalla.Float {
			return as("DOUBLE", n)
		}
		whole, frac := m[2], strings.TrimRight(m[3], "0")
		// Both are compared in one decimal type, which has room for that many digits.
		wide, deep := 19, 0
		if c.Type.Kind == kalla.DecimalKind {
			wide, deep = c.Type.Precision-c.Type.Scale, c.Type.Scale
		}
		if max(wide, len(whole))+max(deep, len(frac)) > maxDigits {
			return "", nil, filterFault(f, strconv.Quote(shorten(v))+" has more digits than can be compared with the column",
				"write at most "+strconv.Itoa(maxDigits-deep)+" digits before the point and "+strconv.Itoa(maxDigits-wide)+" behind it")
		}
		width := max(len(whole)+len(frac), 1)
		return as("DECIMAL("+strconv.Itoa(width)+","+strconv.Itoa(len(frac))+")", m[1]+"0"+whole+"."+frac+"0")
	case kalla.Boolean:
		if !slices.Contains([]string{"true", "false"}, v) {
			return bad("true or false")
		}
		return as("BOOLEAN", v)
	case kalla.Date:
		if !dateText.MatchString(v) || !isDate(v) {
			return bad("a date such as 2026-01-31")
		}
		return as("DATE", v)
	case kalla.Timestamp, kalla.TimestampTZ:
		if !timeText.MatchString(v) || !isDate(v[:10]) {
			return bad("a time such as 2026-01-31 12:00:00")
		}
		if c.Type.Kind == kalla.Timestamp {
			return as("TIMESTAMP", v)
		}
		return as("TIMESTAMPTZ", v)
	}
	return "?", v, nil
}

// search adds that a text occurs somewhere in a record, ignoring case. Folding
// the case of every value costs as much as reading it: the longest part of the
// text that has no case is looked for first.
func (p *predicate) search(t *table, needle string) {
	caseless := ""
	for part := range strings.FieldsFuncSeq(needle, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsLetter(r) }) {
		if len(part) > len(caseless) {
			caseless = part
		}
	}
	var either []string
	for _, name := range t.find {
		hay := asText(name)
		var both []string
		if caseless != "" {
			both = append(both, "contains("+hay+", ?)")
			p.args = append(p.args, caseless)
		}
		if caseless != needle {
			both = append(both, "contains(lower("+hay+"), lower(?))")
			p.args = append(p.args, needle)
		}
		either = append(either, strings.Join(both, " AND "))
	}
	if len(either) == 0 {
		either = []string{"false"}
	}
	p.sql = append(p.sql, "("+strings.Join(either, " OR ")+")")
}

// oneOf adds that a text column has one of the values.
func (p *predicate) oneOf(column string, values []string) {
	places := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
	p.sql = append(p.sql, ident(column)+" IN ("+places+")")
	for _, v := range values {
		p.args = append(p.args, v)
	}
}

func shorten(v string) string {
	if r := []rune(v); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return v
}
