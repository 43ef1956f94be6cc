package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/compute/httpapi"
	"kalla/internal/job"
	"kalla/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers what it is told to: how errors and panics of a service come
// out is tested here, what the real one does in package app.
type service struct {
	err    error
	do     func(context.Context)
	state  job.State
	ready  job.Readiness
	onSend func(job.Request)
}

func (s *service) act(ctx context.Context) error {
	if s.do != nil {
		s.do(ctx)
	}
	return s.err
}

func (s *service) Submit(ctx context.Context, req job.Request) (job.Accepted, error) {
	if s.onSend != nil {
		s.onSend(req)
	}
	return job.Accepted{RunID: req.RunID, Status: "accepted"}, s.act(ctx)
}

func (s *service) Get(ctx context.Context, runID string) (job.Job, error) {
	return job.Job{RunID: runID, State: s.state}, s.act(ctx)
}

func (s *service) List(ctx context.Context, _ string, _ int, _ job.State) (job.Page, error) {
	return job.Page{Jobs: []job.Job{}}, s.act(ctx)
}
func (s *service) Cancel(ctx context.Context, _ string) error   { return s.act(ctx) }
func (s *service) Ready(context.Context) job.Readiness          { return s.ready }
func (s *service) Stats(context.Context) (compute.Stats, error) { return compute.Stats{}, s.err }
func (s *service) Engine(ctx context.Context) (job.Engine, error) {
	return job.Engine{Workers: []job.Node{}}, s.act(ctx)
}

func (s *service) Preview(ctx context.Context, _ job.PreviewRequest) (*job.Preview, error) {
	return &job.Preview{}, s.act(ctx)
}

func (s *service) Validate(ctx context.Context, _ job.ValidateRequest) (*job.Validation, error) {
	return &job.Validation{}, s.act(ctx)
}

func (s *service) Draft(ctx context.Context, _ job.DraftRequest) (*job.Draft, error) {
	return &job.Draft{}, s.act(ctx)
}

func (s *service) Trial(ctx context.Context, _ job.TrialRequest) (*kalla.Summary, error) {
	return &kalla.Summary{}, s.act(ctx)
}

func (s *service) Backtest(ctx context.Context, _ job.BacktestRequest) (*job.Backtest, error) {
	return &job.Backtest{Disagreements: []job.Disagreement{}, Pairs: []job.Pair{}}, s.act(ctx)
}

func handler(s *service, o httpapi.Options) http.Handler {
	o.Version = "test"
	o.Metrics = httpapi.NewMetrics("test", 1<<30, "")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return httpapi.Handler(s, o)
}

// call sends a request as a client on this machine would.
func call(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:9090"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problemIn reads a problem and checks what every one must hold.
func problemIn(t *testing.T, w *httptest.ResponseRecorder) problem.Problem {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	var p problem.Problem
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code || p.Title != http.StatusText(w.Code) || p.Type != "about:blank" || p.Detail == "" {
		t.Errorf("status %d with problem %+v", w.Code, p)
	}
	return p
}

const aJob = `{"run_id":"r1","output_path":"/data/r1","recipe":{"kalla":1}}`

// TestErrors: each class of errors has its status, and the hint comes along.
func TestErrors(t *testing.T) {
	known := func(code kalla.Code, err error) error {
		return &kalla.Error{Code: code, Op: "accepting job", Why: "so it is", Hint: "do otherwise", Err: err}
	}
	for _, c := range []struct {
		name   string
		err    error
		status int
		retry  string
	}{
		{"full", known(kalla.CodeLimit, &compute.QueueFullError{Limit: 5, RetryAfter: 1500 * time.Millisecond}), http.StatusTooManyRequests, "2"},
		{"conflict", known(kalla.CodeUsage, compute.ErrConflict), http.StatusConflict, ""},
		{"final", known(kalla.CodeUsage, compute.ErrFinal), http.StatusConflict, ""},
		{"not found", known(kalla.CodeUsage, compute.ErrNotFound), http.StatusNotFound, ""},
		{"stopping", known(kalla.CodeInternal, compute.ErrStopping), http.StatusServiceUnavailable, "1"},
		{"source", known(kalla.CodeSource, nil), http.StatusUnprocessableEntity, ""},
		{"limit", known(kalla.CodeLimit, nil), http.StatusUnprocessableEntity, ""},
		{"cancelled", known(kalla.CodeCanceled, context.Canceled), http.StatusServiceUnavailable, "1"},
		{"internal", known(kalla.CodeInternal, nil), http.StatusInternalServerError, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := call(handler(&service{err: c.err}, httpapi.Options{Loopback: true}), http.MethodPost, "/api/jobs", aJob)
			p := problemIn(t, w)
			if w.Code != c.status || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			if p.Hint != "do otherwise" || p.Code != kalla.CodeOf(c.err) || !strings.Contains(p.Detail, "so it is") {
				t.Errorf("problem %+v", p)
			}
		})
	}
}

