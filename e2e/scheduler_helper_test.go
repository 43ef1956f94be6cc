//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	process "os/exec" // exec runs SQL here
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/app"
	"kalla/internal/demo"
	"kalla/internal/engine"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/testenv"
)

// patience is for what takes milliseconds to seconds on an idle machine.
const patience = 5 * time.Minute

// daemon is a scheduler, or an executor, that is a process of its own.
type daemon struct {
	*job.Client // of a scheduler
	cmd         *process.Cmd
	url         string
	log         *testenv.Transcript
	done        chan struct{} // closed when the process has ended
}

// launch starts a scheduler in a folder, which may hold the data of an earlier
// one, without waiting until it serves.
func launch(t *testing.T, dir string, env []string, args ...string) *daemon {
	t.Helper()
	return spawn(t, dir, env, append([]string{"scheduler", "--http-port", "0", "--data-dir", "data"}, args...)...)
}

// spawn starts kallad in a folder.
func spawn(t *testing.T, dir string, env []string, args ...string) *daemon {
	t.Helper()
	d := &daemon{log: testenv.NewTranscript(), done: make(chan struct{})}
	d.cmd = process.Command(os.Args[0], args...)
	d.cmd.Dir = dir
	d.cmd.Env = append(append(os.Environ(), asDaemon+"=1", "KALLA_LOG_FORMAT=json"), env...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended is in ProcessState
		close(d.done)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.done
		if t.Failed() {
			text := d.log.String()
			t.Logf("log of process %d:\n%s", d.cmd.Process.Pid, text[max(0, len(text)-20_000):])
		}
	})
	return d
}

// serves waits until the scheduler says that it serves.
func (d *daemon) serves(t *testing.T) *daemon {
	t.Helper()
	for limit := time.After(patience); ; {
		for line := range strings.Lines(d.log.String()) {
			var entry struct{ Msg, URL string }
			if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "scheduler started" {
				continue
			}
			c, err := job.NewClient(entry.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			d.Client, d.url = c, entry.URL
			return d
		}
		select {
		case <-d.log.More:
		case <-d.done:
			t.Fatalf("it ended at once:\n%s", d.log)
		case <-limit:
			t.Fatalf("it did not start:\n%s", d.log)
		}
	}
}

// end sends a signal and waits for the end of the process.
func (d *daemon) end(t *testing.T, s os.Signal) (exitCode int) {
	t.Helper()
	_ = d.cmd.Process.Signal(s) // it may be gone
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Fatalf("it did not end:\n%s", d.log)
	}
	return d.cmd.ProcessState.ExitCode()
}

