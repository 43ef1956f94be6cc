//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// trino is this process's part in the shared cluster.
var trino struct {
	ready bool     // this test binary can keep the cluster: its TestMain is Main
	lease *os.File // locked as long as this process may use the cluster
}

// trinoDir is where the cluster that all test processes of the user share has its files.
func trinoDir() (string, error) {
	dir := filepath.Join(os.TempDir(), "kalla-test-trino-"+trinoSetup+"-"+strconv.Itoa(os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Getuid() || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("%s is not this user's alone: remove it", dir)
	}
	return dir, nil
}

// sharedTrino joins the cluster that runs, or has one started.
var sharedTrino = sync.OnceValues(func() (*TrinoCluster, error) {
	if !trino.ready {
		return nil, errors.New("a package that uses Trino needs  func TestMain(m *testing.M) { testenv.Main(m) }")
	}
	dir, err := trinoDir()
	if err != nil {
		return nil, err
	}
	// The system frees the lock when this process ends, however it ends.
	if trino.lease, err = lock(filepath.Join(dir, "lease"), syscall.LOCK_SH); err != nil {
		return nil, err
	}
	turn, err := lock(filepath.Join(dir, "turn"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer turn.Close()
	if c, err := readState(dir); c != nil || err != nil {
		return c, err
	}
	if err := startKeeper(dir); err != nil {
		return nil, err
	}
	c, err := readState(dir)
	if c == nil && err == nil {
		err = errors.New("the cluster of Trino ended at once")
	}
	return c, err
})

// startKeeper has this test binary, once more, start and keep the cluster, and waits until it runs.
func startKeeper(dir string) error {
	if err := os.Remove(filepath.Join(dir, stateFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Dir, cmd.Env = dir, append(os.Environ(), keepTrino+"="+dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives this process
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if _, err := os.Stat(filepath.Join(dir, stateFile)); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("starting Trino: %w\n%s", err, (&process{dir: dir}).log(0))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// keeper is the process that keeps the cluster.
func keeper(dir string) int {
	err := keep(dir)
	stopAll()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// awaitIdle returns when nobody has had a lease for a while, and nobody finds the cluster any more.
func awaitIdle(dir string) {
	used := time.Now()
	for {
		time.Sleep(time.Second)
		lease, err := lock(filepath.Join(dir, "lease"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			used = time.Now()
			continue
		}
		idle := time.Since(used) > trinoIdle
		if idle {
			_ = os.Remove(filepath.Join(dir, stateFile)) // if it stays, nobody gets an answer from it
		}
		lease.Close()
		if idle {
			return
		}
	}
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, err
		}
	}
}
