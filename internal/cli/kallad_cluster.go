package cli

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kalla/internal/app"
	"kalla/internal/cluster"
	"kalla/internal/machine"
)

const executorPort = "50052" // of the daemon, where the scheduler has 50050

func (c *command) executorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "executor",
		Short: "Work for a scheduler",
		Long: `Starts a worker of Trino that joins the coordinator of a scheduler, and reads sources for it. What the
nodes exchange goes through the object storage of --storage, whose credentials are AWS_ACCESS_KEY_ID
and AWS_SECRET_ACCESS_KEY. Between machines all nodes need one KALLA_CLUSTER_SECRET.

--flight-port is the worker's, and --grpc-port serves GET /health, /ready and /metrics. Both must be
reached by the other nodes, as --external-host. Of the memory of its container, or of --memory, three
quarters are the worker's; 2 GB and one processor will do.

Every flag can be set by the environment (KALLA_FLIGHT_PORT) or kalla.yaml (flight_port) too: see kallad
config. SIGTERM stops it: no new tasks, --grace for those that run, which then run again elsewhere.
A second signal kills.`,
		Example: `  kallad executor --scheduler-host scheduler --scheduler-port 50050 --flight-port 50051 --grpc-port 50052 --external-host executor-1`,
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.execWork(cmd.Context()) },
	}
	addSettingFlags(cmd, keySchedHost, keySchedPort, keyFlightPort, keyGRPCPort, keyExtHost, keyObjects, keyTrinoHome, keyDataDir,
		keyMemory, keyThreads, keyTempDir, keyGrace, keyLogFormat)
	// What is a scheduler's in the descriptions.
	for flag, of := range map[string][2]string{
		"grpc-port": {executorPort, "port of the daemon beside the worker"},
		"data-dir":  {filepath.Join("kalla-data", "executor-PORT"), "where the worker has its files, and sources that are read spill"},
		"memory":    {"", "memory of everything, such as 4GB (default: all of the container, or a third of the machine)"},
	} {
		f := cmd.Flags().Lookup(flag)
		f.DefValue, f.Usage = of[0], of[1]
	}
	return cmd
}

// execWork runs an executor until ctx ends.
func (c *command) execWork(ctx context.Context) error {
	cfg := c.executorConfig()
	log := cfg.Log
	start := context.WithoutCancel(ctx) // as a scheduler's
	executor, err := app.StartExecutor(start, cfg)
	if err != nil {
		return err
	}
	log.Info("executor started", "node", executor.ID(), "scheduler", cfg.SchedulerHost+":"+strconv.Itoa(cfg.SchedulerPort), "version", app.Version,
		"data_dir", cfg.DataDir, "memory", bytes(cfg.Memory), "threads", cfg.Threads, "secret", cfg.Secret != "")
	select {
	case <-ctx.Done():
	case <-executor.Done():
	}
	log.Info("executor stopping", "grace", c.grace().String())
	stop, cancel := context.WithTimeout(start, c.grace())
	defer cancel()
	err = executor.Stop(stop)
	log.Info("executor stopped")
	return err
}

func (c *command) executorConfig() app.ExecutorConfig {
	s := c.settings
	limits := c.limits()
	cfg := app.ExecutorConfig{
		SchedulerHost: s.get(keySchedHost), SchedulerPort: c.port(keySchedPort), Host: s.get(keyExtHost),
		WorkerPort: c.port(keyFlightPort), Port: c.port(keyGRPCPort),
		TrinoHome: c.path(s.get(keyTrinoHome)), JavaHome: c.path(s.get(keyJavaHome)), DataDir: c.path(s.get(keyDataDir)),
		TempDir: limits.TempDir, Extensions: limits.Extensions, Memory: limits.Memory, Threads: limits.Threads,
		Secret: s.get(keySecret), Storage: s.get(keyObjects), Env: c.env.LookupEnv, Log: c.logger(),
	}
	if s.origins[keyGRPCPort] == "default" {
		cfg.Port, _ = strconv.Atoi(executorPort)
	}
	if s.origins[keyDataDir] == "default" { // several may be started from one folder
		cfg.DataDir = c.path(filepath.Join("kalla-data", "executor-"+s.get(keyFlightPort)))
	}
	if cfg.TrinoHome == "" {
		cfg.TrinoHome = cluster.DefaultHome()
	}
	if cfg.TempDir == "" {
		cfg.TempDir = filepath.Join(cfg.DataDir, "temp")
	}
	if cfg.Memory == 0 {
		cfg.Memory = app.ExecutorMemory()
	}
	if cfg.Threads == 0 {
		cfg.Threads = machine.CPUs()
	}
	return cfg
}

// port reads a setting that was checked to be one.
func (c *command) port(key string) int {
	n, _ := strconv.Atoi(c.settings.get(key))
	return n
}

// openCluster opens the cluster that the settings of a scheduler name, nil without one.
func (c *command) openCluster(cfg app.SchedulerConfig) (*app.Cluster, func(), error) {
	s := c.settings
	home, url := s.get(keyTrinoHome), s.get(keyTrinoURL)
	switch {
	case home == "" && url == "":
		return nil, func() {}, nil
	case home != "" && url != "":
		return nil, nil, usage("--trino-url", "there is --trino-home, too: a scheduler starts a coordinator or uses one that exists", "leave one of them out")
	}
	partitions, _ := strconv.Atoi(s.get(keyPartitions))
	opened, stop, err := app.OpenCluster(app.ClusterConfig{
		TrinoHome: c.path(home), JavaHome: c.path(s.get(keyJavaHome)), DataDir: cfg.DataDir, Host: s.get(keyExtHost), Port: c.port(keyGRPCPort),
		Secret: s.get(keySecret), URL: url, Storage: s.get(keyObjects), Env: c.env.LookupEnv, Partitions: partitions, Log: cfg.Log,
		Login: cluster.Login{User: s.get(keyTrinoUser), Password: s.get(keyTrinoPass), Token: s.get(keyTrinoToken), CA: c.path(s.get(keyTrinoCA))},
	})
	if err != nil {
		return nil, nil, err
	}
	return opened, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stop(ctx)
	}, nil
}
