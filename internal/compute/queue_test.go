package compute_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
)

func TestSameJobRunsOnce(t *testing.T) {
	r := &runner{}
	s := start(t, compute.Config{Runner: r})
	submit(t, s, request("once"))
	submit(t, s, request("once"))
	until(t, s, "once", inState(job.Completed))
	submit(t, s, request("once"))
	rotated := request("once")
	for i := range rotated.Sources {
		rotated.Sources[i].URI = strings.Replace(rotated.Sources[i].URI, "s3cr3t-pass", "n3w-pass", 1)
	}
	submit(t, s, rotated) // a new password asks for nothing else

	other := request("once")
	other.MatchSQL += " AND l.currency = r.currency"
	if _, err := s.Submit(t.Context(), other); !errors.Is(err, compute.ErrConflict) {
		t.Errorf("another query under the same run_id: got %v, want ErrConflict", err)
	}
	submit(t, s, request("last"))
	until(t, s, "last", inState(job.Completed))
	if got := r.order(); got != "once last" {
		t.Errorf("ran %q, want each job once", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	release := make(chan struct{})
	s := start(t, compute.Config{QueueLimit: 2, Runner: &runner{run: blocking(release)}})
	submit(t, s, request("runs"))
	until(t, s, "runs", inState(job.Running))
	submit(t, s, request("waits 1"))
	submit(t, s, request("waits 2"))
	_, err := s.Submit(t.Context(), request("too many"))
	full, ok := errors.AsType[*compute.QueueFullError](err)
	if !ok || full.Limit != 2 || full.RetryAfter < time.Second || kalla.CodeOf(err) != kalla.CodeLimit {
		t.Errorf("got %v, want a QueueFullError of 2", err)
	}
	if _, err := s.Get(t.Context(), "too many"); !errors.Is(err, compute.ErrNotFound) {
		t.Errorf("a refused job: got %v, want ErrNotFound", err)
	}
	submit(t, s, request("waits 1")) // what is known needs no room
	if got := s.Ready(t.Context()); got.Ready || !strings.Contains(strings.Join(got.Missing, "; "), "the queue is full") {
		t.Errorf("got %+v, want not ready for a full queue", got)
	}
	close(release)
	until(t, s, "waits 2", inState(job.Completed))
	submit(t, s, request("too many"))
}

func TestOrder(t *testing.T) {
	release := make(chan struct{})
	r := &runner{run: blocking(release)}
	var ago atomic.Int64
	s := start(t, compute.Config{Runner: r, Promote: 10 * time.Minute, Now: func() time.Time { return time.Now().Add(-time.Duration(ago.Load())) }})
	submit(t, s, request("first"))
	until(t, s, "first", inState(job.Running))
	for _, x := range []struct {
		id       string
		priority int
		ago      time.Duration
	}{
		{"late-4", 4, 5 * time.Minute},
		{"old-4", 4, 31 * time.Minute}, // three promotions and a minute: before a new 1
		{"default", 0, 0},
		{"new-1", 1, 0},
		{"again-1", 1, 0},
		{"old-3", 3, 11 * time.Minute}, // one promotion: a 2 that came first
	} {
		ago.Store(int64(x.ago))
		req := request(x.id)
		req.Priority = x.priority
		submit(t, s, req)
	}
	ago.Store(0)
	const want = "old-4 new-1 again-1 old-3 default late-4"
	for i, id := range strings.Fields(want) {
		j, err := s.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.Position != i+1 {
			t.Errorf("%s is at %d, want %d", id, j.Position, i+1)
		}
	}
	close(release)
	until(t, s, "late-4", inState(job.Completed))
	if got := r.order(); got != "first "+want {
		t.Errorf("ran %s, want first %s", got, want)
	}
}

func TestCancel(t *testing.T) {
	r := &runner{run: blocking(nil)}
	s := start(t, compute.Config{Runner: r})
	submit(t, s, request("runs"))
	until(t, s, "runs", inState(job.Running))
	submit(t, s, request("waits"))
	for _, id := range []string{"waits", "runs"} {
		if err := s.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		j := until(t, s, id, inState(job.Cancelled))
		if j.Error == nil || j.Error.Code != "cancelled" || j.Ended == nil {
			t.Errorf("%s: got %+v", id, j)
		}
		if err := s.Cancel(t.Context(), id); err != nil {
			t.Errorf("again: %v", err)
		}
	}
	if err := s.Cancel(t.Context(), "nobody"); !errors.Is(err, compute.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	r.run = nil
	submit(t, s, request("next"))
	until(t, s, "next", inState(job.Completed))
	if err := s.Cancel(t.Context(), "next"); !errors.Is(err, compute.ErrFinal) {
		t.Errorf("got %v, want ErrFinal", err)
	}
	if got := r.order(); got != "runs next" {
		t.Errorf("ran %q: a job that was cancelled while it waited must not run", got)
	}
}

func TestFailures(t *testing.T) {
	s := start(t, compute.Config{Deadline: 50 * time.Millisecond, Runner: &runner{run: func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		w.Report(kalla.Progress{Stage: kalla.StageStaging, Fraction: 0.5})
		switch w.RunID {
		case "fails":
			return nil, &kalla.Error{Code: kalla.CodeSource, Op: "staging left source", Where: "db", Why: `password "s3cr3t-pass" is wrong`, Hint: "not s3cr3t-pass"}
		case "faults":
			return nil, &kalla.Error{Code: kalla.CodeRecipe, Op: "checking recipe", Err: kalla.Faults{
				{Path: "sources.left.primary_key[0]", Line: 1, Column: 80, Problem: "there is no such column"}, {Path: "extras[0].uri", Problem: "is empty"}}}
		case "panics":
			panic("with s3cr3t-pass")
		case "hangs":
			return blocking(nil)(ctx, w)
		}
		return summary(w.RunID, w.Out), nil
	}}})
	for _, c := range []struct{ id, code, message, hint string }{
		{"fails", "source", `staging left source: db: password "***" is wrong`, "not ***"},
		{"faults", "recipe", "checking recipe: primary_keys.left_src[0]: there is no such column; and 1 more", ""},
		{"panics", "internal", "running job: a fault of Kalla's own", "the log of the scheduler has the details; please report it"},
		{"hangs", "limit", "running job: it ran longer than 50ms", "filter the sources, or give the scheduler a longer deadline"},
	} {
		req := request(c.id)
		req.Sources = append(req.Sources, job.Source{Alias: "fx", URI: "/data/fx.csv"})
		submit(t, s, req)
		j := until(t, s, c.id, func(j job.Job) bool { return j.State.Final() })
		if j.State != job.Failed || j.Error == nil || j.Error.Code != c.code || j.Error.Message != c.message || j.Error.Hint != c.hint || j.Error.Stage != kalla.StageStaging {
			t.Errorf("%s: got %s, %+v", c.id, j.State, j.Error)
		}
		if c.id == "faults" && (len(j.Error.Faults) != 2 || j.Error.Faults[1].Path != "sources[2].uri" || j.Error.Faults[0].Line != 0) {
			t.Errorf("got faults %+v, want them in terms of the request", j.Error.Faults)
		}
	}
	submit(t, s, request("after"))
	until(t, s, "after", inState(job.Completed))
}

func TestAttempts(t *testing.T) {
	var fail atomic.Bool
	fail.Store(true)
	release := make(chan struct{})
	r := &runner{run: func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		if fail.Load() {
			return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "matching", Why: "it fails"}
		}
		return blocking(release)(ctx, w)
	}}
	s := start(t, compute.Config{Runner: r})
	attempt := func(n int) {
		req := request("again")
		req.Attempt = n
		submit(t, s, req)
	}
	attempt(1)
	until(t, s, "again", inState(job.Failed))
	attempt(1) // the same
	attempt(0) // an older one
	fail.Store(false)
	attempt(2)
	j := until(t, s, "again", inState(job.Running))
	if j.Attempt != 2 || j.Error != nil {
		t.Errorf("got %+v, want attempt 2 without the error of the first", j)
	}
	attempt(3) // takes over what runs
	close(release)
	if j = until(t, s, "again", inState(job.Completed)); j.Attempt != 3 {
		t.Errorf("got attempt %d, want 3", j.Attempt)
	}
	attempt(4)
	if j, err := s.Get(t.Context(), "again"); err != nil || j.State != job.Completed || j.Attempt != 4 {
		t.Errorf("got %+v, %v: what is completed does not run again", j, err)
	}
	if got := r.order(); got != "again again" {
		t.Errorf("ran %q, want two runs", got)
	}
}

