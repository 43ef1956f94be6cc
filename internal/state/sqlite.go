package state

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kalla"
)

// readers is how many connections read from the file at once; the log that SQLite
// writes ahead (WAL) keeps them from waiting for the one that writes.
const readers = 4

func openSQLite(ctx context.Context, name string, _ Options) (driver, error) {
	const op = "opening the database"
	path := strings.TrimPrefix(strings.TrimPrefix(name, "sqlite://"), "sqlite:")
	fault := func(err error) error {
		if _, ok := errors.AsType[*kalla.Error](err); ok {
			return err
		}
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: path, Err: err, Hint: "the program must be able to write the file and its folder"}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return driver{}, fault(err)
	}
	// SQLite gives the files beside it the same permission.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return driver{}, fault(err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return driver{}, fault(err)
	}

	open := func(conns int, settings ...string) (*sql.DB, error) {
		q := url.Values{"_timezone": {"UTC"}, "_pragma": {"busy_timeout(5000)", "foreign_keys(1)", "synchronous(FULL)"}}
		for _, s := range settings {
			k, v, _ := strings.Cut(s, "=")
			q.Add(k, v)
		}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+q.Encode())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	}
	// A transaction that writes says so at its beginning: one that found out later could not wait.
	w, err := open(1, "_pragma=journal_mode(WAL)", "_txlock=immediate")
	if err != nil {
		return driver{}, fault(err)
	}
	r, err := open(readers, "_pragma=query_only(1)")
	if err != nil {
		return driver{}, fault(errors.Join(err, w.Close()))
	}
	shut := func() error { return errors.Join(r.Close(), w.Close()) }

	same := func(q *bun.SelectQuery) *bun.SelectQuery { return q }
	d := driver{
		name: path, kind: "sqlite",
		read: bun.NewDB(r, exact{sqlitedialect.New()}), write: bun.NewDB(w, exact{sqlitedialect.New()}),
		forUpdate: same, skipLocked: same, // one transaction writes at a time
		snapshot: &sql.TxOptions{ReadOnly: true},
		classify: classifySQLite,
		close:    shut,
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err == nil {
		err = errors.Join(migrate(ctx, path, w, goose.DialectSQLite3, "sqlite"), unlock())
	}
	if err != nil {
		return driver{}, fault(errors.Join(err, shut()))
	}
	return d, nil
}

func classifySQLite(err error) cause {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return unknown
	}
	switch code := e.Code(); code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return transient
	case sqlite3.SQLITE_CONSTRAINT:
		if code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
			return unique
		}
		return constraint
	case sqlite3.SQLITE_CANTOPEN:
		return lost
	}
	return unknown
}

// lockPause is how often a process looks whether another has migrated the file.
const lockPause = 20 * time.Millisecond

// lockFile waits for the lock that the processes of one database take in turn to
// migrate it. The system frees it when the process ends, however it ends; the
// file stays, for two could hold the lock of one that comes and goes.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for {
		held, err := tryLock(f)
		switch {
		case err != nil:
			return nil, errors.Join(err, f.Close())
		case held:
			return f.Close, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-tick.C:
		}
	}
}
