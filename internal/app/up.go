package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/lockfile"
	"kalla/internal/machine"
	"kalla/internal/seal"
)

// What is in a data folder beside runs, uploads and demo.
const (
	stateFile    = "kalla.db"
	lockFile     = "kalla.lock"
	keyFile      = "secret.key"
	logFile      = "kalla.log"
	accessFile   = "local.access" // see LocalAccess
	oldLog       = ".old"         // behind the name of the log before
	schedulerDir = "scheduler"
	demoDir      = "demo"
)

// LogFile is the log of an app with its own scheduler.
func LogFile(dir string) string { return filepath.Join(dir, logFile) }

// OldLogFile is what was the log until it was too long.
func OldLogFile(dir string) string { return LogFile(dir) + oldLog }

// StateFile is the database in a data folder.
func StateFile(dir string) string { return filepath.Join(dir, stateFile) }

// KeyFile is the secret key in a data folder.
func KeyFile(dir string) string { return filepath.Join(dir, keyFile) }

// UpConfig is what an app with its own scheduler is started with.
type UpConfig struct {
	Dir       string         // data folder, absolute
	Lock      *lockfile.File // of the folder, held by the caller until Up.Stop has returned: see LockDir
	Port      int            // of localhost; the next ten are tried where it is taken; 0 takes a free one
	Demo      bool           // an app that holds nothing gets demo data
	PublicURL string         // see ServerConfig
	MaxUpload int64          // see ServerConfig
	Keys      *seal.Keys
	Limits    engine.Limits                    // of all jobs together
	Model     ModelConfig                      // that the assistant asks
	LookupEnv func(name string) (string, bool) // for jobs: whoever uses the app is the user it runs as
	Log       *slog.Logger
}

// Up is an app with its own scheduler.
type Up struct {
	scheduler *Scheduler
	server    *Server
	access    string // file, see LocalAccess
}

// LocalAccess is where the app with a data folder is, on this machine, and a
// token for it: whoever may read the folder owns the app. Both are empty where none runs.
func LocalAccess(dir string) (url, token string) {
	text, err := os.ReadFile(filepath.Join(dir, accessFile))
	if err != nil {
		return "", ""
	}
	url, token, _ = strings.Cut(strings.TrimSpace(string(text)), "\n")
	return url, token
}

// The leases of runs are short: the one scheduler is in this process, and a run
// without a sign of life is one of a process that was killed.
const upLease = 15 * time.Second

const opening = "opening data folder"

// LockDir takes a data folder for this process until the lock is closed.
func LockDir(dir string) (*lockfile.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: dir, Err: err, Hint: "name a folder with --data that this user may write to"}
	}
	lock, err := lockfile.Take(filepath.Join(dir, lockFile))
	if held, ok := errors.AsType[*lockfile.Held](err); ok {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: dir, Why: "it is in use: " + cmp.Or(held.By, "another process has it"), Hint: "stop that one, or name another folder with --data", Err: err}
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: dir, Err: err, Hint: "name a folder with --data that this user may write to"}
	}
	return lock, nil
}

// StartUp takes the data folder, starts a scheduler on a port that only this
// process knows the token of, and the app. Errors are *kalla.Error.
func StartUp(ctx context.Context, cfg UpConfig) (_ *Up, err error) {
	u, log := &Up{}, cfg.Log
	defer func() {
		if err != nil {
			_ = u.Stop(ctx) // the first error says more
		}
	}()
	token := rand.Text() + rand.Text()
	if u.scheduler, err = StartScheduler(ctx, cfg.scheduler(token)); err != nil {
		return nil, err
	}
	reader := cfg.Limits
	reader.Memory = ReaderMemory()
	u.server, err = StartServer(ctx, ServerConfig{
		Mode: "up", Host: "127.0.0.1", Port: cfg.Port, MorePorts: 10, Loopback: true,
		Database: StateFile(cfg.Dir), Keys: cfg.Keys, Storage: cfg.Dir, DemoDir: filepath.Join(cfg.Dir, demoDir), Limits: reader, MaxUpload: cfg.MaxUpload, Lease: upLease,
		SchedulerURL: u.scheduler.URL(), WorkerToken: token, PublicURL: cfg.PublicURL, Model: cfg.Model, LookupEnv: cfg.LookupEnv, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if err := cfg.Lock.Note("process " + strconv.Itoa(os.Getpid()) + " at " + u.server.URL()); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: opening, Where: cfg.Dir, Err: err}
	}
	u.access = filepath.Join(cfg.Dir, accessFile)
	if err := os.WriteFile(u.access, []byte("http://localhost:"+strconv.Itoa(u.Port())+"\n"+u.server.auth.NewLocalToken()+"\n"), 0o600); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: opening, Where: cfg.Dir, Err: err}
	}
	if cfg.Demo {
		if _, err := u.server.server.Demo(ctx); err != nil {
			return nil, err
		}
	}
	log.Info("started", "url", u.server.URL(), "version", Version, "data", cfg.Dir)
	return u, nil
}

// scheduler is that of the data folder. Its jobs may read whatever this user
// may, but for what the app keeps to itself.
func (cfg UpConfig) scheduler(token string) SchedulerConfig {
	own := []string{logFile, logFile + oldLog, lockFile, keyFile, accessFile}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		own = append(own, stateFile+suffix)
	}
	for i := range own {
		own[i] = filepath.Join(cfg.Dir, own[i])
	}
	dir := filepath.Join(cfg.Dir, schedulerDir)
	return SchedulerConfig{
		Host: "127.0.0.1", Loopback: true, Open: true, DataDir: dir, Private: own,
		TempDir: cmp.Or(cfg.Limits.TempDir, filepath.Join(dir, "temp")), Extensions: cfg.Limits.Extensions,
		MaxJobs: DefaultJobs(), Memory: cmp.Or(cfg.Limits.Memory, DefaultMemory()), Threads: cmp.Or(cfg.Limits.Threads, machine.CPUs()),
		Token: token, LookupEnv: cfg.LookupEnv, Log: cfg.Log,
	}
}

// DefaultJobs is how many jobs run at the same time.
func DefaultJobs() int { return min(machine.CPUs(), 8) }

// DefaultMemory is what all jobs together may take, in bytes: the rest is for the
// page cache, the database and the app beside it, on a machine that has all.
func DefaultMemory() int64 { return machine.Memory() / 10 * 6 }

// ReaderMemory is what the engine may take, in bytes, that reads evidence for pages and exports.
func ReaderMemory() int64 {
	const enough, least = 1 << 30, 256 << 20
	return max(min(machine.Memory()/10, enough), least)
}

// URL is where the app is.
func (u *Up) URL() string { return u.server.URL() }

// Port is where the app listens.
func (u *Up) Port() int { return u.server.port }

// Link is where a browser is signed in as the local administrator, once, within ten minutes.
func (u *Up) Link() string { return u.URL() + "/api/auth/link?token=" + u.server.auth.NewLink() }

// Done is closed when the app is served no more.
func (u *Up) Done() <-chan struct{} { return u.server.Done() }

// Stop takes no more jobs and gives those that run until ctx ends; what has not
// finished then goes on at the next start. The app answers meanwhile.
func (u *Up) Stop(ctx context.Context) error {
	var errs []error
	if u.access != "" {
		_ = os.Remove(u.access) // its token is no good after this process
	}
	if u.scheduler != nil {
		errs = append(errs, u.scheduler.Stop(ctx))
	}
	if u.server != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		errs = append(errs, u.server.Stop(last))
	}
	return errors.Join(errs...)
}
