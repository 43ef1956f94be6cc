package infer

import (
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/source"
)

// dateForms are how dates are written where staging leaves them as text, by the pattern that all values must have.
var dateForms = []struct{ pattern, format string }{
	{`[0-3]?[0-9]\.[01]?[0-9]\.[0-9]{4}`, "%d.%m.%Y"},
	{`[0-3]?[0-9]\.[01]?[0-9]\.[0-9]{2}`, "%d.%m.%y"},
	{`[0-3]?[0-9]/[01]?[0-9]/[0-9]{4}`, "%d/%m/%Y"},
	{`[01]?[0-9]/[0-3]?[0-9]/[0-9]{4}`, "%m/%d/%Y"},
	{`[0-3]?[0-9]-[01]?[0-9]-[0-9]{4}`, "%d-%m-%Y"},
	{`[0-9]{4}/[01]?[0-9]/[0-3]?[0-9]`, "%Y/%m/%d"},
	{`(19|20)[0-9]{2}[01][0-9][0-3][0-9]`, "%Y%m%d"},
	{`(19|20)[0-9]{2}-[01][0-9]`, "%Y-%m"},
	{`[01][0-9]/(19|20)[0-9]{2}`, "%m/%Y"},
	{`[0-3]?[0-9][- ][A-Za-z]{3}[- ][0-9]{4}`, "%d-%b-%Y"},
}

// numberForms are how numbers are written that staging leaves as text.
var numberForms = []struct{ pattern, decimal, thousands string }{
	{`[-+]?[0-9]+(,[0-9]+)?`, ",", ""},
	{`[-+]?[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?`, ",", "."},
	{`[-+]?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?`, ".", ","},
}

// retype finds the text columns whose values are all dates or numbers written
// in a way that staging does not guess, and gives them their types.
func (d *drafter) retype() error {
	for _, s := range []*side{d.left, d.right} {
		replace := map[string]string{}
		for _, c := range s.columns {
			if _, declared := s.types[c.name]; declared || d.without(typeID(c)) {
				continue
			}
			var err error
			switch c.typ.Kind {
			case kalla.Text, kalla.Integer:
				err = d.retypeColumn(s, c, replace)
			}
			if err != nil {
				return err
			}
		}
		if len(replace) == 0 {
			continue
		}
		var list []string
		for _, c := range s.columns {
			if e, ok := replace[c.name]; ok {
				list = append(list, e+" AS "+d.d.Ident(c.name))
			}
		}
		if err := d.exec("CREATE OR REPLACE TABLE %s AS SELECT * REPLACE (%s) FROM %s", s.table, strings.Join(list, ", "), s.table); err != nil {
			return err
		}
	}
	return nil
}

// all reports whether every value of a column satisfies a condition over {x}; a few values are asked first.
func (d *drafter) all(s *side, c *column, condition string) (bool, error) {
	x := "CAST(" + d.d.Ident(c.name) + " AS VARCHAR)"
	for _, from := range []string{"(SELECT * FROM " + s.table + " LIMIT 100)", s.table} {
		var yes bool
		q := fmt.Sprintf("SELECT count(*) > 0 AND coalesce(bool_and(coalesce(%s, FALSE)), FALSE) FROM %s t WHERE %s <> ''",
			strings.ReplaceAll(condition, "{x}", x), from, x)
		if from != s.table { // among the first there may be none
			q = strings.Replace(q, "SELECT count(*) > 0 AND coalesce(bool_and(", "SELECT coalesce(bool_and(", 1)
			q = strings.Replace(q, "FALSE)), FALSE)", "FALSE)), TRUE)", 1)
		}
		if err := d.row(q, &yes); err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}

func (d *drafter) retypeColumn(s *side, c *column, replace map[string]string) error {
	x := d.d.Ident(c.name)
	if c.typ.Kind == kalla.Integer && !means(c.name, "date") {
		return nil
	}
	for _, f := range dateForms {
		ok, err := d.all(s, c, fmt.Sprintf("regexp_full_match({x}, %s) AND try_strptime({x}, %s) IS NOT NULL", d.d.Text(f.pattern), d.d.Text(f.format)))
		if err != nil {
			return err
		}
		if !ok || f.format == "%Y%m%d" && !means(c.name, "date") {
			continue
		}
		c.typ = kalla.Type{Kind: kalla.Date, Format: f.format}
		s.types[c.name] = c.typ
		c.typ.Format = ""
		replace[c.name] = fmt.Sprintf("CAST(try_strptime(nullif(CAST(%s AS VARCHAR), ''), %s) AS DATE)", x, d.d.Text(f.format))
		d.note(Evidence{ID: typeID(c), Path: "sources." + string(s.name) + ".types", What: c.name + " is a date", Support: "all values are written " + f.format})
		return nil
	}
	if c.typ.Kind != kalla.Text || s.in.Source.Format != source.CSV || s.in.Source.Has("decimal") {
		return nil
	}
	for _, f := range numberForms {
		if s.options != nil && (s.options["decimal"] != f.decimal || f.thousands != "" && s.options["thousands"] != "" && s.options["thousands"] != f.thousands) {
			continue
		}
		// Leading zeros mean a reference; without any decimal mark it would not be text.
		ok, err := d.all(s, c, fmt.Sprintf("regexp_full_match({x}, %s) AND NOT regexp_matches({x}, '^[-+]?0[0-9]')", d.d.Text(f.pattern)))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		plain := "CAST(" + x + " AS VARCHAR)"
		if f.thousands != "" {
			plain = fmt.Sprintf("replace(%s, %s, '')", plain, d.d.Text(f.thousands))
		}
		if f.decimal != "." {
			plain = fmt.Sprintf("replace(%s, %s, '.')", plain, d.d.Text(f.decimal))
		}
		var places int
		if err := d.row(fmt.Sprintf("SELECT coalesce(max(CASE WHEN contains(v, '.') THEN length(v) - strpos(v, '.') ELSE 0 END), 0) FROM (SELECT %s AS v FROM %s)", plain, s.table), &places); err != nil {
			return err
		}
		c.typ = kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: min(places, 8)}
		s.types[c.name] = c.typ
		if s.options == nil {
			s.options = map[string]string{}
		}
		s.options["decimal"] = f.decimal
		if f.thousands != "" {
			s.options["thousands"] = f.thousands
		}
		replace[c.name] = fmt.Sprintf("CAST(nullif(%s, '') AS %s)", plain, d.d.TypeName(c.typ))
		d.note(Evidence{ID: typeID(c), Path: "sources." + string(s.name) + ".options", What: c.name + " is a number", Support: fmt.Sprintf("all values are written with a decimal %q", f.decimal)})
		return nil
	}
	return nil
}

