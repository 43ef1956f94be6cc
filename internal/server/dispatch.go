package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/state"
)

const (
	handingOver = 8 // runs that are handed to the scheduler at the same time
	following   = 4 // that it is asked about at the same time
	followBatch = 500

	firstWait = 200 * time.Millisecond
	longWait  = 5 * time.Second
)

// dispatcher brings every run to its end. The runs themselves are the queue: a
// run that is not final has a lease, and whose lease has run out is taken up by
// whichever process asks first. A queue beside them would have to be held in
// step with them, and would know nothing that they do not.
//
// Handing over is idempotent, since the scheduler knows runs by their ids: that
// two processes hand the same run over, or one twice, starts nothing twice.
type dispatcher struct {
	*Server
	pending chan struct{} // holds a token when there may be a run to hand over
	news    chan struct{} // holds one when there may be one to ask about
	orphans chan string   // ids of cancelled runs that a scheduler still works at
	slots   chan struct{}
}

func newDispatcher(s *Server) *dispatcher {
	return &dispatcher{Server: s, pending: make(chan struct{}, 1), news: make(chan struct{}, 1),
		orphans: make(chan string, 64), slots: make(chan struct{}, handingOver)}
}

// wake has the runs looked at that are to be handed over, and look those that a scheduler has.
func (d *dispatcher) wake() { notify(d.pending) }
func (d *dispatcher) look() { notify(d.news) }

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// orphan has the scheduler stop a run that is over. If there are too many, the next callback says so again.
func (d *dispatcher) orphan(runID string) {
	select {
	case d.orphans <- runID:
		d.look()
	default:
	}
}

// hold is the lease of a run that is being handed over: short, so that nobody
// waits long for a process that died over it.
func (d *dispatcher) hold() time.Duration { return min(d.cfg.Lease, 10*time.Second) }

// run works until ctx ends. It returns when nothing is under way any more.
func (d *dispatcher) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { d.follow(ctx) })
	tick := time.NewTicker(min(time.Second, d.cfg.Lease/4))
	defer tick.Stop()
	for {
		d.takeUp(ctx, &work)
		select {
		case <-ctx.Done():
			return
		case <-d.pending:
		case <-tick.C:
		}
	}
}

// takeUp takes as many runs as can be handed over now.
func (d *dispatcher) takeUp(ctx context.Context, work *sync.WaitGroup) {
	free := cap(d.slots) - len(d.slots)
	if free == 0 {
		return // whoever frees one wakes
	}
	runs, err := d.store.ClaimExpired(ctx, d.hold(), free)
	if err != nil {
		if ctx.Err() == nil {
			d.log.Warn("runs could not be taken up", "error", err)
		}
		return
	}
	for _, r := range runs {
		if r.State != state.Pending || r.Attempt > 1 {
			d.metrics.takeovers.Inc()
			d.log.Warn("run taken up again: its scheduler is silent", "run_id", r.RunID, "attempt", r.Attempt, "state", r.State)
			d.hub.poke(r.RunID)
		}
		if r.State != state.Pending {
			continue
		}
		d.slots <- struct{}{}
		work.Go(func() {
			defer func() { <-d.slots; d.wake() }()
			d.handOver(ctx, &r)
		})
	}
	if len(runs) == free {
		d.wake()
	}
}

