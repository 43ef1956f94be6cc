package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/problem"
)

// ExecutorConfig is what an executor is started with.
type ExecutorConfig struct {
	Node NodeConfig // of its worker, but ID and Discovery, which follow from the rest

	SchedulerHost string // where the coordinator is
	SchedulerPort int

	Listener net.Listener            // of the daemon, whose port is in the id of the worker
	Handlers map[string]http.Handler // by path: what else the daemon does, for those who know the secret
	Log      *slog.Logger
}

// Executor is a worker of Trino and the daemon beside it.
type Executor struct {
	node        *Node
	id          string
	coordinator *roster
	secret      Secret
	server      *http.Server
	log         *slog.Logger
	draining    atomic.Bool
	done        chan struct{}
	err         error
}

// StartExecutor starts the worker and serves. The worker is not waited for: GET
// /ready tells. The listener is the executor's from here on. Errors are *kalla.Error.
func StartExecutor(cfg ExecutorConfig) (*Executor, error) {
	scheduler := net.JoinHostPort(cfg.SchedulerHost, strconv.Itoa(cfg.SchedulerPort))
	cfg.Node.ID = NodeID(cfg.Node.Host, cfg.Node.Port, cfg.Listener.Addr().(*net.TCPAddr).Port)
	cfg.Node.Discovery = "http://" + scheduler
	node, err := StartNode(cfg.Node)
	if err != nil {
		cfg.Listener.Close()
		return nil, err
	}
	e := &Executor{
		node: node, id: cfg.Node.ID, secret: cfg.Node.Secret, log: cfg.Log, done: make(chan struct{}),
		coordinator: newRoster(TrinoClient(scheduler, cfg.Node.Secret), cfg.Node.Discovery),
	}
	e.server = &http.Server{
		Handler: e.handler(cfg.Handlers), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), // clients that speak no HTTP
	}
	go e.serve(cfg.Listener)
	return e, nil
}

func (e *Executor) serve(l net.Listener) {
	defer close(e.done)
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(l) }()
	select {
	case err := <-served:
		if !errors.Is(err, http.ErrServerClosed) {
			e.err = &kalla.Error{Code: kalla.CodeInternal, Op: "serving", Where: l.Addr().String(), Err: err}
		}
	case <-e.node.Done(): // it never came up, or it was stopped
		e.err = e.node.err
		_ = e.server.Close() // nobody can be answered any more
		<-served             //nolint:errcheck // it says that the server was closed
	}
}

// ID is the worker's, as the coordinator knows it.
func (e *Executor) ID() string { return e.id }

// WorkerPID is the id of the worker's process, 0 while there is none.
func (e *Executor) WorkerPID() int { return e.node.PID() }

// Done is closed when the executor has ended, by itself or by Stop.
func (e *Executor) Done() <-chan struct{} { return e.done }

// Ready waits until the worker answers for the first time.
func (e *Executor) Ready(ctx context.Context) error { return e.node.Ready(ctx) }

// Stop has the tasks of the worker end, until ctx does, and then everything. The
// error says why it had ended by itself.
func (e *Executor) Stop(ctx context.Context) error {
	if e.node.PID() > 0 {
		if err := e.drain(ctx); err != nil {
			e.log.Warn("the worker was not drained; its tasks run again elsewhere", "error", err)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	e.node.Stop(last)
	if err := e.server.Shutdown(last); err != nil {
		e.server.Close() // what is being read is read again elsewhere
	}
	<-e.done
	e.coordinator.client.CloseIdleConnections()
	return e.err
}

func (e *Executor) drain(ctx context.Context) error {
	e.draining.Store(true)
	if _, err := e.node.State(ctx); err != nil {
		return nil //nolint:nilerr // a worker that does not answer has no tasks
	}
	e.log.Info("draining", "node", e.id)
	return e.node.Drain(ctx)
}

func (e *Executor) handler(others map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		missing := e.missing(r.Context())
		status := http.StatusOK
		if len(missing) > 0 {
			status = http.StatusServiceUnavailable
		}
		reply(w, status, job.Readiness{Ready: len(missing) == 0, Missing: missing})
	})
	mux.Handle("GET /metrics", e.metrics())
	mux.Handle("POST /drain", e.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.drain(r.Context()); err != nil {
			problem.Of(http.StatusServiceUnavailable, err, "").Write(w)
			return
		}
		reply(w, http.StatusOK, map[string]string{"status": "drained"})
	})))
	for path, h := range others {
		mux.Handle(path, e.guard(h))
	}
	return mux
}

// guard lets in who knows the secret.
func (e *Executor) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.secret.admits(r) {
			problem.New(http.StatusUnauthorized, "the sender does not show that it knows the secret of this executor", "set "+SecretEnv+" to the same text on all nodes").Write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// missing is what stands against giving work to this executor now.
func (e *Executor) missing(ctx context.Context) []string {
	var missing []string
	if e.draining.Load() {
		missing = append(missing, "it is draining")
	}
	if state, err := e.node.State(ctx); err != nil {
		return append(missing, "the worker does not answer yet")
	} else if state != "ACTIVE" {
		return append(missing, "the worker is "+state)
	}
	nodes, err := e.coordinator.get(ctx)
	if err != nil {
		return append(missing, "the scheduler's coordinator does not answer: "+err.Error())
	}
	for _, n := range nodes {
		if n.ID == e.id && n.State == active {
			return missing
		}
	}
	return append(missing, "the scheduler's coordinator does not know the worker yet")
}

func (e *Executor) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "kalla_worker_restarts_total", Help: "Times that the worker was started again after it had ended by itself."},
			func() float64 { return float64(e.node.Restarts()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kalla_worker_up", Help: "1 while the process of the worker runs."},
			func() float64 { return float64(min(e.node.PID(), 1)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kalla_worker_heap_limit_bytes", Help: "Memory that the worker may take for queries, with what they share."},
			func() float64 { return float64(e.node.cfg.heap()) }),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to nobody, if it fails
}
