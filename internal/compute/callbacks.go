package compute

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"kalla"
	"kalla/internal/compute/callback"
	"kalla/internal/evidence"
	"kalla/internal/job"
)

// The waits between the attempts of a callback.
const (
	firstWait = 250 * time.Millisecond
	longWait  = time.Minute
	snoozeLag = 300 * time.Millisecond // that River takes at most to write that a job is put off
)

// deliver makes one attempt to report the end of a job.
func (s *Service) deliver(ctx context.Context, j *river.Job[callbackArgs]) error {
	runID := j.Args.RunID
	defer s.delivers(runID)()
	r, err := find(ctx, s.db, runID)
	if err != nil {
		return river.JobSnooze(firstWait)
	}
	if r == nil || r.attempt != j.Args.Attempt || !r.state.Final() || r.callback == "" {
		return nil // another attempt has been asked for since, and is what the receiver waits for
	}
	kind, body := message(r)
	err = s.cfg.Callbacks.Post(ctx, callback.URL(r.callback, kind), fmt.Sprintf("%s.%d.%s", runID, r.attempt, kind), body)
	outcome := "delivered"
	switch tries := snoozes(j.Metadata); {
	case err == nil:
	case ctx.Err() != nil: // the service stops; the next start delivers
		return interrupted()
	case permanent(err):
		outcome = "refused"
		s.log.WarnContext(ctx, "callback refused for good", "run_id", runID, "kind", kind, "error", err)
	case s.now().Sub(r.ended) >= s.cfg.CallbackDeadline:
		outcome = "expired"
		s.log.WarnContext(ctx, "callback given up", "run_id", runID, "kind", kind, "attempts", tries+1, "error", err)
	default:
		s.cfg.OnCallback(kind, "retried")
		s.log.InfoContext(ctx, "callback failed, and is tried again", "run_id", runID, "kind", kind, "attempts", tries+1, "error", err)
		wait := backoff(tries, err)
		time.AfterFunc(wait+snoozeLag, func() { s.wake.notify(callbackQueue) })
		return river.JobSnooze(wait)
	}
	s.cfg.OnCallback(kind, outcome)
	if !s.insist(ctx, runID, func(ctx context.Context) error {
		return inTx(ctx, s.db, func(tx *sql.Tx) error {
			// The URL may hold a token of the receiver's; it has served.
			if _, err := tx.ExecContext(ctx, "UPDATE jobs SET callback = NULL WHERE run_id = ? AND attempt = ?", runID, r.attempt); err != nil {
				return err
			}
			_, err := river.JobCompleteTx[*driver](ctx, tx, j)
			return err
		})
	}) {
		return interrupted()
	}
	return nil
}

// message is what is reported of a job that has ended.
func message(r *row) (kind string, body any) {
	if r.state == job.Completed && r.summary != nil {
		sum := r.summary
		return "complete", job.Complete{
			RunID: r.runID, Attempt: r.attempt, MatchedCount: sum.Pairs, UnmatchedLeftCount: sum.Left.Unmatched, UnmatchedRightCount: sum.Right.Unmatched,
			OutputPaths: evidence.Paths(sum), Summary: sum,
		}
	}
	e := job.Error{RunID: r.runID, Attempt: r.attempt, Error: "the job failed", Code: string(kalla.CodeInternal)}
	if f := r.failure; f != nil {
		e.Error, e.Stage, e.Code, e.Hint = f.Message, f.Stage, f.Code, f.Hint
	}
	return "error", e
}

// snoozes is how often River has put a job off.
func snoozes(metadata []byte) int {
	var m struct{ Snoozes int }
	_ = json.Unmarshal(metadata, &m) // River writes it; without it the wait is the first one
	return m.Snoozes
}

func permanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

// backoff is how long to wait after so many attempts that failed before: twice
// as long each time, a fifth more or less, so that many callbacks do not come at once.
func backoff(before int, err error) time.Duration {
	wait := longWait
	if before < 8 { // 250 ms · 2⁸ is above a minute
		wait = firstWait << before
	}
	wait += time.Duration((rand.Float64() - 0.5) * 0.4 * float64(wait))
	if after, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		wait = max(wait, min(after.RetryAfter(), longWait))
	}
	return min(wait, longWait)
}

// delivers marks that a callback of a run is on its way, until the returned function is called.
func (s *Service) delivers(runID string) (out func()) {
	done := make(chan struct{})
	s.mu.Lock()
	s.delivering[runID] = done
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.delivering[runID] == done {
			delete(s.delivering, runID)
		}
		close(done)
	}
}

// callbackOut waits until the callback of an earlier attempt is not on its way
// any more, so that it cannot arrive after the first progress of this one.
func (s *Service) callbackOut(ctx context.Context, runID string) {
	s.mu.Lock()
	done := s.delivering[runID]
	s.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
