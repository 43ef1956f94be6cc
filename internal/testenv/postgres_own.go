//go:build unix

package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// OwnPG is a PostgreSQL server that one test has for itself, to kill it.
type OwnPG struct{ *PG }

// restarter runs a server and, when it has been killed, again: not before the
// file "down" has become "up" (see Kill and Restart), and then until it starts,
// which it does not while a process of the one before lives. A server that was
// never killed ends it. It ends at SIGTERM, since a shell in the background
// ignores SIGQUIT.
const restarter = `
dir=$1; shift
trap 'kill -QUIT $pid 2>/dev/null; wait $pid; exit' TERM
while :; do
	"$@" & pid=$!
	wait $pid
	code=$?
	test -e "$dir/down" || test -e "$dir/up" || exit $code
	sleep 0.1
	while test -e "$dir/down"; do sleep 0.05; done
done
`

// OwnPostgres starts a server for one test. It differs from that of Postgres
// in that what was committed survives a crash.
func OwnPostgres(t testing.TB) *OwnPG {
	t.Helper()
	pg, err := startPG("TERM", func(dir string) []string { return []string{"/bin/sh", "-c", restarter, "sh", dir} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.process.stop)
	pg.process.showLog(t)
	return &OwnPG{pg}
}

// Kill kills the server as a lost machine would be: its processes do not get
// to say or write anything. It is down until Restart.
func (pg *OwnPG) Kill(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(pg.process.dir, "down"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := pg.postmaster()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil { // it starts no others, and does not tidy up
		t.Fatalf("stopping PostgreSQL: %v", err)
	}
	children, err := exec.Command("pgrep", "-P", strconv.Itoa(first)).Output()
	if err != nil {
		t.Fatalf("looking for the processes of PostgreSQL: %v", err)
	}
	for _, field := range append(strings.Fields(string(children)), strconv.Itoa(first)) {
		pid, err := strconv.Atoi(field)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) { // one that ended meanwhile
			t.Fatalf("killing PostgreSQL: %v", err)
		}
	}
}

// Restart starts the server again and waits until it answers.
func (pg *OwnPG) Restart(t testing.TB) {
	t.Helper()
	dir := pg.process.dir
	if err := os.Rename(filepath.Join(dir, "down"), filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	if err := pg.process.ready(func() error { return ping("pgx", pg.AdminURL) }); err != nil {
		t.Fatalf("starting PostgreSQL again: %v\n%s", err, pg.process.log(0))
	}
}

// postmaster is the id of the server's first process.
func (pg *OwnPG) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(pg.process.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(first))
	if err != nil {
		return 0, fmt.Errorf("reading postmaster.pid: %w", err)
	}
	return pid, nil
}
