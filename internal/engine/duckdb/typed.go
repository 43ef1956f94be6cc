package duckdb

import (
	"context"
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// mountTyped mounts a file whose columns have types of their own: Parquet and JSON.
func (s *Session) mountTyped(ctx context.Context, in engine.Input) (*mount, error) {
	from, err := s.typedFrom(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	native, err := s.nativeColumns(ctx, "FROM "+from)
	if err != nil {
		return nil, err
	}
	return s.typedMount(ctx, in, from, native)
}

// nativeColumn is a column with the engine's name of its type.
type nativeColumn struct{ Name, Type string }

func (s *Session) nativeColumns(ctx context.Context, query string) ([]nativeColumn, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []nativeColumn
	for rows.Next() {
		var c nativeColumn
		if err := rows.Scan(&c.Name, &c.Type); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

func (s *Session) typedFrom(ctx context.Context, src source.Source) (string, error) {
	paths, err := s.files(ctx, src)
	if err != nil {
		return "", err
	}
	quoted := make([]string, len(paths))
	for i, p := range paths {
		if src.Type == source.File {
			p = literalPath(p)
		}
		quoted[i] = text(p)
	}
	list := "[" + strings.Join(quoted, ", ") + "]"
	switch src.Format {
	case source.Parquet:
		return "read_parquet(" + list + ")", nil
	}
	return "", fmt.Errorf("the format %s cannot be read", src.Format)
}

// typedMount maps native types to Kalla's, applies the recipe's types, and
// makes decimals of text that the recipe compares as numbers.
func (s *Session) typedMount(ctx context.Context, in engine.Input, from string, native []nativeColumn) (*mount, error) {
	names := make([]string, len(native))
	for i, c := range native {
		names[i] = c.Name
	}
	if _, err := declaredTypes(in, names); err != nil {
		return nil, err
	}
	m := &mount{From: from}
	for _, c := range native {
		m.Columns = append(m.Columns, column{Name: c.Name, Type: kallaType(c.Type), Raw: ident(c.Name)})
	}
	return m, nil
}

var _ = kalla.Text
