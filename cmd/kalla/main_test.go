//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kalla/cmd/internal/process"
	"kalla/internal/cli"
	"kalla/internal/testenv"
)

// TestMain lets the test binary be the program, and the daemon that it works with.
func TestMain(m *testing.M) {
	switch os.Getenv("KALLA_TEST_MAIN") {
	case "":
		testenv.Main(m)
	case "kallad":
		os.Exit(process.Run(cli.Daemon))
	}
	os.Exit(run())
}

func kalla(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KALLA_TEST_MAIN=1", "KALLA_TEMP_DIR="+dir)
	return cmd
}

// TestInterrupt: Ctrl-C ends a run within a second or so with code 130 and
// leaves neither temporary files nor anything that looks like evidence.
func TestInterrupt(t *testing.T) {
	for _, stage := range []string{"staging", "matching", "evidence"} {
		t.Run(stage, func(t *testing.T) {
			dir := t.TempDir()
			cmd := kalla(t, dir, "demo", "--rows", "30000")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			var sent time.Time
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				fmt.Fprintln(&said, lines.Text())
				if lines.Text() == "kalla: "+stage {
					sent = time.Now()
					if err := cmd.Process.Signal(os.Interrupt); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = cmd.Wait()
			if sent.IsZero() {
				t.Fatalf("the stage did not begin:\n%s", said.String())
			}
			if took := time.Since(sent); took > 2*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit code %d, want 130:\n%s", code, said.String())
			}
			if !strings.Contains(said.String(), "error: cancelled") {
				t.Errorf("it does not say so:\n%s", said.String())
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != "kalla-demo" && e.Name() != "kalla-data" {
					t.Errorf("it left %s", e.Name())
				}
			}
			left, err := os.ReadDir(filepath.Join(dir, "kalla-data", "runs"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for _, e := range left {
				t.Errorf("it left %s", e.Name())
			}
		})
	}
}

// TestSecondInterruptKills: a program that does not stop by itself is stopped
// by a second signal.
func TestSecondInterruptKills(t *testing.T) {
	dir := t.TempDir()
	// A recipe from a pipe that never ends does not look at the context.
	cmd := kalla(t, dir, "run", "-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(done)
	}()
	for range 50 {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
				t.Errorf("ended by %v, want the signal: %s", cmd.ProcessState, stderr.String())
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	t.Fatal("fifty interrupts did not end it")
}
