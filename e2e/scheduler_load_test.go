//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/demo"
	"kalla/internal/job"
)

// TestSchedulerLoad fills the queue of a scheduler to its limit behind a job that
// does not end, has it work off what is left of it, and goes on submitting fifty
// jobs a second meanwhile. KALLA_LOAD_JOBS leaves more. What it took is logged.
func TestSchedulerLoad(t *testing.T) {
	const limit, rate = 1000, 50 // jobs that may wait; a second
	jobs, seconds := 60, 1
	if n, err := strconv.Atoi(os.Getenv("KALLA_LOAD_JOBS")); err == nil {
		jobs, seconds = n, 5
	}
	data, r := generate(t, 10, demo.OnePass), listen(t)
	dir := t.TempDir()
	d := launch(t, dir, nil, "--max-jobs", "2").serves(t)
	request := func(i int) job.Request {
		runID := fmt.Sprint("run-", i)
		req := data.request(runID, r.url, filepath.Join(dir, "out", runID))
		if i >= jobs && i < limit { // it will be cancelled
			req.CallbackURL = ""
		}
		return req
	}

	for _, runID := range []string{"blocker-1", "blocker-2"} {
		d.submit(t, endless(t, runID, filepath.Join(dir, "out", runID)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	for { // until both run
		e, err := d.Engine(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.Running == 2 {
			break
		}
	}
	posts := &latencies{}
	for i := range limit {
		if err := posts.submit(d, request(i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d POSTs one after the other, both processors busy: %s", limit, posts)
	_, err := d.Submit(ctx, request(limit))
	if refused, ok := errors.AsType[*job.StatusError](err); !ok || refused.Status != http.StatusTooManyRequests || refused.RetryAfter < time.Second {
		t.Fatalf("beyond the limit: %v (%+v), want a refusal that says when to try again", err, refused)
	}
	if _, err := d.Submit(ctx, request(0)); err != nil {
		t.Errorf("the same again is no more work, and is refused: %v", err)
	}
	for i := jobs; i < limit; i++ {
		if _, err := d.Cancel(ctx, fmt.Sprint("run-", i)); err != nil {
			t.Fatal(err)
		}
	}
	before := d.processorTime()
	start := time.Now()
	for _, runID := range []string{"blocker-1", "blocker-2"} {
		if _, err := d.Cancel(ctx, runID); err != nil {
			t.Fatal(err)
		}
	}

	// Fifty a second, whether or not the last one has been answered.
	posts = &latencies{}
	var sent sync.WaitGroup
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	for i := range rate * seconds {
		<-tick.C
		sent.Go(func() {
			if err := posts.submit(d, request(limit+i)); err != nil {
				t.Error(err)
			}
		})
	}
	sent.Wait()
	t.Logf("%d POSTs, %d a second, while jobs run: %s", rate*seconds, rate, posts)

	var runs []int
	for i := range jobs {
		runs = append(runs, i)
	}
	for i := range rate * seconds {
		runs = append(runs, limit+i)
	}
	for _, i := range runs {
		data.check(t, r.taken(t, fmt.Sprint("run-", i)).complete(t))
	}
	took := time.Since(start)
	t.Logf("%d jobs of ten records in %.1f s, %.1f a second; %.1f ms of processor time each", len(runs), took.Seconds(),
		float64(len(runs))/took.Seconds(), float64((d.processorTime()-before).Milliseconds())/float64(len(runs)))
	verify := verifier(t)
	for _, i := range runs {
		r.once(t, fmt.Sprint("run-", i))
	}
	for _, i := range []int{0, jobs - 1, limit, limit + rate*seconds - 1} { // each costs as much as its run
		verify(filepath.Join(dir, "out", fmt.Sprint("run-", i)), nil)
	}
	if got := names(t, filepath.Join(dir, "out")); len(got) != len(runs) {
		t.Errorf("there are %d folders of evidence, want %d", len(got), len(runs))
	}
	peak := d.peakMemory()
	t.Logf("peak memory %d MB", peak>>20)
	if peak > 1<<30 {
		t.Errorf("it took %d MB for small jobs", peak>>20)
	}
}

// endless is a job that has a billion pairs to think of.
func endless(t *testing.T, runID, out string) job.Request {
	t.Helper()
	dir := t.TempDir()
	var left, right bytes.Buffer
	left.WriteString("id,amount\n")
	right.WriteString("ref,paid\n")
	for i := range 30_000 {
		fmt.Fprintf(&left, "L%d,1.00\n", i)
		fmt.Fprintf(&right, "R%d,1.00\n", i)
	}
	req := job.Request{RunID: runID, OutputPath: out, PrimaryKeys: map[string][]string{"left_src": {"id"}, "right_src": {"ref"}},
		MatchSQL: "SELECT l.id, r.ref FROM left_src l JOIN right_src r ON l.amount = r.paid AND similarity(l.id, r.ref) > 0.99"}
	for alias, b := range map[string]*bytes.Buffer{"left_src": &left, "right_src": &right} {
		path := filepath.Join(dir, alias+".csv")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		req.Sources = append(req.Sources, job.Source{Alias: alias, URI: path})
	}
	slices.SortFunc(req.Sources, func(a, b job.Source) int { return strings.Compare(a.Alias, b.Alias) })
	return req
}

// latencies are how long it took to hand over jobs.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) submit(d *daemon, req job.Request) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	_, err := d.Submit(ctx, req)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, time.Since(start))
	return err
}

// String gives the median and the 99th percentile.
func (l *latencies) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.all)
	at := func(percent int) time.Duration {
		return l.all[(len(l.all)-1)*percent/100].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v", at(50), at(99))
}

// processorTime is what the process has taken so far, or 0 where the system does not say.
func (d *daemon) processorTime() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peakMemory is the largest resident set of the process in bytes, or 0 where the system does not say.
func (d *daemon) peakMemory() int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	return kilobytes << 10
}