// ends waits for the end of a job.
func (d *daemon) ends(t *testing.T, runID string) job.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j, err := d.Wait(ctx, runID, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// submit hands over a job that must be taken.
func (d *daemon) submit(t *testing.T, req job.Request) {
	t.Helper()
	if _, err := d.Submit(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

// dataSet is a generated data set, whose true answer is known, as jobs ask for it.
type dataSet struct {
	truth       demo.Truth
	left, right string
	recipe      json.RawMessage
}

func generate(t *testing.T, rows int64, workload demo.Workload) dataSet {
	t.Helper()
	dir := t.TempDir()
	truth, err := demo.Generate(t.Context(), demo.Config{Seed: 11, Rows: rows, Workload: workload}, dir)
	if err != nil {
		t.Fatal(err)
	}
	d := dataSet{truth: truth, left: filepath.Join(dir, demo.InvoicesFile), right: filepath.Join(dir, demo.PaymentsFile)}
	text, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(text, demo.RecipeFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := doc.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Sources.Left.URI, r.Sources.Right.URI = d.left, d.right
	if d.recipe, err = recipe.JSON(r); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d dataSet) request(runID, callbackURL, out string) job.Request {
	return job.Request{RunID: runID, CallbackURL: callbackURL, OutputPath: out, Recipe: d.recipe}
}

// check holds what is reported of a job against the truth.
func (d dataSet) check(t *testing.T, c job.Complete) {
	t.Helper()
	left, right := d.truth.Left.Total-d.truth.Left.Matched, d.truth.Right.Total-d.truth.Right.Matched
	if c.MatchedCount != d.truth.Pairs || c.UnmatchedLeftCount != left || c.UnmatchedRightCount != right {
		t.Errorf("%s: %d matched, %d and %d unmatched; want %d, %d and %d", c.RunID, c.MatchedCount, c.UnmatchedLeftCount, c.UnmatchedRightCount, d.truth.Pairs, left, right)
	}
}

// verifier proves evidence from its files alone.
func verifier(t *testing.T) func(out string, env func(string) (string, bool)) {
	t.Helper()
	session, err := app.OpenEngine(t.Context(), engine.Limits{Threads: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	temp := t.TempDir()
	return func(out string, env func(string) (string, bool)) {
		t.Helper()
		place, err := evidence.Locate(out, temp, env)
		if err != nil {
			t.Fatal(err)
		}
		report, err := evidence.Verify(t.Context(), place, session)
		if err != nil {
			t.Errorf("%s: %v", out, err)
		} else if !report.OK() {
			t.Errorf("%s: %v", out, report.Findings)
		}
	}
}

// names lists a folder but for lock files, which guard nothing once they are alone.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".kalla-tmp.lock") {
			out = append(out, e.Name())
		}
	}
	return out
}

// call is one callback as it came.
type call struct {
	kind, key string
	body      []byte
	status    int // that it was answered with
}

// receiver takes callbacks as the app does, at a fixed address.
type receiver struct {
	url string

	mu     sync.Mutex
	calls  map[string][]call // by run, in the order in which they came
	came   chan struct{}     // closed, and made anew, by each call
	answer func(kind string, r *http.Request) (status int)
	server *http.Server
	addr   string
}

// listen starts a receiver.
func listen(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{calls: map[string][]call{}, came: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	r.url = "http://" + r.addr + "/api/worker"
	r.serve(l)
	t.Cleanup(r.close)
	return r
}

func (r *receiver) serve(l net.Listener) {
	server := &http.Server{Handler: r}
	r.mu.Lock()
	r.server = server
	r.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// close makes the address refuse connections.
func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.server.Close()
}

// reopen listens at the same address again, and answers as it is told; nil takes all.
func (r *receiver) reopen(t *testing.T, answer func(kind string, r *http.Request) int) {
	t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.answer = answer
	r.mu.Unlock()
	r.serve(l)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	data, err := io.ReadAll(req.Body)
	var body struct {
		RunID string `json:"run_id"`
	}
	if err != nil || json.Unmarshal(data, &body) != nil {
		return // cut off by the end of the process that sent it
	}
	c := call{kind: filepath.Base(req.URL.Path), key: req.Header.Get("Idempotency-Key"), body: data, status: http.StatusOK}
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		c.status = answer(c.kind, req)
	}
	r.mu.Lock()
	r.calls[body.RunID] = append(r.calls[body.RunID], c)
	close(r.came)
	r.came = make(chan struct{})
	r.mu.Unlock()
	w.WriteHeader(c.status)
}

// of returns what came for a run.
func (r *receiver) of(runID string) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls[runID])
}

func (r *receiver) runs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.calls))
}

// until waits until something holds of the calls.
func (r *receiver) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.After(patience); ; {
		r.mu.Lock()
		came := r.came
		r.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-came:
		case <-limit:
			t.Fatalf("%s has not come to hold", what)
		}
	}
}

// taken waits until the end of a run has been reported and taken.
func (r *receiver) taken(t *testing.T, runID string) call {
	t.Helper()
	var end call
	r.until(t, "the end of "+runID, func() bool {
		for _, c := range r.of(runID) {
			if c.kind != "progress" && c.status == http.StatusOK {
				end = c
			}
		}
		return end.kind != ""
	})
	return end
}

// once checks that one end of one attempt has been reported of a run, by one key
// and with the same words each time, after all progress; and returns it.
func (r *receiver) once(t *testing.T, runID string) (end call) {
	t.Helper()
	for _, c := range r.of(runID) {
		switch {
		case c.kind == "progress" && end.kind != "":
			t.Errorf("%s: progress after its end: %s", runID, c.body)
		case c.kind == "progress":
		case end.kind == "":
			end = c
		case c.kind != end.kind || c.key != end.key || !bytes.Equal(c.body, end.body):
			t.Errorf("%s has two ends: %s %s %s and %s %s %s", runID, end.kind, end.key, end.body, c.kind, c.key, c.body)
		}
	}
	if want := fmt.Sprintf("%s.0.%s", runID, end.kind); end.key != want {
		t.Errorf("%s: the key of its end is %q, want %q", runID, end.key, want)
	}
	return end
}

// complete reads the callback of a job that completed.
func (c call) complete(t *testing.T) job.Complete {
	t.Helper()
	var out job.Complete
	if err := json.Unmarshal(c.body, &out); err != nil || c.kind != "complete" {
		t.Fatalf("the end is %s %s (%v)", c.kind, c.body, err)
	}
	return out
}

// failure reads the callback of a job that did not complete.
func (c call) failure(t *testing.T) job.Error {
	t.Helper()
	var out job.Error
	if err := json.Unmarshal(c.body, &out); err != nil || c.kind != "error" {
		t.Fatalf("the end is %s %s (%v)", c.kind, c.body, err)
	}
	return out
}