// handOver gives a pending run to the scheduler, however long that takes. If
// the process ends meanwhile, or the database cannot be reached, the lease runs
// out and somebody else begins anew.
func (d *dispatcher) handOver(ctx context.Context, r *state.Run) {
	req, err := d.request(ctx, r)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, state.ErrUnavailable) {
			d.fail(ctx, r, err)
		}
		return
	}
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		asked, cancel := context.WithTimeout(ctx, d.hold()*4/5)
		_, err := d.cfg.Scheduler.Submit(asked, *req)
		cancel()
		refusal, answered := errors.AsType[*job.StatusError](err)
		switch {
		case err == nil:
			d.metrics.attempts.WithLabelValues("accepted").Inc()
			d.accepted(ctx, r)
			return
		case ctx.Err() != nil:
			return
		case answered && final(refusal.Status):
			d.metrics.attempts.WithLabelValues("refused").Inc()
			d.fail(ctx, r, err)
			return
		}
		d.metrics.attempts.WithLabelValues("deferred").Inc()
		d.log.Info("run not handed over yet", "run_id", r.RunID, "attempt", r.Attempt, "error", err)
		pause := wait/2 + rand.N(wait)
		if answered {
			pause = min(max(pause, refusal.RetryAfter), longWait)
		}
		if _, outcome, err := d.store.Advance(ctx, r.RunID, state.Alive{Attempt: r.Attempt, Lease: pause + d.hold()}); err != nil || outcome != state.Applied {
			return // it was cancelled, or another process has it
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// final reports whether a status says that the same request is refused again.
func final(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// request is what the scheduler is asked.
func (d *dispatcher) request(ctx context.Context, r *state.Run) (*job.Request, error) {
	sealed, err := d.store.RunRequest(ctx, r.RunID)
	if err != nil {
		return nil, err
	}
	req := &job.Request{}
	if err := json.Unmarshal(sealed, req); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the run's request", Where: r.RunID, Err: err}
	}
	req.Attempt, req.CallbackURL = r.Attempt, d.cfg.CallbackURL+"/api/worker"
	return req, nil
}

func (d *dispatcher) accepted(ctx context.Context, r *state.Run) {
	run, outcome, err := d.store.Advance(ctx, r.RunID, state.Accepted{Attempt: r.Attempt, SchedulerURL: d.cfg.SchedulerURL, Lease: d.cfg.Lease})
	switch {
	case err != nil:
		if ctx.Err() == nil {
			d.log.Warn("that a run was handed over could not be noted", "run_id", r.RunID, "error", err)
		}
	case outcome == state.Applied:
		d.metrics.dispatch.Observe(d.now().Sub(run.CreatedAt).Seconds())
		d.hub.poke(r.RunID)
	case run != nil && run.State == state.Cancelled: // while it was handed over
		d.orphan(r.RunID)
	}
}

// fail ends a run that the scheduler does not take.
func (d *dispatcher) fail(ctx context.Context, r *state.Run, err error) {
	f := job.Failure{Code: string(kalla.CodeOf(err)), Message: err.Error()}
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		f.Hint = e.Hint
	}
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		f.Faults = faults
		f.Message += ": " + faults[0].String()
		if more := len(faults) - 1; more > 0 {
			f.Message += fmt.Sprintf(" (and %d more)", more)
		}
	}
	d.advance(ctx, r.RunID, state.Broke{Attempt: r.Attempt, Failure: f})
}

// advance notes what became of a run, if it is not known yet.
func (d *dispatcher) advance(ctx context.Context, runID string, c state.Change) (outcome state.Outcome) {
	run, outcome, err := d.store.Advance(ctx, runID, c)
	if err != nil {
		if ctx.Err() == nil {
			d.log.Warn("what became of a run could not be noted", "run_id", runID, "error", err)
		}
		return ""
	}
	if outcome == state.Applied {
		d.hub.poke(runID)
		if run.State.Final() {
			d.log.Info("run "+string(run.State), "run_id", runID, "attempt", run.Attempt)
		}
	}
	return outcome
}

// follow asks the scheduler about runs that are silent, and tells it of those
// that are to be stopped. So a lost callback delays a run, and no more.
func (d *dispatcher) follow(ctx context.Context) {
	silence := d.cfg.Lease / 6
	tick := time.NewTicker(silence / 2)
	defer tick.Stop()
	for {
		d.stopOrphans(ctx)
		runs, err := d.store.RunsToFollow(ctx, d.now().Add(-silence), followBatch)
		if err != nil && ctx.Err() == nil {
			d.log.Warn("silent runs could not be looked for", "error", err)
		}
		var asked errgroup.Group
		asked.SetLimit(following)
		for _, r := range runs {
			asked.Go(func() error { d.ask(ctx, &r); return nil })
		}
		_ = asked.Wait() // they return none
		select {
		case <-ctx.Done():
			return
		case <-d.news:
		case <-tick.C:
		}
	}
}

