package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
)

// PG is a PostgreSQL server for tests.
type PG struct {
	// AdminURL connects as a superuser to the database postgres.
	AdminURL string
	// Password is that of every URL's user, unescaped: what must not show in an error or a log.
	Password string

	process *process // nil for a server that was there before
	databases
}

// Postgres returns the server of this test process: the one that
// KALLA_TEST_DATABASE_URL names (its user must be a superuser), else a private
// cluster that is started now. Its text sorts by the rules of English, not by
// bytes, and passwords are checked (SCRAM). Data does not survive a crash.
func Postgres(t testing.TB) *PG {
	t.Helper()
	pg, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	if pg.process != nil {
		pg.process.showLog(t)
	}
	return pg
}

// Database creates an empty database that is dropped when the test ends, runs
// the setup statements in it, and returns its URL. The URL's user owns the
// database and is not a superuser.
func (pg *PG) Database(t testing.TB, setup ...string) string {
	t.Helper()
	return pg.create(t, setup)
}

// Open connects to a URL that Database returned, until the test ends.
func (pg *PG) Open(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	return pg.open(t, databaseURL)
}

var postgres = sync.OnceValues(func() (*PG, error) {
	if existing := os.Getenv("KALLA_TEST_DATABASE_URL"); existing != "" {
		return newPG(existing, nil)
	}
	return startPG("QUIT", nil, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
})

// startPG starts a private cluster: by a command that takes the server's as its
// further arguments, and ends at the signal; nil is the server itself. The
// settings come beside those that all have.
func startPG(signal string, by func(dir string) []string, settings ...string) (*PG, error) {
	const install = "apt-get install postgresql (or make setup), or set KALLA_TEST_DATABASE_URL"
	initdb, err := program("initdb", install, "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	server, err := program("postgres", install, "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	password := secret()
	admin := func(port int) string {
		return databaseURL("postgres", "postgres", password, "127.0.0.1:"+strconv.Itoa(port), "postgres")
	}
	p, port, err := launch(service{
		name:    "postgres",
		account: "postgres",
		signal:  signal,
		prepare: func(p *process) error {
			pwfile := filepath.Join(p.dir, "password")
			if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o644); err != nil { // in a folder that only its owner enters
				return err
			}
			return p.run(initdb, "--pgdata="+filepath.Join(p.dir, "data"), "--username=postgres", "--pwfile="+pwfile,
				"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync")
		},
		command: func(dir string, port int) []string {
			var command []string
			if by != nil {
				command = by(dir)
			}
			command = append(command, server, "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port))
			for _, s := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "autovacuum=off"}, settings...) {
				command = append(command, "-c", s)
			}
			return command
		},
		probe: func(port int) error { return ping("pgx", admin(port)) },
	})
	if err != nil {
		return nil, err
	}
	return newPG(admin(port), p)
}

// newPG creates the role that owns the test databases.
func newPG(adminURL string, p *process) (*PG, error) {
	u, err := url.Parse(adminURL)
	if err != nil {
		return nil, fmt.Errorf("reading KALLA_TEST_DATABASE_URL: not a URL") // the error would show the password
	}
	pg := &PG{AdminURL: adminURL, Password: secret(), process: p}
	role := unique("kalla_test_")
	pg.databases = databases{
		driver:   "pgx",
		dsn:      func(u string) (string, error) { return u, nil },
		admin:    adminURL,
		url:      func(name string) string { return databaseURL("postgres", role, pg.Password, u.Host, name) },
		createAs: func(name string) string { return "CREATE DATABASE " + name + " OWNER " + role },
		dropAs:   func(name string) string { return "DROP DATABASE " + name + " WITH (FORCE)" },
	}
	db, err := sql.Open("pgx", adminURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, "CREATE ROLE "+role+" LOGIN PASSWORD '"+pg.Password+"'"); err != nil {
		return nil, fmt.Errorf("preparing the PostgreSQL server: %w", err)
	}
	return pg, nil
}
