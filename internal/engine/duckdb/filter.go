package duckdb

import (
	"fmt"
	"regexp"
	"strings"

	"kalla"
	"kalla/internal/engine"
)

// filterSQL writes the filters of an input, those on source columns and those
// on derived ones apart. It also checks that no derived column takes the name of another.
func filterSQL(in engine.Input, schema kalla.Schema) (source, derived []string, err error) {
	taken := map[string]string{}
	for _, c := range schema {
		taken[strings.ToLower(c.Name)] = c.Name
	}
	isDerived := map[string]string{}
	for _, d := range in.Derive {
		key := strings.ToLower(d.Name)
		if other, ok := taken[key]; ok {
			return nil, nil, &kalla.Error{Code: kalla.CodeSource, Where: in.Source.Location(),
				Why:  fmt.Sprintf("the derived column %q has the name of the column %q", d.Name, other),
				Hint: "give the derived column another name"}
		}
		taken[key], isDerived[key] = d.Name, d.Name
	}
	for _, f := range in.Filters {
		if name, ok := isDerived[strings.ToLower(f.Column)]; ok {
			// Its type is known to the engine only, which compares with text as the column's type.
			cond, err := condition(f, name, kalla.Type{Kind: kalla.Other})
			if err != nil {
				return nil, nil, err
			}
			derived = append(derived, cond)
			continue
		}
		c, ok := schema.Find(f.Column)
		if !ok {
			return nil, nil, missingColumn(in, f.Column, schema)
		}
		cond, err := condition(f, c.Name, c.Type)
		if err != nil {
			return nil, nil, err
		}
		source = append(source, cond)
	}
	for _, name := range in.Columns {
		if _, ok := schema.Find(name); !ok && isDerived[strings.ToLower(name)] == "" {
			return nil, nil, missingColumn(in, name, schema)
		}
	}
	return source, derived, nil
}

func missingColumn(in engine.Input, name string, schema kalla.Schema) *kalla.Error {
	names := make([]string, len(schema))
	for i, c := range schema {
		names[i] = c.Name
	}
	e := &kalla.Error{Code: kalla.CodeRecipe, Where: in.Source.Location(),
		Why:  fmt.Sprintf("there is no column %q", name),
		Hint: "the columns are " + shortenList(names)}
	if near := closest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q? ", near) + e.Hint
	}
	return e
}

func shortenList(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

var filterSigns = map[kalla.FilterOp]string{
	kalla.FilterEq: "=", kalla.FilterNeq: "<>", kalla.FilterGt: ">", kalla.FilterGte: ">=", kalla.FilterLt: "<", kalla.FilterLte: "<=",
}

// condition writes one filter. NULL passes is_null only.
func condition(f kalla.Filter, name string, t kalla.Type) (string, error) {
	col := ident(name)
	literals := make([]string, len(f.Values))
	for i, v := range f.Values {
		if f.Op == kalla.FilterLike {
			literals[i] = text(v)
			continue
		}
		l, err := filterLiteral(f, v, t)
		if err != nil {
			return "", err
		}
		literals[i] = l
	}
	need := func(n int) error {
		if len(literals) == n {
			return nil
		}
		return filterFault(f, fmt.Sprintf("%s takes %d value(s), not %d", f.Op, n, len(literals)), "")
	}
	switch f.Op {
	case kalla.FilterIsNull:
		return "(" + col + " IS NULL)", need(0)
	case kalla.FilterIsNotNull:
		return "(" + col + " IS NOT NULL)", need(0)
	case kalla.FilterBetween:
		if err := need(2); err != nil {
			return "", err
		}
		return fmt.Sprintf("(%s BETWEEN %s AND %s)", col, literals[0], literals[1]), nil
	case kalla.FilterIn:
		if len(literals) == 0 {
			return "false", nil
		}
		return "(" + col + " IN (" + strings.Join(literals, ", ") + "))", nil
	case kalla.FilterLike:
		if err := need(1); err != nil {
			return "", err
		}
		return "(CAST(" + col + " AS VARCHAR) LIKE " + literals[0] + ")", nil
	}
	sign, ok := filterSigns[f.Op]
	if !ok {
		return "", filterFault(f, fmt.Sprintf("there is no operation %q", f.Op), "")
	}
	if err := need(1); err != nil {
		return "", err
	}
	return "(" + col + " " + sign + " " + literals[0] + ")", nil
}

func filterFault(f kalla.Filter, why, hint string) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: "reading filters", Where: "column " + f.Column, Why: why, Hint: hint}
}

var (
	numberText = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)$`)
	dateText   = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	timeText   = regexp.MustCompile(`^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$`)
)

// filterLiteral writes a value as a literal of the column's type. Numbers keep
// their own scale: amount < 0.005 means that, whatever the scale of amount.
func filterLiteral(f kalla.Filter, v string, t kalla.Type) (string, error) {
	bad := func(what string) (string, error) {
		return "", filterFault(f, fmt.Sprintf("the value %q is not %s, as the column is", shorten(v), what), "")
	}
	switch t.Kind {
	case kalla.Integer, kalla.DecimalKind:
		n := strings.TrimSpace(v)
		if !numberText.MatchString(n) {
			return bad("a number")
		}
		whole, frac, _ := strings.Cut(strings.TrimLeft(n, "+-"), ".")
		d, ok := decimalFor(max(len(strings.TrimLeft(whole, "0")), 1), len(frac))
		if !ok {
			return bad("a number of at most 38 digits")
		}
		return "CAST(" + text(n) + " AS " + dialect.TypeName(d) + ")", nil
	case kalla.Float:
		if !numberText.MatchString(v) {
			return bad("a number")
		}
		return "CAST(" + text(v) + " AS DOUBLE)", nil
	case kalla.Boolean:
		if v != "true" && v != "false" {
			return bad("true or false")
		}
		return v, nil
	case kalla.Date:
		if !dateText.MatchString(v) {
			return bad("a date such as 2026-01-31")
		}
		return "DATE " + text(v), nil
	case kalla.Timestamp, kalla.TimestampTZ:
		if !timeText.MatchString(v) {
			return bad("a time such as 2026-01-31 12:00:00")
		}
		return "CAST(" + text(v) + " AS " + dialect.TypeName(kalla.Type{Kind: t.Kind}) + ")", nil
	}
	return text(v), nil
}
