package compute_test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
)

// evidence is a runner whose runs leave a file each, that is there whole or not
// at all, and fail where there is one already: a run that were published twice
// would be a failed job.
func evidence(dir string) *runner {
	path := func(runID string) string { return filepath.Join(dir, runID+".evidence") }
	return &runner{
		run: func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
			select {
			case <-time.After(time.Duration(rand.IntN(8)) * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			f, err := os.OpenFile(path(w.RunID), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return nil, err
			}
			return summary(w.RunID, w.Out), f.Close()
		},
		adopt: func(runID, out string) *kalla.Summary {
			if _, err := os.Stat(path(runID)); err != nil {
				return nil
			}
			return summary(runID, out)
		},
	}
}

// delivered writes down the keys of callbacks.
type delivered struct{ path string }

func (d delivered) Post(_ context.Context, _, key string, _ any) error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(key + "\n")
	return err
}

func crashConfig(dir string) compute.Config {
	return compute.Config{DataDir: filepath.Join(dir, "data"), MaxJobs: 2, QueueLimit: 1 << 20, Runner: evidence(dir),
		Policy: anything{}, Callbacks: delivered{filepath.Join(dir, "callbacks")}, Log: slog.New(slog.DiscardHandler)}
}

func crashRequest(runID string) job.Request {
	req := request(runID)
	req.CallbackURL = "http://localhost/worker"
	return req
}

// crashing is what the process does that is killed: it takes and runs jobs, and says which it has taken.
func crashing(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := compute.Open(context.Background(), crashConfig(dir))
	if err != nil {
		fail(err)
	}
	if err := s.Start(context.Background()); err != nil {
		fail(err)
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		if _, err := s.Submit(context.Background(), crashRequest(id)); err != nil {
			fail(err)
		}
		fmt.Println(id)
		if i%7 == 3 {
			if err := s.Cancel(context.Background(), id); err != nil && !strings.Contains(err.Error(), "already") {
				fail(err)
			}
		}
	}
}

func TestEveryAcceptedJobEndsOnceThoughKilled(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	accepted := map[string]bool{}
	for range 6 {
		child := exec.CommandContext(t.Context(), program)
		child.Env = append(os.Environ(), "KALLA_TEST_CRASH_DIR="+dir)
		child.Stderr = t.Output()
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var killer *time.Timer
		for lines.Scan() {
			if killer == nil { // it has come so far as to take jobs
				killer = time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { _ = child.Process.Kill() })
			}
			accepted[lines.Text()] = true
		}
		if killer == nil {
			t.Fatal("the process took no job: ", child.Wait())
		}
		_ = child.Wait() // it was killed
	}

	s := start(t, crashConfig(dir))
	eventually(t, func() bool {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Jobs[job.Queued]+stats.Jobs[job.Running]+stats.Callbacks == 0
	}, func() string { return "jobs or callbacks are left" })
	stop(t, s)

	s = open(t, crashConfig(dir))
	for id := range accepted {
		j, err := s.Get(t.Context(), id)
		if err != nil {
			t.Fatalf("a job that was accepted is lost: %v", err)
		}
		if j.State != job.Completed && j.State != job.Cancelled {
			t.Errorf("%s ended as %s: %+v", id, j.State, j.Error)
		}
	}
	told := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(dir, "callbacks"))
	if err != nil {
		t.Fatal(err)
	}
	for key := range strings.FieldsSeq(string(text)) {
		told[key] = true
	}
	for id := range accepted {
		if !told[id+".0.complete"] && !told[id+".0.error"] || told[id+".0.complete"] && told[id+".0.error"] {
			t.Errorf("of %s must be told one end: complete %t, error %t", id, told[id+".0.complete"], told[id+".0.error"])
		}
	}
	t.Logf("%d jobs", len(accepted))
}

func TestFilesArePrivateAndForgetSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var log strings.Builder
	s := start(t, compute.Config{DataDir: dir, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
			if w.RunID == "fails" {
				return nil, &kalla.Error{Code: kalla.CodeSource, Op: "staging", Why: "no way with s3cr3t-pass"}
			}
			return summary(w.RunID, "s3://bucket/"+w.RunID), nil
		}}})
	for _, id := range []string{"fails", "goes"} {
		req := request(id)
		req.OutputPath = "s3://bucket/" + id + "?secret_access_key=s3cr3t-pass"
		submit(t, s, req)
		until(t, s, id, func(j job.Job) bool { return j.State.Final() })
	}
	page, err := s.List(t.Context(), "", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%+v %+v", page, page.Jobs[1].Error); strings.Contains(shown, "s3cr3t") || !strings.Contains(shown, "s3://bucket/fails") {
		t.Errorf("shown: %s", shown)
	}
	stop(t, s)
	if strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("logged: %s", log.String())
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "s3cr3t") {
			t.Errorf("%s holds the password of jobs that have ended", d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
