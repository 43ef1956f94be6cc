//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kalla/internal/job"
)

// TestFaults kills the apps, the scheduler and PostgreSQL at random moments
// while clients start, follow and cancel runs: no run is lost, doubled or stuck.
// KALLA_FAULT_ROUNDS kills more often.
func TestFaults(t *testing.T) {
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("KALLA_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	f := faulty(t, 3000, "20s")
	for client := range 2 {
		f.work.Go(func() { f.submit(client) })
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		f.kill(random)
	}
	close(f.stop)
	last := time.Now()
	f.work.Wait()
	f.check()
	t.Logf("all had ended, and were looked at, %v after the last kill", time.Since(last).Round(time.Millisecond))
	for _, d := range []*daemon{f.apps[0], f.apps[1], f.scheduler} {
		if code := d.end(syscall.SIGTERM); code != 0 {
			t.Errorf("%s ended with %d", d.name, code)
		}
	}
	f.litter()
}

// kill kills what there is at a moment, of four, and starts it again.
func (f *faults) kill(random *rand.Rand) {
	victims := random.Perm(4)[:1+random.IntN(5)/4] // now and then two at once
	for _, v := range victims {
		switch v {
		case 3:
			f.pg.Kill(f.t)
		default:
			_ = f.daemon(v).cmd.Process.Kill()
			<-f.daemon(v).done
		}
	}
	time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	slices.Sort(victims)
	slices.Reverse(victims) // the database first: an app does not start without it
	for _, v := range victims {
		switch v {
		case 3:
			f.pg.Restart(f.t)
		default:
			d := f.daemon(v)
			if random.IntN(5) == 0 { // and once more, while it starts
				p := start(f.t, d.name, d.dir, d.env, d.args...)
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
				_ = p.cmd.Process.Kill()
				<-p.done
			}
			d.start()
		}
	}
}

func (f *faults) daemon(n int) *daemon { return []*daemon{f.apps[0], f.apps[1], f.scheduler}[n] }

// submit starts runs until it is told to stop. Some are asked for twice, some
// are cancelled, some are followed.
func (f *faults) submit(client int) {
	for n := 0; ; n++ {
		select {
		case <-f.stop:
			return
		case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
		}
		var open []runItem
		if !f.read("/api/runs?limit=5&status=pending,dispatched,staging,matching,evidence", &open) {
			return
		}
		if len(open) == 5 {
			continue
		}
		s := &submitted{key: fmt.Sprintf("client-%d-%d", client, n)}
		ids := map[string]bool{}
		for range 1 + n%2 {
			r, ok := f.ask(http.MethodPost, "/api/runs", http.Header{"Idempotency-Key": {s.key}}, f.body)
			var run runItem
			if err := json.Unmarshal(r.text, &run); !ok || err != nil || r.StatusCode != http.StatusOK {
				f.t.Errorf("%s is not taken: %s: %v", s.key, r.text, err)
				return
			}
			ids[run.RunID] = true
		}
		if len(ids) != 1 {
			f.t.Errorf("%s has the runs %v", s.key, slices.Collect(maps.Keys(ids)))
		}
		for id := range ids {
			f.mu.Lock()
			f.runs[id] = s
			f.mu.Unlock()
			switch n % 5 {
			case 1, 3:
				f.work.Go(func() { f.follow(id) })
			case 4:
				s.stopped = true
				time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
				f.ask(http.MethodPost, "/api/runs/"+id+"/cancel", nil, nil)
			}
		}
	}
}

// follow follows a run to its end, at whichever app there is.
func (f *faults) follow(id string) {
	var last int64
	final := false
	for n, limit := 0, time.Now().Add(2*patience); !final && time.Now().Before(limit); n++ {
		header := http.Header{}
		if last > 0 {
			header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
		}
		r, err := f.try(n%2, http.MethodGet, "/api/runs/"+id+"/events", header, nil)
		if err != nil && r.Response == nil || r.StatusCode == http.StatusServiceUnavailable {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if r.StatusCode != http.StatusOK {
			f.t.Errorf("following %s after %d: %s: %s", id, last, r.Status, r.text)
			return
		}
		for _, e := range eventsOf(r.text) { // a stream that broke has ended with a whole event, or with a part, which does not count
			if e.Seq != last+1 || final {
				f.t.Errorf("run %s: event %d after %d", id, e.Seq, last)
			}
			last, final = e.Seq, e.final()
		}
	}
	if !final {
		f.t.Errorf("run %s: the events end with %d", id, last)
	}
}

type runEvent struct {
	Seq    int64  `json:"seq"`
	Status string `json:"status"`
}

func (e runEvent) final() bool {
	return e.Status == "completed" || e.Status == "failed" || e.Status == "cancelled"
}

// eventsOf are the whole events of a stream.
func eventsOf(stream []byte) (events []runEvent) {
	for frame := range strings.SplitAfterSeq(string(stream), "\n\n") {
		_, data, ok := strings.Cut(frame, "\ndata: ")
		var e runEvent
		if ok && strings.HasSuffix(frame, "\n\n") && json.Unmarshal([]byte(data), &e) == nil {
			events = append(events, e)
		}
	}
	return events
}

// check looks at every run.
func (f *faults) check() {
	t, b := f.t, f.at(0)
	ended := map[string]int{}
	attempts := map[int]int{}
	for id, s := range f.runs {
		r := b.ended(id)
		ended[r.Status]++
		attempts[r.Attempt]++
		switch {
		case r.Status == "completed" && (r.Matched != f.truth.Pairs || r.Left != f.truth.Left.Total-f.truth.Left.Matched || r.Right != f.truth.Right.Total-f.truth.Right.Matched),
			r.Status == "cancelled" && !s.stopped, r.Status == "failed":
			t.Errorf("run %s (%s) ended as %+v", id, s.key, r)
		}
		f.proved(b, id, r.Status)
	}
	var all []runItem
	for path := "/api/runs?limit=500"; path != ""; {
		resp := b.send(http.MethodGet, path, nil)
		var page []runItem
		if err := errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		path, _, _ = strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	}
	if len(all) != len(f.runs) {
		t.Errorf("there are %d runs, and %d were asked for", len(all), len(f.runs))
	}
	f.settled()
	var proof struct {
		Whole   bool
		Entries int
	}
	b.call(http.MethodGet, "/api/audit/proof", http.StatusOK, nil, &proof)
	if !proof.Whole {
		t.Error("the audit log is broken")
	}
	t.Logf("%d runs: %v, attempts %v; %d entries in the audit log", len(f.runs), ended, attempts, proof.Entries)
}

// settled waits until the scheduler is done: with the runs there are, each once.
func (f *faults) settled() {
	header := http.Header{"Authorization": {"Bearer " + workerToken}}
	open := -1
	for limit := time.Now().Add(patience); open != 0 && time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		open = 0
		seen := map[string]bool{}
		for page := (job.Page{Next: "?limit=100"}); page.Next != ""; {
			req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.scheduler.base+"/api/jobs"+page.Next, nil)
			if err != nil {
				f.t.Fatal(err)
			}
			req.Header = header
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				f.t.Fatal(err)
			}
			page = job.Page{}
			if err := errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close()); err != nil {
				f.t.Fatal(err)
			}
			for _, j := range page.Jobs {
				if f.runs[j.RunID] == nil || seen[j.RunID] {
					f.t.Errorf("the scheduler has the job %+v, which nobody asked for, or twice", j)
				}
				seen[j.RunID] = true
				if !j.State.Final() {
					open++
				}
			}
			if page.Next != "" {
				page.Next = "?limit=100&cursor=" + url.QueryEscape(page.Next)
			}
		}
	}
	if open != 0 {
		f.t.Errorf("the scheduler still works at %d jobs", open)
	}
}

