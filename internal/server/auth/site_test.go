package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla/internal/seal"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const (
	adminEmail = "maria@example.com"
	password   = "four unrelated words here"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// site is an app that has nothing but sign-in, and an operation for each permission.
type site struct {
	*httptest.Server
	auth  *auth.Service
	store *state.Store
	clock *clock
	api   huma.API
	log   *bytes.Buffer
}

// newSite returns a site with one administrator, at a plain HTTP loopback address.
func newSite(t *testing.T, change ...func(*site, *auth.Options)) *site {
	s := newEmptySite(t, change...)
	if token, err := s.auth.FirstStart(t.Context(), adminEmail, password); err != nil || token != "" {
		t.Fatalf("%q, %v", token, err)
	}
	return s
}

func newEmptySite(t *testing.T, change ...func(*site, *auth.Options)) *site {
	t.Helper()
	s := &site{clock: &clock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{}}
	s.store = openStore(t, filepath.Join(t.TempDir(), "state.db"), s.clock.now)
	s.Server = httptest.NewUnstartedServer(nil)
	s.URL = "http://" + s.Listener.Addr().String()
	options := auth.Options{Store: s.store, Now: s.clock.now, Log: slog.New(slog.NewTextHandler(&locked{w: s.log}, nil))}
	for _, f := range change {
		f(s, &options)
	}
	var err error
	if s.auth, err = auth.New(options); err != nil {
		t.Fatal(err)
	}
	s.api, s.Config.Handler = handlerOf(s.auth)
	url := s.URL
	s.URL = ""
	s.Start()
	if s.URL != url {
		t.Fatalf("%s is not %s", s.URL, url)
	}
	t.Cleanup(s.Close)
	return s
}

// handlerOf is all that a site serves.
func handlerOf(service *auth.Service) (huma.API, http.Handler) {
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("Kalla", "test"))
	service.Protect(api)
	service.Register(api)
	for _, p := range []auth.Permission{auth.Read, auth.SourcesWrite, auth.RecipesWrite, auth.UploadsWrite, auth.RunsWrite, auth.RunsApprove, auth.AuditRead, auth.SettingsAdmin} {
		huma.Register(api, huma.Operation{Method: http.MethodPost, Path: "/api/test/" + string(p), OperationID: "test-" + string(p), Metadata: auth.Require(p)},
			func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	}
	mux.HandleFunc("GET /addr", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, auth.ClientAddr(r.Context()).String())
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the web app") })
	return api, service.Middleware(mux)
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// browser keeps cookies, and says where its requests come from as browsers do.
type browser struct {
	t      *testing.T
	site   *site
	client *http.Client
	header http.Header
}

func (s *site) browser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, site: s, header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "User-Agent": {"Firefox"}}}
	b.client = &http.Client{Jar: jar, Transport: s.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

// program has no cookies and sends a token.
func (s *site) program(t *testing.T, token string) *browser {
	b := s.browser(t)
	b.client.Jar = nil
	b.header = http.Header{"Authorization": {"Bearer " + token}}
	return b
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

func (b *browser) do(method, path string, body any) answer {
	b.t.Helper()
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	if !strings.HasPrefix(path, "http") {
		path = b.site.URL + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, path, r)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = b.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return b.send(req)
}

func (b *browser) send(req *http.Request) answer {
	b.t.Helper()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// must is do, and the test fails if the status is another.
func (b *browser) must(status int, method, path string, body any) answer {
	b.t.Helper()
	a := b.do(method, path, body)
	if a.status != status {
		b.t.Fatalf("%s %s: %d instead of %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

type body map[string]any

func (b *browser) signIn(email, password string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, "/api/auth/sign-in", body{"email": email, "password": password})
}

// signedIn returns a browser of a user of that role, who is added if need be.
func (s *site) signedIn(t *testing.T, role auth.Role) *browser {
	t.Helper()
	b := s.browser(t)
	if role == auth.Admin {
		b.must(http.StatusOK, http.MethodPost, "/api/auth/sign-in", body{"email": adminEmail, "password": password})
		return b
	}
	email := string(role) + "@example.com"
	s.signedIn(t, auth.Admin).must(http.StatusCreated, http.MethodPost, "/api/users", body{"email": email, "role": role, "password": password})
	b.must(http.StatusOK, http.MethodPost, "/api/auth/sign-in", body{"email": email, "password": password})
	return b
}

// token makes an API token with those scopes.
func (b *browser) token(scopes ...auth.Scope) string {
	b.t.Helper()
	var made struct{ Token string }
	b.must(http.StatusCreated, http.MethodPost, "/api/tokens", body{"name": "test", "scopes": scopes}).json(b.t, &made)
	return made.Token
}

func openStore(t *testing.T, url string, now func() time.Time) *state.Store {
	t.Helper()
	keys, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(t.Context(), url, state.Options{Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}