// profile counts the values of every column, one scan a side.
func (d *drafter) profile() error {
	for _, s := range []*side{d.left, d.right} {
		if err := d.profileColumns(s, s.columns); err != nil {
			return err
		}
	}
	return nil
}

func (d *drafter) profileColumns(s *side, columns []*column) error {
	var list []string
	for _, c := range columns {
		x := d.d.Ident(c.name)
		switch c.typ.Kind {
		case kalla.Text:
			list = append(list, "count(nullif("+x+", ''))", "approx_count_distinct("+x+")")
		case kalla.Other:
			list = append(list, "0", "0")
		default:
			list = append(list, "count("+x+")", "approx_count_distinct("+x+")")
		}
		if c.typ.Numeric() {
			list = append(list, "count_if("+x+" <> 0)", "count_if("+x+" < 0)")
		} else {
			list = append(list, "0", "0")
		}
	}
	values, err := d.numbers("SELECT "+strings.Join(list, ", ")+" FROM "+s.table, len(list))
	if err != nil {
		return err
	}
	for i, c := range columns {
		v := values[4*i:]
		c.filled = int64(v[0])
		c.distinct = min(int64(v[1]), c.filled)
		c.nonzero, c.negative = int64(v[2]), int64(v[3])
		c.digits = 1
		if c.typ.Kind != kalla.Text || c.filled == 0 {
			continue
		}
		if err := d.profileText(s, c); err != nil {
			return err
		}
	}
	return nil
}

// separators are the characters that references are written with or without.
const separators = " -_/.:#()"

// profileText looks at what the values of a text column are made of, in a part of the values where there are many.
func (d *drafter) profileText(s *side, c *column) error {
	x := d.d.Ident(c.name)
	every := max(1, c.distinct/20_000)
	list := []string{"avg(strlen(v))", "max(strlen(v))", "avg(CASE WHEN regexp_matches(v, '[0-9]') THEN 1 ELSE 0 END)", "max(CASE WHEN v <> upper(v) THEN 1 ELSE 0 END)", "max(CASE WHEN strlen(v) <> length(v) THEN 1 ELSE 0 END)"}
	for _, r := range separators {
		list = append(list, "avg(CASE WHEN contains(v, "+d.d.Text(string(r))+") THEN 1 ELSE 0 END)")
	}
	v, err := d.numbers(fmt.Sprintf("SELECT %s FROM (SELECT %s AS v FROM %s WHERE hash(%s) %% %d = 0 GROUP BY 1) WHERE v <> ''", strings.Join(list, ", "), x, s.table, x, every), len(list))
	if err != nil {
		return err
	}
	c.meanLen, c.maxLen, c.digits, c.spaces = v[0], int64(v[1]), v[2], v[5]
	c.lower, c.wide, c.separators = v[3] > 0, v[4] > 0, ""
	for i, r := range separators {
		if v[5+i] > 0 {
			c.separators += string(r)
		}
	}
	return nil
}

// text is a column's value as text, NULL where it is empty.
func (d *drafter) text(c *column, alias string) string {
	x := alias + "." + d.d.Ident(c.name)
	if c.typ.Kind != kalla.Text {
		x = d.d.TextOf(x, c.typ)
	}
	return "nullif(" + x + ", '')"
}