func TestStopHandsBack(t *testing.T) {
	cfg := compute.Config{DataDir: filepath.Join(t.TempDir(), "data"), MaxJobs: 2}
	cfg.Runner = &runner{run: blocking(nil)}
	s := start(t, cfg)
	for _, id := range []string{"a", "b", "c"} {
		submit(t, s, request(id))
	}
	until(t, s, "b", inState(job.Running))
	stop(t, s)
	if _, err := s.Submit(t.Context(), request("d")); !errors.Is(err, compute.ErrStopping) {
		t.Errorf("got %v, want ErrStopping", err)
	}
	stop(t, s) // again

	after := &runner{}
	cfg.Runner, cfg.MaxJobs = after, 1
	s = open(t, cfg)
	for i, id := range []string{"a", "b", "c"} {
		j, err := s.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State != job.Queued || j.Position != i+1 || j.Started != nil {
			t.Errorf("%s: got %+v, want it waiting in its old place", id, j)
		}
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, s, "c", inState(job.Completed))
	if got := after.order(); got != "a b c" {
		t.Errorf("ran %q", got)
	}
}

func TestStopLetsJobsFinish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	release := make(chan struct{})
	s := start(t, compute.Config{DataDir: dir, Runner: &runner{run: blocking(release)}})
	submit(t, s, request("a"))
	until(t, s, "a", inState(job.Running))
	stopped := make(chan error)
	go func() { stopped <- s.Stop(context.Background()) }()
	eventually(t, func() bool { return !s.Ready(t.Context()).Ready }, func() string { return "ready while it stops" })
	if j, err := s.Get(t.Context(), "a"); err != nil || j.State != job.Running {
		t.Errorf("got %+v, %v, want the job running", j, err)
	}
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s = open(t, compute.Config{DataDir: dir})
	if j, err := s.Get(t.Context(), "a"); err != nil || j.State != job.Completed {
		t.Errorf("got %+v, %v, want the job completed", j, err)
	}
}

