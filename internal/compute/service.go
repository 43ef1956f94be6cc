package compute

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/job"
	"kalla/internal/lockfile"
	"kalla/internal/machine"
	"kalla/internal/source"
)

// Policy says what a service may touch. Errors are *kalla.Error and name what would allow it.
type Policy interface {
	Source(source.Source) error
	Output(path string) error
	Callback(rawURL string) error
}

// Callbacks delivers the end of a job to whoever asked for it.
type Callbacks interface {
	// Post makes one attempt. The key is the same in all attempts of one
	// message. An error in whose chain is an interface{ Permanent() bool } that
	// says true ends the attempts; one with RetryAfter() time.Duration puts the
	// next one off.
	Post(ctx context.Context, url, key string, body any) error
}

// Progress tells one callback URL how a job is getting on, as well as it can.
type Progress interface {
	// Send never blocks.
	Send(job.Progress)
	// Close returns when no request is in flight any more: what is posted after it comes after.
	Close()
}

// Config is what a Service needs. Runner, Policy, Callbacks and DataDir are required.
type Config struct {
	DataDir   string // holds the queue; one service at a time
	Runner    Runner
	Policy    Policy
	Callbacks Callbacks
	// Progress starts what tells a job's callback URL how it is getting on; nil tells nobody.
	Progress func(ctx context.Context, callbackURL, runID string, attempt int) Progress

	MaxJobs    int    // at the same time; default 1
	QueueLimit int    // jobs that wait; default 1000
	Memory     int64  // bytes of all running jobs together; 0 lets the engine choose
	Threads    int    // of all running jobs together; default all processors
	TempDir    string // see engine.Limits
	Extensions string // see engine.Limits

	Deadline         time.Duration // of one attempt, from staging to its end; default 24 h
	CallbackDeadline time.Duration // how long a callback is tried; default 24 h
	Promote          time.Duration // a waiting job is taken as if its priority were one higher after each such time; default 10 min

	LookupEnv func(string) (string, bool) // for ${NAME} in URIs; nil knows none
	Log       *slog.Logger                // nil logs nothing
	Now       func() time.Time            // nil is the clock

	// OnEnd and OnCallback are told what happened, for metrics; they may be nil and must not block.
	OnEnd      func(Ended)
	OnCallback func(kind, outcome string) // complete or error; delivered, retried, refused or expired
}

// Ended is how one attempt of a job ended.
type Ended struct {
	RunID   string
	Attempt int
	State   job.State
	Code    string            // of a failure
	Waited  time.Duration     // in the queue
	Ran     time.Duration     // 0 when it was cancelled before it ran
	Stages  []kalla.StageTime // of a job that completed
	Rows    int64             // that both sources had
	Adopted bool              // its evidence was there already
}

// Errors that callers tell apart with errors.Is. What the methods return wraps
// them in a *kalla.Error.
var (
	ErrNotFound = errors.New("there is no such job")
	ErrConflict = errors.New("the run_id belongs to another job")
	ErrFinal    = errors.New("the job has ended")
	ErrStopping = errors.New("the scheduler is stopping")
)

// QueueFullError says that no job is taken now.
type QueueFullError struct {
	Limit      int
	RetryAfter time.Duration // when there is likely to be room, in whole seconds
}

// Error says how many jobs wait.
func (e *QueueFullError) Error() string { return fmt.Sprintf("%d jobs are waiting", e.Limit) }

// errCancelled and errDeadline are why a running job's context ends; any other cause is that the service stops.
var (
	errCancelled = errors.New("cancelled on request")
	errDeadline  = errors.New("the deadline has passed")
)

// keep is how long jobs that have ended are remembered.
const keep = 30 * 24 * time.Hour

