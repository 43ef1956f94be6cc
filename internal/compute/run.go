package compute

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/source"
)

// running is a job that runs. Its fields are guarded by Service.mu but for those that never change.
type running struct {
	runID    string
	cancel   context.CancelCauseFunc
	attempt  int
	progress job.Progress // the latest
	overall  float64      // 0..1 of the job
}

// work runs a job whose turn has come, to its end or until the service stops.
func (s *Service) work(ctx context.Context, j *river.Job[jobArgs]) error {
	jobCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &running{runID: j.Args.RunID, cancel: cancel}
	s.enter(r) // before the row says so: whoever cancels a running job finds it
	defer s.leave(r)

	var stored *row
	if !s.insist(ctx, r.runID, func(ctx context.Context) (err error) {
		stored, err = s.begin(ctx, j, r)
		return err
	}) {
		return interrupted()
	}
	if stored == nil {
		return nil // it was cancelled while it waited
	}
	s.callbackOut(ctx, r.runID)
	summary, adopted, failure := s.attempt(jobCtx, stored, r)
	state := job.Completed
	switch cause := context.Cause(jobCtx); {
	case failure == nil:
	case errors.Is(cause, errCancelled):
		state, failure = job.Cancelled, cancelledFailure()
	case ctx.Err() != nil: // the service stops
		if !s.insist(ctx, r.runID, func(ctx context.Context) error { return s.handBack(ctx, j.ID, r.runID) }) {
			return interrupted()
		}
		s.log.InfoContext(ctx, "job stopped, and waits again", "run_id", r.runID)
		return nil
	default:
		state = job.Failed
	}
	var ended *Ended
	if !s.insist(ctx, r.runID, func(ctx context.Context) error {
		return inTx(ctx, s.db, func(tx *sql.Tx) error {
			now, err := find(ctx, tx, r.runID) // its attempt may be another by now
			if err != nil {
				return err
			}
			if ended, err = s.end(ctx, tx, now, state, summary, failure); err != nil {
				return err
			}
			_, err = river.JobCompleteTx[*driver](ctx, tx, j)
			return err
		})
	}) {
		return interrupted()
	}
	ended.Adopted = adopted
	s.ended(*ended)
	return nil
}

// interrupted leaves River's job as it was, for what could not be written
// before the service stopped: the next Open puts the rest in order.
func interrupted() error { return river.JobSnooze(0) }

// begin marks a job as running. It returns nil if the job does not wait for this turn any more.
func (s *Service) begin(ctx context.Context, j *river.Job[jobArgs], r *running) (stored *row, err error) {
	err = inTx(ctx, s.db, func(tx *sql.Tx) error {
		waits, err := update(ctx, tx, "UPDATE jobs SET state = 'running', started = ? WHERE run_id = ? AND river_id = ? AND state = 'queued'",
			s.now().UnixMicro(), r.runID, j.ID)
		if err != nil || !waits {
			return err
		}
		stored, err = find(ctx, tx, r.runID)
		return err
	})
	if err != nil || stored == nil {
		return nil, err
	}
	s.mu.Lock()
	r.attempt = stored.attempt
	s.mu.Unlock()
	s.log.InfoContext(ctx, "job started", "run_id", r.runID, "attempt", stored.attempt, "waited_ms", stored.started.Sub(stored.accepted).Milliseconds())
	return stored, nil
}

// insist does what must be written, until it is: nothing else could be
// accepted meanwhile either. It tries at least once, and returns false when the
// service stops before.
func (s *Service) insist(ctx context.Context, runID string, do func(context.Context) error) bool {
	always := context.WithoutCancel(ctx)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do(always)
		if err == nil {
			return true
		}
		s.log.ErrorContext(ctx, "the state of a job could not be written", "run_id", runID, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// handBack puts a job that was stopped back into its place.
func (s *Service) handBack(ctx context.Context, riverID int64, runID string) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE jobs SET state = 'queued', started = NULL WHERE run_id = ? AND state = 'running'", runID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE river_job SET state = 'available', attempt = 0 WHERE id = ?", riverID)
		return err
	})
}

