//go:build linux

package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	process "os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/job"
	"kalla/internal/testenv"
)

// reached waits until a run has come to a stage, or to its end.
func (c *clusterTest) reached(t *testing.T, runID string, stage kalla.Stage) {
	t.Helper()
	c.receiver.until(t, runID+" has come to "+string(stage), func() bool {
		for _, call := range c.receiver.of(runID) {
			var p job.Progress
			if call.kind != "progress" || json.Unmarshal(call.body, &p) == nil && p.Stage == stage {
				return true
			}
		}
		return false
	})
}

// answered is a data set in PostgreSQL, and the evidence of the embedded engine for it.
func (c *clusterTest) answered(t *testing.T, runID string) (dataSet, map[string][]string) {
	t.Helper()
	data, _ := generate(t, 3000, demo.OnePass).inPostgres(t, c.pg)
	c.submit(t, data, runID, "duckdb")
	c.done(t, data, runID)
	return data, content(t, c.out(runID))
}

// right waits for the end of a run, and holds its evidence against that of the embedded engine.
func (c *clusterTest) right(t *testing.T, data dataSet, runID string, want map[string][]string) {
	t.Helper()
	c.done(t, data, runID)
	same(t, want, content(t, c.out(runID)))
	c.await(t, len(c.executors))
	c.clean(t)
}

// executorKilled kills one executor at a moment that chance picks; KALLA_FAULT_ROUNDS does it more often.
func (c *clusterTest) executorKilled(t *testing.T) {
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("KALLA_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	data, want := c.answered(t, "alive")
	stages := []kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence}
	for round := range rounds {
		runID := fmt.Sprint("killed-", round)
		stage, victim, delay := stages[rand.IntN(len(stages))], rand.IntN(2), time.Duration(rand.IntN(3000))*time.Millisecond
		t.Logf("%s: executor %d, %s after %s has begun", runID, victim+1, delay, stage)
		c.submit(t, data, runID, "trino")
		c.reached(t, runID, stage)
		time.Sleep(delay)
		c.executors[victim].end(t, syscall.SIGKILL)
		c.startExecutor(victim)
		c.right(t, data, runID, want)
	}
}

// executorsGone kills all executors while a run is matched, which goes on when they are back.
func (c *clusterTest) executorsGone(t *testing.T) {
	data, want := c.answered(t, "present")
	c.submit(t, data, "gone", "trino")
	c.reached(t, "gone", kalla.StageMatching)
	for _, e := range c.executors {
		e.end(t, syscall.SIGKILL)
	}
	for i := range c.executors {
		c.startExecutor(i)
	}
	c.right(t, data, "gone", want)
}

// coordinatorKilled kills the coordinator while a run is matched; the scheduler starts it again.
func (c *clusterTest) coordinatorKilled(t *testing.T) {
	data, want := c.answered(t, "coordinated")
	c.submit(t, data, "uncoordinated", "trino")
	c.reached(t, "uncoordinated", kalla.StageMatching)
	children, err := process.Command("pgrep", "-P", strconv.Itoa(c.scheduler.cmd.Process.Pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatalf("the children of the scheduler are %q", children)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.right(t, data, "uncoordinated", want)
}

// schedulerKilled kills the scheduler, and its coordinator with it, while a run
// is matched: the next one runs it again, and removes what is left of the first attempt.
func (c *clusterTest) schedulerKilled(t *testing.T) {
	data, want := c.answered(t, "scheduled")
	c.submit(t, data, "unscheduled", "trino")
	c.reached(t, "unscheduled", kalla.StageMatching)
	c.scheduler.end(t, syscall.SIGKILL)
	c.startScheduler()
	c.right(t, data, "unscheduled", want)
}

// sourceDies breaks the connections to the database while executors read it.
func (c *clusterTest) sourceDies(t *testing.T) {
	data, u := generate(t, 60_000, demo.OnePass).inPostgres(t, c.pg)
	proxy := testenv.NewProxy(t, u.Host)
	u.Host = net.JoinHostPort(proxy.Host, proxy.Port)
	through := data.at(t, tableURI(u, "invoices"), tableURI(u, "payments"))
	proxy.CutDownloads(200 << 10)
	c.submit(t, through, "source", "trino")
	if f := c.receiver.taken(t, "source").failure(t); f.Code != string(kalla.CodeSource) || f.Stage != kalla.StageStaging ||
		!strings.Contains(f.Error, "table=invoices") && !strings.Contains(f.Error, "table=payments") || f.Hint == "" {
		t.Errorf("it failed as %+v", f)
	}
	c.clean(t)
}

// cancelled ends a run while it is matched.
func (c *clusterTest) cancelled(t *testing.T) {
	data, _ := generate(t, 3000, demo.OnePass).inPostgres(t, c.pg)
	c.submit(t, data, "cancelled", "trino")
	c.reached(t, "cancelled", kalla.StageMatching)
	asked := time.Now()
	if _, err := c.scheduler.Cancel(t.Context(), "cancelled"); err != nil {
		t.Fatal(err)
	}
	if j := c.scheduler.ends(t, "cancelled"); j.State != job.Cancelled {
		t.Errorf("it is %s", j.State)
	}
	t.Logf("it took %s", time.Since(asked))
	// A query that was being planned ends once it is; one whose answer had not come yet when its client left, a minute later.
	var running []string
	for limit := time.Now().Add(90 * time.Second); time.Now().Before(limit); time.Sleep(200 * time.Millisecond) {
		if running = c.query(t, "SELECT query FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED') AND query NOT LIKE '%runtime%'"); len(running) == 0 {
			break
		}
	}
	if len(running) > 0 {
		t.Errorf("Trino still runs %s", strings.Join(running, "\n"))
	}
	c.clean(t)
}
