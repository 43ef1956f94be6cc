package duckdb_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/testenv"
)

// faultSession is a session that may be left behind; its folder is empty in the end.
func faultSession(t *testing.T) *duckdb.Session {
	t.Helper()
	dir := t.TempDir()
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: dir, Threads: 2, Extensions: testenv.DuckDBExtensions(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Error(err)
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%v is left behind", left)
				return
			}
		}
	})
	return s
}

// through is a database URL that goes through a proxy.
func through(t *testing.T, p *testenv.Proxy, databaseURL, query string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Host + ":" + p.Port
	q := u.Query()
	u.RawQuery = ""
	out := u.String() + "?query=" + url.PathEscape(query)
	if mode := q.Get("sslmode"); mode != "" {
		out += "&sslmode=" + mode
	}
	return out
}

func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// whileReading waits until the engine has read from the database for a while,
// and evaluates an expression for the connection that does.
func whileReading(t *testing.T, db *sql.DB, do string) {
	for reads := false; !reads; time.Sleep(10 * time.Millisecond) {
		err := db.QueryRowContext(t.Context(), `SELECT count(`+do+`) > 0 FROM pg_stat_activity
			WHERE application_name = 'kalla' AND datname = current_database() AND query LIKE '%pg_sleep%' AND state = 'active' AND now() - query_start > '0.3s'`).Scan(&reads)
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// TestSourceDies: a server that goes while it is read is an error of the source, soon, without a secret.
func TestSourceDies(t *testing.T) {
	pg := testenv.Postgres(t)
	databaseURL := pg.Database(t)
	db := pg.Open(t, databaseURL)
	const slow = "SELECT g AS id, repeat('x', 100) AS note, pg_sleep(0.002) IS NULL AS slow FROM generate_series(1, 1000000) g"

	bucket := testenv.S3(t)
	name := bucket.Bucket(t)
	var csv strings.Builder
	csv.WriteString("id,note\n")
	for i := range 200_000 {
		fmt.Fprintf(&csv, "%d,%0100d\n", i, i)
	}
	bucket.Put(t, name, "big.csv", []byte(csv.String()))

	for _, c := range []struct {
		name string
		uri  func(t *testing.T, p *testenv.Proxy) string
		to   string
		do   func(t *testing.T, p *testenv.Proxy)
		why  string
	}{
		{"backend terminated", func(t *testing.T, p *testenv.Proxy) string { return through(t, p, databaseURL, slow) }, hostOf(t, databaseURL),
			func(t *testing.T, _ *testenv.Proxy) {
				whileReading(t, db, "pg_terminate_backend(pid)")
			}, "broke off"},
		{"connection to the database breaks", func(t *testing.T, p *testenv.Proxy) string { return through(t, p, databaseURL, slow) }, hostOf(t, databaseURL),
			func(t *testing.T, p *testenv.Proxy) { whileReading(t, db, "pid"); p.Break() }, "broke off"},
		{"download cut", func(_ *testing.T, p *testenv.Proxy) string {
			p.CutDownloads(5 << 20)
			return "s3://" + name + "/big.csv?endpoint=" + url.QueryEscape("http://"+p.Host+":"+p.Port) + "&key_id=" + bucket.AccessKey + "&secret=" + url.PathEscape(bucket.SecretKey)
		}, strings.TrimPrefix(bucket.Endpoint, "http://"), func(*testing.T, *testenv.Proxy) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := faultSession(t)
			p := testenv.NewProxy(t, c.to)
			in := input(t, c.uri(t, p), nil)
			done := make(chan struct{})
			go func() { defer close(done); c.do(t, p) }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := s.Stage(ctx, []engine.Input{in}, nil)
			<-done
			if kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v", err)
			}
			for _, secret := range []string{pg.Password, bucket.SecretKey} {
				if strings.Contains(fmt.Sprintf("%+v", err), secret) {
					t.Errorf("the secret shows: %v", err)
				}
			}
		})
	}
}

// TestSourceHangs: whatever a server does or does not do, a cancelled call ends.
func TestSourceHangs(t *testing.T) {
	pg, maria, bucket := testenv.Postgres(t), testenv.MariaDB(t), testenv.S3(t)
	pgURL, mariaURL := pg.Database(t), maria.Database(t)
	s3 := func(p *testenv.Proxy) string {
		return "s3://bucket/f.csv?endpoint=" + url.QueryEscape("http://"+p.Host+":"+p.Port) + "&key_id=k&secret=s"
	}
	for _, c := range []struct {
		name  string
		to    string
		hangs bool
		uri   func(t *testing.T, p *testenv.Proxy) string
	}{
		{"postgres never answers", hostOf(t, pgURL), true, func(t *testing.T, p *testenv.Proxy) string { return through(t, p, pgURL, "SELECT 1 AS id") }},
		{"postgres takes its time", hostOf(t, pgURL), false, func(t *testing.T, p *testenv.Proxy) string {
			return through(t, p, pgURL, "SELECT 1 AS id, pg_sleep(20) IS NULL AS slow")
		}},
		{"mysql never answers", hostOf(t, mariaURL), true, func(t *testing.T, p *testenv.Proxy) string { return through(t, p, mariaURL, "SELECT 1 AS id") }},
		{"mysql takes its time", hostOf(t, mariaURL), false, func(t *testing.T, p *testenv.Proxy) string {
			return through(t, p, mariaURL, "SELECT 1 AS id, sleep(20) AS slow")
		}},
		{"s3 never answers", strings.TrimPrefix(bucket.Endpoint, "http://"), true, func(_ *testing.T, p *testenv.Proxy) string { return s3(p) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := faultSession(t)
			p := testenv.NewProxy(t, c.to)
			t.Cleanup(p.Break) // ends what was left behind
			if c.hangs {
				p.Hang()
			}
			in := input(t, c.uri(t, p), nil)
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := s.Stage(ctx, []engine.Input{in}, nil)
			if kalla.CodeOf(err) != kalla.CodeCanceled {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 8*time.Second { // two, and what a loaded machine takes; the servers would take longer
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("postgres never answers, nobody cancels", func(t *testing.T) {
		p := testenv.NewProxy(t, hostOf(t, pgURL))
		p.Hang()
		_, err := faultSession(t).Stage(t.Context(), []engine.Input{input(t, through(t, p, pgURL, "SELECT 1 AS id")+"&connect_timeout=2", nil)}, nil)
		if kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("got %v", err)
		}
	})
}
