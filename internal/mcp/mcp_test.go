package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/mcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "kalla_token"

// running are services whose one run ends when it has been asked about often enough, or is cancelled.
type running struct {
	agent.Services
	asked    atomic.Int64
	ends     int64
	canceled chan string
}

func (r *running) Run(context.Context, string) (*agent.Run, error) {
	n := r.asked.Add(1)
	if n >= r.ends {
		return &agent.Run{RunID: "r1", Status: "completed", Final: true, Progress: 1}, nil
	}
	return &agent.Run{RunID: "r1", Status: "matching", Progress: float64(n) / 10}, nil
}

func (r *running) CancelRun(_ context.Context, id string) error {
	r.canceled <- id
	return nil
}

func tool(name string, call func(ctx context.Context) (any, error)) agent.Tool {
	return agent.Tool{Name: name, Title: name, Description: "Does it.", Schema: json.RawMessage(`{"type":"object"}`),
		Call: func(ctx context.Context, _ json.RawMessage) (any, error) { return call(ctx) }}
}

// fixture is a server with tools that wait, fail and start runs.
type fixture struct {
	*mcp.Server
	services *running
	began    chan struct{}
	gone     chan struct{}
}

func newFixture(ends int64) *fixture {
	f := &fixture{services: &running{ends: ends, canceled: make(chan string, 1)}, began: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
	f.Server = mcp.New(mcp.Config{Version: "1", Services: f.services, Tools: []agent.Tool{
		tool("wait", func(ctx context.Context) (any, error) {
			f.began <- struct{}{}
			<-ctx.Done()
			f.gone <- struct{}{}
			return nil, ctx.Err()
		}),
		tool("start", func(context.Context) (any, error) { return &agent.Started{RunID: "r1"}, nil }),
		tool("wrong", func(context.Context) (any, error) {
			return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "checking", Why: "the column is missing", Hint: "add it", Err: kalla.Faults{{Path: "match[0]", Problem: "no such column"}}}
		}),
		tool("broken", func(context.Context) (any, error) { return nil, errors.New("dial 10.0.0.7: secret detail") }),
		tool("list", func(context.Context) (any, error) { return []string{"a"}, nil }),
	}})
	return f
}

// client is connected to a fixture.
type client struct {
	*sdk.ClientSession
	progress chan float64
}

func connect(t *testing.T, transport sdk.Transport) *client {
	t.Helper()
	c := &client{progress: make(chan float64, 100)}
	var err error
	c.ClientSession, err = sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { c.progress <- r.Params.Progress },
	}).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (c *client) call(ctx context.Context, t *testing.T, name string) (*sdk.CallToolResult, error) {
	t.Helper()
	params := &sdk.CallToolParams{Name: name, Arguments: map[string]any{}}
	params.SetProgressToken(name)
	return c.CallTool(ctx, params)
}

// pipes connects what serves a pair of streams with a client.
func pipes(t *testing.T, serve func(ctx context.Context, in io.Reader, out io.Writer) error) sdk.Transport {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, in, out)
		out.Close()
	}()
	t.Cleanup(func() {
		toServer.Close()
		defer cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("it does not end with its streams")
		}
	})
	return &sdk.IOTransport{Reader: fromServer, Writer: toServer}
}

// app serves a fixture over HTTP behind a token.
func app(t *testing.T, f *fixture) string {
	t.Helper()
	h := f.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

type withToken struct{ *http.Transport }

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return w.Transport.RoundTrip(r)
}

// ways are all ways to a server.
var ways = map[string]func(t *testing.T, f *fixture) sdk.Transport{
	"stdio": func(t *testing.T, f *fixture) sdk.Transport { return pipes(t, f.ServeStdio) },
	"http": func(t *testing.T, f *fixture) sdk.Transport {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		return &sdk.StreamableClientTransport{Endpoint: app(t, f) + "/mcp", MaxRetries: -1, HTTPClient: &http.Client{Transport: withToken{transport}}}
	},
	"bridge": func(t *testing.T, f *fixture) sdk.Transport {
		url := app(t, f)
		return pipes(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
			return mcp.Bridge(ctx, "1", url, token, false, in, out)
		})
	},
}

// TestWays: the same comes by every way: results, errors that help, progress, the end of a run, cancellation.
func TestWays(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			f := newFixture(4)
			c := connect(t, way(t, f))
			text := func(name string) (string, bool) {
				r, err := c.call(t.Context(), t, name)
				if err != nil {
					t.Fatal(err)
				}
				return r.Content[0].(*sdk.TextContent).Text, r.IsError
			}
			if got, failed := text("list"); got != `["a"]` || failed {
				t.Errorf("a list is %q", got)
			}
			if got, failed := text("wrong"); !failed || !strings.Contains(got, "the column is missing") || !strings.Contains(got, "match[0]") || !strings.Contains(got, "Hint: add it") {
				t.Errorf("an error is %q", got)
			}
			if got, failed := text("broken"); !failed || strings.Contains(got, "10.0.0.7") {
				t.Errorf("a fault is %q", got)
			}
			if got, failed := text("start"); failed || !strings.Contains(got, `"completed"`) {
				t.Errorf("a run is %q", got)
			}
			select {
			case p := <-c.progress:
				if p != 0.1 {
					t.Errorf("the first progress is %v", p)
				}
			case <-time.After(10 * time.Second):
				t.Error("there is no progress")
			}

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { <-f.began; cancel() }()
			if _, err := c.call(ctx, t, "wait"); !errors.Is(err, context.Canceled) {
				t.Errorf("a call that was cancelled ends with %v", err)
			}
			select {
			case <-f.gone:
			case <-time.After(10 * time.Second):
				t.Error("the tool goes on after it was cancelled")
			}
			if got, failed := text("list"); got != `["a"]` || failed {
				t.Errorf("afterwards a list is %q", got)
			}
		})
	}
}

// TestCancelRun: who cancels the call of run_full cancels the run, where that can be done.
func TestCancelRun(t *testing.T) {
	f := newFixture(1 << 40)
	c := connect(t, ways["stdio"](t, f))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-c.progress; cancel() }()
	if _, err := c.call(ctx, t, "start"); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	select {
	case id := <-f.services.canceled:
		if id != "r1" {
			t.Errorf("%s is cancelled", id)
		}
	case <-time.After(10 * time.Second):
		t.Error("the run goes on")
	}
}

// TestBridgeRefused: why the app is not to be had is said before anything is served.
func TestBridgeRefused(t *testing.T) {
	url := app(t, newFixture(1))
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, x := range map[string]struct{ url, token, why string }{
		"a wrong token":  {url, "kalla_other", "the token is not accepted"},
		"another server": {other.URL, token, "404"},
		"nobody":         {"http://127.0.0.1:1", token, "cannot be reached"},
	} {
		err := mcp.Bridge(t.Context(), "1", x.url, x.token, false, strings.NewReader(""), io.Discard)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || !strings.Contains(e.Why, x.why) || e.Hint == "" || strings.Contains(err.Error(), x.token) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
