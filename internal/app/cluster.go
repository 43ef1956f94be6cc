package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"sync"

	"kalla/internal/cluster"
	"kalla/internal/cluster/staging"
	"kalla/internal/machine"
)

// ClusterConfig is the cluster of a scheduler: one whose coordinator it starts,
// or, with URL, one that is there. Paths are absolute.
type ClusterConfig struct {
	TrinoHome, JavaHome string // see cluster.NodeConfig
	DataDir             string // the coordinator's files are in a folder of it
	Host                string // by which executors reach the coordinator
	Port                int
	Secret              string

	URL   string
	Login cluster.Login

	Storage    string                           // see cluster.ParseStorage
	Env        func(name string) (string, bool) // for the credentials of the storage
	Partitions int                              // see Cluster
	Log        *slog.Logger
}

// OpenCluster prepares jobs on a cluster, and starts its coordinator, which is
// not waited for: until it answers, jobs run on this machine. Close ends it,
// at once when its context ends. Errors are *kalla.Error.
func OpenCluster(cfg ClusterConfig) (*Cluster, func(context.Context), error) {
	storage, err := cluster.ParseStorage(cfg.Storage, cfg.Env)
	if err != nil {
		return nil, nil, err
	}
	secret := cluster.Secret(cfg.Secret)
	keys, err := staging.Keys(secret.Key("staging"))
	if err != nil {
		return nil, nil, err
	}
	owner, err := clusterOwner(cfg.DataDir)
	if err != nil {
		return nil, nil, err
	}
	var start [3]byte
	_, _ = rand.Read(start[:]) // never fails
	c, err := cluster.Open(cluster.Config{
		Home: cfg.TrinoHome, Java: cfg.JavaHome, Dir: filepath.Join(cfg.DataDir, "trino"), Host: cfg.Host, Port: cfg.Port,
		Secret: secret, Storage: storage, Memory: CoordinatorMemory(), URL: cfg.URL, Login: cfg.Login, Log: cfg.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	daemons := cluster.DaemonClient(secret)
	opened := &Cluster{
		URL: c.URL(), Client: c.Client(), User: c.User(), Catalog: cluster.Catalog, Storage: storage,
		Nodes: c.Nodes, Executors: c.Executors, Keys: keys, Daemons: daemons, Partitions: cfg.Partitions,
		tag: owner + "_" + hex.EncodeToString(start[:]) + "_", mine: cfg.URL == "",
	}
	sweeping, stopSweeping := context.WithCancel(context.Background())
	var sweeper sync.WaitGroup
	sweeper.Go(func() { opened.sweep(sweeping, owner, cfg.Log) })
	stop := func(ctx context.Context) {
		stopSweeping()
		sweeper.Wait()
		c.Close(ctx)
		daemons.CloseIdleConnections()
	}
	return opened, stop, nil
}

// CoordinatorMemory is what a coordinator may take beside a scheduler, in bytes: it plans and sees no rows.
func CoordinatorMemory() int64 {
	const least, most = 1280 << 20, 4 << 30
	return min(max(machine.Memory()/8, least), most)
}
