package compute

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"kalla"
	"kalla/internal/job"
)

// Submit takes a job. When it returns without an error the job is on disk and
// will end, whatever happens to the process. The same request again is answered
// the same and runs nothing twice. A higher attempt runs a job again that failed
// or was cancelled; of one that waits, runs or is completed it only takes over
// the number, and hears of its end.
//
// Errors are *kalla.Error: of class recipe wrapping kalla.Faults with all that is
// wrong, or wrapping a *QueueFullError, ErrConflict or ErrStopping.
func (s *Service) Submit(ctx context.Context, req job.Request) (job.Accepted, error) {
	const op = "accepting job"
	s.mu.Lock()
	no := s.stopping
	s.mu.Unlock()
	if no {
		return job.Accepted{}, stopping(op)
	}
	if req.Priority == 0 {
		req.Priority = defaultPriority
	}
	t, faults := read(&req, s.cfg.LookupEnv)
	faults = append(faults, s.allowed(&req, t)...)
	if len(faults) > 0 {
		return job.Accepted{}, &kalla.Error{Code: kalla.CodeRecipe, Op: op, Where: req.RunID, Err: faults}
	}
	digest, err := t.digest(&req)
	if err != nil {
		return job.Accepted{}, internal(op, req.RunID, err)
	}
	wake := ""
	err = inTx(ctx, s.db, func(tx *sql.Tx) error {
		wake, err = s.accept(ctx, tx, &req, t, digest)
		return err
	})
	if err != nil {
		return job.Accepted{}, internal(op, req.RunID, err)
	}
	if wake != "" {
		s.wake.notify(wake)
		s.log.InfoContext(ctx, "job accepted", "run_id", req.RunID, "attempt", req.Attempt, "recipe_id", t.recipe.ID, "priority", req.Priority)
	}
	return job.Accepted{RunID: req.RunID, Status: "accepted"}, nil
}

// allowed asks the policy about all that a request names.
func (s *Service) allowed(req *job.Request, t *task) kalla.Faults {
	var faults kalla.Faults
	check := func(path string, err error) {
		if err != nil {
			faults = append(faults, faultAt(path, err))
		}
	}
	if req.OutputPath != "" {
		check("output_path", s.cfg.Policy.Output(req.OutputPath))
	}
	if req.CallbackURL != "" {
		check("callback_url", s.cfg.Policy.Callback(req.CallbackURL))
	}
	if t == nil {
		return faults
	}
	for _, src := range t.sources {
		check(src.path, s.cfg.Policy.Source(src.source))
	}
	return faults
}

// accept decides in a transaction what becomes of a request, and names the queue that has something new.
func (s *Service) accept(ctx context.Context, tx *sql.Tx, req *job.Request, t *task, digest []byte) (wake string, err error) {
	old, err := find(ctx, tx, req.RunID)
	switch {
	case err != nil:
		return "", err
	case old != nil && !bytes.Equal(old.digest, digest):
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "accepting job", Where: req.RunID, Why: "there is a job of this run_id that asks for something else",
			Hint: "give the new one a run_id of its own", Err: ErrConflict}
	case old != nil && req.Attempt <= old.attempt:
		return "", nil
	case old != nil && old.state != job.Failed && old.state != job.Cancelled:
		return s.takeOver(ctx, tx, req, old)
	}
	if err := s.room(ctx, tx); err != nil {
		return "", err
	}
	body, err := json.Marshal(req)
	if err != nil {
		return "", err
	}
	trace := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, trace)
	now := s.now().UTC()
	r := &row{runID: req.RunID, due: s.due(now, req.Priority)}
	if _, err := tx.ExecContext(ctx, `INSERT INTO jobs (run_id, attempt, digest, request, callback, trace, recipe_id, engine, output, priority, due, state, accepted)
		VALUES (?, ?, ?, ?, nullif(?, ''), nullif(?, ''), ?, ?, ?, ?, ?, 'queued', ?)
		ON CONFLICT (run_id) DO UPDATE SET attempt = excluded.attempt, request = excluded.request, callback = excluded.callback, trace = excluded.trace,
			due = excluded.due, state = 'queued', cancel = 0, accepted = excluded.accepted, started = NULL, ended = NULL, summary = NULL, failure = NULL`,
		req.RunID, req.Attempt, digest, body, req.CallbackURL, trace["traceparent"], t.recipe.ID, req.Engine, shown(req.OutputPath), req.Priority, r.due, now.UnixMicro()); err != nil {
		return "", err
	}
	return jobQueue, s.enqueue(ctx, tx, r)
}

// takeOver gives the number of a new attempt to a job that need not run again.
// A completed one reports once more: whoever asks again has not heard.
func (s *Service) takeOver(ctx context.Context, tx *sql.Tx, req *job.Request, old *row) (wake string, err error) {
	if _, err := tx.ExecContext(ctx, "UPDATE jobs SET attempt = ?, callback = nullif(?, '') WHERE run_id = ?", req.Attempt, req.CallbackURL, req.RunID); err != nil {
		return "", err
	}
	s.mu.Lock()
	for _, r := range s.running {
		if r.runID == req.RunID {
			r.attempt = req.Attempt
		}
	}
	s.mu.Unlock()
	if old.state != job.Completed || req.CallbackURL == "" {
		return "", nil
	}
	return callbackQueue, s.report(ctx, tx, req.RunID, req.Attempt)
}

// room refuses what would not fit into the queue.
func (s *Service) room(ctx context.Context, tx *sql.Tx) error {
	var waiting int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM jobs WHERE state = 'queued'").Scan(&waiting); err != nil {
		return err
	}
	if waiting < s.cfg.QueueLimit {
		return nil
	}
	s.mu.Lock()
	wait := s.mean / time.Duration(s.cfg.MaxJobs) // a place is free whenever a job begins
	s.mu.Unlock()
	full := &QueueFullError{Limit: s.cfg.QueueLimit, RetryAfter: time.Duration(math.Ceil(min(max(wait, time.Second), time.Minute).Seconds())) * time.Second}
	return &kalla.Error{Code: kalla.CodeLimit, Op: "accepting job", Why: "the queue is full: " + full.Error(), Hint: "try again in " + full.RetryAfter.String(), Err: full}
}

// Cancel ends a job: one that waits at once, one that runs within a second.
// Errors wrap ErrNotFound, or ErrFinal when it has ended by itself; that it was
// cancelled before is no error.
func (s *Service) Cancel(ctx context.Context, runID string) error {
	const op = "cancelling job"
	var ended *Ended
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		r, err := find(ctx, tx, runID)
		switch {
		case err != nil:
			return err
		case r == nil:
			return notFound(op, runID)
		case r.state == job.Cancelled:
			return nil
		case r.state.Final():
			return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: runID, Why: "it has " + string(r.state) + " already", Err: ErrFinal}
		case r.state == job.Queued:
			// Its place in the queue stays, and does nothing when its turn comes.
			ended, err = s.end(ctx, tx, r, job.Cancelled, nil, cancelledFailure())
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE jobs SET cancel = 1 WHERE run_id = ?", runID)
		return err
	})
	if err != nil {
		return internal(op, runID, err)
	}
	if ended != nil {
		s.ended(*ended)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		if r.runID == runID {
			r.cancel(errCancelled)
		}
	}
	return nil
}

func notFound(op, runID string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: runID, Why: "there is no job of this run_id", Err: ErrNotFound}
}

func cancelledFailure() *job.Failure {
	return &job.Failure{Code: string(kalla.CodeCanceled), Message: "cancelled on request"}
}
