package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/compute/callback"
	"kalla/internal/compute/httpapi"
	"kalla/internal/compute/policy"
)

// SchedulerConfig is what a scheduler is started with. Paths are absolute.
type SchedulerConfig struct {
	Host     string // address to listen on
	Port     int    // 0 takes a free one
	Loopback bool   // the host is this machine alone
	Open     bool   // jobs may touch whatever this user may

	DataDir    string
	Private    []string // files and folders that no job touches, beside DataDir
	TempDir    string   // where engines spill; made if it is missing
	Extensions string   // see engine.Limits

	Cluster *Cluster // where large jobs run; nil where there is none

	MaxJobs int
	Memory  int64 // bytes of all jobs together
	Threads int   // of all jobs together

	FileDirs  []string // see policy.Config; what jobs may touch where Open is not set
	Hosts     []string
	Callbacks []string

	Token       string                           // of requests and callbacks; empty means none
	CallbackKey string                           // signs callbacks; empty means that they are not signed
	LookupEnv   func(name string) (string, bool) // what ${NAME} in jobs stands for
	Log         *slog.Logger
}

// Scheduler is a scheduler that serves.
type Scheduler struct {
	service *compute.Service
	server  *http.Server
	url     string
	done    chan struct{}
	err     error // why it ended by itself, once done is closed
}

// StartScheduler opens the data folder, listens, and runs jobs until Stop. Errors are *kalla.Error.
func StartScheduler(ctx context.Context, cfg SchedulerConfig) (*Scheduler, error) {
	rules, err := policy.New(policy.Config{
		Loopback: cfg.Open, FileDirs: cfg.FileDirs, Hosts: cfg.Hosts, Callbacks: cfg.Callbacks,
		Private: append([]string{cfg.DataDir}, cfg.Private...), LookupEnv: cfg.LookupEnv,
	})
	if err != nil {
		return nil, err
	}
	listener, err := listen(ctx, net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), "--http-port")
	if err != nil {
		return nil, err
	}
	s, err := openScheduler(ctx, cfg, rules)
	if err != nil {
		listener.Close()
		return nil, err
	}
	s.url = "http://" + listener.Addr().String()
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.err = &kalla.Error{Code: kalla.CodeInternal, Op: "serving", Where: s.url, Err: err}
		}
	}()
	return s, nil
}

func openScheduler(ctx context.Context, cfg SchedulerConfig, rules *policy.Policy) (*Scheduler, error) {
	if err := os.MkdirAll(cfg.TempDir, 0o700); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "opening scheduler", Where: cfg.TempDir, Err: err, Hint: "name a folder with --temp-dir that this user may write to"}
	}
	metrics := httpapi.NewMetrics(Version, cfg.Memory, cfg.TempDir)
	callbacks, err := callback.New(callback.Config{
		Policy: rules, Token: cfg.Token, SigningKey: cfg.CallbackKey, UserAgent: "kallad/" + Version, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	service, err := compute.Open(ctx, compute.Config{
		DataDir: cfg.DataDir, Runner: Runner{Env: cfg.LookupEnv, Cluster: cfg.Cluster}, Policy: rules, Callbacks: callbacks,
		Progress: func(ctx context.Context, url, runID string, attempt int) compute.Progress {
			return callback.Start(ctx, callbacks, url, runID, attempt)
		},
		MaxJobs: cfg.MaxJobs, Memory: cfg.Memory, Threads: cfg.Threads, TempDir: cfg.TempDir, Extensions: cfg.Extensions,
		LookupEnv: cfg.LookupEnv, Log: cfg.Log, OnEnd: metrics.JobEnded, OnCallback: metrics.Callback,
	})
	if err != nil {
		return nil, err
	}
	handler := httpapi.Handler(service, httpapi.Options{Version: Version, Token: cfg.Token, Loopback: cfg.Loopback, Metrics: metrics, Log: cfg.Log})
	if err := service.Start(ctx); err != nil {
		_ = service.Stop(ctx) // the first error says more
		return nil, err
	}
	return &Scheduler{service: service, server: httpapi.NewServer(handler, cfg.Log), done: make(chan struct{})}, nil
}

// listen says what to do where a port is taken; flag chooses another one.
func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &kalla.Error{Code: kalla.CodeLimit, Op: "listening", Where: addr, Why: "another program listens there", Hint: "stop it, or choose another port with " + flag, Err: err}
	case errors.Is(err, syscall.EACCES):
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "listening", Where: addr, Why: "this user may not listen there", Hint: "choose a port above 1023 with " + flag, Err: err}
	}
	return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "listening", Where: addr, Hint: "see --bind-host and " + flag, Err: err}
}

// URL is where the API is.
func (s *Scheduler) URL() string { return s.url }

// Done is closed when the API is served no more.
func (s *Scheduler) Done() <-chan struct{} { return s.done }

// Stop takes no more jobs and gives those that run until ctx ends; what has
// not finished then waits for the next start. It answers requests meanwhile.
func (s *Scheduler) Stop(ctx context.Context) error {
	err := s.service.Stop(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if shut := s.server.Shutdown(last); shut != nil {
		s.server.Close() // who is still being answered asked for too much
	}
	<-s.done
	return errors.Join(s.err, err)
}
