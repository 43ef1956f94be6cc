package staging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/testenv"
)

// posts calls do before a handler sees a request for a piece, with its number from 1.
// It answers the request itself where do returns true.
func posts(do func(n int, w http.ResponseWriter, r *http.Request, h http.Handler) bool) func(http.Handler) http.Handler {
	var n atomic.Int64
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || !do(int(n.Add(1)), w, r, h) {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// balances is a table whose amounts add up to nothing, as long as all are of one point in time.
const balances = "CREATE TABLE balances AS SELECT i AS id, (CASE i % 2 WHEN 0 THEN -i ELSE i + 1 END)::numeric(18,2) AS amount, repeat('x', 300) AS filler FROM generate_series(1, 60000) i"

// TestOneSnapshot moves money before every piece is read. No piece sees it.
func TestOneSnapshot(t *testing.T) {
	noLeaks(t)
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t, balances)
	db := pg.Open(t, url)
	var moves atomic.Int64
	move := posts(func(n int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		// An updated row goes to the end of the table; an added one too.
		_, err := db.Exec(fmt.Sprintf("UPDATE balances SET amount = amount + CASE WHEN id <= 30000 THEN %[1]d ELSE -%[1]d END WHERE id %% 100 = %[1]d; INSERT INTO balances VALUES (%[1]d + 100000, 1, '')", n))
		if err != nil {
			t.Error(err)
		}
		moves.Add(1)
		return false
	})
	s, to := session(t), storage(t, server)
	staged, err := stager(t, s, to, executor(t, 1, move)).Stage(t.Context(), []engine.Input{input(t, "t", with(url, "table=balances"))}, to.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if moves.Load() < 4 {
		t.Fatalf("the table was read in %d pieces", moves.Load())
	}
	if got := ask(t, s, "SELECT count(*), sum(amount), count(DISTINCT id) FROM read_parquet('"+staged[0].Location+"/*.parquet')"); got[0] != "60000|0.00|60000" {
		t.Errorf("count, sum and ids are %s", got[0])
	}
	if staged[0].Consistency != "snapshot" || staged[0].Rows != 60000 {
		t.Errorf("staged is %+v", staged[0])
	}
}

// TestLostExecutors loses executors in several ways. Each row is staged once all the same.
func TestLostExecutors(t *testing.T) {
	noLeaks(t)
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t, balances)
	s := session(t)
	drop := func(w http.ResponseWriter) {
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			c.Close()
		}
	}
	var late sync.WaitGroup
	for name, do := range map[string]func(n int, w http.ResponseWriter, r *http.Request, h http.Handler) bool{
		"before it reads": func(n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n == 2 {
				drop(w)
			}
			return n == 2
		},
		"dead": func(n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n > 1 {
				drop(w)
			}
			return n > 1
		},
		"writes although nobody listens": func(n int, w http.ResponseWriter, r *http.Request, h http.Handler) bool {
			if n != 2 {
				return false
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			again := r.Clone(context.Background())
			again.Body = io.NopCloser(bytes.NewReader(body))
			late.Go(func() { h.ServeHTTP(httptest.NewRecorder(), again) })
			drop(w)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := storage(t, server)
			urls := []string{executor(t, 1, posts(do)), executor(t, 1, nil)}
			inputs := []engine.Input{input(t, "t", with(url, "table=balances"))}
			staged, err := stager(t, s, to, urls...).Stage(t.Context(), inputs, to.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			late.Wait()
			same(t, s, staged[0], inputs)
		})
	}
	t.Run("all", func(t *testing.T) {
		to := storage(t, server)
		lost := posts(func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool { drop(w); return true })
		_, err := stager(t, s, to, executor(t, 1, lost)).Stage(t.Context(), []engine.Input{input(t, "t", with(url, "table=balances"))}, to.Path, nil)
		var e *kalla.Error
		if !errors.As(err, &e) || e.Code != kalla.CodeEngine || e.Hint == "" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		to := storage(t, server)
		inputs := []engine.Input{input(t, "t", with(url, "table=balances"))}
		staged, err := stager(t, s, to, "http://127.0.0.1:1").Stage(t.Context(), inputs, to.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, s, staged[0], inputs)
	})
}

// TestValues compares what becomes of values that do not fit with what the engine itself makes of them.
func TestValues(t *testing.T) {
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t, "CREATE TABLE lines AS SELECT i AS id, CASE i WHEN 400 THEN 'x' ELSE i::text END AS amount FROM generate_series(1, 500) i")
	bucket := server.Bucket(t)
	server.Put(t, bucket, "a/1.csv", []byte("id,amount\n1,1\n2,2\n"))
	server.Put(t, bucket, "a/2.csv", []byte("id,amount\n3,1.555\n4,many\n"))
	server.Put(t, bucket, "b/1.csv", []byte("id,amount\n1,1\n2,2\n"))
	server.Put(t, bucket, "b/2.csv", []byte("id,amount\n3,4,5\n"))
	s := session(t)
	urls := []string{executor(t, 2, nil)}
	csv := func(pattern string) engine.Input {
		return engine.Input{Table: "t", Alias: "payments", Source: object(t, server, bucket+"/"+pattern)}
	}
	declared := csv("a/*.csv")
	declared.Types = map[string]kalla.Type{"amount": {Kind: kalla.DecimalKind, Precision: 18, Scale: 3}}
	database := input(t, "t", with(url, "table=lines"))
	database.Types = map[string]kalla.Type{"amount": {Kind: kalla.Integer}}
	unreachable := input(t, "t", "postgres://u:hidden@127.0.0.1:1/db?table=x")
	derived := input(t, "t", with(url, "table=lines"))
	derived.Derive = []kalla.Derived{{Name: "n", SQL: "CAST(amount AS INTEGER)"}}
	for name, in := range map[string]engine.Input{
		"guessed":     csv("a/*.csv"),
		"declared":    declared,
		"ragged":      csv("b/*.csv"),
		"database":    database,
		"derived":     derived,
		"unreachable": unreachable,
	} {
		t.Run(name, func(t *testing.T) {
			to := storage(t, server)
			_, want := s.Stage(t.Context(), []engine.Input{in}, nil)
			staged, err := stager(t, s, to, urls...).Stage(t.Context(), []engine.Input{in}, to.Path, nil)
			if want == nil {
				if err != nil {
					t.Fatal(err)
				}
				same(t, s, staged[0], []engine.Input{in})
				return
			}
			var g, w *kalla.Error
			if !errors.As(err, &g) || !errors.As(want, &w) || g.Error() != w.Error() || g.Hint != w.Hint || g.Code != w.Code {
				t.Errorf("got %v (%+v), want %v (%+v)", err, g, want, w)
			}
		})
	}
}

