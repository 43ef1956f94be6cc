package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"kalla/internal/agent"
	"kalla/internal/app"
	"kalla/internal/demo"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/seal"
	"kalla/internal/server"
	"kalla/internal/server/auth"
	"kalla/internal/state"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const (
	adminEmail  = "maria@example.com"
	password    = "four unrelated words here"
	workerToken = "worker-token-of-this-test"
)

func noEnv(string) (string, bool) { return "", false }

// stores are the databases that the state may be in.
var stores = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "state.db") },
	"postgres": func(t testing.TB) string { return testenv.Postgres(t).Database(t) },
}

// options of a site; what is empty is made.
type options struct {
	database  string
	keys      *seal.Keys
	scheduler string // URL
	storage   string
	demo      string // folder for demo data; empty offers none
	callback  string // URL
	lease     time.Duration
	attempts  int
	web       fstest.MapFS
	log       io.Writer
	maxUpload int64
	now       func() time.Time
	env       func(string) (string, bool)
	model     agent.Model
	budget    agent.Budget
}

// site is the app on a port of its own.
type site struct {
	t       testing.TB
	URL     string
	http    *httptest.Server
	server  *server.Server
	store   *state.Store
	keys    *seal.Keys
	storage string
	token   string // of an administrator, for everything that a token may
	browser *http.Client
}

// newSite starts an app, which ends with the test.
func newSite(t testing.TB, o options) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t, storage: o.storage, keys: o.keys}
	if s.keys == nil {
		keys, err := seal.Parse(seal.Generate())
		check(t, err)
		s.keys = keys
	}
	if s.storage == "" {
		s.storage = t.TempDir()
	}
	if o.database == "" {
		o.database = stores["sqlite"](t)
	}
	if o.web == nil {
		o.web = fstest.MapFS{"index.html": {Data: []byte("<html>the app</html>")}}
	}
	if o.log == nil {
		o.log = io.Discard
	}
	if o.env == nil {
		o.env = noEnv
	}
	log := slog.New(slog.NewTextHandler(o.log, nil))
	var err error
	s.store, err = state.Open(ctx, o.database, state.Options{Keys: s.keys, Now: o.now})
	check(t, err)
	signIn, err := auth.New(auth.Options{Store: s.store, Log: log})
	check(t, err)
	if _, err := signIn.FirstStart(ctx, adminEmail, password); err != nil {
		t.Fatal(err)
	}
	reader, err := duckdb.OpenReader(ctx, engine.Limits{Threads: 2, Memory: 256 << 20, TempDir: t.TempDir()})
	check(t, err)
	files := records.Open(reader, func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		l, err := evidence.Locate(location, "", noEnv)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		return m, location, err
	}, records.Options{})
	if o.scheduler == "" {
		o.scheduler = "http://127.0.0.1:1" // where nobody listens
	}
	client, err := job.NewClient(o.scheduler, workerToken)
	check(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.URL = "http://" + listener.Addr().String()
	if o.callback == "" {
		o.callback = s.URL
	}
	s.server, err = server.New(server.Config{
		Version: "test", Mode: "serve", Store: s.store, Auth: signIn, Records: files, Query: reader, Scheduler: client, SchedulerURL: o.scheduler,
		CallbackURL: o.callback, WorkerToken: workerToken, Storage: s.storage, DemoDir: o.demo, TempDir: t.TempDir(), LookupEnv: o.env, Web: o.web, Log: log,
		Lease: o.lease, MaxAttempts: o.attempts, MaxUpload: o.maxUpload, Now: o.now, Model: o.model, Budget: o.budget,
	})
	check(t, err)
	s.http = &httptest.Server{Listener: listener, Config: server.NewHTTPServer(s.server.Handler(), log)}
	s.http.Start()
	check(t, s.server.Start(ctx))
	t.Cleanup(func() {
		s.stop()
		files.Close()
		check(t, reader.Close())
		check(t, s.store.Close())
		client.Close()
	})
	return s
}

// stop ends the app as a process that is told to; a second time does nothing.
func (s *site) stop() {
	s.t.Helper()
	check(s.t, s.server.Stop(context.Background()))
	s.http.Close()
	if s.browser != nil {
		s.browser.CloseIdleConnections()
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noLeaks fails a test that leaves goroutines behind. It is called first.
func noLeaks(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before, testenv.IgnoreServices())
	})
}

// signIn makes a browser that is signed in.
func (s *site) signIn(email string) *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	check(s.t, err)
	c := &http.Client{Jar: jar, Transport: &http.Transport{}}
	s.t.Cleanup(c.CloseIdleConnections)
	body, _ := json.Marshal(map[string]string{"email": email, "password": password})
	r := s.request(http.MethodPost, "/api/auth/sign-in", body)
	resp, err := c.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("sign-in: %d %s", resp.StatusCode, text)
	}
	return c
}

