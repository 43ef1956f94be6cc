package recipe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kalla"
)

// Check compares a valid recipe with the columns of its sources: every column
// that it names exists and has a type that fits its use. The schemas are those
// that staging gives, types: applied. Derived columns may be in them; one that is not has a type
// that nobody knows yet, and fits everywhere. The document gives the faults
// their lines and may be nil. The result is nil when all is well.
func Check(r *kalla.Recipe, doc *Document, left, right kalla.Schema) kalla.Faults {
	c := checker{
		collector: newCollector(doc),
		left:      side{"sources.left", r.Sources.Left, left},
		right:     side{"sources.right", r.Sources.Right, right},
	}
	c.source(c.left)
	c.source(c.right)
	for i, p := range r.Match {
		c.pass(item("match", i), p)
	}
	for i, x := range r.Compare {
		path := item("compare", i)
		l, lok := c.column(join(path, "left"), c.left, x.Left)
		rt, rok := c.column(join(path, "right"), c.right, x.Right)
		if lok && rok {
			c.condition(path, kalla.Condition{Left: x.Left, Right: x.Right, Within: x.Within, Normalize: x.Normalize}, l, rt)
		}
	}
	return c.sorted()
}

type checker struct {
	*collector
	left, right side
}

// side is a source with what is known of its columns.
type side struct {
	path   string
	src    kalla.Source
	schema kalla.Schema
}

// unknownType is the type of a derived column that has not been computed yet.
var unknownType = kalla.Type{}

func (s side) isDerived(name string) bool {
	return slices.ContainsFunc(s.src.Derive, func(d kalla.Derived) bool { return strings.EqualFold(d.Name, name) })
}

// find returns the type of a column of the source or a derived one.
func (s side) find(name string) (kalla.Type, bool) {
	if c, ok := s.schema.Find(name); ok {
		if t, ok := s.src.Types[c.Name]; ok {
			return t, true
		}
		return c.Type, true
	}
	if s.isDerived(name) {
		return unknownType, true
	}
	return unknownType, false
}

// maxListed is how many columns a hint names.
const maxListed = 20

// column looks a column up and reports it when there is none.
func (c checker) column(path string, s side, name string) (kalla.Type, bool) {
	t, ok := s.find(name)
	if ok {
		return t, true
	}
	var names []string
	for _, x := range s.schema {
		names = append(names, x.Name)
	}
	for _, x := range s.src.Derive {
		if !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	var folded []string
	for _, n := range names {
		if strings.EqualFold(n, name) {
			folded = append(folded, n)
		}
	}
	hint := ""
	switch n := nearest(name, names); {
	case len(folded) > 1:
		hint = "there are several that differ by case: " + list(folded, "and")
	case n != "":
		hint = "did you mean " + n + "?"
	case len(names) <= maxListed:
		hint = "its columns are " + list(names, "and")
	default:
		hint = fmt.Sprintf("its columns are %s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	c.add(path, fmt.Sprintf("%s has no column %s", s.src.Alias, quote(name)), hint)
	return unknownType, false
}

func (c checker) source(s side) {
	for _, x := range s.schema {
		if isReserved(x.Name) {
			c.add(s.path, fmt.Sprintf("%s has a column %s, a name that the engine keeps for itself", s.src.Alias, quote(x.Name)),
				"give the column another name in the source; a database can do so in a query")
		}
	}
	for i, name := range s.src.PrimaryKey {
		path := item(join(s.path, "primary_key"), i)
		if t, ok := c.column(path, s, name); ok && t.Kind == kalla.Other {
			c.add(path, "column "+quote(name)+" has no order, so it cannot be a key", "derive a text from it")
		}
	}
	types := make([]string, 0, len(s.src.Types))
	for name := range s.src.Types {
		types = append(types, name)
	}
	slices.Sort(types)
	for _, name := range types {
		c.column(join(join(s.path, "types"), name), s, name)
	}
	for i, f := range s.src.Filters {
		path := item(join(s.path, "filters"), i)
		if t, ok := c.column(join(path, "column"), s, f.Column); ok {
			c.filter(path, f, t)
		}
	}
}

// isReserved reports whether a staged table cannot have a column of that name:
// the engines number rows by rowid, and their own columns begin with kalla_.
func isReserved(name string) bool {
	name = strings.ToLower(name)
	return name == "rowid" || strings.HasPrefix(name, "kalla_")
}

// filter checks that the values are of the column's type.
func (c checker) filter(path string, f kalla.Filter, t kalla.Type) {
	if f.Op == kalla.FilterLike && t.Kind != kalla.Text && t != unknownType {
		c.add(join(path, "op"), fmt.Sprintf("like is for text, and %s is %s", quote(f.Column), typeName(t)), "compare it with eq, gte, between …")
		return
	}
	for i, v := range f.Values {
		where := join(path, "value")
		if len(f.Values) > 1 {
			where = item(where, i)
		}
		if expected, ok := valueFits(v, t); !ok {
			c.add(where, fmt.Sprintf("%s is no value of column %s, which is %s", quote(v), quote(f.Column), typeName(t)), expected)
		}
	}
}

// valueFits reports whether a filter's literal can be read as the type, and how one is written.
func valueFits(s string, t kalla.Type) (expected string, ok bool) {
	switch t.Kind {
	case kalla.Integer, kalla.DecimalKind, kalla.Float:
		_, ok = parseDecimal(s)
		return parameterHint(typeDecimal), ok
	case kalla.Boolean:
		return "write true or false", s == "true" || s == "false"
	case kalla.Date, kalla.Timestamp, kalla.TimestampTZ:
		if isDate(s) {
			return "", true
		}
		if t.Kind != kalla.Date {
			for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
				if at, err := time.Parse(layout, s); err == nil && at.Year() >= 1 {
					return "", true
				}
			}
			return "write it like 2026-11-30 or 2026-11-30T08:15:00", false
		}
		return "write it like 2026-11-30", false
	}
	return "", true
}

// typeName says a type in the words of the recipe.
func typeName(t kalla.Type) string {
	if t.Kind == kalla.DecimalKind && t.Precision > 0 {
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	if t.Kind == kalla.Other {
		return "of a type without comparison"
	}
	return string(t.Kind)
}
