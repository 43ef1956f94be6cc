package duckdb

import (
	"strings"
	"time"

	"kalla"
)

// classifyHead looks at the values in the head of a file without the engine,
// for which planning a query costs more than a small file. It gives the forms
// that formSQL gives; ok is false where a value is too odd to tell, so that
// the engine must.
func (f *csvFile) classifyHead(head string, declared []*kalla.Type) (classes []valueClass, ok bool) {
	rr, err := newRecordReader(strings.NewReader(head), f.dialect)
	if err != nil {
		return nil, false
	}
	rr.single = len(f.names) == 1
	if f.header {
		if _, _, err := rr.next(); err != nil {
			return nil, false
		}
	}
	classes = make([]valueClass, len(f.names))
	null, nf := f.src.Get("null"), numberFormatOf(f.src)
	for {
		fields, _, err := rr.next()
		if err != nil { // the end, or something that the engine will complain about
			return classes, true
		}
		for i, v := range fields {
			if v == "" || v == null || i >= len(classes) || declared[i] != nil || classes[i].forms&formText != 0 {
				continue // text stays text, whatever follows
			}
			seen, ok := nf.classify(v)
			if !ok {
				return nil, false
			}
			c := &classes[i]
			c.forms |= seen.forms
			c.scale, c.whole = max(c.scale, seen.scale), max(c.whole, seen.whole)
		}
	}
}

// classify tells the form of one value.
func (n numberFormat) classify(v string) (class valueClass, ok bool) {
	if c := v[0]; c < ',' || c >= ':' {
		return valueClass{forms: formText}, true
	}
	if class, ok := n.classifyNumber(v); ok {
		return class, true
	}
	if len(v) < 10 || v[4] != '-' || v[7] != '-' {
		return valueClass{forms: formText}, true
	}
	// What time.Parse takes is a date or time for the engine too. What it does
	// not take may be one all the same.
	layouts := []struct {
		layout string
		form   form
	}{{time.DateOnly, formDate}, {time.DateTime, formTimestamp}, {"2006-01-02T15:04:05", formTimestamp}, {"2006-01-02T15:04:05Z07:00", formInstant}}
	for _, l := range layouts {
		if l.form != formDate && (len(v) < len(time.DateTime) || v[13] != ':' || v[16] != ':') {
			continue // an hour of one digit
		}
		if t, err := time.Parse(l.layout, v); err == nil && t.Year() > 0 && fractionDigits(v) <= 6 {
			return valueClass{forms: l.form}, true
		}
	}
	return valueClass{}, false
}

// fractionDigits counts the digits behind the point of a time.
func fractionDigits(v string) int {
	i := strings.IndexByte(v, '.')
	if i < 0 {
		if strings.IndexByte(v, ',') >= 0 {
			return 99 // time.Parse takes a comma, the engine does not
		}
		return 0
	}
	n := 0
	for _, c := range []byte(v[i+1:]) {
		if c < '0' || c > '9' {
			break
		}
		n++
	}
	return n
}

// classifyNumber tells the form of a number; ok is false for anything else.
func (n numberFormat) classifyNumber(v string) (class valueClass, ok bool) {
	digits := strings.TrimPrefix(v, "-")
	whole, frac, point := strings.Cut(digits, n.point)
	if point && (frac == "" || !onlyDigits(frac)) {
		return class, false
	}
	plain := whole
	if n.thousands != "" && strings.Contains(whole, n.thousands) {
		groups := strings.Split(whole, n.thousands)
		for i, g := range groups {
			if len(g) != 3 && i > 0 || len(g) > 3 || g == "" {
				return class, false
			}
		}
		if groups[0][0] == '0' {
			return class, false
		}
		plain = strings.Join(groups, "")
	}
	if plain == "" && !point || !onlyDigits(plain) || len(plain) > 1 && plain[0] == '0' {
		return class, false
	}
	class = valueClass{forms: formDecimal, scale: len(frac), whole: len(plain)}
	if !point && (v[0] != '-' || plain != "0") {
		if class.forms = formInteger; len(plain) > 18 {
			class.forms = formWide
		}
	}
	return class, true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
