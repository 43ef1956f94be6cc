package compute

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"kalla"
	"kalla/internal/job"
)

// schemaVersion is the version of the service's own tables; River keeps account of its own.
const schemaVersion = 1

// A row is a job. The request may hold credentials, and goes when the job has
// ended; so does the callback URL when the callback is out. Times are
// microseconds since 1970. A waiting job's turn comes by (due, river_id).
const schema = `
CREATE TABLE jobs (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT,
	run_id    TEXT NOT NULL UNIQUE,
	attempt   INTEGER NOT NULL,
	digest    BLOB NOT NULL,
	request   BLOB,
	callback  TEXT,
	trace     TEXT,
	recipe_id TEXT NOT NULL,
	engine    TEXT NOT NULL,
	output    TEXT NOT NULL,
	priority  INTEGER NOT NULL,
	due       INTEGER NOT NULL,
	river_id  INTEGER NOT NULL DEFAULT 0,
	state     TEXT NOT NULL,
	cancel    INTEGER NOT NULL DEFAULT 0,
	accepted  INTEGER NOT NULL,
	started   INTEGER,
	ended     INTEGER,
	summary   BLOB,
	failure   BLOB
) STRICT;
CREATE INDEX jobs_by_turn ON jobs (due, river_id) WHERE state = 'queued';
CREATE INDEX jobs_by_state ON jobs (state, seq);
CREATE INDEX jobs_by_end ON jobs (ended) WHERE ended IS NOT NULL;
`

// openDatabase opens the file of the queue, and makes it if there is none.
func openDatabase(ctx context.Context, dir string) (*sql.DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, "kallad.db"))
	if err != nil {
		return nil, internal(opening, dir, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives its other files the mode of this one
	if err != nil {
		return nil, internal(opening, path, err)
	}
	_ = f.Close()
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "foreign_keys(ON)",
	}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: pragmas.Encode()}).String())
	if err != nil {
		return nil, internal(opening, path, err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer; waiting here is fair, waiting for its lock is not
	var version int
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	switch {
	case err != nil:
	case version > schemaVersion:
		err = &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: path, Why: "the data folder is of a newer version of Kalla",
			Hint: "start that version, or name another folder with --data-dir"}
	case version == 0:
		err = inTx(ctx, db, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
			return err
		})
	}
	if err != nil {
		_ = db.Close()
		return nil, internal(opening, path, err)
	}
	return db, nil
}

// inTx runs do in a transaction. The database has one connection: do must not use it beside tx.
func inTx(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // without effect after Commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// row is a job as it is stored.
type row struct {
	seq, riverID, due        int64
	runID, recipeID          string
	attempt, priority        int
	digest, request          []byte
	callback, trace          string
	engine, output           string
	state                    job.State
	cancel                   bool
	accepted, started, ended time.Time
	summary                  *kalla.Summary
	failure                  *job.Failure
}

const columns = `seq, run_id, attempt, digest, request, coalesce(callback, ''), coalesce(trace, ''), recipe_id, engine, output, priority, due, river_id,
	state, cancel, accepted, started, ended, summary, failure`

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// rows reads the jobs that a condition selects.
func rows(ctx context.Context, q querier, where string, args ...any) ([]*row, error) {
	found, err := q.QueryContext(ctx, "SELECT "+columns+" FROM jobs WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var out []*row
	for found.Next() {
		r := &row{}
		var accepted int64
		var started, ended sql.NullInt64
		var summary, failure []byte
		if err := found.Scan(&r.seq, &r.runID, &r.attempt, &r.digest, &r.request, &r.callback, &r.trace, &r.recipeID, &r.engine, &r.output, &r.priority,
			&r.due, &r.riverID, &r.state, &r.cancel, &accepted, &started, &ended, &summary, &failure); err != nil {
			return nil, err
		}
		r.accepted = time.UnixMicro(accepted).UTC()
		if started.Valid {
			r.started = time.UnixMicro(started.Int64).UTC()
		}
		if ended.Valid {
			r.ended = time.UnixMicro(ended.Int64).UTC()
		}
		if err := errors.Join(decode(summary, &r.summary), decode(failure, &r.failure)); err != nil {
			return nil, fmt.Errorf("job %s: %w", r.runID, err)
		}
		out = append(out, r)
	}
	return out, found.Err()
}

// find returns the job of a run, or nil.
func find(ctx context.Context, q querier, runID string) (*row, error) {
	found, err := rows(ctx, q, "run_id = ?", runID)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func decode[T any](data []byte, into **T) error {
	if data == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

func encode[T any](v *T) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

// update executes a statement of one row and reports whether there was one.
func update(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// forget removes the jobs that ended before a time, and empties the
// write-ahead log, where erased requests stand until it is written over.
func (s *Service) forget(ctx context.Context, before time.Time) error {
	if _, err := s.db.ExecContext(ctx, "DELETE FROM jobs WHERE ended < ? AND callback IS NULL", before.UnixMicro()); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}
