// Package state is what the app stores: sources, recipes, runs and their
// events, uploads, people and their sessions, and the audit log. One Store
// works on PostgreSQL and on a SQLite file alike; what differs between them is
// in postgres.go and sqlite.go.
//
// Every change is one transaction. Where people change something, the same
// transaction appends who and what to the audit log; the context says who (see
// WithActor). Times are UTC in microseconds. A credential is stored sealed (see
// package seal) and never in the audit log.
package state

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"kalla"
	"kalla/internal/seal"
)

// Options are how a Store works.
type Options struct {
	Keys *seal.Keys       // seals credentials; required
	Now  func() time.Time // the clock; default time.Now
	// MaxConns is how many connections to PostgreSQL are open at most, without those of Pool; default 10.
	MaxConns int
}

// Store is the state of the app. It is safe for concurrent use, by several
// processes on one PostgreSQL database too. Errors are *kalla.Error.
type Store struct {
	driver
	keys *seal.Keys
	now  func() time.Time
}

// driver is an open database and what is its own.
type driver struct {
	name  string // masked, for errors: "postgres://kalla@db:5432/kalla"
	kind  string // "postgres" or "sqlite"
	read  *bun.DB
	write *bun.DB       // the same as read but for SQLite, where it has the one connection that writes
	pool  *pgxpool.Pool // nil for SQLite
	// forUpdate locks the rows of a select until the transaction ends, where that takes a word.
	forUpdate, skipLocked func(*bun.SelectQuery) *bun.SelectQuery
	snapshot              *sql.TxOptions // reads all of the database as it is at one moment
	classify              func(error) cause
	close                 func() error
}

// Open opens the database at url, creates or migrates its tables, and refuses
// one that a newer version of the program has migrated. The URL is
// postgres://… or postgresql://…, sqlite:PATH, or the path of a SQLite file,
// which is created, with its folder's permission left alone and its own 0600.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	const op = "opening the database"
	if o.Keys == nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: op, Why: "there is no key to seal credentials with"}
	}
	open := openSQLite
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		open = openPostgres
	} else if scheme, _, ok := strings.Cut(url, "://"); ok && scheme != "sqlite" {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: scheme + "://…", Why: "only PostgreSQL and SQLite can hold the state",
			Hint: "DATABASE_URL is postgres://user:password@host:5432/database, or the path of a file"}
	}
	d, err := open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	s := &Store{driver: d, keys: o.Keys, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.close() }

// Kind is "postgres" or "sqlite".
func (s *Store) Kind() string { return s.kind }

// Name is the database without its password, for people.
func (s *Store) Name() string { return s.name }

// Pool are connections for a job queue on the same PostgreSQL database; nil for SQLite.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Writer is the one connection that writes to the SQLite file, for a job queue
// in it; nil for PostgreSQL. Whoever holds it holds up everybody else's changes.
func (s *Store) Writer() *sql.DB {
	if s.pool != nil {
		return nil
	}
	return s.write.DB
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.wrap(ctx, "asking the database for a sign of life", s.read.PingContext(ctx))
}

// Actor is who makes a change.
type Actor struct {
	ID      string // of a user; empty for the app itself
	Name    string // as it is called at that time: e-mail address
	Address string // where the request came from
}

type actorKey struct{}

// WithActor returns a context whose changes are the actor's. Without one they are the app's own ("system").
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// actor is whose change it is.
func actor(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	if a.ID == "" {
		a.ID = "system"
	}
	return a
}

// clock is the time that is stored: UTC, in the precision of both databases.
func (s *Store) clock() time.Time { return micros(s.now()) }

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// newID returns an id that sorts by time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

const (
	attempts  = 8
	firstWait = 5 * time.Millisecond
)

// change runs f in a transaction. f runs again, from the start, after an error
// that says that nothing was done: it must not leave traces outside of tx.
func (s *Store) change(ctx context.Context, op string, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.wrap(ctx, op, s.again(ctx, func() (safe bool, err error) {
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return true, err
		}
		if err := f(ctx, tx); err != nil {
			return true, errors.Join(err, ignoreDone(tx.Rollback()))
		}
		// A connection that is lost now may be lost after the commit.
		err = tx.Commit()
		return s.classify(err) == transient, err
	}))
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// query runs f, which only reads.
func (s *Store) query(ctx context.Context, op string, f func(ctx context.Context) error) error {
	return s.wrap(ctx, op, s.again(ctx, func() (bool, error) { return true, f(ctx) }))
}

// again calls f until it succeeds, with growing pauses, while that is safe and may help.
func (s *Store) again(ctx context.Context, f func() (safe bool, err error)) error {
	wait := firstWait
	for n := 1; ; n++ {
		safe, err := f()
		if err == nil || !safe || n == attempts {
			return err
		}
		if c := s.classify(err); c != transient && c != lost && !errors.Is(err, errOvertaken) {
			return err
		}
		timer := time.NewTimer(wait + rand.N(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait *= 2
	}
}

// changed is whether a statement changed a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
