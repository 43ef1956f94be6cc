package statetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/state"
)

const lease = time.Minute

func newRun(id string) state.NewRun {
	return state.NewRun{RunID: id, RecipeID: "r", RecipeVersion: 1, Document: state.JSON(`{"kalla":1}`), Lease: lease}
}

func progressed(stage kalla.Stage, fraction float64) state.Progressed {
	return state.Progressed{Attempt: 1, Progress: state.Progress{Stage: stage, Fraction: fraction}, Lease: lease}
}

func testRunLife(t *testing.T, url string) {
	ctx, clock := as(t.Context(), "ada"), NewClock()
	s := Open(t, url, clock.Now)
	target := decimal.RequireFromString("0.95")
	n := newRun("")
	n.Target, n.Parameters, n.Request, n.Output = &target, map[string]string{"month": "2026-10"}, []byte(`{"uri":"postgres://u:s3cr3t@db"}`), "/data/runs/1"
	run, created, err := s.CreateRun(ctx, n)
	ok(t, err)
	if !created || run.State != state.Pending || run.Attempt != 1 || run.CreatedBy != "ada" {
		t.Fatalf("created %+v", run)
	}
	id := run.RunID
	equal(t, "request", string(must(s.RunRequest(ctx, id))(t)), string(n.Request))
	_, _, err = s.CreateRun(ctx, newRun(id))
	wantErr(t, err, state.ErrExists)

	rate := decimal.RequireFromString("0.9499")
	succeeded := state.Succeeded{Attempt: 1, MatchedCount: 9, UnmatchedLeftCount: 2, UnmatchedRightCount: 3,
		Summary:     &kalla.Summary{RunID: id, MatchRate: rate, Left: kalla.SideSummary{Sums: map[string]kalla.SumTriple{"amount": {Total: decimal.RequireFromString("123456789012345678.90")}}}},
		OutputPaths: map[string]string{"matched": "/data/runs/1/matched.parquet"}}
	for i, step := range []struct {
		change state.Change
		want   state.Outcome
		state  state.RunState
	}{
		{progressed("", 0), state.Stale, state.Pending},
		{progressed("completed", 0), state.Stale, state.Pending},
		{state.Accepted{Attempt: 2, Lease: lease}, state.Stale, state.Pending},
		{state.Alive{Attempt: 1, Lease: lease}, state.Applied, state.Pending},
		{state.Accepted{Attempt: 1, SchedulerURL: "http://one", Lease: lease}, state.Applied, state.Dispatched},
		{state.Accepted{Attempt: 1, SchedulerURL: "http://two", Lease: lease}, state.Stale, state.Dispatched},
		{progressed(kalla.StageStaging, 0.5), state.Applied, state.Staging},
		{progressed(kalla.StageStaging, 0.5), state.Applied, state.Staging}, // a sign of life
		{progressed(kalla.StageStaging, 0.4), state.Stale, state.Staging},
		{state.Progressed{Attempt: 0, Progress: state.Progress{Stage: kalla.StageMatching}, Lease: lease}, state.Applied, state.Matching},
		{progressed(kalla.StageStaging, 1), state.Stale, state.Matching},
		{state.Succeeded{Attempt: 2}, state.Stale, state.Matching},
		{state.CancelRequested{}, state.Applied, state.Matching},
		{state.CancelRequested{}, state.Stale, state.Matching},
		{progressed(kalla.StageEvidence, 0.1), state.Applied, state.Evidence},
		{succeeded, state.Applied, state.Completed},
		{succeeded, state.Stale, state.Completed},
		{state.Broke{Attempt: 1, Failure: job.Failure{Code: "engine"}}, state.Stale, state.Completed},
		{state.Broke{Attempt: 9, Failure: job.Failure{Code: "engine"}}, state.Stale, state.Completed},
		{state.CancelRequested{}, state.Stale, state.Completed},
		{progressed(kalla.StageEvidence, 1), state.Stale, state.Completed},
		{state.Alive{Lease: lease}, state.Stale, state.Completed},
	} {
		clock.Pass(time.Second)
		before := must(s.Run(ctx, id))(t)
		returned, o, err := s.Advance(ctx, id, step.change)
		ok(t, err)
		after := must(s.Run(ctx, id))(t)
		if o != step.want || after.State != step.state || returned.State != step.state {
			t.Fatalf("step %d, %T: %s, %s; want %s, %s", i, step.change, o, after.State, step.want, step.state)
		}
		if o == state.Stale && !reflect.DeepEqual(before, after) {
			t.Fatalf("step %d, %T, came late and changed\n%+v\nto\n%+v", i, step.change, before, after)
		}
	}
	got := must(s.Run(ctx, id))(t)
	if got.MatchedCount != 9 || got.UnmatchedRightCount != 3 || !got.MatchRate.Equal(rate) || !got.UnderTarget() || got.SchedulerURL != "http://one" ||
		got.Summary.Left.Sums["amount"].Total.String() != "123456789012345678.9" || got.OutputPaths["matched"] == "" || got.Parameters["month"] != "2026-10" {
		t.Errorf("completed as %+v", got)
	}
	if got.LeaseUntil != nil || got.EndedAt == nil || got.StartedAt == nil || !got.StartedAt.Before(*got.EndedAt) || got.EndedAt.Location() != time.UTC {
		t.Errorf("times of %+v", got)
	}
	if list := must(s.Runs(ctx, state.RunFilter{}, state.Page{}))(t); list.Items[0].Summary != nil || list.Items[0].Document != nil || !list.Items[0].MatchRate.Equal(rate) {
		t.Errorf("listed as %+v", list.Items[0])
	}
	run, o, err := s.Advance(ctx, "nobody", state.Alive{})
	if run != nil || o != state.Unknown || err != nil {
		t.Errorf("an unknown run: %v, %s, %v", run, o, err)
	}
	_, err = s.Run(ctx, "nobody")
	wantErr(t, err, state.ErrNotFound)

	// Before it was handed over, a run is cancelled at once; whoever hands it over sees it.
	_, _, err = s.CreateRun(ctx, newRun("early"))
	ok(t, err)
	run, _, err = s.Advance(ctx, "early", state.CancelRequested{})
	ok(t, err)
	equal(t, "state", run.State, state.Cancelled)
	_, o, err = s.Advance(ctx, "early", state.Accepted{Attempt: 1, Lease: lease})
	ok(t, err)
	equal(t, "outcome", o, state.Stale)

	// The first progress may overtake the answer of the scheduler, whose URL is still noted.
	_, _, err = s.CreateRun(ctx, newRun("quick"))
	ok(t, err)
	_, _, err = s.Advance(ctx, "quick", progressed(kalla.StageStaging, 0))
	ok(t, err)
	run, o, err = s.Advance(ctx, "quick", state.Accepted{Attempt: 1, SchedulerURL: "http://one", Lease: lease})
	ok(t, err)
	if o != state.Applied || run.State != state.Staging || run.SchedulerURL != "http://one" {
		t.Errorf("%s: %+v", o, run)
	}
	run, _, err = s.Advance(ctx, "quick", state.Broke{Failure: job.Failure{Code: "cancelled", Message: "stopped"}})
	ok(t, err)
	equal(t, "state", run.State, state.Cancelled)
}

