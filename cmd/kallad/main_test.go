//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kalla/internal/job"
	"kalla/internal/testenv"
)

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("KALLAD_TEST_MAIN") != "" {
		os.Exit(run())
	}
	testenv.Main(m)
}

const patience = time.Minute // for what takes milliseconds on an idle machine

// daemon is a started kallad scheduler.
type daemon struct {
	cmd  *exec.Cmd
	url  string
	log  *testenv.Transcript
	done chan struct{} // closed when the process has ended
}

func command(t *testing.T, dir string, env []string, args ...string) (*exec.Cmd, *testenv.Transcript) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"scheduler"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "KALLAD_TEST_MAIN=1", "KALLA_LOG_FORMAT=json"), env...)
	out := testenv.NewTranscript()
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// start starts a scheduler on a free port and waits for its first line.
func start(t *testing.T, dir string, env []string, args ...string) *daemon {
	t.Helper()
	d := &daemon{done: make(chan struct{})}
	d.cmd, d.log = command(t, dir, env, append([]string{"--http-port", "0"}, args...)...)
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
			t.Logf("its log:\n%s", d.log)
		}
	})
	limit := time.After(patience)
	for {
		for line := range strings.Lines(d.log.String()) {
			var entry struct{ Msg, URL string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "scheduler started" {
				d.url = entry.URL
				return d
			}
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

// end sends a signal and returns the exit code.
func (d *daemon) end(t *testing.T, s os.Signal) int {
	t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Fatalf("it did not end:\n%s", d.log)
	}
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) client(t *testing.T, token string) *job.Client {
	t.Helper()
	c, err := job.NewClient(d.url, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// records writes two files of n records each, of which all but one match.
func records(t *testing.T, dir string, n int) (left, right string) {
	t.Helper()
	var l, r bytes.Buffer
	l.WriteString("id,amount\n")
	r.WriteString("ref,paid\n")
	for i := range n {
		fmt.Fprintf(&l, "A%d,%d.%02d\n", i, i%9999, i%100)
		fmt.Fprintf(&r, "A%d,%d.%02d\n", i+1, (i+1)%9999, (i+1)%100)
	}
	left, right = filepath.Join(dir, "left.csv"), filepath.Join(dir, "right.csv")
	for path, data := range map[string]*bytes.Buffer{left: &l, right: &r} {
		if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left, right
}

func request(runID, left, right, out string) job.Request {
	return job.Request{
		RunID: runID, OutputPath: out,
		MatchSQL:    "SELECT l.id, r.ref FROM left_src l JOIN right_src r ON l.id = r.ref AND l.amount = r.paid",
		Sources:     []job.Source{{Alias: "left_src", URI: left}, {Alias: "right_src", URI: right}},
		PrimaryKeys: map[string][]string{"left_src": {"id"}, "right_src": {"ref"}},
	}
}

// TestStartAndStop: a scheduler says where it is, answers, and ends by SIGTERM
// without failure. Beside it no other one starts on its port or its data folder.
func TestStartAndStop(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, nil)
	for _, path := range []string{"/health", "/ready"} {
		resp, err := http.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	port := d.url[strings.LastIndexByte(d.url, ':')+1:]
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"port", []string{"--http-port", port, "--data-dir", "other"}, 1, []string{"listening: 127.0.0.1:" + port + ": another program listens there", "--http-port"}},
		{"data folder", []string{"--http-port", "0"}, 2, []string{filepath.Join("kalla-data", "scheduler"), "hint:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, out := command(t, dir, nil, c.args...)
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("%v, want exit code %d", err, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
	if code := d.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if !strings.Contains(d.log.String(), "scheduler stopped") {
		t.Error("it does not say that it has stopped")
	}
	start(t, dir, nil) // the folder is free again
}

// TestStoppedJobRunsAgain: what a stop without grace, or a kill, interrupts is
// run by the next scheduler, once.
func TestStoppedJobRunsAgain(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			left, right := records(t, dir, 200_000)
			out := filepath.Join(dir, "evidence")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()

			d := start(t, dir, nil, "--grace", "0s")
			c := d.client(t, "")
			if _, err := c.Submit(ctx, request("r1", left, right, out)); err != nil {
				t.Fatal(err)
			}
			running, stop := context.WithCancel(ctx)
			if _, err := c.Wait(running, "r1", func(j job.Job) {
				if j.State != job.Queued {
					stop()
				}
			}); err == nil {
				t.Fatal("the job was over before it could be interrupted")
			}
			d.end(t, signal)

			d = start(t, dir, nil)
			j, err := d.client(t, "").Wait(ctx, "r1", nil)
			if err != nil {
				t.Fatal(err)
			}
			if j.State != job.Completed || j.Summary.Left.Matched != 199_999 || j.Summary.Right.Unmatched != 1 {
				t.Errorf("it ended as %+v", j)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				switch e.Name() {
				case "left.csv", "right.csv", "evidence", "kalla-data":
				default:
					t.Errorf("it left %s", e.Name())
				}
			}
		})
	}
}

// TestTraces: what a request sets off hangs below the span that the client sent along.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			return
		}
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, body...)
	}))
	defer collector.Close()

	dir := t.TempDir()
	left, right := records(t, dir, 10)
	d := start(t, dir, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	body, err := json.Marshal(request("traced", left, right, filepath.Join(dir, "evidence")))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, d.url+"/api/jobs", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatal(resp.Status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if j, err := d.client(t, "").Wait(ctx, "traced", nil); err != nil || j.State != job.Completed {
		t.Fatal(j, err)
	}
	if code := d.end(t, syscall.SIGTERM); code != 0 { // sends what is left
		t.Errorf("exit code %d", code)
	}
	id, err := hex.DecodeString(trace)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := bytes.Count(got, id); n < 4 { // the job and its three stages at least
		t.Errorf("%d spans of the client's trace in %d bytes", n, len(got))
	}
	for _, name := range []string{"job", "staging", "matching", "evidence", "traced"} {
		if !bytes.Contains(got, []byte(name)) {
			t.Errorf("nothing is named %s", name)
		}
	}
	if bytes.Contains(got, []byte("SELECT")) {
		t.Error("a span holds SQL")
	}
}

// TestConformance has schemathesis make up requests, valid and not, and holds
// every answer against the OpenAPI document. None may be a failure of the server's.
func TestConformance(t *testing.T) {
	program := testenv.Schemathesis(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef0123456789abcdef"
	// What is made up must not reach beyond the folder.
	d := start(t, dir, []string{"KALLA_WORKER_TOKEN=" + token}, "--allow-file-dir", data)
	config := filepath.Join(dir, "schemathesis.toml")
	// Most of what fits the schema still makes no sense to a matcher. Bodies are bounded, which the tool takes for acceptance.
	if err := os.WriteFile(config, []byte(`[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--config-file", config, "run", d.url+"/openapi.json", "--header", "Authorization: Bearer "+token,
		"--max-time", "20", "--seed", "1", "--workers", "1", "--no-color", "--warnings", "off")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		if len(out) > 20_000 {
			out = out[:20_000]
		}
		t.Errorf("%v:\n%s", err, out)
	}
	for line := range strings.Lines(d.log.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("the scheduler logged %s", line)
		}
	}
}
