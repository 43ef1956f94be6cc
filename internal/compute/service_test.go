package compute_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/engine"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("KALLA_TEST_CRASH_DIR"); dir != "" {
		crashing(dir)
		return
	}
	testenv.Main(m)
}

// anything is a policy that forbids what it is told to.
type anything struct{ forbidden string }

func (p anything) refuse(what string) error {
	if p.forbidden == "" || !strings.Contains(what, p.forbidden) {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeSource, Op: "checking policy", Where: what, Why: "it is not allowed", Hint: "start the scheduler with --allow"}
}

func (p anything) Source(s source.Source) error { return p.refuse(s.Location()) }
func (p anything) Output(path string) error     { return p.refuse(path) }
func (p anything) Callback(url string) error    { return p.refuse(url) }

// runner is an engine whose work is what a test says. By default it succeeds.
type runner struct {
	run   func(ctx context.Context, w compute.Work) (*kalla.Summary, error)
	adopt func(runID, out string) *kalla.Summary

	mu   sync.Mutex
	runs []string // in the order in which they started
}

func (r *runner) Run(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
	r.mu.Lock()
	r.runs = append(r.runs, w.RunID)
	r.mu.Unlock()
	if r.run != nil {
		return r.run(ctx, w)
	}
	return summary(w.RunID, w.Out), nil
}

func (r *runner) order() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.runs, " ")
}

func (r *runner) Adopt(_ context.Context, runID, out string) (*kalla.Summary, error) {
	if r.adopt == nil {
		return nil, nil
	}
	return r.adopt(runID, out), nil
}

func (r *runner) Preview(context.Context, job.PreviewRequest, []kalla.Filter, func(string) (string, bool), engine.Limits) (*job.Preview, error) {
	return &job.Preview{}, nil
}

func (r *runner) Validate(context.Context, *recipe.Document, map[string]string, bool, func(string) (string, bool), engine.Limits) (*job.Validation, error) {
	return &job.Validation{Valid: true}, nil
}

func (r *runner) Draft(context.Context, job.DraftRequest, [2][]kalla.Filter, func(string) (string, bool), engine.Limits) (*job.Draft, error) {
	return &job.Draft{}, nil
}

func (r *runner) Backtest(context.Context, compute.Work, *compute.Work, []job.Example, int) (*job.Backtest, error) {
	return &job.Backtest{}, nil
}

func (r *runner) Engine(context.Context) (kalla.EngineInfo, []job.Node, error) {
	return kalla.EngineInfo{Name: "test", Version: "1"}, nil, nil
}

func summary(runID, out string) *kalla.Summary {
	return &kalla.Summary{RunID: runID, Pairs: 3, Left: kalla.SideSummary{Total: 5, Unmatched: 2}, Right: kalla.SideSummary{Total: 4, Unmatched: 1},
		Stages: []kalla.StageTime{{Name: "staging", MS: 1}}, Evidence: out}
}

// blocking is a run that goes on until it is released or its context ends.
func blocking(release <-chan struct{}) func(context.Context, compute.Work) (*kalla.Summary, error) {
	return func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		select {
		case <-release:
			return summary(w.RunID, w.Out), nil
		case <-ctx.Done():
			return nil, &kalla.Error{Code: kalla.CodeCanceled, Op: "running", Why: "cancelled", Err: ctx.Err()}
		}
	}
}

type noCallbacks struct{}

func (noCallbacks) Post(context.Context, string, string, any) error {
	return errors.New("no callback was expected")
}