// end writes the end of a job, and what is to be reported of it.
func (s *Service) end(ctx context.Context, tx *sql.Tx, r *row, state job.State, summary *kalla.Summary, failure *job.Failure) (*Ended, error) {
	now := s.now().UTC()
	sum, err := encode(summary)
	if err != nil {
		return nil, err
	}
	fail, err := encode(failure)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE jobs SET state = ?, ended = ?, summary = ?, failure = ?, request = NULL, cancel = 0 WHERE run_id = ?",
		state, now.UnixMicro(), sum, fail, r.runID); err != nil {
		return nil, err
	}
	if r.callback != "" {
		if err := s.report(ctx, tx, r.runID, r.attempt); err != nil {
			return nil, err
		}
	}
	e := &Ended{RunID: r.runID, Attempt: r.attempt, State: state, Waited: now.Sub(r.accepted)}
	if !r.started.IsZero() {
		e.Waited, e.Ran = r.started.Sub(r.accepted), now.Sub(r.started)
	}
	if failure != nil {
		e.Code = failure.Code
	}
	if summary != nil {
		e.Stages, e.Rows = summary.Stages, summary.Left.Total+summary.Right.Total
	}
	return e, nil
}

// ended tells the log and the metrics, once the end is on disk.
func (s *Service) ended(e Ended) {
	s.wake.notify(callbackQueue)
	attrs := []any{"run_id", e.RunID, "attempt", e.Attempt, "ran_ms", e.Ran.Milliseconds(), "rows", e.Rows}
	if e.Code != "" {
		attrs = append(attrs, "code", e.Code)
	}
	if e.Adopted {
		attrs = append(attrs, "adopted", true)
	}
	s.log.Info("job "+string(e.State), attrs...)
	if e.Ran > 0 {
		s.mu.Lock()
		s.mean += (e.Ran - s.mean) / 8
		s.mu.Unlock()
	}
	s.cfg.OnEnd(e)
}

// attempt does the work of a job.
func (s *Service) attempt(ctx context.Context, stored *row, r *running) (summary *kalla.Summary, adopted bool, failure *job.Failure) {
	ctx, done := context.WithTimeoutCause(ctx, s.cfg.Deadline, errDeadline)
	defer done()
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": stored.trace})
	ctx, span := otel.Tracer("kalla").Start(ctx, "job")
	defer span.End()
	span.SetAttributes(attribute.String("run_id", stored.runID), attribute.Int("attempt", stored.attempt),
		attribute.String("recipe_id", stored.recipeID), attribute.String("engine", stored.engine))

	var req job.Request
	if err := json.Unmarshal(stored.request, &req); err != nil {
		return nil, false, &job.Failure{Code: string(kalla.CodeInternal), Message: "the stored request cannot be read"}
	}
	// Again: the environment and the policy may be others than when the job was taken.
	t, faults := read(&req, s.cfg.LookupEnv)
	faults = append(faults, s.allowed(&req, t)...)
	var err error
	if len(faults) > 0 {
		err = &kalla.Error{Code: kalla.CodeRecipe, Op: "reading job", Err: faults}
	} else {
		summary, adopted, err = s.do(ctx, &req, t, r)
	}
	if err == nil {
		return summary, adopted, nil
	}
	if errors.Is(context.Cause(ctx), errDeadline) {
		err = &kalla.Error{Code: kalla.CodeLimit, Op: "running job", Why: "it ran longer than " + s.cfg.Deadline.String(), Hint: "filter the sources, or give the scheduler a longer deadline"}
	}
	s.mu.Lock()
	stage := r.progress.Stage
	s.mu.Unlock()
	failure = failureOf(err, stage, t)
	span.SetStatus(codes.Error, failure.Message)
	return nil, false, failure
}

