package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

// registerWorker adds what the scheduler calls back. Whoever calls proves it by
// the token of the workers, not as a user.
func (s *Server) registerWorker(api huma.API) {
	add := func(kind, summary string) huma.Operation {
		op := operation("worker", http.MethodPost, "/api/worker/"+kind, "worker-"+kind, summary, auth.Public)
		op.Description = "Called by the scheduler, with its KALLA_WORKER_TOKEN. What is late or comes twice changes nothing."
		op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) { s.verifyWorker(api, ctx, next) }}
		op.SkipValidateBody = true // a newer scheduler may say more than is known here
		op.RejectUnknownQueryParameters = false
		return op
	}
	huma.Register(api, add("progress", "A run is getting on"), func(ctx context.Context, in *body[job.Progress]) (*body[OK], error) {
		return s.called(ctx, "progress", in.Body.RunID, func() (state.Outcome, error) { return s.worker.progress(ctx, &in.Body) })
	})
	huma.Register(api, add("complete", "A run is done"), func(ctx context.Context, in *body[job.Complete]) (*body[OK], error) {
		c := &in.Body
		return s.called(ctx, "complete", c.RunID, func() (state.Outcome, error) {
			return s.worker.end(ctx, c.RunID, state.Succeeded{Attempt: c.Attempt, MatchedCount: c.MatchedCount, UnmatchedLeftCount: c.UnmatchedLeftCount,
				UnmatchedRightCount: c.UnmatchedRightCount, Summary: c.Summary, OutputPaths: c.OutputPaths})
		})
	})
	huma.Register(api, add("error", "A run has failed, or was stopped"), func(ctx context.Context, in *body[job.Error]) (*body[OK], error) {
		e := &in.Body
		return s.called(ctx, "error", e.RunID, func() (state.Outcome, error) {
			code := e.Code
			if code == "" { // the predecessor's schedulers send none
				code = string(kalla.CodeEngine)
			}
			return s.worker.end(ctx, e.RunID, state.Broke{Attempt: e.Attempt, Failure: job.Failure{Code: code, Message: e.Error, Hint: e.Hint, Stage: e.Stage}})
		})
	})
}

