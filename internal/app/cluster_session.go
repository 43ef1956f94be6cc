package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kalla"
	"kalla/internal/cluster/staging"
	"kalla/internal/engine/duckdb"
	"kalla/internal/engine/trino"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/seal"
	"kalla/internal/source"
)

// Cluster is where jobs may run beside this process: Trino, executors that read
// sources for it, and the storage that both work on.
type Cluster struct {
	URL     string        // of the coordinator
	Client  *http.Client  // carries what the coordinator asks of its clients
	User    string        // as the coordinator knows us
	Catalog string        // a hive catalog over the storage
	Storage source.Source // an s3 source whose path is the prefix of the cluster
	// Nodes are Trino's workers, as they are now; none is no error.
	Nodes func(ctx context.Context) ([]job.Node, error)
	// Executors are the URLs of the daemons that read sources; there may be none beside a cluster of others.
	Executors  func(ctx context.Context) ([]string, error)
	Keys       *seal.Keys // of what passes between scheduler and executors
	Daemons    *http.Client
	Partitions int // of a source and of joins; 0 leaves it to the cluster
	// RetryPolicy is Trino's: NONE, TASK, or empty for the default.
	RetryPolicy string
	// Patience is how long a run waits for an executor to come; 0 means two minutes.
	Patience time.Duration

	tag  string // begins the names of what this process makes in the storage and in Trino
	mine bool   // the metastore of the catalog is in the storage, and nobody else's
	used atomic.Bool
}

// defaultPatience is what an executor takes to start, on a slow machine.
const defaultPatience = 2 * time.Minute

// workers is how many workers take work.
func (c *Cluster) workers(ctx context.Context) (int, error) {
	nodes, err := c.Nodes(ctx)
	n := 0
	for _, node := range nodes {
		if node.State == "active" {
			n++
		}
	}
	return n, err
}

// clusterSession is a session of a run on the cluster, with its folder in the storage.
type clusterSession struct {
	*trino.Session
	cluster *Cluster
	folder  *objects.Prefix

	closeOnce sync.Once
	closeErr  error
}

// session opens a session of the run. A folder and a schema are an attempt's own:
// what a lost attempt still does is in nobody's way.
func (c *Cluster) session(ctx context.Context, runID string, embedded *duckdb.Session) (*clusterSession, error) {
	c.used.Store(true)
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	attempt := c.tag + safeName(runID) + "_" + hex.EncodeToString(random[:])
	place := c.Storage
	place.Path += runsFolder + attempt
	folder, err := objects.At(place)
	if err != nil {
		return nil, err
	}
	session, err := trino.Open(ctx, trino.Config{
		URL: c.URL, Client: c.Client, User: c.User, Catalog: c.Catalog, RunID: attempt, Prefix: place.Path,
		Stager: &staging.Stager{Engine: embedded, Storage: c.Storage, Executors: c.Executors, Client: c.Daemons, Keys: c.Keys, Partitions: c.Partitions},
		// What a run may use of this machine says nothing of the workers.
		Partitions: c.Partitions, RetryPolicy: c.RetryPolicy,
	})
	if err != nil {
		folder.Close()
		return nil, err
	}
	return &clusterSession{Session: session, cluster: c, folder: folder}, nil
}

// Close drops the run's tables and removes its folder.
func (s *clusterSession) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *clusterSession) close() error {
	err := s.Session.Close()
	defer s.folder.Close()
	ctx, cancel := context.WithTimeout(context.Background(), emptyTime)
	defer cancel()
	if err != nil && s.cluster.mine { // the coordinator is gone, and will find its tables gone too
		err = s.cluster.forget(ctx, s.Schema())
	}
	return errors.Join(err, empty(ctx, s.folder))
}

// emptyTime is how long removing the objects of a run may take.
const emptyTime = time.Minute

// empty removes all objects below a prefix.
func empty(ctx context.Context, folder *objects.Prefix) error {
	folder.AbortUploads(ctx)
	names, err := folder.List(ctx)
	for name := range names {
		err = errors.Join(err, folder.Delete(ctx, name))
	}
	if err != nil {
		return &kalla.Error{Code: kalla.CodeEngine, Op: "removing the run's objects", Where: folder.String(), Err: err, Hint: "they may be deleted by hand"}
	}
	return nil
}

// safeName is a run's id as part of names in the storage and in Trino.
func safeName(runID string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, runID)
	return name[:min(len(name), 40)]
}
