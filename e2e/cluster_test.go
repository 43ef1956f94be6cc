//go:build linux

package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla/internal/demo"
	"kalla/internal/job"
	"kalla/internal/testenv"
)

// TestCluster starts what section 3 of the deployment guide starts, and does to
// it what happens to such machines. A node takes half a minute to come back, so
// the faults that end more than one executor are for KALLA_FAULT_ROUNDS.
func TestCluster(t *testing.T) {
	pg := testenv.Postgres(t)
	n := startNodes(t, passwordEnv+"="+pg.Password)
	c := &clusterTest{nodes: n, pg: pg, receiver: listen(t), verify: verifier(t)}
	parts := 7
	if os.Getenv("KALLA_FAULT_ROUNDS") == "" {
		parts = 4
	}
	for _, test := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"guide", c.guide},
		{"cancelled", c.cancelled},
		{"source dies", c.sourceDies},
		{"executor killed", c.executorKilled},
		{"executors gone", c.executorsGone},
		{"coordinator killed", c.coordinatorKilled},
		{"scheduler killed", c.schedulerKilled},
	}[:parts] {
		if !t.Run(test.name, test.do) {
			return // what follows would tell of the same
		}
	}
}

// clusterTest is what the tests of one cluster share.
type clusterTest struct {
	*nodes
	pg       *testenv.PG
	receiver *receiver
	verify   func(out string, env func(string) (string, bool))
}

func (c *clusterTest) out(runID string) string { return filepath.Join(c.dir, "out", runID) }

// submit asks for a data set to be reconciled by an engine.
func (c *clusterTest) submit(t *testing.T, d dataSet, runID, engine string) {
	t.Helper()
	req := d.request(runID, c.receiver.url, c.out(runID))
	req.Engine = engine
	c.scheduler.submit(t, req)
}

// done waits for the end of a run, and holds that its counts and its evidence are right.
func (c *clusterTest) done(t *testing.T, d dataSet, runID string) {
	t.Helper()
	d.check(t, c.receiver.taken(t, runID).complete(t))
	c.receiver.once(t, runID)
	c.verify(c.out(runID), nil)
}

// guide runs a job whose sources are in PostgreSQL on the executors.
func (c *clusterTest) guide(t *testing.T) {
	workers := c.await(t, 2)
	for i, w := range workers {
		if !strings.HasPrefix(w.ID, "127-0-0-1-") || w.URL == "" {
			t.Errorf("worker %d is %+v", i, w)
		}
	}
	data, _ := generate(t, 3000, demo.Reconciliation).inPostgres(t, c.pg)
	c.submit(t, data, "guide", "trino")
	c.submit(t, data, "embedded", "duckdb")
	for runID, engine := range map[string]string{"guide": "trino", "embedded": "duckdb"} {
		c.done(t, data, runID)
		j, err := c.scheduler.Get(t.Context(), runID)
		if err != nil || j.Engine != engine || j.State != job.Completed {
			t.Errorf("%s: %+v (%v)", runID, j, err)
		}
		if calls := c.receiver.of(runID); len(calls) < 2 || calls[0].kind != "progress" {
			t.Errorf("%s: %d calls", runID, len(calls))
		}
	}
	same(t, content(t, c.out("embedded")), content(t, c.out("guide")))
	c.clean(t)
	// Debug logs of Trino are among them.
	if places := c.tells(t, c.pg.Password, url.QueryEscape(c.pg.Password), url.PathEscape(c.pg.Password)); len(places) > 0 {
		t.Errorf("the password of the source shows in %s", strings.Join(places, "\n"))
	}
	for _, l := range c.logs {
		for _, secret := range c.secrets {
			if strings.Contains(l.String(), secret) {
				t.Errorf("a log shows %s", secret)
			}
		}
	}
}
