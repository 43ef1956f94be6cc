package compute

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"kalla/internal/job"
)

// The queues. A slow receiver of callbacks holds one of many workers for the
// time of one request, and no job.
const (
	jobQueue        = "jobs"
	callbackQueue   = "callbacks"
	callbackWorkers = 100
)

// jobArgs name a job that is to run. All else is in its row, so that River's
// tables hold no credential.
type jobArgs struct {
	RunID string `json:"run_id"`
}

// Kind is the name of such jobs in River's table.
func (jobArgs) Kind() string { return "job" }

// callbackArgs name an ended attempt that is to be reported.
type callbackArgs struct {
	RunID   string `json:"run_id"`
	Attempt int    `json:"attempt"`
}

// Kind is the name of such jobs in River's table.
func (callbackArgs) Kind() string { return "callback" }

type jobWorker struct {
	river.WorkerDefaults[jobArgs]
	s *Service
}

// Work runs a job.
func (w *jobWorker) Work(ctx context.Context, j *river.Job[jobArgs]) error { return w.s.work(ctx, j) }

type callbackWorker struct {
	river.WorkerDefaults[callbackArgs]
	s *Service
}

// Work delivers a callback.
func (w *callbackWorker) Work(ctx context.Context, j *river.Job[callbackArgs]) error {
	return w.s.deliver(ctx, j)
}

// openQueue migrates River's tables and makes its client.
func (s *Service) openQueue(ctx context.Context) error {
	logger := s.log.With("component", "river")
	driver := &driver{riversqlite.New(s.db), s.wake}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet(logger)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating the queue: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &jobWorker{s: s})
	river.AddWorker(workers, &callbackWorker{s: s})
	s.client, err = river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{
			// What comes in wakes its queue, and so do the first attempts again of a callback. A poll,
			// for the later ones, costs a millisecond of processor time.
			jobQueue:      {MaxWorkers: s.cfg.MaxJobs, FetchCooldown: time.Millisecond, FetchPollInterval: 5 * time.Second},
			callbackQueue: {MaxWorkers: callbackWorkers, FetchCooldown: time.Millisecond, FetchPollInterval: 2 * time.Second},
		},
		Workers:                     workers,
		JobTimeout:                  -1, // a job has the deadline of the service
		RescueStuckJobsAfter:        s.cfg.Deadline + 24*time.Hour,
		MaxAttempts:                 1, // what fails has failed: a client asks for another attempt. Interrupted jobs and callbacks are put back
		CompletedJobRetentionPeriod: time.Hour,
		CancelledJobRetentionPeriod: time.Hour,
		DiscardedJobRetentionPeriod: time.Hour,
		ReindexerIndexNames:         []string{},
		Logger:                      quiet(logger),
	})
	return err
}

// quiet keeps what River says about itself out of the log but for what went wrong.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(atLeast{l.Handler(), slog.LevelWarn}) }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}

// enqueue puts a job that waits into the queue, at its place: by when it is due.
func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, r *row) error {
	inserted, err := s.client.InsertTx(ctx, tx, jobArgs{r.runID}, &river.InsertOpts{Queue: jobQueue, ScheduledAt: time.UnixMicro(r.due).UTC()})
	if err != nil {
		return err
	}
	r.riverID = inserted.Job.ID
	// River would have its scheduler find every few seconds what is due; this is due by construction.
	if _, err := tx.ExecContext(ctx, "UPDATE river_job SET state = 'available' WHERE id = ?", r.riverID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE jobs SET river_id = ? WHERE run_id = ?", r.riverID, r.runID)
	return err
}

// due is when a job would have to have come, with the highest priority, to be
// in the place that it is in: a lower priority is worth a later coming. So the
// order never changes while jobs wait, and none waits for ever. It is never in
// the future, from which River takes nothing: whole milliseconds are what River keeps.
func (s *Service) due(accepted time.Time, priority int) int64 {
	return accepted.Add(-time.Duration(lowestPriority-priority) * s.cfg.Promote).Truncate(time.Millisecond).UnixMicro()
}

const (
	defaultPriority = 2
	lowestPriority  = 4
)

// report puts the callback of an ended attempt into its queue.
func (s *Service) report(ctx context.Context, tx *sql.Tx, runID string, attempt int) error {
	_, err := s.client.InsertTx(ctx, tx, callbackArgs{runID, attempt}, &river.InsertOpts{Queue: callbackQueue})
	return err
}

// recover puts what a killed process was doing back into the queues. Nobody
// else can be doing it: this process holds the lock.
func (s *Service) recover(ctx context.Context) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		for _, q := range []string{
			"UPDATE river_job SET state = 'available', attempt = 0 WHERE state = 'running'",
			"UPDATE jobs SET state = 'queued', started = NULL WHERE state = 'running'",
			"DELETE FROM river_leader", // or the queue's maintenance waits until the dead one's lease has run out
		} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		asked, err := rows(ctx, tx, "state = 'queued' AND cancel")
		if err != nil {
			return err
		}
		for _, r := range asked {
			if _, err := s.end(ctx, tx, r, job.Cancelled, nil, cancelledFailure()); err != nil {
				return err
			}
		}
		return nil
	})
}

// driver is River's for SQLite, but that it wakes its queues through memory:
// there is one process, so nothing has to be written to the database and polled for.
type driver struct {
	*riversqlite.Driver
	wake *wakeups
}

// GetListener returns the receiving end of the wake-ups.
func (d *driver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener { return d.wake }

// SupportsListenNotify keeps River from writing notifications that nobody reads.
func (d *driver) SupportsListenNotify() bool { return false }

// wakeups tells River which queues have something new. They coalesce: a queue that is woken looks for all there is.
type wakeups struct{ queues map[string]chan struct{} }

func newWakeups() *wakeups {
	return &wakeups{map[string]chan struct{}{jobQueue: make(chan struct{}, 1), callbackQueue: make(chan struct{}, 1)}}
}

// notify is called after the transaction that put something into a queue.
func (w *wakeups) notify(queue string) {
	select {
	case w.queues[queue] <- struct{}{}:
	default:
	}
}

// WaitForNotification blocks until a queue is woken.
func (w *wakeups) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	queue := jobQueue
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.queues[jobQueue]:
	case <-w.queues[callbackQueue]:
		queue = callbackQueue
	}
	return &riverdriver.Notification{Topic: "river_insert", Payload: fmt.Sprintf(`{"queue": %q}`, queue)}, nil
}

// There is no connection to look after.

func (w *wakeups) Close(context.Context) error            { return nil }
func (w *wakeups) Connect(context.Context) error          { return nil }
func (w *wakeups) Listen(context.Context, string) error   { return nil }
func (w *wakeups) Ping(context.Context) error             { return nil }
func (w *wakeups) Schema() string                         { return "" }
func (w *wakeups) SetAfterConnectExec(string)             {}
func (w *wakeups) Unlisten(context.Context, string) error { return nil }
