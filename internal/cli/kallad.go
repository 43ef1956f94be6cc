package cli

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kalla/internal/app"
	"kalla/internal/machine"
	"kalla/internal/telemetry"
)

// tokenEnv stands in no flag, where everybody could see it.
const tokenEnv = "KALLA_WORKER_TOKEN"

// Daemon runs one command of kallad and returns its exit code. Cancelling ctx
// stops a daemon in order, which is no failure.
func Daemon(ctx context.Context, env Env) int {
	c := &command{env: env, program: kalladProgram}
	root := &cobra.Command{
		Use:   "kallad",
		Short: "Run reconciliations for others",
		Long: `Kallad takes reconciliation jobs over HTTP, runs them, and reports by callbacks.

  kallad scheduler                 on this machine, at http://127.0.0.1:9090
  kallad executor                  works for a scheduler that has a coordinator`,
	}
	root.AddCommand(c.schedulerCommand(), c.executorCommand(), c.healthCommand("http://localhost:9090/health"), c.configCommand(), c.versionCommand())
	return c.execute(ctx, root)
}

func (c *command) schedulerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scheduler",
		Short: "Take jobs over HTTP and run them",
		Long: `Takes jobs at POST /api/jobs, keeps them on disk until they are done, runs them, and reports to their
callback_url. GET /openapi.json describes the API.

Bound to this machine (127.0.0.1, the default) it reads every file and host that its user may, unless
--allow-file-dir or --allow-host is given. Bound elsewhere it reads only what those name, calls back
only what --allow-callback names, and needs a token, which clients send as Authorization: Bearer.

A job may use ${NAME} in URIs for the names of --secrets-file, for environment variables that begin
with KALLA_SECRET_, and for those of --allow-env; no others, so that no job can read the scheduler's
own credentials.

Every flag can be set by the environment (KALLA_HTTP_PORT) or kalla.yaml (http_port) too: see kallad
config. KALLA_CALLBACK_KEY signs callbacks (Standard Webhooks). OTEL_EXPORTER_OTLP_ENDPOINT sends traces.

With --trino-home it starts the coordinator of a cluster on --grpc-port, which executors join, and with
--trino-url it uses a cluster that exists; both need --storage. What is too large for this machine then
runs there, and what asks for engine: trino.

SIGTERM stops it: no new jobs, --grace for those that run, which then wait for the next start.
A second signal kills.`,
		Example: `  kallad scheduler --http-port 9090
  KALLA_WORKER_TOKEN=… kallad scheduler --bind-host 0.0.0.0 --allow-file-dir /data --allow-host db:5432 --allow-callback app:3000`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.schedule(cmd.Context()) },
	}
	addSettingFlags(cmd, keyHTTPPort, keyGRPCPort, keyBindHost, keyDataDir, keyMaxJobs, keyMemory, keyThreads, keyTempDir,
		keyAllowDir, keyAllowHost, keyAllowCall, keyAllowEnv, keyTokenFile, keySecretsFile, keyTrinoHome, keyTrinoURL, keyObjects, keyExtHost, keyPartitions, keyGrace, keyLogFormat)
	return cmd
}

// schedule runs the scheduler until ctx ends.
func (c *command) schedule(ctx context.Context) error {
	cfg, err := c.schedulerConfig()
	if err != nil {
		return err
	}
	log := cfg.Log
	// Starting is not cut short by the signal that ends the daemon: it is quick, and then stops in order.
	start := context.WithoutCancel(ctx)
	flush, err := telemetry.Start(start, "kallad", app.Version, c.env.LookupEnv)
	if err != nil {
		return err
	}
	var closeCluster func()
	if cfg.Cluster, closeCluster, err = c.openCluster(cfg); err != nil {
		return err
	}
	defer closeCluster()
	scheduler, err := app.StartScheduler(start, cfg)
	if err != nil {
		return err
	}
	log.Info("scheduler started", "url", scheduler.URL(), "version", app.Version, "data_dir", cfg.DataDir,
		"memory", bytes(cfg.Memory), "threads", cfg.Threads, "max_jobs", cfg.MaxJobs, "token", cfg.Token != "", "restricted", !cfg.Open, "cluster", cfg.Cluster != nil)
	select {
	case <-ctx.Done():
	case <-scheduler.Done():
	}
	log.Info("scheduler stopping", "grace", c.grace().String())
	stop, cancel := context.WithTimeout(start, c.grace())
	defer cancel()
	err = scheduler.Stop(stop)
	last, cancel := context.WithTimeout(start, 5*time.Second)
	defer cancel()
	if err := flush(last); err != nil {
		log.Warn("traces could not be sent", "error", err)
	}
	log.Info("scheduler stopped")
	return err
}