// do adopts evidence that the run has published already, or makes it.
func (s *Service) do(ctx context.Context, req *job.Request, t *task, r *running) (summary *kalla.Summary, adopted bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "job panicked", "run_id", req.RunID, "panic", t.redact(fmt.Sprint(p)), "stack", string(debug.Stack()))
			err = &kalla.Error{Code: kalla.CodeInternal, Op: "running job", Why: "a fault of Kalla's own", Hint: "the log of the scheduler has the details; please report it"}
		}
	}()
	if req.Evidence != "none" {
		if summary, err := s.cfg.Runner.Adopt(ctx, req.RunID, req.OutputPath); err != nil || summary != nil {
			return summary, true, err
		}
	}
	sender := s.sender(ctx, req, r)
	defer sender.Close()
	limits := s.limits()
	limits.ThreadsNow = func() int { return s.threads(r) }
	limits.Threads = limits.ThreadsNow()
	summary, err = s.cfg.Runner.Run(ctx, Work{
		RunID: req.RunID, Recipe: t.recipe, Document: t.document, Out: req.OutputPath, Evidence: req.Evidence, Engine: req.Engine,
		Limits: limits, Env: s.cfg.LookupEnv, Check: s.check,
		Report: func(p kalla.Progress) { s.progress(r, p, sender) },
	})
	return summary, false, err
}

// check is asked of every source before it is opened.
func (s *Service) check(src source.Source) error {
	if err := absolute(src); err != nil {
		return err
	}
	return s.cfg.Policy.Source(src)
}

// silent is for jobs whose state is polled.
type silent struct{}

func (silent) Send(job.Progress) {}
func (silent) Close()            {}

func (s *Service) sender(ctx context.Context, req *job.Request, r *running) Progress {
	if req.CallbackURL == "" || s.cfg.Progress == nil {
		return silent{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Progress(ctx, req.CallbackURL, req.RunID, r.attempt)
}

// progress keeps what a job reports, in memory: after a crash it begins anew.
// It is called by several goroutines of a runner.
func (s *Service) progress(r *running, p kalla.Progress, to Progress) {
	out := job.Progress{RunID: r.runID, Stage: p.Stage, Step: p.Step, Progress: p.Fraction, Source: p.Source, Rows: p.Rows}
	if p.TotalLeft > 0 || p.TotalRight > 0 {
		out.TotalLeft, out.TotalRight = &p.TotalLeft, &p.TotalRight
	}
	if p.Stage == kalla.StageEvidence {
		out.MatchedCount = &p.Matched
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Attempt = r.attempt
	begin, end := job.Span(p.Stage)
	r.overall = max(r.overall, begin+(end-begin)*min(max(p.Fraction, 0), 1))
	r.progress = out
	to.Send(out) // in order, and without waiting
}

func (s *Service) enter(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, r)
}

func (s *Service) leave(r *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = slices.DeleteFunc(s.running, func(other *running) bool { return other == r })
}

// threads is the share of a running job: all of the processors among all that
// run now, the rest to those that run longest, and none less than one.
func (s *Service) threads(r *running) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := max(len(s.running), 1)
	share := s.cfg.Threads / n
	if i := slices.Index(s.running, r); i >= 0 && i < s.cfg.Threads%n {
		share++
	}
	return max(share, 1)
}

// failureOf says why a job failed, without a secret. The task may be nil.
func failureOf(err error, stage kalla.Stage, t *task) *job.Failure {
	clean, where, lines := func(s string) string { return s }, func(path string) string { return path }, false
	if t != nil {
		clean, where, lines = t.redact, t.where, t.isText
	}
	f := &job.Failure{Code: string(kalla.CodeOf(err)), Message: err.Error(), Stage: stage}
	faults, _ := errors.AsType[kalla.Faults](err)
	if len(faults) > 0 {
		if t != nil {
			faults = relocate(faults, where, lines)
		}
		for _, x := range faults {
			x.Problem, x.Hint = clean(x.Problem), clean(x.Hint)
			f.Faults = append(f.Faults, x)
		}
		f.Message = faults[0].String()
		if more := len(faults) - 1; more > 0 {
			f.Message += fmt.Sprintf("; and %d more", more)
		}
	}
	if known, ok := errors.AsType[*kalla.Error](err); ok {
		f.Hint = clean(known.Hint)
		if len(faults) > 0 && known.Op != "" {
			f.Message = known.Op + ": " + f.Message
		}
	}
	f.Message = clean(f.Message)
	return f
}