// testRunRaces: of many callbacks at once that end a run, one does; of many
// requests with one idempotency key, one creates a run.
func testRunRaces(t *testing.T, url string) {
	ctx := t.Context()
	stores := []*state.Store{Open(t, url, nil), Open(t, url, nil)}
	var wg sync.WaitGroup
	var created, applied atomic.Int64
	ids := make([]string, 20)
	for i := range ids {
		wg.Go(func() {
			n := newRun("")
			n.IdempotencyKey = "once"
			run, isNew, err := stores[i%2].CreateRun(ctx, n)
			if err != nil {
				t.Errorf("creating: %v", err)
				return
			}
			if isNew {
				created.Add(1)
			}
			ids[i] = run.RunID
		})
	}
	wg.Wait()
	equal(t, "created", created.Load(), 1)
	slices.Sort(ids)
	equal(t, "different runs", len(slices.Compact(ids)), 1)

	for i := range 20 {
		wg.Go(func() {
			var c state.Change = state.Succeeded{Attempt: 1, MatchedCount: int64(i), Summary: &kalla.Summary{}}
			if i%2 == 0 {
				c = state.Broke{Attempt: 1, Failure: job.Failure{Code: "engine", Message: fmt.Sprint(i)}}
			}
			_, o, err := stores[i/2%2].Advance(ctx, ids[0], c)
			if err != nil {
				t.Errorf("advancing: %v", err)
			}
			if o == state.Applied {
				applied.Add(1)
			}
		})
	}
	wg.Wait()
	equal(t, "applied", applied.Load(), 1)
	equal(t, "events", len(must(stores[0].Events(ctx, ids[0], 0, 0))(t)), 2)
}