// TestSecrets reads along: neither requests nor answers show a credential, and
// nobody is served who does not know the secret, or comes twice.
func TestSecrets(t *testing.T) {
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t, "CREATE TABLE lines AS SELECT i AS id, 'n' || i AS note FROM generate_series(1, 10) i")
	s, to := session(t), storage(t, server)
	var mu sync.Mutex
	var seen bytes.Buffer
	var first []byte
	along := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			if first == nil && r.Method == http.MethodPost {
				first = body
			}
			seen.Write(body)
			mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(&tee{ResponseWriter: w, to: &seen, mu: &mu}, r)
		})
	}
	at := executor(t, 1, along)
	if _, err := stager(t, s, to, at).Stage(t.Context(), []engine.Input{input(t, "t", with(url, "table=lines"))}, to.Path, nil); err != nil {
		t.Fatal(err)
	}
	bad := input(t, "t", with(url, "query=SELECT%201%2F(id-5)%20AS%20x%20FROM%20lines"))
	_, err := stager(t, s, to, at).Stage(t.Context(), []engine.Input{bad}, to.Path, nil)
	if err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("got %v", err)
	}
	for _, secret := range []string{pg.Password, server.SecretKey, "lines", "kalla_test"} {
		if bytes.Contains(seen.Bytes(), []byte(secret)) || err != nil && secret != "lines" && secret != "kalla_test" && strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("%q shows", secret)
		}
	}
	for name, body := range map[string][]byte{"again": first, "nonsense": []byte("{}")} {
		res, err := http.Post(at+"/staging", "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %s", name, res.Status, answer)
		}
	}
	other := stager(t, s, to, at)
	other.Keys = keys(t, "another")
	_, err = other.Stage(t.Context(), []engine.Input{input(t, "t", with(url, "table=lines"))}, to.Path, nil)
	if err == nil || !strings.Contains(err.Error(), "KALLA_CLUSTER_SECRET") {
		t.Errorf("got %v", err)
	}
}

