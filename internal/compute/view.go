package compute

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/machine"
)

// Get returns a job. The error wraps ErrNotFound when there is none.
func (s *Service) Get(ctx context.Context, runID string) (job.Job, error) {
	const op = "looking up job"
	r, err := find(ctx, s.db, runID)
	if err != nil {
		return job.Job{}, internal(op, runID, err)
	}
	if r == nil {
		return job.Job{}, notFound(op, runID)
	}
	j, err := s.view(ctx, r)
	return j, internal(op, runID, err)
}

// Pages of jobs.
const (
	defaultPage = 50
	largestPage = 500
)

// List returns jobs, the latest first: those of a state, or all when it is
// empty; limit 0 means 50. The cursor is that of the page before, empty for the first.
func (s *Service) List(ctx context.Context, cursor string, limit int, state job.State) (job.Page, error) {
	const op = "listing jobs"
	before := int64(1<<63 - 1)
	if cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err == nil {
			before, err = strconv.ParseInt(string(text), 10, 64)
		}
		if err != nil {
			return job.Page{}, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "cursor", Why: "it is not one that a page gave", Hint: "leave it out for the first page"}
		}
	}
	switch state {
	case "", job.Queued, job.Running, job.Completed, job.Failed, job.Cancelled:
	default:
		return job.Page{}, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: "state", Why: fmt.Sprintf("%q is not known", state), Hint: "write queued, running, completed, failed or cancelled"}
	}
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, largestPage)
	where, args := "seq < ?", []any{before}
	if state != "" {
		where, args = where+" AND state = ?", append(args, state)
	}
	found, err := rows(ctx, s.db, where+" ORDER BY seq DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return job.Page{}, internal(op, "", err)
	}
	page := job.Page{Jobs: []job.Job{}}
	if len(found) > limit {
		found = found[:limit]
		page.Next = base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, found[limit-1].seq, 10))
	}
	for _, r := range found {
		j, err := s.view(ctx, r)
		if err != nil {
			return job.Page{}, internal(op, "", err)
		}
		page.Jobs = append(page.Jobs, j)
	}
	return page, nil
}

// view is a job as clients see it.
func (s *Service) view(ctx context.Context, r *row) (job.Job, error) {
	j := job.Job{RunID: r.runID, RecipeID: r.recipeID, Attempt: r.attempt, State: r.state, Engine: r.engine, Accepted: r.accepted,
		Summary: r.summary, Error: r.failure, Output: r.output}
	if !r.started.IsZero() {
		j.Started = &r.started
	}
	if !r.ended.IsZero() {
		j.Ended = &r.ended
	}
	if r.summary != nil {
		j.Engine = r.summary.Engine.Name
	}
	switch r.state {
	case job.Completed:
		j.Progress = 1
	case job.Failed:
		if r.failure != nil {
			j.Stage = r.failure.Stage
		}
	case job.Queued:
		// Jobs that came in one batch are due at one instant, in the order of their places in River's queue.
		err := s.db.QueryRowContext(ctx, "SELECT 1 + count(*) FROM jobs WHERE state = 'queued' AND (due, river_id) < (?, ?)", r.due, r.riverID).Scan(&j.Position)
		return j, err
	case job.Running:
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, x := range s.running {
			if x.runID == r.runID {
				j.Stage, j.Step, j.Progress = x.progress.Stage, x.progress.Step, x.overall
			}
		}
	}
	return j, nil
}

// Stats are counts for metrics.
type Stats struct {
	Jobs      map[job.State]int // of all that are remembered
	Callbacks int               // that are not delivered yet
	Oldest    time.Duration     // how long the job has waited that waits longest
}

// Stats counts the jobs.
func (s *Service) Stats(ctx context.Context) (Stats, error) {
	const op = "counting jobs"
	out := Stats{Jobs: map[job.State]int{job.Queued: 0, job.Running: 0, job.Completed: 0, job.Failed: 0, job.Cancelled: 0}}
	found, err := s.db.QueryContext(ctx, "SELECT state, count(*) FROM jobs GROUP BY state")
	if err != nil {
		return Stats{}, internal(op, "", err)
	}
	defer found.Close()
	for found.Next() {
		var state job.State
		var n int
		if err := found.Scan(&state, &n); err != nil {
			return Stats{}, internal(op, "", err)
		}
		out.Jobs[state] = n
	}
	if err := found.Err(); err != nil {
		return Stats{}, internal(op, "", err)
	}
	var oldest int64
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM jobs WHERE callback IS NOT NULL AND ended IS NOT NULL),
		(SELECT coalesce(min(accepted), 0) FROM jobs WHERE state = 'queued')`).Scan(&out.Callbacks, &oldest)
	if oldest > 0 {
		out.Oldest = max(s.now().Sub(time.UnixMicro(oldest)), 0)
	}
	return out, internal(op, "", err)
}

// leastRoom is what a disk must have free for a job to be taken, in bytes.
const leastRoom = 256 << 20

// Ready says whether a job could be taken and run now, and what stands against it.
func (s *Service) Ready(ctx context.Context) job.Readiness {
	var missing []string
	s.mu.Lock()
	started, stopping := s.started, s.stopping
	s.mu.Unlock()
	switch {
	case stopping:
		missing = append(missing, "the scheduler is stopping")
	case !started:
		missing = append(missing, "the scheduler has not started")
	}
	if stats, err := s.Stats(ctx); err != nil {
		missing = append(missing, err.Error())
	} else if n := stats.Jobs[job.Queued]; n >= s.cfg.QueueLimit {
		missing = append(missing, fmt.Sprintf("the queue is full: %d jobs are waiting", n))
	}
	asked, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, _, err := s.cfg.Runner.Engine(asked); err != nil {
		missing = append(missing, "the engine does not answer: "+err.Error())
	}
	for _, dir := range []string{s.cfg.DataDir, s.cfg.TempDir} {
		if dir == "" {
			continue
		}
		if free, err := machine.DiskFree(dir); err != nil {
			missing = append(missing, err.Error())
		} else if free < leastRoom {
			missing = append(missing, fmt.Sprintf("%s has %d MiB free, less than %d", dir, free>>20, leastRoom>>20))
		}
	}
	return job.Readiness{Ready: len(missing) == 0, Missing: missing}
}
