package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/job"
)

const workerToken = "0123456789abcdef"

func startScheduler(t *testing.T) *app.Scheduler {
	t.Helper()
	dir := t.TempDir()
	s, err := app.StartScheduler(t.Context(), app.SchedulerConfig{
		Host: "127.0.0.1", Loopback: true, Open: true, DataDir: filepath.Join(dir, "data"), TempDir: filepath.Join(dir, "temp"),
		MaxJobs: 1, Memory: 1 << 30, Threads: 2, Token: workerToken, Log: slog.New(slog.DiscardHandler),
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestRunAtServer: a scheduler comes to what this process comes to, and tells
// what is wrong in the terms of the file.
func TestRunAtServer(t *testing.T) {
	s := startScheduler(t)
	w := world{dir: t.TempDir(), env: map[string]string{"KALLA_WORKER_TOKEN": workerToken}}
	ctx := context.Background()
	if got := w.run(ctx, "demo", "--rows", "500"); got.code != 0 {
		t.Fatal(got.stderr)
	}
	recipe := filepath.Join("kalla-demo", "recipe.yaml")
	summary := func(args ...string) kalla.Summary {
		t.Helper()
		got := w.run(ctx, append([]string{"run", recipe, "--format", "json"}, args...)...)
		var out kalla.Summary
		if err := json.Unmarshal([]byte(got.stdout), &out); got.code != 0 || err != nil {
			t.Fatalf("exit code %d: %v\n%s", got.code, err, got.stderr)
		}
		return out
	}
	here, there := summary("--out", "here"), summary("--out", "there", "--server", s.URL())
	if there.Evidence != filepath.Join(w.dir, "there") {
		t.Errorf("the evidence is at %s", there.Evidence)
	}
	for _, one := range []*kalla.Summary{&here, &there} {
		one.RunID, one.Evidence, one.Stages = "", "", nil
	}
	a, _ := json.Marshal(here)
	b, _ := json.Marshal(there)
	if !bytes.Equal(a, b) {
		t.Errorf("here\n%s\nthere\n%s", a, b)
	}
	if got := w.run(ctx, "evidence", "verify", "there"); got.code != 0 {
		t.Errorf("the evidence does not verify: %s%s", got.stdout, got.stderr)
	}

	text, err := os.ReadFile(filepath.Join(w.dir, recipe))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(text, []byte("uri: invoices.csv"), []byte("uri: gone.csv"), 1)
	wrong := bytes.ReplaceAll(text, []byte("right: paid_amount"), []byte("right: paid_amuont"))
	if bytes.Equal(bad, text) || bytes.Equal(wrong, text) {
		t.Fatal("the demo's recipe is not what it was")
	}
	line := 1 + bytes.Count(wrong[:bytes.Index(wrong, []byte("paid_amuont"))], []byte("\n"))
	for name, data := range map[string][]byte{"bad.yaml": bad, "wrong.yaml": wrong} {
		if err := os.WriteFile(filepath.Join(w.dir, "kalla-demo", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stranger := world{dir: w.dir}
	for _, c := range []struct {
		name string
		got  outcome
		code int
		says string
	}{
		{"a source that is not there", w.run(ctx, "run", filepath.Join("kalla-demo", "bad.yaml"), "--server", s.URL()), 4, "gone.csv: there is no such file"},
		{"a column that is not there", w.run(ctx, "run", filepath.Join("kalla-demo", "wrong.yaml"), "--server", s.URL()), 2, fmt.Sprintf("wrong.yaml:%d", line)},
		{"evidence that is there", w.run(ctx, "run", recipe, "--out", "there", "--server", s.URL()), 2, "there: the folder exists and is not empty"},
		{"no token", stranger.run(ctx, "run", recipe, "--server", s.URL()), 2, "KALLA_WORKER_TOKEN"},
		{"no scheduler", w.run(ctx, "run", recipe, "--server", "http://127.0.0.1:1"), 4, "the scheduler cannot be reached"},
		{"no URL", w.run(ctx, "run", recipe, "--server", "localhost:9090"), 2, "hint: write http://localhost:9090"},
		{"a limit of this process", w.run(ctx, "run", recipe, "--server", s.URL(), "--memory", "1GB"), 2, "--memory"},
	} {
		if c.got.code != c.code || !strings.Contains(c.got.stderr, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", c.name, c.got.code, c.code, c.says, c.got.stderr)
		}
	}
}

// TestCancelAtServer: ending the command ends the job.
func TestCancelAtServer(t *testing.T) {
	s := startScheduler(t)
	client, err := job.NewClient(s.URL(), workerToken)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := world{dir: t.TempDir(), env: map[string]string{"KALLA_WORKER_TOKEN": workerToken}}
	var left bytes.Buffer
	left.WriteString("id,amount\n")
	for i := range 30_000 {
		fmt.Fprintf(&left, "K%d,1.00\n", i)
	}
	for name, data := range map[string][]byte{"a.csv": left.Bytes(), "recipe.yaml": []byte(`kalla: 1
recipe_id: long
sources:
  left: {alias: a, uri: a.csv, primary_key: [id]}
  right: {alias: b, uri: a.csv, primary_key: [id]}
match_sql: SELECT a.id, b.id FROM a JOIN b ON a.amount = b.amount AND similarity(a.id, b.id) > 0.99
`)} {
		if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan outcome, 1)
	go func() { done <- w.run(ctx, "run", "recipe.yaml", "--server", s.URL()) }()
	var runID string
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if runID == "" {
			runID = firstRun(t, s)
		}
		if runID != "" {
			if j, err := client.Get(t.Context(), runID); err == nil && j.Stage == kalla.StageMatching {
				break
			}
		}
		if time.Now().After(limit) {
			t.Fatal("the job does not get to matching")
		}
	}
	cancel()
	got := <-done
	if got.code != 130 || !strings.Contains(got.stderr, "error: cancelled") {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	if j, err := client.Wait(t.Context(), runID, nil); err != nil || j.State != job.Cancelled {
		t.Errorf("the job is %+v (%v)", j, err)
	}
	if entries, err := os.ReadDir(filepath.Join(w.dir, "kalla-data", "runs")); err == nil && len(entries) > 0 {
		t.Errorf("it left %v", entries)
	}
}

// firstRun is the run_id of the job that came last, or nothing yet.
func firstRun(t *testing.T, s *app.Scheduler) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/api/jobs?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+workerToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page job.Page
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	if len(page.Jobs) == 0 {
		return ""
	}
	return page.Jobs[0].RunID
}
