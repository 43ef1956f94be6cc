//go:build unix

package e2e_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"kalla/internal/demo"
	"kalla/internal/job"
)

// TestSchedulerKilled kills a scheduler again and again while jobs come in and
// run: each that was taken ends once, with true counts and whole evidence.
// KALLA_FAULT_ROUNDS kills more often.
func TestSchedulerKilled(t *testing.T) {
	rounds := 7
	if n, err := strconv.Atoi(os.Getenv("KALLA_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	k := &killed{t: t, dir: t.TempDir(), data: generate(t, 2000, demo.Reconciliation), receiver: listen(t), kinds: map[string]string{}}
	if err := os.Mkdir(filepath.Join(k.dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range rounds {
		d := launch(t, k.dir, nil, "--max-jobs", "2")
		if rand.IntN(8) == 0 { // while it starts
			select {
			case <-time.After(time.Duration(rand.IntN(200)) * time.Millisecond):
			case <-d.done:
				t.Fatalf("it ended by itself:\n%s", d.log)
			}
			d.end(t, syscall.SIGKILL)
			continue
		}
		d.serves(t)
		time.AfterFunc(time.Duration(rand.IntN(1200))*time.Millisecond, func() { _ = d.cmd.Process.Kill() })
		for k.send(d) {
		}
		<-d.done
	}
	d := launch(t, k.dir, nil, "--max-jobs", "2").serves(t)
	for runID := range k.kinds {
		d.ends(t, runID)
	}
	for runID := range k.kinds {
		k.receiver.taken(t, runID)
	}
	k.settled()
	if code := d.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	k.check()
}

// killed is what was asked of a scheduler that is killed.
type killed struct {
	t        *testing.T
	dir      string
	data     dataSet
	receiver *receiver
	kinds    map[string]string // of the jobs that were taken: by run what is to become of them
	pending  *job.Request      // was sent, and nobody knows whether it arrived
}

func (k *killed) out(runID string) string { return filepath.Join(k.dir, "out", runID) }

// send hands over the next job, or the one whose answer was lost, and reports whether the scheduler lives.
func (k *killed) send(d *daemon) bool {
	t := k.t
	n := len(k.kinds)
	kind := []string{"complete", "complete", "fail", "complete", "cancel"}[n%5]
	if k.pending == nil {
		runID := fmt.Sprintf("run-%d", n)
		req := k.data.request(runID, k.receiver.url, k.out(runID))
		switch {
		case kind == "fail": // its source goes while it waits, as it were
			req = job.Request{RunID: runID, CallbackURL: k.receiver.url, OutputPath: k.out(runID), MatchSQL: "SELECT l.a, r.a FROM left_src l JOIN right_src r ON l.a = r.a",
				Sources:     []job.Source{{Alias: "left_src", URI: filepath.Join(k.dir, "nowhere.csv")}, {Alias: "right_src", URI: k.data.right}},
				PrimaryKeys: map[string][]string{"left_src": {"a"}, "right_src": {"a"}}}
		case n%2 == 1:
			req.Evidence = "keys"
		}
		k.pending = &req
	}
	runID := k.pending.RunID
	if _, err := d.Submit(t.Context(), *k.pending); err != nil {
		if answer, ok := errors.AsType[*job.StatusError](err); ok {
			t.Fatalf("%s is not taken: %v: %v", runID, answer, err)
		}
		return false
	}
	k.pending, k.kinds[runID] = nil, kind
	if kind == "cancel" {
		if _, err := d.Cancel(t.Context(), runID); err != nil {
			if answer, ok := errors.AsType[*job.StatusError](err); ok && answer.Status != http.StatusConflict {
				t.Fatalf("%s is not cancelled: %v", runID, err)
			}
		}
	}
	// As many wait as keep it busy, so that the end is not far when the last kill is over.
	for {
		select {
		case <-d.done:
			return false
		case <-time.After(10 * time.Millisecond):
		}
		e, err := d.Engine(t.Context())
		if err != nil {
			return false
		}
		if e.Queued < 4 {
			return true
		}
	}
}

// settled waits until the queue has noted that the callbacks are out.
func (k *killed) settled() {
	k.t.Helper()
	var left int
	for range 200 {
		if left = k.count("SELECT count(*) FROM jobs WHERE callback IS NOT NULL OR request IS NOT NULL"); left == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	k.t.Errorf("%d jobs still hold their request or callback", left)
}

// count asks the queue's own file.
func (k *killed) count(query string) (n int) {
	k.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(k.dir, "data", "kallad.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		k.t.Fatal(err)
	}
	return n
}

func (k *killed) check() {
	t := k.t
	verify := verifier(t)
	var whole []string
	ended := map[string]int{}
	for runID, kind := range k.kinds {
		end := k.receiver.once(t, runID)
		ended[kind+" "+end.kind]++
		if end.kind == "complete" {
			whole = append(whole, runID)
		}
		switch {
		case kind == "fail":
			if f := end.failure(t); f.Code != "source" {
				t.Errorf("%s: %+v", runID, f)
			}
		case kind == "cancel" && end.kind == "error": // else it was too late
			if f := end.failure(t); f.Code != "cancelled" {
				t.Errorf("%s: %+v", runID, f)
			}
		default:
			k.data.check(t, end.complete(t))
		}
	}
	slices.Sort(whole)
	for _, runID := range whole {
		verify(k.out(runID), nil)
	}
	if got := names(t, filepath.Join(k.dir, "out")); !slices.Equal(got, whole) {
		t.Errorf("the folders of evidence are %v, want %v", got, whole)
	}
	if got := names(t, k.dir); !slices.Equal(got, []string{"data", "out"}) {
		t.Errorf("there is %v", got)
	}
	if got := names(t, filepath.Join(k.dir, "data")); !slices.Equal(got, []string{"kallad.db", "kallad.lock", "temp"}) {
		t.Errorf("the data folder holds %v", got)
	}
	if got := names(t, filepath.Join(k.dir, "data", "temp")); len(got) > 0 {
		t.Errorf("the temporary folder holds %v", got)
	}
	if n := k.count("SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled')"); n > 0 {
		t.Errorf("the queue still holds %d", n)
	}
	for _, runID := range k.receiver.runs() {
		if k.kinds[runID] == "" && (k.pending == nil || k.pending.RunID != runID) {
			t.Errorf("%s was never taken", runID)
		}
	}
	t.Logf("%d jobs: %v", len(k.kinds), ended)
}
