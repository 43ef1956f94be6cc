//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"kalla/internal/testenv"
)

const patience = time.Minute // for what takes milliseconds on an idle machine

// program is a started kalla or kallad.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *testenv.Transcript
	stderr *testenv.Transcript
	done   chan struct{} // closed when the process has ended
}

// clean is the environment of the tests without what would set the programs up.
func clean() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "KALLA_") && name != "DATABASE_URL" && name != "WORKER_URL" || name == "KALLA_DUCKDB_EXTENSIONS" {
			env = append(env, v)
		}
	}
	return env
}

// start starts a program (kalla or kallad) with additions to the environment.
func start(t *testing.T, name, dir string, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.stdout, p.stderr = testenv.NewTranscript(), testenv.NewTranscript()
	p.cmd.Dir, p.cmd.Env = dir, append(append(clean(), "KALLA_TEST_MAIN="+name, "KALLA_TEMP_DIR="+dir), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %s wrote\n%s%s", name, strings.Join(args, " "), p.stdout, p.stderr)
		}
	})
	return p
}

// says waits until the program has written a line that begins with the text, and returns the line.
func (p *program) says(out *testenv.Transcript, text string) string {
	p.t.Helper()
	limit := time.After(patience)
	for {
		for line := range strings.Lines(out.String()) {
			if _, rest, ok := strings.Cut(line, text); ok && strings.HasSuffix(line, "\n") {
				return text + strings.TrimSuffix(rest, "\n")
			}
		}
		select {
		case <-out.More:
		case <-p.done:
			p.t.Fatalf("it ended before it said %q", text)
		case <-limit:
			p.t.Fatalf("it does not say %q", text)
		}
	}
}

// end sends a signal and returns the exit code.
func (p *program) end(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// once runs a program to its end.
func once(t *testing.T, name, dir, stdin string, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(append(clean(), "KALLA_TEST_MAIN="+name, "KALLA_TEMP_DIR="+dir), env...), strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// browser calls the app as its page does.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: base, http: &http.Client{Jar: jar, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// send sends a request and returns the answer, whose body the caller closes.
func (b *browser) send(method, path string, body any) *http.Response {
	b.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp
}

// call sends a request, wants the status, and reads the answer into out, which may be nil.
func (b *browser) call(method, path string, status int, body, out any) []byte {
	b.t.Helper()
	resp := b.send(method, path, body)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != status {
		b.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			b.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return text
}

// runItem is what the tests want to know of a run.
type runItem struct {
	RunID     string `json:"run_id"`
	Status    string `json:"status"`
	Attempt   int    `json:"attempt"`
	Matched   int64  `json:"matched_count"`
	Left      int64  `json:"unmatched_left_count"`
	Right     int64  `json:"unmatched_right_count"`
	Error     string `json:"error_message"`
	RecipeID  string `json:"recipe_id"`
	CreatedBy string `json:"created_by"`
}

// start starts a run and returns its id.
func (b *browser) start(body map[string]any) string {
	b.t.Helper()
	var started runItem
	b.call(http.MethodPost, "/api/runs", http.StatusOK, body, &started)
	if started.Status != "submitted" {
		b.t.Fatalf("the run is %+v", started)
	}
	return started.RunID
}

// follow reads the events of a run to their end and returns the states it went through.
func (b *browser) follow(id string) []string {
	b.t.Helper()
	resp := b.send(http.MethodGet, "/api/runs/"+id+"/events", nil)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("the events of %s: %s", id, resp.Status)
	}
	var states []string
	event := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && event == "state" {
			var e runItem
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				b.t.Fatal(err)
			}
			states = append(states, e.Status)
		}
	}
	return states
}

// ended waits for the end of a run and returns it.
func (b *browser) ended(id string) runItem {
	b.t.Helper()
	var r runItem
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		b.call(http.MethodGet, "/api/runs/"+id, http.StatusOK, nil, &r)
		switch {
		case r.Status == "completed" || r.Status == "failed" || r.Status == "cancelled":
			return r
		case time.Now().After(limit):
			b.t.Fatalf("the run does not end: %+v", r)
		}
	}
}