func TestThreadsAreShared(t *testing.T) {
	limits := make(chan compute.Work, 3)
	release := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{}), "c": make(chan struct{})}
	s := start(t, compute.Config{MaxJobs: 3, Threads: 5, Runner: &runner{run: func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		limits <- w
		return blocking(release[w.RunID])(ctx, w)
	}}})
	var works []compute.Work
	want := [][]int{{5}, {3, 2}, {2, 2, 1}}
	for i, id := range []string{"a", "b", "c"} {
		submit(t, s, request(id))
		works = append(works, <-limits)
		var got []int
		for _, w := range works {
			got = append(got, w.Limits.ThreadsNow())
		}
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("%d jobs: got threads %v, want %v", i+1, got, want[i])
		}
		if w := works[i]; w.Limits.Threads != w.Limits.ThreadsNow() {
			t.Errorf("%s began with %d threads, its share is %d", id, w.Limits.Threads, w.Limits.ThreadsNow())
		}
	}
	close(release["a"])
	until(t, s, "a", inState(job.Completed))
	eventually(t, func() bool { return works[1].Limits.ThreadsNow() == 3 && works[2].Limits.ThreadsNow() == 2 },
		func() string { return fmt.Sprint(works[1].Limits.ThreadsNow(), works[2].Limits.ThreadsNow()) })
}

