package duckdb

import (
	"context"
	"strings"
	"sync"
)

// definition is a macro's name and the statement that creates it.
type definition struct{ name, statement string }

// definitions are all macros, those that others use before them.
var definitions = sync.OnceValue(func() []definition {
	var out []definition
	for _, m := range Macros() {
		head, _, _ := strings.Cut(m, "(")
		fields := strings.Fields(head)
		out = append(out, definition{strings.ToLower(fields[len(fields)-1]), m})
	}
	return out
})

// define creates the macros that a query mentions and those that they use in
// turn. Creating all of them for every session costs 35 ms, most of its start.
func (s *Session) define(ctx context.Context, query string) error {
	all := definitions()
	needed := strings.ToLower(query)
	var statements []string
	for i := len(all) - 1; i >= 0; i-- {
		d := all[i]
		if !s.defined[d.name] && strings.Contains(needed, d.name) {
			needed += " " + strings.ToLower(d.statement)
			statements = append(statements, d.statement)
			s.defined[d.name] = true
		}
	}
	for i := len(statements) - 1; i >= 0; i-- {
		if _, err := s.conn.ExecContext(ctx, statements[i]); err != nil {
			return err
		}
	}
	return nil
}
