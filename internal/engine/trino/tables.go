package trino

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"kalla"
)

// kind is what a statement of a plan does. There are no others.
type kind int

const (
	createTable kind = iota // AS query
	createEmpty             // with columns
	createView
	insert
	dropTable
)

type statement struct {
	kind    kind
	name    string
	columns []column // of createEmpty
	query   string
}

type column struct{ name, typ string }

var statements = []struct {
	kind    kind
	pattern *regexp.Regexp
}{
	{createTable, regexp.MustCompile(`(?s)^CREATE TABLE (\w+) AS\s+(.*)$`)},
	{createEmpty, regexp.MustCompile(`(?s)^CREATE TABLE (\w+) \((.*)\)$`)},
	{createView, regexp.MustCompile(`(?s)^CREATE VIEW (\w+) AS\s+(.*)$`)},
	{insert, regexp.MustCompile(`(?s)^INSERT INTO (\w+)\s+(.*)$`)},
	{dropTable, regexp.MustCompile(`(?s)^DROP TABLE (\w+)()$`)},
}

func parse(query string) (statement, error) {
	for _, s := range statements {
		m := s.pattern.FindStringSubmatch(query)
		if m == nil {
			continue
		}
		out := statement{kind: s.kind, name: m[1], query: m[2]}
		if s.kind == createEmpty {
			for c := range strings.SplitSeq(m[2], ", ") {
				name, typ, _ := strings.Cut(c, " ")
				out.columns = append(out.columns, column{name, typ})
			}
		}
		return out, nil
	}
	first, _, _ := strings.Cut(query, "\n")
	return statement{}, &kalla.Error{Code: kalla.CodeInternal, Op: "running SQL", Why: "not a statement of a plan: " + first}
}

// typed is a query without rows.
func typed(columns []column) string {
	var out []string
	for _, c := range columns {
		out = append(out, "CAST(NULL AS "+c.typ+") AS "+c.name)
	}
	return "SELECT " + strings.Join(out, ", ") + " WHERE FALSE"
}

// tables are the plan's tables and views as they stand: a name is the union of
// queries of what is on the cluster. So a view costs no statement, an INSERT is a
// table of its own, which can be made again when a worker is lost, and a table
// without rows is left out by the planner.
type tables struct {
	byName map[string]*relation
	order  int
	used   map[string]int // names on the cluster
}

type relation struct {
	order int
	names []column // where the plan lists them
	parts []string
}

func (t *tables) define(name string, columns []column, query string) {
	if t.byName == nil {
		t.byName = map[string]*relation{}
	}
	t.order++
	t.byName[name] = &relation{order: t.order, names: columns, parts: []string{query}}
}

func (t *tables) extend(name, query string) {
	if r := t.byName[name]; r != nil {
		r.parts = append(r.parts, query)
	}
}

func (t *tables) drop(name string) { delete(t.byName, name) }

// columns are those that an inserted row has, where the plan lists them.
func (t *tables) columns(name string) []column {
	if r := t.byName[name]; r != nil {
		return r.names
	}
	return nil
}

// fresh gives a name for a table on the cluster.
func (t *tables) fresh(name string) string {
	if t.used == nil {
		t.used = map[string]int{}
	}
	t.used[name]++
	if n := t.used[name]; n > 1 {
		return fmt.Sprintf("%s_part%d", name, n)
	}
	return name
}

var word = regexp.MustCompile(`\w+`)

// resolve puts in front of a query what the plan's names in it stand for, and the
// functions that it calls.
func (t *tables) resolve(query string) string {
	found := map[string]*relation{}
	var look func(sql string)
	look = func(sql string) {
		for _, name := range word.FindAllString(sql, -1) {
			r := t.byName[name]
			if r == nil || found[name] != nil {
				continue
			}
			found[name] = r
			for _, p := range r.parts {
				look(p)
			}
		}
	}
	look(query)
	names := slices.SortedFunc(maps.Keys(found), func(a, b string) int { return found[a].order - found[b].order })
	var with []string
	for _, name := range names {
		with = append(with, name+" AS ("+strings.Join(found[name].parts, "\nUNION ALL ")+")")
	}
	if len(with) > 0 {
		if rest, ok := strings.CutPrefix(query, "WITH "); ok {
			query = ",\n" + rest
		} else {
			query = "\n" + query
		}
		query = "WITH " + strings.Join(with, ",\n") + query
	}
	return declared(query) + query
}
