package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kalla"
	"kalla/internal/source"
)

// NodeConfig is what a node of Trino is started with.
type NodeConfig struct {
	Home string // folder of Trino; see DefaultHome
	Java string // folder of the JDK; empty looks for one
	Dir  string // for its files; only one node may use it

	ID          string
	Coordinator bool
	Host        string // by which the other nodes reach it
	Port        int
	PortFlag    string // that sets the port, for errors
	Discovery   string // URL of the coordinator; empty for the coordinator itself

	Secret  Secret
	Storage source.Source // see ParseStorage
	Memory  int64         // bytes that the process may take, at least MinNodeMemory
	Threads int           // processors that it may take; 0 means all
	Log     *slog.Logger
}

const (
	// MinNodeMemory is the least memory of a node, in bytes.
	MinNodeMemory = 1 << 30
	// offHeap is what a node takes beside its heap for code, classes, threads and buffers.
	offHeap = 512 << 20
	// smallHeap is up to where the collector with the least overhead is the best one.
	smallHeap = 2 << 30
)

func (c *NodeConfig) heap() int64 { return c.Memory - offHeap }

// Node is a process of Trino that is started again whenever it ends, until Stop.
type Node struct {
	cfg      NodeConfig
	java     string
	client   *http.Client
	pid      atomic.Int64
	restarts atomic.Int64
	up       chan struct{} // closed when it has answered for the first time
	stop     func()        // has the process end in order, and no other one started
	stopping <-chan struct{}
	kill     func() // has it end at once
	killing  <-chan struct{}
	done     chan struct{} // closed when it will not be started any more, and has ended
	err      error         // why it never came up, once done is closed
}

// StartNode writes the files of a node and starts it. It is up when Ready says
// so. Errors are *kalla.Error.
func StartNode(cfg NodeConfig) (*Node, error) {
	fail := func(code kalla.Code, where, why, hint string, err error) error {
		return &kalla.Error{Code: code, Op: "starting Trino", Where: where, Why: why, Hint: hint, Err: err}
	}
	if err := checkHome(cfg.Home); err != nil {
		return nil, err
	}
	java, err := findJava(cfg.Java)
	if err != nil {
		return nil, err
	}
	if err := cfg.Secret.Check(cfg.Host); err != nil {
		return nil, err
	}
	if cfg.Memory < MinNodeMemory {
		return nil, fail(kalla.CodeLimit, "", fmt.Sprintf("%d MB of memory are too little: it takes %d MB at least", cfg.Memory>>20, MinNodeMemory>>20), "give more with --memory, or to the container", nil)
	}
	address := net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	if cfg.Coordinator {
		cfg.Discovery = "http://" + address
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fail(kalla.CodeUsage, cfg.Dir, "", "", err)
	}
	if err := awaitPort(cfg.Host, cfg.Port); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fail(kalla.CodeLimit, address, "another program listens there", "stop it, or choose another port with "+cfg.PortFlag, err)
		}
		return nil, fail(kalla.CodeUsage, address, "", "see "+cfg.PortFlag, err)
	}
	if err := cfg.writeFiles(); err != nil {
		return nil, fail(kalla.CodeUsage, cfg.Dir, "its files cannot be written", "name another folder with --data-dir", err)
	}
	n := &Node{cfg: cfg, java: java, client: TrinoClient(address, cfg.Secret),
		up: make(chan struct{}), done: make(chan struct{})}
	n.stop, n.stopping = latch()
	n.kill, n.killing = latch()
	go n.supervise()
	return n, nil
}

// latch is a channel that its function closes, which may be called again.
func latch() (func(), <-chan struct{}) {
	c := make(chan struct{})
	return sync.OnceFunc(func() { close(c) }), c
}

// portTime is what the kernel may take to end a node whose parent was killed.
const portTime = 5 * time.Second