// schedulerConfig makes the settings a configuration, and refuses one that
// would open the machine to the network.
func (c *command) schedulerConfig() (app.SchedulerConfig, error) {
	var none app.SchedulerConfig
	s := c.settings
	port, _ := strconv.Atoi(s.get(keyHTTPPort))
	limits := c.limits()
	cfg := app.SchedulerConfig{
		Host: s.get(keyBindHost), Port: port, DataDir: c.path(s.get(keyDataDir)),
		TempDir: limits.TempDir, Extensions: limits.Extensions, Memory: limits.Memory, Threads: limits.Threads,
		Hosts: s.all(keyAllowHost), Callbacks: s.all(keyAllowCall), Log: c.logger(),
	}
	for _, dir := range s.all(keyAllowDir) {
		cfg.FileDirs = append(cfg.FileDirs, c.path(dir))
	}
	if cfg.TempDir == "" {
		cfg.TempDir = filepath.Join(cfg.DataDir, "temp")
	}
	if cfg.Threads == 0 {
		cfg.Threads = machine.CPUs()
	}
	if cfg.MaxJobs, _ = strconv.Atoi(s.get(keyMaxJobs)); cfg.MaxJobs == 0 {
		cfg.MaxJobs = app.DefaultJobs()
	}
	if cfg.Memory == 0 {
		cfg.Memory = app.DefaultMemory()
	}
	var err error
	if cfg.Token, err = c.token(); err != nil {
		return none, err
	}
	cfg.CallbackKey = s.get(keyCallbackKey)
	if cfg.LookupEnv, err = c.jobEnv(); err != nil {
		return none, err
	}
	cfg.Loopback = loopback(cfg.Host)
	// Who names something on loopback too, as behind a proxy, means that and no more.
	cfg.Open = cfg.Loopback && len(cfg.FileDirs) == 0 && len(cfg.Hosts) == 0
	if cfg.Loopback {
		cfg.Callbacks = append(cfg.Callbacks, "localhost") // who asks for a job is on this machine
		return cfg, nil
	}
	elsewhere := "binding to " + cfg.Host + " lets other machines in"
	switch {
	case cfg.Token == "":
		return none, usage("--bind-host", elsewhere+", and there is no token that they must send",
			"set KALLA_WORKER_TOKEN or --token-file (openssl rand -hex 32 makes one), or bind to 127.0.0.1")
	case len(cfg.FileDirs) == 0 && len(cfg.Hosts) == 0:
		return none, usage("--bind-host", elsewhere+", and nothing says what their jobs may read",
			"name folders by --allow-file-dir and hosts by --allow-host, or bind to 127.0.0.1")
	}
	return cfg, nil
}

// loopback reports whether a host to bind to is this machine alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// minToken is a length below which a token can be guessed.
const minToken = 16

// token is what clients must send; empty means that nothing is asked for.
func (c *command) token() (string, error) {
	token, where := c.settings.get(keyToken), tokenEnv
	if file := c.settings.get(keyTokenFile); file != "" {
		var err error
		if token, err = readPrivate(c.path(file), "--token-file"); err != nil {
			return "", err
		}
		if where = "--token-file"; token == "" {
			return "", usage(where, file+" is empty", "openssl rand -hex 32 makes a token")
		}
	}
	if token != "" && len(token) < minToken {
		return "", usage(where, "the token has fewer than 16 characters and could be guessed", "openssl rand -hex 32 makes one")
	}
	return token, nil
}
