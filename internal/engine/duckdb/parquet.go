package duckdb

import (
	"context"

	"kalla"
)

// Columns describes the rows that a query would give.
func (s *Session) Columns(ctx context.Context, query string) (kalla.Schema, error) {
	schema, err := s.describeQuery(ctx, query)
	return schema, engineError(ctx, err)
}

// WriteParquet writes the rows of a query to a Parquet file.
func (s *Session) WriteParquet(ctx context.Context, query, path string) (int64, error) {
	return s.Exec(ctx, "COPY ("+query+") TO "+text(path)+" (FORMAT parquet)")
}

// Gate returns the gate that SQL texts of recipes pass before this session runs them.
func (s *Session) Gate() *Gate { return NewGate(s.conn) }
