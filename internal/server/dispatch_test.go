package server_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/app"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/seal"
	"kalla/internal/server"
	"kalla/internal/testenv"
)

// deaf is a callback URL where nobody listens.
const deaf = "http://127.0.0.1:1"

func hostOf(t testing.TB, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	check(t, err)
	return u.Host
}

// behind puts a proxy before a scheduler.
func behind(t testing.TB, sched *app.Scheduler) (*testenv.Proxy, string) {
	t.Helper()
	p := testenv.NewProxy(t, hostOf(t, sched.URL()))
	return p, "http://" + net.JoinHostPort(p.Host, p.Port)
}

func verified(t testing.TB, s *site, id string) {
	t.Helper()
	if report := want[evidence.Report](t, s.call(http.MethodGet, "/api/runs/"+id+"/verify", nil), http.StatusOK); !report.OK() {
		t.Errorf("%+v", report)
	}
}

// TestSchedulerAway: runs wait for a scheduler that is away, and can be cancelled meanwhile.
func TestSchedulerAway(t *testing.T) {
	noLeaks(t)
	proxy, at := behind(t, scheduler(t))
	proxy.Break()
	s := newSite(t, options{scheduler: at})
	recipe := inline(data(t, 100))
	waits, unwanted := s.start(map[string]any{"recipe": recipe}), s.start(map[string]any{"recipe": recipe})
	if run := want[server.Run](t, s.call(http.MethodPost, "/api/runs/"+unwanted+"/cancel", nil), http.StatusOK); run.Status != server.RunCancelled {
		t.Errorf("%s", run.Status)
	}
	var ready server.Health
	eventually(t, func() error {
		ready = want[server.Health](t, s.callAs("", http.MethodGet, "/readyz", nil), http.StatusOK)
		if ready.Status != "ok" || ready.Scheduler == "ok" {
			return errors.New(ready.Status + " " + ready.Scheduler)
		}
		return nil
	})
	if run := s.run(waits); run.Status != server.RunPending {
		t.Errorf("%s", run.Status)
	}
	proxy.Mend()
	run := s.until(waits, server.RunCompleted)
	if run.Attempt != 1 {
		t.Errorf("attempt %d", run.Attempt)
	}
	if got := s.call(http.MethodPost, "/api/runs/"+waits+"/cancel", nil); got.status != http.StatusConflict {
		t.Errorf("cancelling what is completed: %d", got.status)
	}
}

// TestLostCallbacks: the end of a run is found out without them.
func TestLostCallbacks(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL(), callback: deaf, lease: 3 * time.Second})
	id := s.start(map[string]any{"recipe": inline(data(t, 1000))})
	if run := s.until(id, server.RunCompleted); run.Attempt != 1 || run.Summary == nil || run.OutputMatched == nil {
		t.Errorf("%+v", run)
	}
	verified(t, s, id)
	bad := s.start(map[string]any{"recipe": inline(strings.Replace(data(t, 10), "invoices.csv", "missing.csv", 1))})
	if run := s.until(bad, server.RunFailed); run.Error == nil || run.Error.Code != "source" || !strings.Contains(deref(run.ErrorMessage), "missing.csv") {
		t.Errorf("%+v", run.Error)
	}
}