// stopOrphans tells the scheduler of runs that are over here but not there.
func (d *dispatcher) stopOrphans(ctx context.Context) {
	for {
		select {
		case id := <-d.orphans:
			if _, err := d.cancelThere(ctx, id); err != nil && ctx.Err() == nil {
				d.log.Debug("a cancelled run could not be stopped", "run_id", id, "error", err)
			}
		default:
			return
		}
	}
}

func (d *dispatcher) cancelThere(ctx context.Context, runID string) (job.Job, error) {
	asked, cancel := context.WithTimeout(ctx, d.hold())
	defer cancel()
	return d.cfg.Scheduler.Cancel(asked, runID)
}

func (d *dispatcher) askThere(ctx context.Context, runID string) (job.Job, error) {
	asked, cancel := context.WithTimeout(ctx, d.hold())
	defer cancel()
	return d.cfg.Scheduler.Get(asked, runID)
}

// ask finds out how a run is that the scheduler has.
func (d *dispatcher) ask(ctx context.Context, r *state.Run) {
	var j job.Job
	var err error
	ended := false
	if r.CancelRequestedAt != nil {
		j, err = d.cancelThere(ctx, r.RunID)
		refusal, answered := errors.AsType[*job.StatusError](err)
		ended = answered && refusal.Status == http.StatusConflict // by itself
	}
	if r.CancelRequestedAt == nil || ended {
		j, err = d.askThere(ctx, r.RunID)
	}
	refusal, answered := errors.AsType[*job.StatusError](err)
	switch {
	case answered && refusal.Status == http.StatusNotFound, err == nil && j.Attempt < r.Attempt:
		// Its memory was lost: a disk was replaced, or put back from a backup.
		d.advance(ctx, r.RunID, state.Lost{Attempt: r.Attempt})
		d.wake()
	case err != nil: // it is away: the lease decides how long it is waited for
		if ctx.Err() == nil {
			d.log.Debug("the scheduler does not say how a run is", "run_id", r.RunID, "error", err)
		}
	default:
		if d.advance(ctx, r.RunID, changeOf(&j, r.Attempt, d.cfg.Lease)) == state.Stale { // it is as far as was known, but it lives
			d.advance(ctx, r.RunID, state.Alive{Attempt: r.Attempt, Lease: d.cfg.Lease})
		}
	}
}

// changeOf is what a job that was looked at means for its run.
func changeOf(j *job.Job, attempt int, lease time.Duration) state.Change {
	switch {
	case j.State == job.Completed && j.Summary != nil:
		sum := j.Summary
		return state.Succeeded{Attempt: attempt, MatchedCount: sum.Pairs, UnmatchedLeftCount: sum.Left.Unmatched, UnmatchedRightCount: sum.Right.Unmatched,
			Summary: sum, OutputPaths: evidence.Paths(sum)}
	case j.State.Final():
		f := job.Failure{Code: string(kalla.CodeInternal), Message: "the job ended without a result"}
		if j.Error != nil {
			f = *j.Error
		}
		return state.Broke{Attempt: attempt, Failure: f}
	case j.State == job.Running && j.Stage != "":
		from, to := job.Span(j.Stage)
		p := state.Progress{Stage: j.Stage, Step: j.Step}
		if to > from {
			p.Fraction = min(max((j.Progress-from)/(to-from), 0), 1)
		}
		return state.Progressed{Attempt: attempt, Progress: p, Lease: lease}
	}
	return state.Alive{Attempt: attempt, Lease: lease}
}

// sleep waits, and reports whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
