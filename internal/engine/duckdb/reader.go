package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"kalla/internal/engine"
	"kalla/internal/source"
)

// Reader is a long-lived DuckDB instance that many goroutines share to read
// Parquet files. What it creates are tables in memory that all of them see.
type Reader struct {
	session *Session
	access  sync.Mutex // guards the session's extensions and secrets
}

// readers is how many statements of a Reader run at once; more would share the
// same threads and memory, so they wait their turn.
const readers = 4

// OpenReader starts an instance for reading. limits.Memory bounds all its statements together.
func OpenReader(ctx context.Context, limits engine.Limits) (*Reader, error) {
	s, err := Open(ctx, limits)
	if err != nil {
		return nil, err
	}
	// The order of rows in a file is what makes row numbers and "the first
	// hundred" mean the same in every statement.
	if _, err := s.conn.ExecContext(ctx, "SET preserve_insertion_order = true; SET parquet_metadata_cache = true; SET GLOBAL TimeZone = 'UTC'"); err != nil {
		return nil, errors.Join(engineError(ctx, err), s.Close())
	}
	s.db.SetMaxOpenConns(readers + 1) // the session keeps one
	s.db.SetMaxIdleConns(readers + 1)
	return &Reader{session: s}, nil
}

// Grant lets the statements read the objects below src.Path with the
// credentials of src, which are kept in memory only. Local files need no grant.
func (r *Reader) Grant(ctx context.Context, src source.Source) error {
	r.access.Lock()
	defer r.access.Unlock()
	return engineError(ctx, r.session.access(ctx, src))
}

// Query runs one statement and returns its rows, which the caller closes.
func (r *Reader) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := r.session.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, engineError(ctx, err)
	}
	return rows, nil
}

// Exec runs one statement and returns the rows that it changed.
func (r *Reader) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := r.session.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, engineError(ctx, err)
	}
	n, err := res.RowsAffected()
	return n, engineError(ctx, err)
}

// Close ends all statements and frees the instance.
func (r *Reader) Close() error { return r.session.Close() }
