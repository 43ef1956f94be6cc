// Package cluster runs the processes of a cluster: Trino's coordinator beside
// the scheduler, and on every executor a Trino worker with a daemon beside it
// that says how it is and reads sources. Nothing is registered by hand: a worker
// announces itself to the coordinator, and its node id tells where its daemon is.
package cluster

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/source"
)

const (
	// Catalog is the only catalog of the nodes: tables whose objects are in the storage of the cluster.
	Catalog = "kalla"
	// User is the one that queries run as.
	User = "kalla"
)

// Config says which cluster a scheduler works with: with Home it starts a
// coordinator, to which executors come; with URL it uses a cluster of others,
// whose catalog Catalog must be over the same storage.
type Config struct {
	Home, Java string // see NodeConfig
	Dir        string // of the coordinator's files
	Host       string // by which executors reach the coordinator
	Port       int
	Secret     Secret
	Storage    source.Source // see ParseStorage
	Memory     int64         // bytes of the coordinator

	URL   string // of a cluster of others
	Login Login

	Log *slog.Logger
}

// Cluster is what a scheduler works with. It may be used by several goroutines.
type Cluster struct {
	node   *Node // nil for a cluster of others
	client *http.Client
	url    string
	user   string
	secret Secret
	nodes  *roster
}

// Open starts a coordinator, or prepares to use a cluster that is there. Neither
// is waited for: until it answers, Nodes fails. Errors are *kalla.Error.
func Open(cfg Config) (*Cluster, error) {
	c := &Cluster{secret: cfg.Secret, user: User}
	if cfg.URL != "" {
		var err error
		if c.url, c.client, err = cfg.Login.client(cfg.URL); err != nil {
			return nil, err
		}
		if cfg.Login.User != "" {
			c.user = cfg.Login.User
		}
	} else {
		node, err := StartNode(NodeConfig{
			Home: cfg.Home, Java: cfg.Java, Dir: cfg.Dir, ID: "scheduler-" + strconv.Itoa(cfg.Port), Coordinator: true,
			Host: cfg.Host, Port: cfg.Port, PortFlag: "--grpc-port", Secret: cfg.Secret, Storage: cfg.Storage, Memory: cfg.Memory, Log: cfg.Log,
		})
		if err != nil {
			return nil, err
		}
		c.node, c.url, c.client = node, node.URL(), node.Client()
	}
	c.nodes = newRoster(c.client, c.url)
	return c, nil
}

// URL is that of the coordinator, without a slash at its end.
func (c *Cluster) URL() string { return c.url }

// Client is a client that the coordinator admits.
func (c *Cluster) Client() *http.Client { return c.client }

// User is whom queries run as.
func (c *Cluster) User() string { return c.user }

// Nodes are the workers, as they were a second ago at most; none is no error.
func (c *Cluster) Nodes(ctx context.Context) ([]job.Node, error) { return c.nodes.get(ctx) }

// Executors are the URLs of the daemons of the workers that take work.
func (c *Cluster) Executors(ctx context.Context) ([]string, error) {
	nodes, err := c.nodes.get(ctx)
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, n := range nodes {
		if u := daemonURL(n.ID, n.URL); u != "" && n.State == active {
			urls = append(urls, u)
		}
	}
	return urls, nil
}

// Close stops the coordinator, at once when ctx ends. Queries that run fail.
func (c *Cluster) Close(ctx context.Context) {
	if c.node != nil {
		c.node.Stop(ctx)
	}
	c.client.CloseIdleConnections()
}

// ParseStorage reads where a cluster keeps its objects:
// s3://bucket/prefix?endpoint=…&region=…&url_style=path, with the credentials of
// an s3 source. The path of what it returns has no slash at its end.
func ParseStorage(uri string, env func(string) (string, bool)) (source.Source, error) {
	bad := func(why, hint string, err error) (source.Source, error) {
		return source.Source{}, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the storage of the cluster", Where: masked(uri), Why: why, Hint: hint, Err: err}
	}
	const form = "set --storage or KALLA_STORAGE to s3://BUCKET/PREFIX?endpoint=URL&region=REGION&url_style=path"
	if uri == "" {
		return bad("the nodes of a cluster exchange data through object storage, and none is named", form, nil)
	}
	base, query, _ := strings.Cut(uri, "?")
	// The URI of an object is what package source knows how to read.
	src, err := source.Parse(strings.TrimRight(base, "/")+"/object.parquet?"+query, nil, "", env)
	if err != nil {
		return bad("", form, err)
	}
	place := strings.TrimSuffix(src.Path, "/object.parquet")
	switch bucket, prefix, _ := strings.Cut(strings.TrimPrefix(place, "s3://"), "/"); {
	case src.Type != source.S3:
		return bad("it is no bucket of S3 or of a service that speaks its language", form, nil)
	case bucket == "" || prefix == "" || strings.Contains(prefix, "//"):
		return bad("it names no prefix inside the bucket", form, nil)
	case !src.Has("key_id") || !src.Has("secret"):
		return bad("there are no credentials for it", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", nil)
	case src.Has("session_token"):
		return bad("Trino takes no session token", "use a key that does not expire, without AWS_SESSION_TOKEN", nil)
	}
	src.Path = place
	return src, nil
}

// masked is a URI without what it may hold of credentials.
func masked(uri string) string {
	shown, _ := source.Mask(uri, nil)
	return shown
}

// endpoint is the URL of the service that holds a bucket, empty for AWS's own.
func endpoint(storage source.Source) string {
	e := storage.Get("endpoint")
	switch {
	case e == "" || strings.Contains(e, "://"):
		return e
	case storage.Get("use_ssl") == "false":
		return "http://" + e
	}
	return "https://" + e
}

// loopback reports whether a host is this machine alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// NodeID is the id of a worker of an executor: unique by its host and the port
// of Trino, and it ends in the port of the daemon beside it.
func NodeID(host string, trino, daemon int) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host)
	return strings.TrimLeft(name, "-") + "-" + strconv.Itoa(trino) + "-g" + strconv.Itoa(daemon)
}

// daemonURL is where the daemon beside a worker is, empty where there is none:
// the worker is somebody else's.
func daemonURL(nodeID, nodeURL string) string {
	i := strings.LastIndex(nodeID, "-g")
	u, err := url.Parse(nodeURL)
	if i < 0 || err != nil {
		return ""
	}
	port, err := strconv.ParseUint(nodeID[i+2:], 10, 16)
	if err != nil || port == 0 {
		return ""
	}
	return "http://" + net.JoinHostPort(u.Hostname(), strconv.FormatUint(port, 10))
}