// open opens a service that is stopped when the test ends, without waiting for its jobs.
func open(t *testing.T, cfg compute.Config) *compute.Service {
	t.Helper()
	// The first cleanup is the last to run: when all is stopped nothing must be left.
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	if cfg.DataDir == "" {
		cfg.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if cfg.Runner == nil {
		cfg.Runner = &runner{}
	}
	if cfg.Policy == nil {
		cfg.Policy = anything{}
	}
	if cfg.Callbacks == nil {
		cfg.Callbacks = noCallbacks{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := compute.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func start(t *testing.T, cfg compute.Config) *compute.Service {
	t.Helper()
	s := open(t, cfg)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// stop stops a service without waiting for its jobs.
func stop(t *testing.T, s *compute.Service) {
	t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Stop(now); err != nil {
		t.Error(err)
	}
}

// request is a job in the form of the product's predecessor.
func request(runID string) job.Request {
	return job.Request{
		RunID: runID, OutputPath: "/data/runs/" + runID,
		MatchSQL: "SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.reference_number AND tolerance_match(l.amount, r.paid_amount, 0.02)",
		Sources: []job.Source{
			{Alias: "left_src", URI: "postgres://user:s3cr3t-pass@localhost:5432/db?table=invoices"},
			{Alias: "right_src", URI: "postgres://user:s3cr3t-pass@localhost:5432/db?table=payments"},
		},
		PrimaryKeys: map[string][]string{"left_src": {"invoice_id"}, "right_src": {"payment_id"}},
	}
}

func submit(t *testing.T, s *compute.Service, req job.Request) {
	t.Helper()
	got, err := s.Submit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if want := (job.Accepted{RunID: req.RunID, Status: "accepted"}); got != want {
		t.Fatalf("Submit: got %+v, want %+v", got, want)
	}
}

// until waits for a condition of a job.
func until(t *testing.T, s *compute.Service, runID string, ok func(job.Job) bool) job.Job {
	t.Helper()
	var j job.Job
	eventually(t, func() bool {
		var err error
		if j, err = s.Get(t.Context(), runID); err != nil {
			t.Fatal(err)
		}
		return ok(j)
	}, func() string { return fmt.Sprintf("%+v", j) })
	return j
}

func eventually(t *testing.T, ok func() bool, state func() string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come so far: %s", state())
		}
	}
}

func inState(state job.State) func(job.Job) bool {
	return func(j job.Job) bool { return j.State == state }
}

func TestJobRuns(t *testing.T) {
	var got compute.Work
	ended := make(chan compute.Ended, 1)
	s := start(t, compute.Config{
		MaxJobs: 2, Memory: 1000, Threads: 4, OnEnd: func(e compute.Ended) { ended <- e },
		Runner: &runner{run: func(_ context.Context, w compute.Work) (*kalla.Summary, error) {
			got = w
			return summary(w.RunID, w.Out), nil
		}},
	})
	req := request("a1b2")
	submit(t, s, req)
	j := until(t, s, "a1b2", inState(job.Completed))
	if j.Progress != 1 || j.Started == nil || j.Ended == nil || j.Summary == nil || j.Summary.Pairs != 3 || j.Error != nil || j.Output != "/data/runs/a1b2" {
		t.Errorf("got %+v", j)
	}
	if got.Out != "/data/runs/a1b2" || got.Recipe.MatchSQL != req.MatchSQL || got.Recipe.Sources.Left.Alias != "left" || got.Limits.Memory != 500 || got.Limits.Threads != 4 {
		t.Errorf("got work %+v", got)
	}
	if e := <-ended; e.RunID != "a1b2" || e.State != job.Completed || e.Rows != 9 || len(e.Stages) != 1 {
		t.Errorf("got %+v", e)
	}
	if r := s.Ready(t.Context()); !r.Ready {
		t.Errorf("not ready: %v", r.Missing)
	}
}

func TestSubmitStartsAtOnce(t *testing.T) {
	s := start(t, compute.Config{})
	var longest, sum time.Duration
	for i := range 20 {
		id := fmt.Sprint("run", i)
		submit(t, s, request(id))
		j := until(t, s, id, inState(job.Completed))
		waited := j.Started.Sub(j.Accepted)
		longest, sum = max(longest, waited), sum+waited
	}
	t.Logf("from acceptance to start: mean %v, longest %v", sum/20, longest)
	// Polling alone would take half a second each.
	if sum > 4*time.Second {
		t.Errorf("20 jobs waited %v together: nothing wakes the queue", sum)
	}
}