// proved checks the events, the audit log and the evidence of a run that has ended.
func (f *faults) proved(b *browser, id, status string) {
	t := f.t
	events := eventsOf(b.call(http.MethodGet, "/api/runs/"+id+"/events", http.StatusOK, nil, nil))
	for i, e := range events {
		if e.Seq != int64(i+1) || e.final() != (i == len(events)-1) {
			t.Errorf("run %s: event %d of %d is %+v", id, i+1, len(events), e)
		}
	}
	if len(events) == 0 || events[len(events)-1].Status != status {
		t.Errorf("run %s is %s, and its events are %v", id, status, events)
	}
	var log []struct{ Action string }
	b.call(http.MethodGet, "/api/audit?object_type=run&object_id="+id, http.StatusOK, nil, &log)
	var actions []string
	for _, e := range slices.Backward(log) {
		if e.Action != "run.request_cancel" {
			actions = append(actions, e.Action)
		}
	}
	end := map[string]string{"completed": "run.complete", "cancelled": "run.cancel", "failed": "run.fail"}[status]
	if !slices.Equal(actions, []string{"run.create", end}) {
		t.Errorf("run %s is %s, and the audit log has %v", id, status, actions)
	}
	if status != "completed" {
		return
	}
	var proof struct {
		Findings []json.RawMessage `json:"findings"`
		Checks   []json.RawMessage `json:"checks"`
	}
	b.call(http.MethodGet, "/api/runs/"+id+"/verify", http.StatusOK, nil, &proof)
	if len(proof.Findings) > 0 || len(proof.Checks) == 0 {
		t.Errorf("the evidence of run %s: %s", id, proof.Findings)
	}
}

// litter looks for what should not be there any more, once everything has stopped.
func (f *faults) litter() {
	var completed []string
	for id, s := range f.runs {
		if _, err := os.Stat(filepath.Join(f.dir, "data", "runs", id, "manifest.json")); err == nil {
			completed = append(completed, id)
		} else if !s.stopped {
			f.t.Errorf("run %s has no evidence: %v", id, err)
		}
	}
	slices.Sort(completed)
	for dir, want := range map[string][]string{
		"data/runs": completed, "scheduler": {"kallad.db", "kallad.lock"}, ".": {"data", "scheduler"},
	} {
		entries, err := os.ReadDir(filepath.Join(f.dir, dir))
		if err != nil {
			f.t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			f.t.Errorf("%s holds %v, want %v", dir, got, want)
		}
	}
}
