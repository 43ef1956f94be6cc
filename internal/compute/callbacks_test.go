package compute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
)

// poster makes one attempt of a callback, as simply as can be.
type poster struct{}

type refused struct{ status int }

func (r refused) Error() string   { return http.StatusText(r.status) }
func (r refused) Permanent() bool { return r.status == http.StatusGone }

func (poster) Post(ctx context.Context, url, key string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Idempotency-Key", key)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused{resp.StatusCode}
	}
	return nil
}

// told passes progress on at once, for the order of requests to show.
type told struct {
	ctx context.Context
	url string
}

func (p told) Send(progress job.Progress) {
	_ = poster{}.Post(p.ctx, p.url, "", progress)
}
func (told) Close() {}

// receiver is a server that gets callbacks.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string // path and Idempotency-Key, in the order of arrival
	bodies map[string]string
	answer func(path string, nth int) int // the status; nil is always 200
}

func receive(t *testing.T, answer func(path string, nth int) int) *receiver {
	r := &receiver{answer: answer, bodies: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		entry := strings.TrimSpace(req.URL.RequestURI() + " " + req.Header.Get("Idempotency-Key"))
		nth := 0
		for _, g := range r.got {
			if g == entry {
				nth++
			}
		}
		r.got = append(r.got, entry)
		r.bodies[req.URL.Path] = string(body)
		r.mu.Unlock()
		if r.answer != nil {
			w.WriteHeader(r.answer(req.URL.Path, nth))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, "\n")
}

func (r *receiver) wait(t *testing.T, want string) {
	t.Helper()
	eventually(t, func() bool { return r.all() == want }, func() string { return "received:\n" + r.all() + "\nwant:\n" + want })
}

func withCallback(runID, url string) job.Request {
	req := request(runID)
	req.CallbackURL = url
	return req
}

func settled(t *testing.T, s *compute.Service) {
	t.Helper()
	eventually(t, func() bool {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Callbacks == 0
	}, func() string { return "callbacks are left" })
}

func TestCallbacksComeInOrderUntilAnswered(t *testing.T) {
	r := receive(t, func(path string, nth int) int {
		if strings.HasSuffix(path, "/complete") && nth < 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	var mu sync.Mutex
	var outcomes []string
	s := start(t, compute.Config{Callbacks: poster{},
		OnCallback: func(kind, outcome string) {
			mu.Lock()
			defer mu.Unlock()
			outcomes = append(outcomes, kind+" "+outcome)
		},
		Progress: func(ctx context.Context, url, _ string, _ int) compute.Progress {
			return told{ctx, strings.Replace(url, "?", "/progress?", 1)}
		},
		Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
			for _, stage := range []kalla.Stage{kalla.StageStaging, kalla.StageMatching} {
				w.Report(kalla.Progress{Stage: stage, Fraction: 1, TotalLeft: 5, TotalRight: 4})
			}
			return summary(w.RunID, w.Out), nil
		}}})
	req := withCallback("a", r.URL+"/worker?app=1")
	req.Attempt = 7
	submit(t, s, req)
	r.wait(t, strings.Join([]string{"/worker/progress?app=1", "/worker/progress?app=1",
		"/worker/complete?app=1 a.7.complete", "/worker/complete?app=1 a.7.complete", "/worker/complete?app=1 a.7.complete"}, "\n"))
	settled(t, s)
	mu.Lock()
	if got := strings.Join(outcomes, ", "); got != "complete retried, complete retried, complete delivered" {
		t.Errorf("got outcomes %s", got)
	}
	mu.Unlock()

	var body job.Complete
	if err := json.Unmarshal([]byte(r.bodies["/worker/complete"]), &body); err != nil {
		t.Fatal(err)
	}
	if body.RunID != "a" || body.Attempt != 7 || body.MatchedCount != 3 || body.UnmatchedLeftCount != 2 || body.UnmatchedRightCount != 1 ||
		body.OutputPaths["matched"] != "/data/runs/a/matched.parquet" || body.OutputPaths["manifest"] != "/data/runs/a/manifest.json" || body.Summary == nil {
		t.Errorf("got %s", r.bodies["/worker/complete"])
	}
	var progress map[string]any
	if err := json.Unmarshal([]byte(r.bodies["/worker/progress"]), &progress); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(progress) != "map[attempt:7 progress:1 run_id:a stage:matching total_left:5 total_right:4]" {
		t.Errorf("got %v", progress)
	}
}

func TestFailedJobsCallBackToo(t *testing.T) {
	r := receive(t, nil)
	s := start(t, compute.Config{Callbacks: poster{}, Runner: &runner{run: func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		if w.RunID == "cancelled" {
			return blocking(nil)(ctx, w)
		}
		return nil, &kalla.Error{Code: kalla.CodeSource, Op: "staging left source", Why: "s3cr3t-pass is wrong", Hint: "try another"}
	}}})
	submit(t, s, withCallback("fails", r.URL+"/fails"))
	until(t, s, "fails", inState(job.Failed))
	submit(t, s, withCallback("cancelled", r.URL+"/cancelled"))
	until(t, s, "cancelled", inState(job.Running))
	submit(t, s, withCallback("waits", r.URL+"/waits"))
	for _, id := range []string{"waits", "cancelled"} {
		if err := s.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, s)
	until(t, s, "cancelled", inState(job.Cancelled))
	settled(t, s)
	for path, want := range map[string]string{
		"/fails/error":     `{"run_id":"fails","error":"staging left source: *** is wrong","code":"source","hint":"try another"}`,
		"/cancelled/error": `{"run_id":"cancelled","error":"cancelled on request","code":"cancelled"}`,
		"/waits/error":     `{"run_id":"waits","error":"cancelled on request","code":"cancelled"}`,
	} {
		if got := r.bodies[path]; got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestRefusedCallbacksEnd(t *testing.T) {
	r := receive(t, func(string, int) int { return http.StatusGone })
	s := start(t, compute.Config{Callbacks: poster{}})
	submit(t, s, withCallback("a", r.URL))
	until(t, s, "a", inState(job.Completed))
	settled(t, s)
	if got := r.all(); got != "/complete a.0.complete" {
		t.Errorf("received:\n%s", got)
	}
}

func TestCallbacksExpire(t *testing.T) {
	r := receive(t, func(string, int) int { return http.StatusServiceUnavailable })
	outcome := make(chan string, 100)
	s := start(t, compute.Config{Callbacks: poster{}, CallbackDeadline: time.Nanosecond, OnCallback: func(_, o string) { outcome <- o }})
	submit(t, s, withCallback("a", r.URL))
	if got := <-outcome; got != "expired" {
		t.Errorf("got %s", got)
	}
	settled(t, s)
	if len(outcome) > 0 {
		t.Errorf("then %s", <-outcome)
	}
}

// A receiver that hangs, and one that was down, hold up nobody else; and what is not delivered is after a restart.
func TestSlowReceiverHoldsUpNobody(t *testing.T) {
	hang := make(chan struct{})
	slow := receive(t, func(string, int) int { <-hang; return http.StatusOK })
	r := receive(t, nil)
	cfg := compute.Config{DataDir: filepath.Join(t.TempDir(), "data"), Callbacks: poster{}}
	s := start(t, cfg)
	for i := range 20 {
		submit(t, s, withCallback(fmt.Sprint("slow", i), slow.URL))
	}
	submit(t, s, withCallback("quick", r.URL))
	r.wait(t, "/complete quick.0.complete")
	eventually(t, func() bool { return strings.Count(slow.all(), "\n") == 19 }, slow.all) // all are on their way
	stop(t, s)
	close(hang)
	s = start(t, cfg)
	settled(t, s)
	for i := range 20 {
		if key := fmt.Sprintf("slow%d.0.complete", i); !strings.Contains(slow.all(), key) {
			t.Errorf("%s was not delivered", key)
		}
	}
}

// The callback of an attempt that another has replaced would say what is no longer so.
func TestNewAttemptSilencesTheOldOne(t *testing.T) {
	r := receive(t, func(path string, _ int) int {
		if strings.HasSuffix(path, "/error") {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	fails := true
	s := start(t, compute.Config{Callbacks: poster{}, Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
		if fails {
			return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "matching", Why: "it fails"}
		}
		return summary(w.RunID, w.Out), nil
	}}})
	req := withCallback("a", r.URL)
	submit(t, s, req)
	eventually(t, func() bool { return strings.Contains(r.all(), "/error a.0.error") }, r.all)
	fails = false
	req.Attempt = 1
	submit(t, s, req)
	until(t, s, "a", inState(job.Completed))
	settled(t, s)
	if got := r.all(); !strings.HasSuffix(got, "/complete a.1.complete") {
		t.Errorf("received:\n%s", got)
	}
	req.Attempt = 2 // the end is told to whoever asks again
	submit(t, s, req)
	settled(t, s)
	if got := r.all(); !strings.HasSuffix(got, "/complete a.1.complete\n/complete a.2.complete") {
		t.Errorf("received:\n%s", got)
	}
}