// testClaims: many processes take up what others left, each run once.
func testClaims(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	stores := []*state.Store{Open(t, url, clock.Now), Open(t, url, clock.Now)}
	const runs = 60
	for i := range runs {
		id := fmt.Sprintf("r%02d", i)
		n := newRun(id)
		n.MaxAttempts = 1 + i%3
		_, _, err := stores[0].CreateRun(ctx, n)
		ok(t, err)
		if i%4 != 0 { // every fourth was never handed over
			_, _, err = stores[0].Advance(ctx, id, state.Accepted{Attempt: 1, SchedulerURL: "http://one", Lease: lease})
			ok(t, err)
		}
		if i%4 == 2 {
			_, _, err = stores[0].Advance(ctx, id, state.CancelRequested{})
			ok(t, err)
		}
	}
	equal(t, "claimed before its time", len(must(stores[0].ClaimExpired(ctx, lease, 100))(t)), 0)
	clock.Pass(lease)

	var mu sync.Mutex
	claimed := map[string]int{}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for {
				got, err := stores[i%2].ClaimExpired(ctx, lease, 7)
				if err != nil {
					t.Errorf("claiming: %v", err)
				}
				// What others hold at this moment is theirs.
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, r := range got {
					claimed[r.RunID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	equal(t, "claimed runs", len(claimed), runs)
	for i := range runs {
		id := fmt.Sprintf("r%02d", i)
		equal(t, "claims of "+id, claimed[id], 1)
		r := must(stores[1].Run(ctx, id))(t)
		wantState, wantAttempt := state.Pending, 2
		switch {
		case i%4 == 0:
			wantAttempt = 1
		case i%4 == 2:
			wantState, wantAttempt = state.Cancelled, 1
		case i%3 == 0:
			wantState, wantAttempt = state.Failed, 1
			if r.Failure == nil || r.Failure.Hint == "" || r.Failure.Code != "engine" {
				t.Errorf("%s failed as %+v", id, r.Failure)
			}
		}
		if r.State != wantState || r.Attempt != wantAttempt {
			t.Errorf("%s is %s, attempt %d; want %s, %d", id, r.State, r.Attempt, wantState, wantAttempt)
		}
	}
	// What the silent attempt says afterwards is of no interest, even if it was successful.
	_, o, err := stores[0].Advance(ctx, "r01", state.Succeeded{Attempt: 1})
	ok(t, err)
	equal(t, "late success", o, state.Stale)
}

// testEvents: who follows a run sees all states and the latest progress, in
// order, from wherever they left off, and a long run does not fill the disk.
func testEvents(t *testing.T, url string) {
	ctx := t.Context()
	s := Open(t, url, nil)
	_, _, err := s.CreateRun(ctx, newRun("r"))
	ok(t, err)
	const steps = 700
	for i := range steps {
		_, o, err := s.Advance(ctx, "r", progressed(kalla.StageStaging, float64(i)/steps))
		ok(t, err)
		equal(t, "outcome", o, state.Applied)
	}
	_, _, err = s.Advance(ctx, "r", state.Broke{Attempt: 1, Failure: job.Failure{Code: "engine", Message: "out of memory"}})
	ok(t, err)

	var all []state.Event
	for after := int64(0); ; {
		page := must(s.Events(ctx, "r", after, 100))(t)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		after = page[len(page)-1].Seq
	}
	if !slices.IsSortedFunc(all, func(a, b state.Event) int { return int(a.Seq - b.Seq) }) {
		t.Error("the events are not in order")
	}
	var states []state.RunState
	progress := 0
	for _, e := range all {
		if e.Kind == state.StateEvent {
			states = append(states, e.State)
		} else {
			progress++
		}
	}
	if want := []state.RunState{state.Pending, state.Staging, state.Failed}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	if progress < 256 || progress > 320 {
		t.Errorf("%d events of progress are kept", progress)
	}
	last := all[len(all)-2:]
	if last[0].Progress.Fraction != float64(steps-1)/steps || last[1].Failure.Message != "out of memory" || last[1].Seq != steps+2 {
		t.Errorf("the last events are %+v", last)
	}
}

func testLatestRuns(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	s := Open(t, url, clock.Now)
	for i := range 12 {
		clock.Pass(time.Second)
		n := newRun(fmt.Sprintf("%02d", i))
		n.RecipeID = fmt.Sprint("r", i%3)
		_, _, err := s.CreateRun(ctx, n)
		ok(t, err)
		if i < 6 {
			_, _, err = s.Advance(ctx, n.RunID, state.Succeeded{Summary: &kalla.Summary{}})
			ok(t, err)
		}
	}
	ids := func(m map[string][]state.Run, err error) string {
		ok(t, err)
		text := ""
		for _, recipe := range []string{"r0", "r1", "r2"} {
			for _, r := range m[recipe] {
				text += " " + r.RunID
			}
			text += ";"
		}
		return text
	}
	equal(t, "all", ids(s.LatestRuns(ctx, state.RunFilter{}, 2)), " 09 06; 10 07; 11 08;")
	equal(t, "completed", ids(s.LatestRuns(ctx, state.RunFilter{States: []state.RunState{state.Completed}}, 1)), " 03; 04; 05;")
	equal(t, "of some", ids(s.LatestRuns(ctx, state.RunFilter{}, 3, "r2", "r0")), " 09 06 03;; 11 08 05;")
}

func testApprovals(t *testing.T, url string) {
	ctx := as(t.Context(), "ann")
	s := Open(t, url, nil)
	_, _, err := s.CreateRun(ctx, newRun("r"))
	ok(t, err)
	_, err = s.Decide(ctx, "r", "approved", "")
	wantErr(t, err, state.ErrConstraint)
	_, err = s.Decide(ctx, "x", "approved", "")
	wantErr(t, err, state.ErrNotFound)
	_, _, err = s.Advance(ctx, "r", state.Succeeded{})
	ok(t, err)
	_, err = s.Decide(ctx, "r", "perhaps", "")
	wantErr(t, err, state.ErrConstraint)
	must(s.Decide(ctx, "r", "rejected", "B-17 is missing"))(t)
	must(s.Decide(as(ctx, "bob"), "r", "approved", "found"))(t)
	list := must(s.Approvals(ctx, "r"))(t)
	if len(list) != 2 || list[0].DecidedBy != "ann" || list[0].Comment != "B-17 is missing" || list[1].Decision != "approved" {
		t.Errorf("decisions %+v", list)
	}
}