// Service is the scheduler. Its methods may be called from any goroutine.
type Service struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	lock   *lockfile.File
	db     *sql.DB
	wake   *wakeups
	client *river.Client[*sql.Tx]
	looks  chan struct{} // previews and validations at the same time
	trials chan struct{} // drafts and trials at the same time

	mu          sync.Mutex
	started     bool
	stopping    bool
	closed      bool
	stopJanitor context.CancelFunc
	janitor     sync.WaitGroup
	running     []*running               // in the order in which they started
	delivering  map[string]chan struct{} // closed when the callback of the run is out
	mean        time.Duration            // of what recent jobs took
}

// Open takes the data folder and brings its queue to order: jobs that a killed
// process left half done wait again, before Start runs them.
func Open(ctx context.Context, cfg Config) (_ *Service, err error) {
	cfg.setDefaults()
	s := &Service{cfg: cfg, log: cfg.Log, now: cfg.Now, wake: newWakeups(), looks: make(chan struct{}, 2), trials: make(chan struct{}, 2), delivering: map[string]chan struct{}{}}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: cfg.DataDir, Err: err, Hint: "name a folder with --data-dir that this user may write to"}
	}
	if s.lock, err = lockDir(cfg.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if s.db, err = openDatabase(ctx, cfg.DataDir); err != nil {
		return nil, err
	}
	if err := s.openQueue(ctx); err != nil {
		return nil, internal(opening, "", err)
	}
	if err := s.recover(ctx); err != nil {
		return nil, internal(opening, "", err)
	}
	return s, nil
}

const opening = "opening scheduler"

func (c *Config) setDefaults() {
	c.MaxJobs = max(c.MaxJobs, 1)
	positive(&c.QueueLimit, 1000)
	positive(&c.Threads, machine.CPUs())
	positive(&c.Deadline, 24*time.Hour)
	positive(&c.CallbackDeadline, 24*time.Hour)
	positive(&c.Promote, 10*time.Minute)
	if c.LookupEnv == nil {
		c.LookupEnv = func(string) (string, bool) { return "", false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnEnd == nil {
		c.OnEnd = func(Ended) {}
	}
	if c.OnCallback == nil {
		c.OnCallback = func(string, string) {}
	}
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Start begins to run jobs. The context is for starting only: Stop stops.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		return stopping("starting scheduler")
	case s.started:
		return nil
	}
	if err := s.client.Start(context.WithoutCancel(ctx)); err != nil {
		return internal("starting scheduler", "", err)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stopJanitor, s.started = cancel, true
	s.janitor.Go(func() { s.clean(background) })
	return nil
}

// Stop takes no more jobs, and gives those that run until ctx ends to finish.
// What runs then is stopped and waits again: it runs from the start the next
// time. Stop frees the data folder and may be called again.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	started := s.started
	s.mu.Unlock()
	if started {
		if err := s.client.Stop(ctx); err != nil {
			// Contexts are honoured within a second; what takes longer hangs, and is recovered by the next Open.
			hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := s.client.StopAndCancel(hard); err != nil {
				return internal("stopping scheduler", "", fmt.Errorf("a job does not end: %w", err))
			}
		}
		s.stopJanitor()
		s.janitor.Wait()
	}
	return s.close()
}

// close frees what Open took.
func (s *Service) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// limits are what a job, or a look at a source, may use.
func (s *Service) limits() engine.Limits {
	return engine.Limits{
		Memory: s.cfg.Memory / int64(s.cfg.MaxJobs), Threads: max(1, s.cfg.Threads/s.cfg.MaxJobs),
		TempDir: s.cfg.TempDir, Extensions: s.cfg.Extensions,
	}
}

// clean forgets, once an hour, jobs that ended long ago, and takes what has been erased out of the log of the database.
func (s *Service) clean(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.forget(ctx, s.now().Add(-keep)); err != nil && ctx.Err() == nil {
			s.log.Warn("old jobs could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// internal wraps a failure of the service's own, mostly of its disk.
func internal(op, runID string, err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*kalla.Error](err); known {
		return err
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: runID, Err: err, Hint: "see that the data folder can be written to and its disk has room"}
}

func stopping(op string) error {
	return &kalla.Error{Code: kalla.CodeInternal, Op: op, Err: ErrStopping, Hint: "try again once it has been started again"}
}