// request is one as a browser sends it from the app itself.
func (s *site) request(method, path string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, bytes.NewReader(body))
	check(s.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// newToken makes an API token of whoever is signed in.
func (s *site) newToken(c *http.Client, scopes ...auth.Scope) string {
	s.t.Helper()
	body, _ := json.Marshal(map[string]any{"name": "test", "scopes": scopes})
	resp, err := c.Do(s.request(http.MethodPost, "/api/tokens", body))
	check(s.t, err)
	defer resp.Body.Close()
	var made auth.NewTokenItem
	check(s.t, json.NewDecoder(resp.Body).Decode(&made))
	if made.Token == "" {
		s.t.Fatalf("no token: %d", resp.StatusCode)
	}
	return made.Token
}

// answered is an answer.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// call asks with the administrator's token. The body is JSON, or nothing.
func (s *site) call(method, path string, body any, header ...string) answered {
	s.t.Helper()
	if s.token == "" {
		s.browser = s.signIn(adminEmail)
		s.token = s.newToken(s.browser, auth.ScopeRead, auth.ScopeWrite, auth.ScopeRuns, auth.ScopeAdmin)
	}
	return s.callAs(s.token, method, path, body, header...)
}

func (s *site) callAs(token, method, path string, body any, header ...string) answered {
	s.t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		check(s.t, err)
	}
	r := s.request(method, path, text)
	r.Header.Del("Sec-Fetch-Site")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	check(s.t, err)
	return answered{resp.StatusCode, resp.Header, got}
}

// want decodes an answer that must have a status.
func want[T any](t testing.TB, a answered, status int) (out T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, not %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return out
}

// problem is what the tests look at of an answer that is an error.
type problem struct {
	Detail string
	Hint   string
	Errors []struct{ Location, Message, Hint string }
}

// data writes a data set and returns its recipe, with absolute paths.
func data(t testing.TB, rows int64) (yaml string) {
	t.Helper()
	dir := t.TempDir()
	_, err := demo.Generate(context.Background(), demo.Config{Seed: 7, Rows: rows}, dir)
	check(t, err)
	text, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	check(t, err)
	return strings.NewReplacer("uri: invoices.csv", "uri: "+filepath.Join(dir, demo.InvoicesFile), "uri: payments.csv", "uri: "+filepath.Join(dir, demo.PaymentsFile)).Replace(string(text))
}

// inline is a recipe as a run carries it.
func inline(yaml string) map[string]any { return map[string]any{"document": yaml} }

// start starts a run and returns its id.
func (s *site) start(body map[string]any) string {
	s.t.Helper()
	out := want[server.RunStarted](s.t, s.call(http.MethodPost, "/api/runs", body), http.StatusOK)
	if out.Status != "submitted" || out.RunID == "" {
		s.t.Fatalf("%+v", out)
	}
	return out.RunID
}

func (s *site) run(id string) server.Run {
	s.t.Helper()
	return want[server.Run](s.t, s.call(http.MethodGet, "/api/runs/"+id, nil), http.StatusOK)
}

// until waits until a run is in one of the states.
func (s *site) until(id string, states ...server.RunState) server.Run {
	s.t.Helper()
	var run server.Run
	eventually(s.t, func() error {
		run = s.run(id)
		for _, st := range states {
			if run.Status == st {
				return nil
			}
		}
		if final(run.Status) {
			s.t.Fatalf("run %s is %s: %v", id, run.Status, deref(run.ErrorMessage))
		}
		return fmt.Errorf("run %s is %s, not %v", id, run.Status, states)
	})
	return run
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func final(s server.RunState) bool {
	return s == server.RunCompleted || s == server.RunFailed || s == server.RunCancelled
}

// eventually waits until a condition holds.
func eventually(t testing.TB, cond func() error) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// event is one of a stream.
type event struct {
	id, name string
	data     server.RunEvent
}

// follow reads the events of a run until the stream ends.
func (s *site) follow(id, after string, each func(event)) (status int, events []event) {
	s.t.Helper()
	r := s.request(http.MethodGet, "/api/runs/"+id+"/events", nil)
	r.Header.Set("Authorization", "Bearer "+s.token)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			check(s.t, json.Unmarshal([]byte(value), &e.data))
		case "":
			if e.id != "" {
				events = append(events, e)
				if each != nil {
					each(e)
				}
			}
			e = event{}
		}
	}
	return resp.StatusCode, events
}

// scheduler starts a real one, which ends with the test unless it is stopped before.
func scheduler(t testing.TB, change ...func(*app.SchedulerConfig)) *app.Scheduler {
	t.Helper()
	cfg := app.SchedulerConfig{
		Host: "127.0.0.1", Loopback: true, Open: true, DataDir: t.TempDir(), TempDir: t.TempDir(), MaxJobs: 1, Memory: 256 << 20, Threads: 2,
		Token: workerToken, LookupEnv: noEnv, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	sched, err := app.StartScheduler(context.Background(), cfg)
	check(t, err)
	t.Cleanup(func() { stopScheduler(t, sched) })
	return sched
}

func stopScheduler(t testing.TB, s *app.Scheduler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	check(t, s.Stop(ctx))
}
