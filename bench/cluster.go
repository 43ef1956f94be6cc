package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// executors is how many the cluster of a workload has.
const executors = 2

// nodes are the processes beside the scheduler of a cluster: the object storage
// and the executors, all on this machine.
type nodes struct {
	processes []*exec.Cmd
	dir       string
	env       []string // of the scheduler too
	flags     []string // of the scheduler
	executors [][]string
}

// prepareNodes starts the storage, and says with what flags the scheduler and the executors are to be started.
func (b *bench) prepareNodes(ctx context.Context) (*nodes, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2 + 2*executors)
	if err != nil {
		return nil, err
	}
	n := &nodes{dir: filepath.Join(b.dir, "nodes")}
	if err := os.RemoveAll(n.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(n.dir, "buckets", "kalla"), 0o700); err != nil {
		return nil, err
	}
	secret := rand.Text()
	n.env = []string{
		"AWS_ACCESS_KEY_ID=kalla", "AWS_SECRET_ACCESS_KEY=" + secret, "KALLA_LOG_FORMAT=json",
		"KALLA_STORAGE=s3://kalla/bench?endpoint=http://127.0.0.1:" + ports[0] + "&region=us-east-1&url_style=path",
		"KALLA_TRINO_HOME=" + filepath.Join(cache, "kalla", "trino-476"),
	}
	n.flags = []string{"--grpc-port", ports[1]}
	for i := range executors {
		flight, daemon := ports[2+2*i], ports[3+2*i]
		n.executors = append(n.executors, []string{"executor", "--scheduler-host", "127.0.0.1", "--scheduler-port", ports[1], "--flight-port", flight, "--grpc-port", daemon,
			"--external-host", "127.0.0.1", "--memory", "2GB", "--data-dir", filepath.Join(n.dir, "executor-"+strconv.Itoa(i+1))})
	}
	storage := exec.CommandContext(ctx, filepath.Join(cache, "kalla", "bin", "versitygw"), "--region", "us-east-1", "--port", "127.0.0.1:"+ports[0], "posix", filepath.Join(n.dir, "buckets"))
	storage.Env = append(os.Environ(), "ROOT_ACCESS_KEY=kalla", "ROOT_SECRET_KEY="+secret)
	return n, n.start(storage)
}

func (n *nodes) start(cmd *exec.Cmd) error {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return err
	}
	n.processes = append(n.processes, cmd)
	return nil
}

// join starts the executors and waits until the scheduler lists them.
func (n *nodes) join(ctx context.Context, b *bench, s *scheduler) error {
	for _, args := range n.executors {
		cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(b.kalla), "kallad"), args...)
		cmd.Env = append(os.Environ(), n.env...)
		if err := n.start(cmd); err != nil {
			return err
		}
	}
	b.logf("waiting for %d executors", executors)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		engine, err := s.client.Engine(ctx)
		if err == nil && len(engine.Workers) == executors {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the executors did not come: %v (%w)", engine.Workers, err)
		case <-tick.C:
		}
	}
}

// stop ends the processes, the storage last, and removes their files.
func (n *nodes) stop() {
	for i := len(n.processes) - 1; i >= 0; i-- {
		_ = n.processes[i].Process.Signal(syscall.SIGTERM)
		_ = n.processes[i].Wait()
	}
	_ = os.RemoveAll(n.dir)
}

// cpu is what the executors have taken so far, in seconds, their workers included.
func (n *nodes) cpu() float64 {
	var sum float64
	for _, p := range n.processes {
		sum += cpuOfTree(p.Process.Pid)
	}
	return sum
}

func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
		if err != nil {
			return nil, err
		}
		defer l.Close() // all are held until all are found
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		out = append(out, port)
	}
	return out, nil
}
