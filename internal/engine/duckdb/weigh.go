package duckdb

import (
	"context"
	"strconv"

	"kalla/internal/engine"
	"kalla/internal/source"
)

// compressed is how much larger the values of a Parquet file are than the file, roughly.
const compressed = 4

// Weigh says how many bytes a source has, roughly and without reading it: what
// its files take, or what the database's own statistics tell of a table. A query,
// a view, and what cannot be asked is 0: an error would come again, and better,
// when the source is read. Filters are not counted.
func (s *Session) Weigh(ctx context.Context, in engine.Input) int64 {
	var size int64
	err := s.outside(ctx, []engine.Input{in}, func() (err error) {
		size, err = s.weigh(ctx, in.Source)
		return err
	})
	if err != nil {
		return 0
	}
	return size
}

func (s *Session) weigh(ctx context.Context, src source.Source) (int64, error) {
	switch src.Type {
	case source.Postgres, source.MySQL:
		return s.weighTable(ctx, src)
	case source.SQLite:
		src = withPath(src)
	}
	if err := s.access(ctx, src); err != nil {
		return 0, err
	}
	list, err := s.pathList(ctx, src)
	if err != nil {
		return 0, err
	}
	rows, err := s.textRows(ctx, "SELECT coalesce(sum(size), 0) FROM read_blob("+list+")", 1)
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(*rows[0][0], 10, 64)
	if src.Format == source.Parquet {
		size *= compressed
	}
	return size, err
}

func (s *Session) weighTable(ctx context.Context, src source.Source) (int64, error) {
	if src.Query != "" {
		return 0, nil // nobody knows without reading it
	}
	catalog, err := s.attach(ctx, src)
	if err != nil {
		return 0, err
	}
	var query string
	if src.Type == source.Postgres {
		schema, table, err := s.postgresTable(ctx, src, catalog)
		if err != nil {
			return 0, err
		}
		query = "SELECT pg_relation_size(" + text(quotePG(schema)+"."+quotePG(table)) + "::regclass)::text AS size"
	} else {
		query = "SELECT CAST(coalesce(max(data_length), 0) AS CHAR) AS size FROM information_schema.tables WHERE table_schema = database() AND table_name = " + mysqlText(src.Table)
	}
	rows, err := s.remote(ctx, src.Type, catalog, query, 1)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 || rows[0][0] == nil {
		return 0, nil // nobody knows without reading it
	}
	return strconv.ParseInt(*rows[0][0], 10, 64)
}