type tee struct {
	http.ResponseWriter
	mu *sync.Mutex
	to io.Writer
}

func (w *tee) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.to.Write(b)
	return w.ResponseWriter.Write(b)
}

func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestCancel ends a run that would take minutes. The executor stops, too.
func TestCancel(t *testing.T) {
	noLeaks(t)
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t)
	db := pg.Open(t, url)
	s, to := session(t), storage(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reading := func() int {
		var n int
		if err := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%series%'").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	ended := make(chan error, 1)
	slow := input(t, "t", with(url, "query=SELECT%20generate_series(1,2000000000)%20AS%20id"))
	at := executor(t, 1, nil)
	go func() {
		_, err := stager(t, s, to, at).Stage(ctx, []engine.Input{slow}, to.Path, nil)
		ended <- err
	}()
	until(t, func() bool { return reading() > 0 })
	cancel()
	err := <-ended
	var e *kalla.Error
	if !errors.As(err, &e) || e.Code != kalla.CodeCanceled {
		t.Errorf("got %v", err)
	}
	until(t, func() bool { return reading() == 0 })
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}

// TestProgress adds up what the executors say.
func TestProgress(t *testing.T) {
	server, pg := testenv.S3(t), testenv.Postgres(t)
	url := pg.Database(t, balances)
	s, to := session(t), storage(t, server)
	var mu sync.Mutex
	var events []kalla.Progress
	report := func(p kalla.Progress) { mu.Lock(); defer mu.Unlock(); events = append(events, p) }
	left, right := input(t, "left_src", with(url, "table=balances")), input(t, "right_src", with(url, "table=balances"))
	staged, err := stager(t, s, to, executor(t, 1, nil)).Stage(t.Context(), []engine.Input{left, right}, to.Path, report)
	if err != nil {
		t.Fatal(err)
	}
	before := 0.0
	for _, p := range events {
		if p.Fraction < before || p.Fraction > 1 || p.Stage != kalla.StageStaging || p.Source == "" {
			t.Errorf("%+v comes after %v", p, before)
		}
		before = p.Fraction
	}
	if before != 1 || staged[0].Rows != 60000 || staged[1].Table.Name != "right_src" || staged[0].Fingerprint != staged[1].Fingerprint {
		t.Errorf("ends at %v with %+v", before, staged)
	}
}

// TestDemandedSnapshot refuses what cannot be of one point in time, and what turns out not to be.
func TestDemandedSnapshot(t *testing.T) {
	server, pg := testenv.S3(t), testenv.Postgres(t)
	bucket := server.Bucket(t)
	server.Put(t, bucket, "in/a.csv", []byte("id,amount\n1,1.5\n"))
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "p.csv", time.Time{}, strings.NewReader("id,amount\n1,1.50\n"))
	}))
	t.Cleanup(silent.Close)
	s := session(t)
	replace := posts(func(n int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if n == 2 {
			server.Put(t, bucket, "in/a.csv", []byte("id,amount\n1,1.5\n2,9\n"))
		}
		return false
	})
	at := executor(t, 1, replace)
	stage := func(in engine.Input) error {
		in.Snapshot = true
		to := storage(t, server)
		_, err := stager(t, s, to, at).Stage(t.Context(), []engine.Input{in}, to.Path, nil)
		return err
	}
	objects := engine.Input{Table: "t", Alias: "payments", Source: object(t, server, bucket+"/in/a.csv")}
	if err := stage(objects); err != nil {
		t.Error(err)
	}
	if err := stage(objects); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("replaced meanwhile: %v", err)
	}
	if err := stage(input(t, "t", silent.URL+"/p.csv")); err == nil || !strings.Contains(err.Error(), "one point in time") {
		t.Errorf("without a time: %v", err)
	}
	if err := stage(input(t, "t", with(pg.Database(t, "CREATE TABLE lines AS SELECT 1 AS id"), "table=lines"))); err != nil {
		t.Error(err)
	}
}
