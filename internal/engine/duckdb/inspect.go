package duckdb

import (
	"context"
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
)

// Describe returns the columns and types that staging would give, as far as a sample tells.
func (s *Session) Describe(ctx context.Context, in engine.Input) (kalla.Schema, error) {
	var schema kalla.Schema
	err := s.inspect(ctx, in, func(m *mount) (err error) {
		q, err := m.query(in)
		if err != nil {
			return err
		}
		schema, err = s.describeQuery(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return schema, nil
}

// Preview returns up to limit rows that pass the filters. Without filters they are the first of the source.
func (s *Session) Preview(ctx context.Context, in engine.Input, limit int) (kalla.Schema, [][]*string, error) {
	var schema kalla.Schema
	var out [][]*string
	err := s.inspect(ctx, in, func(m *mount) (err error) {
		q, err := m.query(in)
		if err != nil {
			return err
		}
		if schema, err = s.describeQuery(ctx, q); err != nil {
			return err
		}
		return s.inOrder(ctx, func() (err error) {
			out, err = s.textRows(ctx, fmt.Sprintf("FROM (%s) LIMIT %d", q, limit), len(schema))
			return err
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return schema, out, nil
}

// textRows returns the rows of a query with each value as text.
func (s *Session) textRows(ctx context.Context, query string, width int) ([][]*string, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := [][]*string{}
	for rows.Next() {
		row, targets := make([]*string, width), make([]any, width)
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// sampleCount is how many frequent values a profile names.
const sampleCount = 5

// Profile counts every row that passes the filters. Distinct values are counted
// exactly; Min and Max are by value.
func (s *Session) Profile(ctx context.Context, in engine.Input) ([]engine.ColumnProfile, error) {
	in.Table = "__kalla_profile"
	tables, err := s.Stage(ctx, []engine.Input{in}, nil)
	if err != nil {
		return nil, err
	}
	defer s.conn.ExecContext(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+ident(in.Table)) //nolint:errcheck // it goes with the session otherwise
	out := make([]engine.ColumnProfile, len(tables[0].Schema))
	for i, c := range tables[0].Schema {
		p := engine.ColumnProfile{Column: c, Rows: tables[0].Rows, Samples: []string{}}
		col, table := ident(c.Name), ident(in.Table)
		extremes := "CAST(min(" + col + ") AS VARCHAR), CAST(max(" + col + ") AS VARCHAR)"
		if c.Type.Kind == kalla.Other {
			extremes = "NULL, NULL"
		}
		err := s.conn.QueryRowContext(ctx, "SELECT count(*) - count("+col+"), count(DISTINCT "+col+"), "+extremes+" FROM "+table).
			Scan(&p.Nulls, &p.Distinct, &p.Min, &p.Max)
		if err != nil {
			return nil, stageError(ctx, in, err)
		}
		samples, err := s.textRows(ctx, fmt.Sprintf("SELECT v FROM (SELECT %s AS v, count(*) AS n FROM %s WHERE %s IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %d)",
			col, table, col, sampleCount), 1)
		if err != nil {
			return nil, stageError(ctx, in, err)
		}
		for _, r := range samples {
			p.Samples = append(p.Samples, shorten(strings.ToValidUTF8(*r[0], "�")))
		}
		out[i] = p
	}
	return out, nil
}

// inspect mounts a source and looks at it. Where the sample that its types come
// from was not enough, it looks again with the types of the whole source.
func (s *Session) inspect(ctx context.Context, in engine.Input, look func(*mount) error) error {
	return s.outside(ctx, []engine.Input{in}, func() error { return s.inspectNow(ctx, in, look) })
}

func (s *Session) inspectNow(ctx context.Context, in engine.Input, look func(*mount) error) error {
	err := s.defineFor(ctx, []engine.Input{in})
	var m *mount
	if err == nil {
		m, err = s.mount(ctx, in)
	}
	if err == nil {
		if err = look(m); err != nil {
			if m, err = m.retype(ctx, err); err == nil {
				err = look(m)
			}
		}
	}
	if err != nil {
		return stageError(ctx, in, err)
	}
	return nil
}

// Count returns how many rows pass the filters.
func (s *Session) Count(ctx context.Context, in engine.Input) (int64, error) {
	var rows int64
	err := s.inspect(ctx, in, func(m *mount) error {
		q, err := m.query(in)
		if err != nil {
			return err
		}
		return s.conn.QueryRowContext(ctx, "SELECT count(*) FROM ("+q+")").Scan(&rows)
	})
	if err != nil {
		return 0, err
	}
	return rows, nil
}
