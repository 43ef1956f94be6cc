package testenv

import (
	"context"
	"database/sql"
	"net/url"
	"testing"
	"time"
)

// databases creates and drops the databases of one server.
type databases struct {
	driver   string
	dsn      func(url string) (string, error) // what the Go driver takes for a URL
	admin    string                           // DSN of a user who may create databases
	url      func(name string) string
	createAs func(name string) string
	dropAs   func(name string) string
}

func (d *databases) create(t testing.TB, setup []string) string {
	t.Helper()
	name := unique("kalla_test_")
	d.administer(t, d.createAs(name))
	t.Cleanup(func() { d.administer(t, d.dropAs(name)) })
	u := d.url(name)
	if len(setup) > 0 {
		execAll(t, d.open(t, u), setup)
	}
	return u
}

func (d *databases) open(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	dsn, err := d.dsn(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(d.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

func (d *databases) administer(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open(d.driver, d.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execAll(t, db, []string{statement})
}

// execAll runs statements one after the other and fails the test at the first error.
func execAll(t testing.TB, db *sql.DB, statements []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			t.Fatalf("running %q: %v", s, err)
		}
	}
}

// ping reports whether a server lets this user in.
func ping(driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

func databaseURL(scheme, user, password, host, name string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(user, password), Host: host, Path: "/" + name}
	if scheme == "postgres" {
		u.RawQuery = "sslmode=disable"
	}
	return u.String()
}
