package state

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"kalla"
)

// migrationLock is the advisory lock that the processes of one database take in turn to migrate it.
const migrationLock int64 = 0x6b616c6c61 // "kalla"

func openPostgres(ctx context.Context, rawURL string, o Options) (driver, error) {
	const op = "opening the database"
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil { // whose text may hold the password
		return driver{}, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "DATABASE_URL", Why: "it is not the URL of a PostgreSQL database",
			Hint: "postgres://user:password@host:5432/database; special characters of the password are percent-encoded"}
	}
	name := maskedURL(cfg.ConnConfig)
	cfg.ConnConfig.RuntimeParams["application_name"] = "kalla"
	cfg.AfterConnect = readUTC
	pool, err := pgxpool.NewWithConfig(ctx, cfg) // connects when it is used
	if err != nil {
		return driver{}, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Err: err}
	}

	// bun writes values into the text of a statement, so each text is new: a cache
	// of prepared statements would only cost. That no value ends its literal rests
	// on standard_conforming_strings; and Exec takes one statement at a time.
	own := cfg.ConnConfig.Copy()
	own.RuntimeParams["standard_conforming_strings"] = "on"
	own.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*own, stdlib.OptionAfterConnect(readUTC))
	conns := o.MaxConns
	if conns <= 0 {
		conns = 10
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	shut := func() error {
		pool.Close()
		return db.Close()
	}

	b := bun.NewDB(db, exact{pgdialect.New()})
	d := driver{
		name: name, kind: "postgres", read: b, write: b, pool: pool,
		forUpdate:  func(q *bun.SelectQuery) *bun.SelectQuery { return q.For("UPDATE") },
		skipLocked: func(q *bun.SelectQuery) *bun.SelectQuery { return q.For("UPDATE SKIP LOCKED") },
		snapshot:   &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		classify:   classifyPostgres,
		close:      shut,
	}
	unlock, err := lockPostgres(ctx, own)
	if err == nil {
		err = errors.Join(migrate(ctx, name, db, goose.DialectPostgres, "postgres"), unlock())
	}
	if err != nil {
		return driver{}, errors.Join(postgresFault(op, name, err), shut())
	}
	return d, nil
}

func postgresFault(op, name string, err error) error {
	if _, ok := errors.AsType[*kalla.Error](err); ok {
		return err
	}
	if classifyPostgres(err) == lost {
		return &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: name, Why: "PostgreSQL does not answer: " + err.Error(), Err: errors.Join(ErrUnavailable, err),
			Hint: "look whether it runs, and whether DATABASE_URL names its host and port"}
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Err: err,
		Hint: "look whether DATABASE_URL names a database whose user may create tables"}
}

// lockPostgres waits for the lock that the processes of one database take in
// turn to migrate it, on a connection of its own, which holds it as long as it lasts.
func lockPostgres(ctx context.Context, c *pgx.ConnConfig) (unlock func() error, err error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	unlock = func() error { return conn.Close(context.WithoutCancel(ctx)) }
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

// maskedURL is the database without the password.
func maskedURL(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", Host: c.Host, Path: "/" + c.Database}
	if strings.HasPrefix(c.Host, "/") { // a folder with a socket
		u.Host = ""
	} else if c.Port != 5432 {
		u.Host = net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	}
	if c.User != "" {
		u.User = url.User(c.User)
	}
	return u.String()
}

// readUTC makes a connection return times in UTC rather than in the zone of the process.
func readUTC(_ context.Context, c *pgx.Conn) error {
	c.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
	return nil
}

func classifyPostgres(err error) cause {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03": // serialisation, deadlock, lock
			return transient
		case pg.Code == "23505":
			return unique
		case strings.HasPrefix(pg.Code, "23") || strings.HasPrefix(pg.Code, "22"): // integrity, data
			return constraint
		case strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300": // connection, shutdown, too many connections
			return lost
		}
		return unknown
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return lost
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return lost
	}
	if errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) {
		return lost
	}
	return unknown
}