// TestSilence: a scheduler that is silent for longer than the lease gets the
// next attempt when it can be reached again, and runs nothing twice.
func TestSilence(t *testing.T) {
	noLeaks(t)
	sched := scheduler(t)
	proxy, at := behind(t, sched)
	s := newSite(t, options{scheduler: at, callback: deaf, lease: 1500 * time.Millisecond})
	busy := s.start(map[string]any{"recipe": inline(data(t, 100_000))})
	id := s.start(map[string]any{"recipe": inline(data(t, 1000))}) // waits behind it
	s.until(busy, server.RunDispatched, server.RunStaging, server.RunMatching)
	s.until(id, server.RunDispatched, server.RunStaging)
	proxy.Break()
	eventually(t, func() error {
		if run := s.run(id); run.Attempt != 2 || run.Status != server.RunPending {
			return errors.New(string(run.Status))
		}
		return nil
	})
	proxy.Mend()
	if run := s.until(id, server.RunCompleted); run.Attempt != 2 {
		t.Errorf("attempt %d", run.Attempt)
	}
	verified(t, s, id)
	s.until(busy, server.RunCompleted)
	client, err := job.NewClient(sched.URL(), workerToken)
	check(t, err)
	defer client.Close()
	if j, err := client.Get(t.Context(), id); err != nil || j.Attempt != 2 || j.State != job.Completed {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestAttempts: a scheduler that takes a run and is never heard of again ends it after so many attempts.
func TestAttempts(t *testing.T) {
	noLeaks(t)
	var mu sync.Mutex
	var attempts []string
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body := make([]byte, 1<<20)
		n, _ := r.Body.Read(body)
		_, rest, _ := strings.Cut(string(body[:n]), `"attempt":`)
		mu.Lock()
		attempts = append(attempts, rest[:1])
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"run_id": "x", "status": "accepted"}`))
	}))
	defer silent.Close()
	s := newSite(t, options{scheduler: silent.URL, lease: 500 * time.Millisecond, attempts: 2})
	id := s.start(map[string]any{"recipe": inline(data(t, 10))})
	run := s.until(id, server.RunFailed)
	if msg := deref(run.ErrorMessage); run.Attempt != 2 || !strings.Contains(msg, "no sign of life") || !strings.Contains(msg, "attempt 2 of 2") || run.Error.Hint == "" {
		t.Errorf("attempt %d: %s", run.Attempt, msg)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(attempts, ""); got != "12" {
		t.Errorf("attempts %s", got)
	}
}

// TestForgotten: a scheduler that lost its disk gets the run again at once.
func TestForgotten(t *testing.T) {
	noLeaks(t)
	first := scheduler(t)
	_, port, _ := net.SplitHostPort(hostOf(t, first.URL()))
	proxy, at := behind(t, first)
	s := newSite(t, options{scheduler: at, callback: deaf, lease: 12 * time.Second})
	id := s.start(map[string]any{"recipe": inline(data(t, 1000))})
	s.until(id, server.RunDispatched)
	proxy.Break() // or it might be asked before it is gone
	stopScheduler(t, first)
	scheduler(t, func(cfg *app.SchedulerConfig) { cfg.Port, _ = strconv.Atoi(port) })
	proxy.Mend()
	if run := s.until(id, server.RunCompleted); run.Attempt != 2 {
		t.Errorf("attempt %d", run.Attempt)
	}
	verified(t, s, id)
}

// TestRefused: what the scheduler refuses for good fails the run, with every fault.
func TestRefused(t *testing.T) {
	noLeaks(t)
	storage := t.TempDir()
	sched := scheduler(t, func(cfg *app.SchedulerConfig) { cfg.Open, cfg.FileDirs = false, []string{storage} })
	s := newSite(t, options{scheduler: sched.URL(), storage: storage})
	id := s.start(map[string]any{"recipe": inline(data(t, 10))})
	run := s.until(id, server.RunFailed)
	if run.Error == nil || len(run.Error.Faults) != 3 || run.Error.Faults[0].Path != "callback_url" || !strings.Contains(run.Error.Message, "--allow-callback") {
		t.Errorf("%+v", run.Error)
	}
}

// TestCancel stops a run that runs, one that waits at the scheduler, and one whose scheduler cannot be told at first.
func TestCancel(t *testing.T) {
	noLeaks(t)
	proxy, at := behind(t, scheduler(t))
	s := newSite(t, options{scheduler: at, lease: 6 * time.Second})
	large := map[string]any{"recipe": inline(data(t, 300_000))}
	runs, waits, away := s.start(large), s.start(large), s.start(large)
	for _, id := range []string{runs, waits, away} {
		s.until(id, server.RunDispatched, server.RunStaging)
	}
	if got := s.call(http.MethodPost, "/api/runs/"+waits+"/cancel", nil); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.until(waits, server.RunCancelled)
	proxy.Break()
	if got := s.call(http.MethodPost, "/api/runs/"+away+"/cancel", nil); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if run := s.run(away); final(run.Status) {
		t.Errorf("%s", run.Status)
	}
	proxy.Mend()
	s.until(away, server.RunCancelled)
	want[server.Run](t, s.call(http.MethodPost, "/api/runs/"+runs+"/cancel", nil), http.StatusOK)
	run := s.until(runs, server.RunCancelled)
	if got := s.call(http.MethodGet, "/api/runs/"+runs+"/records", nil); got.status != http.StatusConflict || run.HasEvidence {
		t.Errorf("records of what was cancelled: %d %s", got.status, got.body)
	}
}

// TestTwoApps: two processes serve one database. Either tells what happens at
// the other, equal requests make one run, and whoever stays finishes what the other began.
func TestTwoApps(t *testing.T) {
	database := testenv.Postgres(t).Database(t)
	noLeaks(t)
	keys, err := seal.Parse(seal.Generate())
	check(t, err)
	sched := scheduler(t)
	o := options{database: database, keys: keys, scheduler: sched.URL(), storage: t.TempDir(), lease: 3 * time.Second}
	a := newSite(t, o)
	b := newSite(t, o)
	recipe := inline(data(t, 1000))

	id := a.start(map[string]any{"recipe": recipe})
	b.run(id) // signs in
	_, events := b.follow(id, "", nil)
	checkEvents(t, events, server.RunCompleted)

	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		s := []*site{a, b}[i%2]
		wg.Go(func() {
			eventually(t, func() error {
				got := s.call(http.MethodPost, "/api/runs", map[string]any{"recipe": recipe}, "Idempotency-Key", "the same")
				if got.status == http.StatusConflict { // the first is being answered
					return errors.New(string(got.body))
				}
				ids[i] = want[server.RunStarted](t, got, http.StatusOK).RunID
				return nil
			})
		})
	}
	wg.Wait()
	for _, other := range ids {
		if other != ids[0] {
			t.Errorf("runs %v", ids)
		}
	}
	b.until(ids[0], server.RunCompleted)
	if got := a.call(http.MethodPost, "/api/runs", map[string]any{"recipe": recipe, "engine": "duckdb"}, "Idempotency-Key", "the same"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the key for another request: %d %s", got.status, got.body)
	}

	last := a.start(map[string]any{"recipe": recipe})
	a.stop() // callbacks go to a, where nobody listens any more
	if run := b.until(last, server.RunCompleted); run.Attempt > 2 {
		t.Errorf("attempt %d", run.Attempt)
	}
	verified(t, b, last)
}

// TestDatabaseAway: the connections to PostgreSQL break in the middle of a run, and come back.
func TestDatabaseAway(t *testing.T) {
	pg := testenv.Postgres(t)
	u, err := url.Parse(pg.Database(t))
	check(t, err)
	noLeaks(t)
	proxy := testenv.NewProxy(t, u.Host)
	u.Host = net.JoinHostPort(proxy.Host, proxy.Port)
	s := newSite(t, options{database: u.String(), scheduler: scheduler(t).URL(), lease: 6 * time.Second})
	id := s.start(map[string]any{"recipe": inline(data(t, 50_000))})
	s.until(id, server.RunStaging, server.RunMatching, server.RunEvidence)
	proxy.Break()
	eventually(t, func() error {
		if got := s.callAs("", http.MethodGet, "/readyz", nil); got.status != http.StatusServiceUnavailable {
			return errors.New(string(got.body))
		}
		return nil
	})
	got := s.call(http.MethodGet, "/api/runs/"+id, nil)
	if p := want[problem](t, got, http.StatusServiceUnavailable); got.header.Get("Retry-After") == "" || strings.Contains(p.Detail, pg.Password) {
		t.Errorf("%+v", p)
	}
	proxy.Mend()
	eventually(t, func() error {
		if got := s.callAs("", http.MethodGet, "/readyz", nil); got.status != http.StatusOK {
			return errors.New(string(got.body))
		}
		return nil
	})
	if run := s.until(id, server.RunCompleted); run.Attempt != 1 {
		t.Errorf("attempt %d", run.Attempt)
	}
	verified(t, s, id)
}