// TestFaults: every fault is named with the field that it is in.
func TestFaults(t *testing.T) {
	faults := kalla.Faults{{Path: "sources[1].filters[0].op", Problem: "is not known", Hint: "write eq"}, {Problem: "is empty"}}
	err := &kalla.Error{Code: kalla.CodeRecipe, Op: "accepting job", Err: faults}
	p := problemIn(t, call(handler(&service{err: err}, httpapi.Options{Loopback: true}), http.MethodPost, "/api/jobs", aJob))
	want := []problem.Field{{Location: "body.sources[1].filters[0].op", Message: "is not known", Hint: "write eq"}, {Location: "body", Message: "is empty"}}
	if p.Status != http.StatusUnprocessableEntity || len(p.Errors) != 2 || p.Errors[0] != want[0] || p.Errors[1] != want[1] {
		t.Errorf("problem %+v", p)
	}
}

// TestRefused: what is wrong with a request by itself does not reach the service.
func TestRefused(t *testing.T) {
	const hush = "hush-hush"
	for _, c := range []struct {
		name, method, target, body string
		header                     []string
		status                     int
		says                       []string // in the answer
	}{
		{"no such path", http.MethodGet, "/api/job", "", nil, 404, []string{"/openapi.json"}},
		{"a path that is not clean", http.MethodGet, "/api//jobs", "", nil, 404, nil},
		{"method", http.MethodPut, "/api/jobs", "", nil, 405, []string{"GET or POST"}},
		{"no JSON", http.MethodPost, "/api/jobs", "{x", nil, 400, []string{"cannot be read"}},
		{"no body", http.MethodPost, "/api/jobs", "", nil, 400, []string{"body"}},
		{"content type", http.MethodPost, "/api/jobs", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, []string{"Content-Type: application/json"}},
		{"too long", http.MethodPost, "/api/jobs", `{"run_id":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, []string{"2 MiB"}},
		{"missing", http.MethodPost, "/api/jobs", `{}`, nil, 422, []string{`"location":"body.run_id","message":"is missing"`, `"location":"body.output_path"`}},
		{"a misspelt field", http.MethodPost, "/api/jobs", `{"run_id":"r","output_path":"/o","calback_url":"http://h"}`, nil, 422, []string{"body.calback_url", "there is no such field"}},
		{"a wrong value is not repeated", http.MethodPost, "/api/jobs", `{"run_id":"r","output_path":"/o","sources":[{"alias":"a","uri":{"postgres://u:` + hush + `@h/d":1}}]}`, nil, 422, []string{"body.sources[0].uri"}},
		{"several", http.MethodGet, "/api/jobs?limit=0&state=lost", "", nil, 422, []string{"query.limit", "query.state"}},
		{"unknown parameter", http.MethodGet, "/api/jobs?stat=failed", "", nil, 422, []string{"query.stat"}},
		{"empty parameter", http.MethodGet, "/api/jobs?state=", "", nil, 422, []string{"query.state"}},
		{"another host's name", http.MethodGet, "/api/jobs", "", []string{"Host", "rebound.example:9090"}, 403, []string{"rebound.example"}},
		{"another page's request", http.MethodPost, "/api/jobs", aJob, []string{"Origin", "http://evil.example"}, 403, []string{"web pages"}},
		{"another site's request", http.MethodDelete, "/api/jobs/r1", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &service{do: func(context.Context) { t.Error("the service was asked") }}
			w := call(handler(s, httpapi.Options{Loopback: true}), c.method, c.target, c.body, c.header...)
			answer := w.Body.String()
			problemIn(t, w)
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, answer)
			}
			for _, want := range c.says {
				if !strings.Contains(answer, want) {
					t.Errorf("it does not say %s: %s", want, answer)
				}
			}
			if strings.Contains(answer, hush) {
				t.Errorf("a password comes back: %s", answer)
			}
			if c.status == 405 && w.Header().Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %s", w.Header().Get("Allow"))
			}
		})
	}
}

// TestToken: with a token everything but health asks for it, from any host's name.
func TestToken(t *testing.T) {
	const token = "0123456789abcdef"
	h := handler(&service{ready: job.Readiness{Ready: true}}, httpapi.Options{Loopback: true, Token: token})
	for _, path := range []string{"/api/jobs", "/api/engine", "/metrics", "/openapi.json", "/nowhere"} {
		for _, header := range []string{"", "Bearer", "Bearer " + token + "x", "Basic " + token, token} {
			w := call(h, http.MethodGet, path, "", "Authorization", header)
			if p := problemIn(t, w); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %+v", path, header, p)
			}
		}
		if w := call(h, http.MethodGet, path, "", "Authorization", "bearer "+token, "Host", "scheduler:9090"); w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
			t.Errorf("%s with the token: status %d", path, w.Code)
		}
	}
	for _, path := range []string{"/health", "/ready"} {
		if w := call(h, http.MethodGet, path, "", "Host", "scheduler:9090"); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// TestLoopbackNames: without a token only names of this machine are answered, so
// that no web page can reach the scheduler by a name that it resolves to 127.0.0.1.
func TestLoopbackNames(t *testing.T) {
	h := handler(&service{}, httpapi.Options{Loopback: true})
	for _, host := range []string{"localhost", "LOCALHOST:1", "127.0.0.1:9090", "127.8.9.1", "[::1]:9090", "[::1]"} {
		if w := call(h, http.MethodGet, "/health", "", "Host", host); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", host, w.Code)
		}
	}
	for _, host := range []string{"", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0:9090", "10.0.0.1", "[::]"} {
		if w := call(h, http.MethodGet, "/health", "", "Host", host); w.Code != http.StatusForbidden {
			t.Errorf("%s: status %d", host, w.Code)
		}
	}
}

// TestReady: not ready is 503, with what is missing.
func TestReady(t *testing.T) {
	w := call(handler(&service{ready: job.Readiness{Missing: []string{"disk"}}}, httpapi.Options{Loopback: true}), http.MethodGet, "/ready", "")
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != `{"ready":false,"missing":["disk"]}`+"\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// TestCancelled: 202 while the engine stops, 200 when the job is over.
func TestCancelled(t *testing.T) {
	for state, want := range map[job.State]int{job.Running: http.StatusAccepted, job.Cancelled: http.StatusOK} {
		w := call(handler(&service{state: state}, httpapi.Options{Loopback: true}), http.MethodDelete, "/api/jobs/a%2Fb%20%3F", "")
		var j job.Job
		if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil {
			t.Fatal(err)
		}
		if w.Code != want || j.RunID != "a/b ?" {
			t.Errorf("%s: status %d, run %q", state, w.Code, j.RunID)
		}
	}
}

// TestPanic: a fault of ours is a problem and a line in the log, both under the request's id.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := &service{do: func(context.Context) { panic("a secret of ours") }}
	w := call(handler(s, httpapi.Options{Loopback: true, Log: slog.New(slog.NewTextHandler(&log, nil))}), http.MethodPost, "/api/jobs", aJob)
	id := w.Header().Get("X-Request-Id")
	p := problemIn(t, w)
	if p.Status != http.StatusInternalServerError || strings.Contains(p.Detail+p.Hint, "secret") || !strings.Contains(p.Hint, id) {
		t.Errorf("problem %+v", p)
	}
	if id == "" || !strings.Contains(log.String(), "request_id="+id) || !strings.Contains(log.String(), "a secret of ours") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestRequestIsWhole: what a client sends reaches the service to the digit, and its trace with it.
func TestRequestIsWhole(t *testing.T) {
	var got job.Request
	var span trace.SpanContext
	s := &service{onSend: func(r job.Request) { got = r }, do: func(ctx context.Context) { span = trace.SpanContextFromContext(ctx) }}
	body := `{"run_id":"r1","output_path":"/o","callback_url":null,"match_sql":"SELECT 1","primary_keys":{"left_src":["id"]},
		"sources":[{"alias":"left_src","uri":"a.csv","filters":[{"column":"amount","op":"gte","value":10000000000000000.10}]}]}`
	w := call(handler(s, httpapi.Options{Loopback: true}), http.MethodPost, "/api/jobs", body, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if w.Code != http.StatusAccepted || w.Body.String() != `{"run_id":"r1","status":"accepted"}`+"\n" {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if v := string(got.Sources[0].Filters[0].Value); v != "10000000000000000.10" {
		t.Errorf("the value is %s", v)
	}
	if span.TraceID().String() != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("the trace is %s", span.TraceID())
	}
}

// TestSlowBody: a client that sends its body slowly holds no handler, and a
// handler that takes longer than a body may is not cut short.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := &service{do: func(ctx context.Context) {
		select {
		case <-ctx.Done():
			t.Error("the handler was cut short")
		case <-time.After(5500 * time.Millisecond): // huma by itself gives bodies 5 s
		}
	}}
	server := httptest.NewUnstartedServer(handler(s, httpapi.Options{Loopback: true}))
	server.Config = httpapi.NewServer(server.Config.Handler, slog.New(slog.DiscardHandler))
	server.Config.ReadTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()

	resp, err := http.Post(server.URL+"/api/preview", "application/json", strings.NewReader(`{"uri":"a.csv"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()

	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) {
		t.Errorf("the answer is %s", answer)
	}
}

// TestOpenAPI: the document is OpenAPI 3.1, and every operation says which problems it answers with.
func TestOpenAPI(t *testing.T) {
	w := call(handler(&service{}, httpapi.Options{Loopback: true, Token: "0123456789abcdef"}), http.MethodGet, "/openapi.json", "", "Authorization", "Bearer 0123456789abcdef")
	doc, err := libopenapi.NewDocument(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(model.Model.Version, "3.1") {
		t.Errorf("version %s", model.Model.Version)
	}
	var operations []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			operations = append(operations, strings.ToUpper(method)+" "+path)
			for code, resp := range op.Responses.Codes.FromOldest() {
				if code >= "400" && resp.Content.GetOrZero("application/problem+json") == nil {
					t.Errorf("%s %s: status %s is no problem", method, path, code)
				}
			}
		}
	}
	slices.Sort(operations)
	want := []string{"DELETE /api/jobs/{run_id}", "GET /api/engine", "GET /api/jobs", "GET /api/jobs/{run_id}", "GET /health", "GET /ready",
		"POST /api/backtest", "POST /api/draft", "POST /api/jobs", "POST /api/preview", "POST /api/trial", "POST /api/validate"}
	if !slices.Equal(operations, want) {
		t.Errorf("operations %v, want %v", operations, want)
	}
	if schemas := model.Model.Components.Schemas; schemas.GetOrZero("ErrorModel") != nil || schemas.GetOrZero("Problem") == nil {
		t.Error("the problems are not ours")
	}
}

// TestMetrics: what has happened is counted, and the queue is asked when it is scraped.
func TestMetrics(t *testing.T) {
	m := httpapi.NewMetrics("v1", 1<<30, t.TempDir())
	h := httpapi.Handler(&service{}, httpapi.Options{Loopback: true, Metrics: m, Log: slog.New(slog.DiscardHandler)})
	m.JobEnded(compute.Ended{State: job.Completed, Waited: time.Second, Ran: 2 * time.Second, Rows: 30, Stages: []kalla.StageTime{{Name: "staging", MS: 1500}}})
	m.JobEnded(compute.Ended{State: job.Failed, Ran: time.Second})
	m.Callback("complete", "delivered")
	got := call(h, http.MethodGet, "/metrics", "").Body.String()
	for _, want := range []string{
		`kalla_job_seconds_sum{outcome="completed"} 2`, `kalla_job_seconds_count{outcome="failed"} 1`, `kalla_stage_seconds_sum{stage="staging"} 1.5`,
		`kalla_rows_total 30`, `kalla_callbacks_total{kind="complete",outcome="delivered"} 1`, `kalla_jobs{state="queued"} 0`, `kalla_queue_depth 0`,
		`kalla_memory_limit_bytes 1.073741824e+09`, `kalla_spill_bytes 0`, `version="v1"`, "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
}