// awaitPort waits for a port to be free, which the node of a killed executor may still hold.
func awaitPort(host string, port int) error {
	for limit := time.Now().Add(portTime); ; {
		err := checkPort(host, port)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(limit) {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// checkPort reports whether a port is free now.
func checkPort(host string, port int) error {
	if !loopback(host) {
		host = "" // the name by which others reach this machine may be no address of its own
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// URL is where the node is, without a slash at its end.
func (n *Node) URL() string {
	return "http://" + net.JoinHostPort(n.cfg.Host, strconv.Itoa(n.cfg.Port))
}

// Client is a client that the node admits.
func (n *Node) Client() *http.Client { return n.client }

// PID is the id of the process that runs now, 0 while there is none.
func (n *Node) PID() int { return int(n.pid.Load()) }

// Restarts is how often the process was started again after it had ended by itself.
func (n *Node) Restarts() int64 { return n.restarts.Load() }

// Done is closed when the node has ended and is not started again.
func (n *Node) Done() <-chan struct{} { return n.done }

// Ready waits until the node answers for the first time. The error says why it will not.
func (n *Node) Ready(ctx context.Context) error {
	select {
	case <-n.up:
		return nil
	case <-n.done:
		if n.err != nil {
			return n.err
		}
		return &kalla.Error{Code: kalla.CodeCanceled, Op: "starting Trino", Where: n.URL(), Why: "it was stopped"}
	case <-ctx.Done():
		return &kalla.Error{Code: kalla.CodeEngine, Op: "starting Trino", Where: n.URL(), Why: "it does not answer yet", Err: ctx.Err()}
	}
}

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	steady     = time.Minute // a node that ran that long was not broken from the start
)

// supervise starts the process, again and again. A node that never came up is
// wrongly configured, which starting it again does not mend.
func (n *Node) supervise() {
	// The kernel ends the process together with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(n.done)
	defer n.client.CloseIdleConnections()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		began := time.Now()
		err := n.run()
		select {
		case <-n.stopping:
			return
		default:
		}
		select {
		case <-n.up:
		default:
			n.err = err
			n.cfg.Log.Error("Trino has not started", "node", n.cfg.ID, "error", err)
			return
		}
		if time.Since(began) > steady {
			pause = firstPause
		}
		n.restarts.Add(1)
		n.cfg.Log.Error("Trino has ended and is started again", "node", n.cfg.ID, "pause", pause.String(), "error", err)
		select {
		case <-n.stopping:
			return
		case <-time.After(pause):
		}
	}
}

// run runs the process to its end and says how it ended.
func (n *Node) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	cmd := exec.Command(n.java, n.cfg.arguments()...)
	cmd.Dir = n.cfg.Dir
	cmd.Env = []string{"LC_ALL=C.UTF-8", "TZ=UTC", "MALLOC_ARENA_MAX=2"} // nothing of ours: it holds secrets
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = childAttributes()
	fail := func(why string, err error) error {
		return &kalla.Error{Code: kalla.CodeEngine, Op: "starting Trino", Where: n.URL(), Why: why, Hint: "its log is part of this program's, at the level debug", Err: err}
	}
	if err := cmd.Start(); err != nil {
		return fail("", err)
	}
	n.pid.Store(int64(cmd.Process.Pid))
	defer n.pid.Store(0)
	var said lastWords
	var wg sync.WaitGroup
	wg.Go(func() { n.log(out, &said) })
	wg.Go(func() { n.awaitStart(ctx) })
	wg.Go(func() { n.end(ctx, cmd.Process) })
	err := cmd.Wait()
	cancel()
	in.Close()
	wg.Wait()
	select {
	case <-n.up:
	default:
		return fail(said.String(), err)
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fail("", err)
}

// end ends a process when it is asked for; ctx ends with the process.
func (n *Node) end(ctx context.Context, p *os.Process) {
	select {
	case <-ctx.Done():
		return
	case <-n.stopping:
		_ = p.Signal(syscall.SIGTERM) // fails for a process that has just ended, as does the next
	}
	select {
	case <-ctx.Done():
	case <-n.killing:
		_ = p.Kill()
	}
}

// arguments of the JVM. The server is started without its launcher, which would
// be a process in between.
func (c *NodeConfig) arguments() []string {
	heap := strconv.FormatInt(c.heap()>>20, 10) + "m"
	args := []string{
		"-cp", filepath.Join(c.Home, "lib") + "/*",
		"-Xmx" + heap,
		"-XX:+ExitOnOutOfMemoryError",
		"-XX:ReservedCodeCacheSize=256M",
		"-XX:-OmitStackTraceInFastThrow",
		"-Djdk.attach.allowAttachSelf=true",
		"-Djdk.nio.maxCachedBufferSize=2000000",
		"-Dfile.encoding=UTF-8",
		"-Djava.io.tmpdir=" + c.temp(),
		"--enable-native-access=ALL-UNNAMED",
		"--sun-misc-unsafe-memory-access=allow",
		"--add-modules=jdk.incubator.vector",
		"-Dconfig=" + c.file("config.properties"),
	}
	if c.heap() <= smallHeap {
		args = append(args, "-XX:+UseSerialGC")
	} else {
		args = append(args, "-XX:+UseG1GC", "-XX:+ExplicitGCInvokesConcurrent")
	}
	if c.Threads > 0 {
		args = append(args, "-XX:ActiveProcessorCount="+strconv.Itoa(c.Threads))
	}
	return append(args, "io.trino.server.TrinoServer")
}

// awaitStart watches a process that starts.
func (n *Node) awaitStart(ctx context.Context) {
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if info, err := n.info(ctx); err == nil && !info.Starting {
			n.cfg.Log.Info("Trino has started", "node", n.cfg.ID, "url", n.URL(), "version", info.NodeVersion.Version, "seconds", int(time.Since(began).Seconds()))
			select {
			case <-n.up:
			default:
				close(n.up)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// nodeInfo is what GET /v1/info answers.
type nodeInfo struct {
	NodeVersion struct {
		Version string `json:"version"`
	} `json:"nodeVersion"`
	Coordinator bool `json:"coordinator"`
	Starting    bool `json:"starting"`
}

func (n *Node) info(ctx context.Context) (info nodeInfo, err error) {
	err = n.exchange(ctx, http.MethodGet, "/v1/info", "", &info)
	return info, err
}

// State is what the node says of itself: ACTIVE, DRAINING, DRAINED, SHUTTING_DOWN. It fails while the node does not answer.
func (n *Node) State(ctx context.Context) (state string, err error) {
	err = n.exchange(ctx, http.MethodGet, "/v1/info/state", "", &state)
	return state, err
}

// exchange sends a request to the node and reads its answer, which is JSON.
func (n *Node) exchange(ctx context.Context, method, path, body string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, n.URL()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, data)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(data, answer)
}

// Drain has the node take no more tasks and waits until those that it has are
// done, until ctx ends at most. A node that does not answer has none.
func (n *Node) Drain(ctx context.Context) error {
	if err := n.exchange(ctx, http.MethodPut, "/v1/info/state", `"DRAINING"`, nil); err != nil {
		return &kalla.Error{Code: kalla.CodeEngine, Op: "draining worker", Where: n.URL(), Err: err}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if state, err := n.State(ctx); err != nil || state == "DRAINED" {
			if ctx.Err() == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return &kalla.Error{Code: kalla.CodeEngine, Op: "draining worker", Where: n.URL(), Why: "its tasks are not done yet", Err: ctx.Err()}
		case <-n.done:
			return nil
		case <-tick.C:
		}
	}
}

// Stop ends the process in order, and at once when ctx ends.
func (n *Node) Stop(ctx context.Context) {
	n.stop()
	select {
	case <-n.done:
	case <-ctx.Done():
		n.kill()
		<-n.done
	}
}

// log passes the lines of the process on to our own log: what is chatter there is for debugging here.
func (n *Node) log(out io.Reader, said *lastWords) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if text := strings.TrimRight(line, "\r\n"); text != "" {
			e := parseLogLine(text)
			if e.level >= slog.LevelError {
				said.add(e.message)
			}
			n.cfg.Log.LogAttrs(context.Background(), e.level, e.message, e.attrs(n.cfg.ID)...)
		}
		if err != nil {
			return
		}
	}
}
