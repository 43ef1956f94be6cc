package testenv

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// readyTimeout is how long a service may take from its start to its first
// answer. One takes 1 to 3 s; the rest is for machines that do much else.
const readyTimeout = 90 * time.Second

// service describes a program to be run for tests.
type service struct {
	name    string
	account string // the system account it runs as when the tests run as root; empty means the same
	signal  string // what ends it at once; its data is thrown away, so it need not be gentle
	prepare func(p *process) error
	command func(dir string, port int) []string
	probe   func(port int) error // whether it answers, and is ours
}

// process is a running service with a private folder.
type process struct {
	name string
	dir  string
	as   *syscall.SysProcAttr // the account, and a session of its own
	pipe io.Closer            // its end stops the service
	done chan struct{}        // closed when the service and its folder are gone
}

// supervisor runs a service until standard input ends, which it does when the
// test process is gone for whatever reason, then stops it and removes its
// folder. A service that ends by itself keeps its folder, and so its log, until
// then. The watcher reads with a builtin, so that it leaves no child behind.
const supervisor = `
dir=$1 signal=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
pid=$!
{ read -r _ <&3; test -e "$dir/exited" || kill -"$signal" $pid; } &
watcher=$!
wait $pid
echo $? >"$dir/exited"
wait $watcher
cd / && rm -rf -- "$dir"
`

// running are the services that stopAll stops.
var running struct {
	sync.Mutex
	processes []*process
}

func stopAll() {
	running.Lock()
	defer running.Unlock()
	for _, p := range running.processes {
		p.stop()
	}
	running.processes = nil
}

// launch starts a service on a free port and waits until it answers. Another
// process may take the port before the service does; then another one is tried.
func launch(s service) (*process, int, error) {
	var err error
	for range 3 {
		var port int
		if port, err = freePort(); err != nil {
			return nil, 0, err
		}
		var p *process
		if p, err = start(s, port); err != nil {
			return nil, 0, fmt.Errorf("starting %s: %w", s.name, err)
		}
		if err = p.ready(func() error { return s.probe(port) }); err == nil {
			running.Lock()
			defer running.Unlock()
			running.processes = append(running.processes, p)
			return p, port, nil
		}
		err = fmt.Errorf("starting %s: %w\n%s", s.name, err, p.log(0))
		p.stop()
		if !errors.Is(err, errExited) {
			break
		}
	}
	return nil, 0, err
}

// errExited says that a service ended by itself.
var errExited = errors.New("it exited")

func start(s service, port int) (p *process, err error) {
	dir, err := os.MkdirTemp("", "kalla-test-"+s.name+"-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	p = &process{name: s.name, dir: dir, done: make(chan struct{})}
	if p.as, err = owned(dir, s.account); err != nil {
		return nil, err
	}
	if err := s.prepare(p); err != nil {
		return nil, err
	}
	cmd := p.cmd("/bin/sh", append([]string{"-c", supervisor, "sh", dir, s.signal}, s.command(dir, port)...)...)
	log, err := os.Create(p.logFile())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if p.pipe, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.wait(cmd)
	return p, nil
}

// cmd returns a command that runs in the service's folder under its account,
// without settings of the machine's own clients and servers.
func (p *process) cmd(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = p.as
	for _, v := range os.Environ() {
		if key, _, _ := strings.Cut(v, "="); !strings.HasPrefix(key, "PG") && !strings.HasPrefix(key, "MYSQL") && !strings.HasPrefix(key, "VGW") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	return cmd
}

// run runs a command of the preparation to its end.
func (p *process) run(name string, args ...string) error {
	out, err := p.cmd(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w\n%s", filepath.Base(name), err, out)
	}
	return nil
}

func (p *process) wait(cmd *exec.Cmd) {
	// How the supervisor ended tells nothing: a service that failed is seen by ready.
	_ = cmd.Wait()
	close(p.done)
}

func (p *process) stop() {
	_ = p.pipe.Close() // fails only when the supervisor is gone already
	<-p.done
}

func (p *process) ready(probe func() error) error {
	var err error
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, gone := os.Stat(filepath.Join(p.dir, "exited")); gone == nil {
			return errExited
		}
		if err = probe(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer within %s: %w", readyTimeout, err)
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// mark returns the present end of the log.
func (p *process) mark() int64 {
	info, err := os.Stat(p.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// log returns the log from a mark on, its last 8 KiB if it is longer.
func (p *process) log(from int64) string {
	b, err := os.ReadFile(p.logFile())
	if err != nil {
		return "no log: " + err.Error()
	}
	b = b[min(from, int64(len(b))):]
	return string(b[max(0, len(b)-8<<10):])
}

// showLog has the log of the service from here on shown if the test fails.
func (p *process) showLog(t testing.TB) {
	from := p.mark()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.name, p.log(from))
		}
	})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