// verifyWorker lets those through who have the token, and whose signature fits if there is one.
func (s *Server) verifyWorker(api huma.API, ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	text, err := io.ReadAll(r.Body) // the guard has bounded it
	if err == nil {
		err = s.verifier.Verify(r.Header, text)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kalla worker"`)
		problem.Of(http.StatusUnauthorized, err, "").Write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	next(ctx)
}

// called answers a callback.
func (s *Server) called(ctx context.Context, kind, runID string, do func() (state.Outcome, error)) (*body[OK], error) {
	if runID == "" {
		return nil, invalid("body.run_id", "is missing", "send the run_id of the job")
	}
	outcome, err := do()
	if err != nil {
		s.metrics.callbacks.WithLabelValues(kind, "failed").Inc()
		return nil, s.problem(ctx, err)
	}
	s.metrics.callbacks.WithLabelValues(kind, string(outcome)).Inc()
	if outcome == state.Unknown {
		return nil, problem.New(http.StatusNotFound, "taking a callback: "+runID+": there is no such run", "does the scheduler call the app that sent the job?")
	}
	return &body[OK]{OK{true}}, nil
}

const (
	// progressEvery is how often the progress of a run is written at most, but for a new stage.
	progressEvery = 500 * time.Millisecond
	// idle is how long what came of a run's progress is remembered after the last.
	idle = time.Minute
)

// callbacks writes down what the scheduler says. Of progress that comes in
// quick succession it writes the newest a few times a second, so that a storm
// of callbacks costs memory for a moment and not the database.
type callbacks struct {
	*Server
	due chan struct{} // holds a token when there is progress to be written later

	mu   sync.Mutex
	runs map[string]*reported
}

// reported is what is known of a run that reports.
type reported struct {
	writing sync.Mutex        // one write at a time, in order
	last    time.Time         // of the last write
	latest  *state.Progressed // that was written last
	outcome state.Outcome
	over    bool // the run has ended: nothing more is to be written
	attempt int
	waiting *state.Progressed // the newest that is not written yet
}

func newCallbacks(s *Server) *callbacks {
	return &callbacks{Server: s, due: make(chan struct{}, 1), runs: map[string]*reported{}}
}

// progress takes a progress: written now, or noted to be written soon.
func (c *callbacks) progress(ctx context.Context, p *job.Progress) (state.Outcome, error) {
	change := &state.Progressed{Attempt: p.Attempt, Lease: c.cfg.Lease, Progress: state.Progress{
		Stage: p.Stage, Step: p.Step, Fraction: p.Progress, Source: p.Source,
		MatchedCount: p.MatchedCount, TotalLeft: p.TotalLeft, TotalRight: p.TotalRight, RowsPerSecond: p.RowsPerSecond,
	}}
	c.mu.Lock()
	r := c.runs[p.RunID]
	if r == nil {
		r = &reported{}
		c.runs[p.RunID] = r
	}
	now := time.Now()
	if r.over && p.Attempt <= r.attempt && now.Sub(r.last) < idle {
		outcome := r.outcome
		c.mu.Unlock()
		return outcome, nil
	}
	if !r.last.IsZero() && now.Sub(r.last) < progressEvery && !newStage(change, r.latest) {
		if r.waiting == nil || !precedes(change, r.waiting) {
			r.waiting = change
		}
		c.mu.Unlock()
		notify(c.due)
		return state.Applied, nil
	}
	r.last, r.latest, r.waiting = now, change, nil
	c.mu.Unlock()
	return c.write(ctx, p.RunID, r, change)
}

// precedes reports whether a progress comes before another of the same run. Which
// of two stages is the later one is for the store to judge.
func precedes(a, b *state.Progressed) bool {
	if a.Attempt != b.Attempt {
		return a.Attempt < b.Attempt
	}
	from, _ := job.Span(a.Progress.Stage)
	other, _ := job.Span(b.Progress.Stage)
	return from < other || from == other && a.Progress.Fraction < b.Progress.Fraction
}

// newStage reports whether a progress is the first of a later stage, which people are told at once.
func newStage(a, b *state.Progressed) bool {
	from, _ := job.Span(a.Progress.Stage)
	other, _ := job.Span(b.Progress.Stage)
	return from > other
}

// write writes a progress.
func (c *callbacks) write(ctx context.Context, runID string, r *reported, change *state.Progressed) (state.Outcome, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	run, outcome, err := c.store.Advance(ctx, runID, *change)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		r.last = time.Time{}
		return "", err
	}
	r.outcome = outcome
	switch {
	case outcome == state.Unknown:
		delete(c.runs, runID) // of names that anybody could send nothing is kept
	case run.State.Final():
		r.over, r.waiting, r.attempt = true, nil, run.Attempt
		if run.State == state.Cancelled {
			c.dispatch.orphan(runID)
		}
	case outcome == state.Applied:
		c.hub.poke(runID)
	}
	return outcome, nil
}

// end writes the end of a run, after which no progress counts.
func (c *callbacks) end(ctx context.Context, runID string, change state.Change) (state.Outcome, error) {
	run, outcome, err := c.store.Advance(ctx, runID, change)
	if err != nil || outcome == state.Unknown {
		return outcome, err
	}
	if outcome == state.Applied {
		c.hub.poke(runID)
		c.log.Info("run "+string(run.State), "run_id", runID, "attempt", run.Attempt)
	}
	if run.State.Final() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if r := c.runs[runID]; r != nil {
			r.over, r.waiting, r.attempt, r.outcome, r.last = true, nil, run.Attempt, state.Stale, time.Now()
		}
	}
	return outcome, nil
}

// run writes the progress that waits, until ctx ends.
func (c *callbacks) run(ctx context.Context) {
	sweep := time.NewTicker(idle)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			c.forget()
			continue
		case <-c.due:
		}
		if !sleep(ctx, progressEvery) {
			return
		}
		for runID, r := range c.waiting() {
			change := c.take(r)
			if change == nil {
				continue
			}
			if _, err := c.write(ctx, runID, r, change); err != nil && ctx.Err() == nil {
				c.log.Warn("progress of a run could not be written", "run_id", runID, "error", err)
				if errors.Is(err, state.ErrUnavailable) {
					break // the next progress tries again
				}
			}
		}
	}
}

func (c *callbacks) waiting() map[string]*reported {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]*reported{}
	for id, r := range c.runs {
		if r.waiting != nil {
			out[id] = r
		}
	}
	return out
}

func (c *callbacks) take(r *reported) *state.Progressed {
	c.mu.Lock()
	defer c.mu.Unlock()
	change := r.waiting
	r.waiting, r.last = nil, time.Now()
	if change != nil {
		r.latest = change
	}
	return change
}

// forget removes what was not heard of for a while.
func (c *callbacks) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range c.runs {
		if r.waiting == nil && time.Since(r.last) > idle {
			delete(c.runs, id)
		}
	}
}
