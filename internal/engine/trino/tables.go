package trino

import (
	"context"
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
	byName map[string]relation
	order  int
	used   map[string]int // names on the cluster
}

// relation is what a name stands for. It is never changed, so that a statement
// that was given to the session sees what there was at that time.
type relation struct {
	name   string
	order  int      // of definition: later ones are made of earlier ones
	names  []column // where the plan lists them
	pieces []*piece
}

// piece is a query, or a table that is being made.
type piece struct {
	done   chan struct{} // closed when a table is there or has failed; nil for a query
	err    error
	query  string
	folder string // of the objects of a table that is there
	rows   int64  // -1 where it is not known
}

func (t *tables) define(name string, columns []column, p *piece) {
	if t.byName == nil {
		t.byName = map[string]relation{}
	}
	t.order++
	t.byName[name] = relation{name: name, order: t.order, names: columns, pieces: []*piece{p}}
}

// extend adds rows to a table.
func (t *tables) extend(name string, p *piece) {
	r := t.byName[name]
	r.pieces = append(slices.Clone(r.pieces), p)
	t.byName[name] = r
}

func (t *tables) drop(name string) { delete(t.byName, name) }

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

// needs are the relations that a query is over, and those that they are over, in the order of definition.
func (t *tables) needs(query string) []relation {
	found := map[string]relation{}
	var look func(sql string)
	look = func(sql string) {
		for _, name := range word.FindAllString(sql, -1) {
			r, ok := t.byName[name]
			if _, seen := found[name]; !ok || seen {
				continue
			}
			found[name] = r
			for _, p := range r.pieces {
				if p.done == nil {
					look(p.query)
				}
			}
		}
	}
	look(query)
	return slices.SortedFunc(maps.Values(found), func(a, b relation) int { return a.order - b.order })
}

// rows counts the rows of a table, where that is known when it is there.
func (r relation) rows(ctx context.Context) (n int64, known bool, err error) {
	for _, p := range r.pieces {
		if err := p.await(ctx); err != nil {
			return 0, false, err
		}
		if p.rows < 0 {
			return 0, false, nil
		}
		n += p.rows
	}
	return n, true, nil
}

// await waits until a piece is there.
func (p *piece) await(ctx context.Context) error {
	if p.done == nil {
		return nil
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// complete puts in front of a query the functions that it calls and what the
// relations in it stand for, which are there.
func complete(query string, over []relation) string {
	var with []string
	for _, r := range over {
		var parts []string
		for i, p := range r.pieces {
			switch {
			case p.rows != 0:
				parts = append(parts, p.query)
			case i == 0: // the planner leaves out what is known to be empty
				parts = append(parts, "SELECT * FROM ("+p.query+") WHERE FALSE")
			}
		}
		with = append(with, r.name+" AS ("+strings.Join(parts, "\nUNION ALL ")+")")
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
