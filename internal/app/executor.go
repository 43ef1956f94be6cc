package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"

	"kalla"
	"kalla/internal/cluster"
	"kalla/internal/cluster/staging"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/machine"
)

// ExecutorConfig is what an executor is started with. Paths are absolute.
type ExecutorConfig struct {
	SchedulerHost string // where the scheduler's coordinator is
	SchedulerPort int

	Host       string // by which the other nodes reach this one
	WorkerPort int    // of Trino
	Port       int    // of the daemon

	TrinoHome, JavaHome string // see cluster.NodeConfig
	DataDir             string
	TempDir             string // where sources that are read spill
	Extensions          string // see engine.Limits
	Memory              int64  // bytes of everything
	Threads             int

	Secret  string
	Storage string                           // see cluster.ParseStorage
	Env     func(name string) (string, bool) // for the credentials of the storage
	Log     *slog.Logger
}

// Executor is an executor that serves.
type Executor struct {
	executor *cluster.Executor
	staging  *staging.Executor
}

// StartExecutor starts a worker of Trino and serves beside it. It does not wait
// for the scheduler. Errors are *kalla.Error.
func StartExecutor(ctx context.Context, cfg ExecutorConfig) (*Executor, error) {
	storage, err := cluster.ParseStorage(cfg.Storage, cfg.Env)
	if err != nil {
		return nil, err
	}
	secret := cluster.Secret(cfg.Secret)
	if err := secret.Check(cfg.Host); err != nil {
		return nil, err
	}
	keys, err := staging.Keys(secret.Key("staging"))
	if err != nil {
		return nil, err
	}
	// Three quarters are the worker's. It rests while readers work, but gives no memory
	// back. Of the rest readers are told half: buffers of uploads and of columns come on top.
	limits := engine.Limits{Memory: cfg.Memory / 4 / 2, Threads: 1, TempDir: cfg.TempDir, Extensions: cfg.Extensions}
	places := max(1, min(cfg.Threads, int(limits.Memory/minReader)))
	limits.Memory /= int64(places)
	bind := ""
	if ip := net.ParseIP(cfg.Host); cfg.Host == "localhost" || ip != nil && ip.IsLoopback() {
		bind = "127.0.0.1"
	}
	machine.BoundArenas()
	if err := os.MkdirAll(cfg.TempDir, 0o700); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "starting executor", Where: cfg.TempDir, Err: err, Hint: "name a folder with --temp-dir that this user may write to"}
	}
	listener, err := listen(ctx, net.JoinHostPort(bind, strconv.Itoa(cfg.Port)), "--grpc-port")
	if err != nil {
		return nil, err
	}
	reader := staging.NewExecutor(keys, places, limits.Memory, func(ctx context.Context) (staging.Reader, error) { return duckdb.Open(ctx, limits) })
	e, err := cluster.StartExecutor(cluster.ExecutorConfig{
		Node: cluster.NodeConfig{
			Home: cfg.TrinoHome, Java: cfg.JavaHome, Dir: cfg.DataDir, Host: cfg.Host, Port: cfg.WorkerPort, PortFlag: "--flight-port",
			Secret: secret, Storage: storage, Memory: cfg.Memory - cfg.Memory/4, Threads: cfg.Threads, Log: cfg.Log,
		},
		SchedulerHost: cfg.SchedulerHost, SchedulerPort: cfg.SchedulerPort,
		Listener: listener, Handlers: map[string]http.Handler{staging.Path: reader}, Log: cfg.Log,
	})
	if err != nil {
		reader.Close()
		return nil, err
	}
	return &Executor{executor: e, staging: reader}, nil
}

// minReader is the least memory to read a source with, in bytes.
const minReader = 192 << 20

// ExecutorMemory is what an executor may take, in bytes: all of its container,
// or, where that is not limited, a third of a machine on which others run too.
func ExecutorMemory() int64 {
	if limit := machine.Container(); limit > 0 && limit == machine.Memory() {
		return limit
	}
	return machine.Memory() / 3
}

// ID is the id of the worker.
func (e *Executor) ID() string { return e.executor.ID() }

// Done is closed when the executor has ended.
func (e *Executor) Done() <-chan struct{} { return e.executor.Done() }

// Stop has what runs end, until ctx does.
func (e *Executor) Stop(ctx context.Context) error {
	defer e.staging.Close()
	return e.executor.Stop(ctx)
}
