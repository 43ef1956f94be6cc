package gate

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// ColumnRef is a reference to a column in a checked text.
type ColumnRef struct {
	Qualifier string // "" where the text has none
	Name      string // "*" for a star
	Line      int    // in the text, from 1; 0 where unknown
	Column    int    // in characters, from 1
	scope     *scope // what the reference sees
	ordering  bool   // it stands in ORDER BY, which sees the names of the select list
}

// scope is what an expression sees: the tables of its FROM clause, then those of the queries around it.
type scope struct {
	outer   *scope
	pair    bool // of a predicate, whose columns must be qualified by l or r
	sources []scopeSource
	aliases []string // of the select list, which ORDER BY sees
	using   []string // columns that a join merged
}

// scopeSource is a table in a scope: a named one, whose columns a schema
// gives, or one computed in the text. Its columns are nil where they are not known.
type scopeSource struct {
	alias   string
	table   string
	named   bool
	columns []string
}

func (s *scope) has(alias string) bool {
	for ; s != nil; s = s.outer {
		for _, x := range s.sources {
			if x.alias != "" && strings.EqualFold(x.alias, alias) {
				return true
			}
		}
	}
	return false
}

// Names that are functions of the moment or of the session where no column has them.
var sessionValues = []string{"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
	"current_user", "session_user", "current_role", "current_schema", "current_catalog"}

func (c *checker) column(n node) error {
	if err := c.enter(n, "column_names"); err != nil {
		return err
	}
	var parts []string
	for _, x := range list(n, "column_names") {
		parts = append(parts, fmt.Sprint(x))
	}
	switch len(parts) {
	case 1:
		name := parts[0]
		if slices.Contains(sessionValues, strings.ToLower(name)) {
			return c.refuse(name+" gives another result every time", "use a parameter of the recipe: ${run_date}")
		}
		if c.scope.pair {
			return c.refuse("it is not said which side "+name+" is of", "write l."+name+" or r."+name)
		}
		c.addColumn("", name)
	case 2:
		if !c.scope.has(parts[0]) {
			hint := "columns are named without a table here"
			if c.root == nil || c.root.pair || c.queries > 0 {
				hint = nearest(parts[0], c.scope.visible())
			}
			return c.refuse("there is no table "+parts[0]+" here", hint)
		}
		c.addColumn(parts[0], parts[1])
	default:
		return c.refuse(strings.Join(parts, ".")+" has too many parts", "write table.column")
	}
	return nil
}

func (c *checker) addColumn(qualifier, name string) {
	ref := ColumnRef{Qualifier: qualifier, Name: name, scope: c.scope, ordering: c.ordering}
	if c.at >= 0 {
		ref.Line, ref.Column = lineColumn(c.text, c.at-c.prefix)
	}
	c.columns = append(c.columns, ref)
}

func (s *scope) visible() []string {
	var out []string
	for ; s != nil; s = s.outer {
		for _, x := range s.sources {
			if x.alias != "" {
				out = append(out, x.alias)
			}
		}
	}
	return out
}

// Missing checks the columns of a text against schemas: those of the tables by
// the names that the text uses, of the source of an expression by "", of a
// predicate's sides by "l" and "r". A fault's line and column are those in the
// text. An unqualified name in a sub-select that both the sub-select and the
// query around it have is a fault too: SQL would silently take the inner one.
func (c *Checked) Missing(schemas map[string]kalla.Schema) kalla.Faults {
	var faults kalla.Faults
	for _, ref := range c.Columns {
		if ref.Name == "*" {
			continue
		}
		if problem, hint := ref.resolve(schemas); problem != "" {
			faults = append(faults, kalla.Fault{Line: ref.Line, Column: ref.Column, Problem: problem, Hint: hint})
		}
	}
	return faults
}

func (r ColumnRef) resolve(schemas map[string]kalla.Schema) (problem, hint string) {
	var seen []string // the columns in sight, for the hint
	found := 0        // scopes that have the name
	for s := r.scope; s != nil; s = s.outer {
		if r.ordering && r.Qualifier == "" && found == 0 && contains(s.aliases, r.Name) {
			return "", ""
		}
		here := 0
		for _, x := range s.sources {
			if r.Qualifier != "" && !strings.EqualFold(x.alias, r.Qualifier) {
				continue
			}
			columns := x.names(schemas)
			if columns == nil {
				return "", "" // a star: the engine knows
			}
			seen = append(seen, columns...)
			if contains(columns, r.Name) {
				here++
			} else if r.Qualifier != "" {
				return "there is no column " + r.Name + " in " + r.Qualifier, nearest(r.Name, columns)
			}
		}
		if here > 1 && !contains(s.using, r.Name) {
			return r.Name + " is a column of several tables", "write the table before it: table." + r.Name
		}
		if here > 0 {
			found++
			if r.Qualifier != "" {
				return "", ""
			}
		}
	}
	switch {
	case found == 0:
		return "there is no column " + r.Name, nearest(r.Name, seen)
	case found > 1:
		return r.Name + " is a column of the sub-select's table and of the query around it",
			"write the table before it, or give the outer one another name in an earlier derived column"
	}
	return "", ""
}

func (x scopeSource) names(schemas map[string]kalla.Schema) []string {
	if !x.named {
		return x.columns
	}
	schema, ok := schemas[x.table]
	if !ok {
		return nil
	}
	out := make([]string, len(schema))
	for i, c := range schema {
		out[i] = c.Name
	}
	return out
}

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// nearest proposes the candidate that is the least typing away from name, or lists a few.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := typos(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(candidates) == 0:
		return ""
	case len(candidates) > 12:
		return "there are " + strings.Join(candidates[:12], ", ") + ", …"
	}
	return "there are " + strings.Join(candidates, ", ")
}

// typos is the edit distance of two names.
func typos(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