func TestProgressNeverGoesBack(t *testing.T) {
	step := make(chan kalla.Progress)
	s := start(t, compute.Config{Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
		for p := range step {
			w.Report(p)
		}
		return summary(w.RunID, w.Out), nil
	}}})
	submit(t, s, request("a"))
	for _, c := range []struct {
		p    kalla.Progress
		want float64
	}{
		{kalla.Progress{Stage: kalla.StageStaging, Step: "reading invoices", Fraction: 0.5}, 0.25},
		{kalla.Progress{Stage: kalla.StageStaging, Step: "reading payments", Fraction: 0.3}, 0.25},
		{kalla.Progress{Stage: kalla.StageMatching, Step: "pass 1", Fraction: 0}, 0.5},
		{kalla.Progress{Stage: kalla.StageMatching, Step: "pass 2", Fraction: 2}, 0.8},
		{kalla.Progress{Stage: kalla.StageEvidence, Step: "writing", Fraction: 0.5}, 0.9},
	} {
		step <- c.p
		j := until(t, s, "a", func(j job.Job) bool { return j.Step == c.p.Step })
		if j.Stage != c.p.Stage || j.Progress < c.want-1e-9 || j.Progress > c.want+1e-9 {
			t.Errorf("%s: got %s %v, want %v", c.p.Step, j.Stage, j.Progress, c.want)
		}
	}
	close(step)
	if j := until(t, s, "a", inState(job.Completed)); j.Progress != 1 {
		t.Errorf("got %v at the end", j.Progress)
	}
}

func TestPublishedRunIsAdopted(t *testing.T) {
	r := &runner{adopt: func(runID, out string) *kalla.Summary {
		if runID == "there" {
			return summary(runID, out)
		}
		return nil
	}}
	ended := make(chan compute.Ended, 2)
	s := start(t, compute.Config{Runner: r, OnEnd: func(e compute.Ended) { ended <- e }})
	submit(t, s, request("there"))
	submit(t, s, request("new"))
	for _, want := range []bool{true, false} {
		if e := <-ended; e.Adopted != want || e.State != job.Completed {
			t.Errorf("got %+v, want adopted: %t", e, want)
		}
	}
	if got := r.order(); got != "new" {
		t.Errorf("ran %q, want only what was not there", got)
	}
}

func TestList(t *testing.T) {
	s := open(t, compute.Config{})
	for i := range 5 {
		submit(t, s, request(fmt.Sprint("r", i)))
	}
	if err := s.Cancel(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	var got []string
	cursor := ""
	for {
		page, err := s.List(t.Context(), cursor, 2, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page.Jobs {
			got = append(got, j.RunID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		submit(t, s, request("new "+cursor)) // the latest come first, and move no page
	}
	if strings.Join(got, " ") != "r4 r3 r2 r1 r0" {
		t.Errorf("got %v", got)
	}
	page, err := s.List(t.Context(), "", 0, job.Cancelled)
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].RunID != "r1" || page.Next != "" {
		t.Errorf("got %+v, %v, want r1 alone", page, err)
	}
	for _, bad := range []func() error{
		func() error { _, err := s.List(t.Context(), "r1", 0, ""); return err },
		func() error { _, err := s.List(t.Context(), "", 0, "lost"); return err },
	} {
		if err := bad(); kalla.CodeOf(err) != kalla.CodeUsage {
			t.Errorf("got %v, want a usage error", err)
		}
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Jobs[job.Queued] != 6 || stats.Jobs[job.Cancelled] != 1 || stats.Jobs[job.Running] != 0 {
		t.Errorf("got %+v, %v", stats, err)
	}
}

func TestOneSchedulerADataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open(t, compute.Config{DataDir: dir})
	_, err := compute.Open(t.Context(), compute.Config{DataDir: dir, Runner: &runner{}, Policy: anything{}, Callbacks: noCallbacks{}, Log: slog.New(slog.DiscardHandler)})
	if kalla.CodeOf(err) != kalla.CodeUsage || !strings.Contains(err.Error(), "another scheduler is using the data folder (process ") {
		t.Errorf("got %v, want an error that names the other process", err)
	}
}
