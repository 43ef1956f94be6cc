package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kalla/internal/cluster"
)

// TrinoCluster is a cluster of Trino for tests: a coordinator and two workers
// that keep their tables on an S3 server.
type TrinoCluster struct {
	URL     string       // of the coordinator, without a slash at its end
	Secret  string       // what the nodes share: KALLA_CLUSTER_SECRET
	Storage string       // s3://bucket/prefix?endpoint=… as of KALLA_STORAGE, without credentials
	S3      *S3Server    // that holds the storage
	Client  *http.Client `json:"-"` // that the nodes admit
}

// Env looks up what a program needs in its environment to use the storage and the cluster.
func (c *TrinoCluster) Env(name string) (string, bool) {
	v, ok := map[string]string{
		"AWS_ACCESS_KEY_ID": c.S3.AccessKey, "AWS_SECRET_ACCESS_KEY": c.S3.SecretKey,
		"KALLA_STORAGE": c.Storage, cluster.SecretEnv: c.Secret,
	}[name]
	return v, ok
}

// TrinoHome returns the folder of Trino.
func TrinoHome(t testing.TB) string {
	t.Helper()
	home, err := trinoHome()
	if err != nil {
		t.Fatal(err)
	}
	return home
}

func trinoHome() (string, error) {
	home := os.Getenv("KALLA_TRINO_HOME")
	if home == "" {
		home = cluster.DefaultHome()
	}
	if _, err := os.Stat(filepath.Join(home, "lib")); err != nil {
		return "", fmt.Errorf("trino is missing: %w\nrun scripts/trino.sh (or make setup)", err)
	}
	return home, nil
}

const (
	trinoWorkers = 2
	trinoMemory  = 1_700 << 20      // of a node: a heap of 1.2 GB
	trinoStart   = 10 * time.Minute // half a minute on an idle machine
	trinoIdle    = time.Minute      // after which the cluster ends that nobody uses
	// trinoSetup changes with how the nodes are started, so that tests do not get a cluster of before.
	trinoSetup = "1"
	// keepTrino makes the test binary the process that keeps the cluster, in the folder that the variable names.
	keepTrino = "KALLA_TESTENV_KEEP_TRINO"
)

// Trino returns a cluster with that many active workers, two at most. Starting
// one takes half a minute and 3 GB, so all test processes of a user share one:
// it is started by whoever needs it first and ends when nobody has used it for a
// minute. A test keeps to schemas and to a prefix of the storage of its own. The
// package's TestMain must be Main.
func Trino(t testing.TB, workers int) *TrinoCluster {
	t.Helper()
	c, err := sharedTrino()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	if err := c.await(ctx, workers); err != nil {
		t.Fatal(err)
	}
	return c
}

// connect makes the clients that are not part of what is written down.
func (c *TrinoCluster) connect() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	c.Client = cluster.TrinoClient(u.Host, cluster.Secret(c.Secret))
	return nil
}

// await waits until that many workers are active.
func (c *TrinoCluster) await(ctx context.Context, workers int) error {
	var n int
	var err error
	for ctx.Err() == nil {
		if n, err = c.activeWorkers(ctx); err == nil && n >= workers {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return fmt.Errorf("waiting for %d workers of Trino: %w; %d are active: %w", workers, ctx.Err(), n, err)
}

func (c *TrinoCluster) activeWorkers(ctx context.Context) (int, error) {
	nodes, err := cluster.Nodes(ctx, c.Client, c.URL)
	n := 0
	for _, node := range nodes {
		if node.State == "active" {
			n++
		}
	}
	return n, err
}

// keep runs the cluster in a folder until nobody has used it for a while.
func keep(dir string) error {
	home, err := trinoHome()
	if err != nil {
		return err
	}
	s, err := s3()
	if err != nil {
		return err
	}
	bucket := unique("kalla-trino-")
	if _, err := s.do(http.MethodPut, s.Endpoint, "/"+bucket, nil); err != nil {
		return err
	}
	c := &TrinoCluster{Secret: secret(), S3: s, Storage: s.URI(bucket, "cluster")}
	storage, err := cluster.ParseStorage(c.Storage, c.Env)
	if err != nil {
		return err
	}
	var nodes []*cluster.Node
	defer func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // its data is thrown away, so it need not be gentle
		for _, n := range nodes {
			n.Stop(ctx)
		}
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range 1 + trinoWorkers {
		port, err := freePort()
		if err != nil {
			return err
		}
		n, err := cluster.StartNode(cluster.NodeConfig{
			Home: home, Java: os.Getenv("KALLA_JAVA_HOME"), Dir: filepath.Join(dir, fmt.Sprint("node", i)),
			ID: fmt.Sprint("test-", i), Coordinator: i == 0, Host: "127.0.0.1", Port: port, Discovery: c.URL,
			Secret: cluster.Secret(c.Secret), Storage: storage, Memory: trinoMemory, Log: log,
		})
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
		if i == 0 {
			c.URL = n.URL()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), trinoStart)
	defer cancel()
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.await(ctx, trinoWorkers); err != nil {
		return err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	partial := filepath.Join(dir, stateFile+".partial")
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(partial, filepath.Join(dir, stateFile)); err != nil {
		return err
	}
	awaitIdle(dir)
	return nil
}

// stateFile holds the TrinoCluster that runs.
const stateFile = "cluster.json"

// readState returns the cluster that runs in a folder, nil without one.
func readState(dir string) (*TrinoCluster, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := new(TrinoCluster)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, err
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.activeWorkers(ctx); err != nil {
		return nil, nil // whoever kept it was killed
	}
	return c, nil
}
