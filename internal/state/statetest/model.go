package statetest

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/state"
)

// order is the order of the states as the API's documentation has it.
var order = map[state.RunState]int{"pending": 0, "dispatched": 1, "staging": 2, "matching": 3, "evidence": 4, "completed": 5, "failed": 5, "cancelled": 5}

func final(s state.RunState) bool { return order[s] == 5 }

// testRunModel: whatever callbacks come, in whatever order, whoever crashes,
// claims and cancels, a run moves forward only, ends once, and does end.
func testRunModel(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	s := Open(t, url, clock.Now)
	rapid.Check(t, func(t *rapid.T) {
		n := newRun("")
		n.MaxAttempts = rapid.IntRange(1, 3).Draw(t, "max attempts")
		run, _, err := s.CreateRun(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		id := run.RunID
		// A run of another case whose lease runs out is not ours to look at.
		read := func() *state.Run {
			r, err := s.Run(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		claimed := false
		before := read()
		check := func(c state.Change, o state.Outcome) {
			after := read()
			defer func() { before = after }()
			switch o {
			case state.Stale:
				if !reflect.DeepEqual(before, after) {
					t.Fatalf("%T was stale and changed\n%+v\nto\n%+v", c, before, after)
				}
				return
			case state.Applied:
			default:
				t.Fatalf("%T: %s", c, o)
			}
			if final(before.State) {
				t.Fatalf("%T moved a run that was %s", c, before.State)
			}
			if after.Revision != before.Revision+1 {
				t.Fatalf("revision %d after %d", after.Revision, before.Revision)
			}
			switch {
			case after.Attempt == before.Attempt+1:
				if _, lost := c.(state.Lost); !claimed && !lost || after.State != state.Pending || after.Attempt > n.MaxAttempts {
					t.Fatalf("%T: attempt %d of %d, %s", c, after.Attempt, n.MaxAttempts, after.State)
				}
			case after.Attempt != before.Attempt || order[after.State] < order[before.State]:
				t.Fatalf("%T went back from %s, attempt %d, to %s, attempt %d", c, before.State, before.Attempt, after.State, after.Attempt)
			}
			if final(after.State) != (after.LeaseUntil == nil) || final(after.State) != (after.EndedAt != nil) {
				t.Fatalf("%s with lease %v, end %v", after.State, after.LeaseUntil, after.EndedAt)
			}
		}
		claim := func() {
			runs, err := s.ClaimExpired(ctx, lease, 1000)
			if err != nil {
				t.Fatal(err)
			}
			claimed = true
			o := state.Stale
			for _, r := range runs {
				if r.RunID == id {
					o = state.Applied
				}
			}
			if due := before.LeaseUntil != nil && !before.LeaseUntil.After(clock.Now()); due != (o == state.Applied) {
				t.Fatalf("claimed: %v, with its lease until %v at %v", o, before.LeaseUntil, clock.Now())
			}
			check(nil, o)
			claimed = false
		}

		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			attempt := rapid.IntRange(0, n.MaxAttempts+1).Draw(t, "attempt")
			var c state.Change
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				c = state.Accepted{Attempt: attempt, SchedulerURL: "http://one", Lease: lease}
			case 1, 2, 3:
				stage := rapid.SampledFrom([]kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence}).Draw(t, "stage")
				c = state.Progressed{Attempt: attempt, Lease: lease, Progress: state.Progress{Stage: stage, Fraction: float64(rapid.IntRange(0, 4).Draw(t, "quarter")) / 4}}
			case 4:
				c = state.Alive{Attempt: attempt, Lease: lease}
			case 5:
				if rapid.IntRange(0, 3).Draw(t, "often") == 0 { // else most sequences are short
					c = state.Succeeded{Attempt: attempt}
				}
			case 6:
				if rapid.IntRange(0, 3).Draw(t, "often") == 0 {
					c = state.Broke{Attempt: attempt, Failure: job.Failure{Code: rapid.SampledFrom([]string{"engine", "cancelled"}).Draw(t, "code")}}
				}
			case 7:
				if rapid.IntRange(0, 2).Draw(t, "often") == 0 {
					c = state.CancelRequested{}
				}
			case 8:
				c = state.Lost{Attempt: attempt}
			}
			if c == nil {
				clock.Pass(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
				claim()
				continue
			}
			after, o, err := s.Advance(ctx, id, c)
			if err != nil {
				t.Fatal(err)
			}
			if o == state.Applied && attempt != 0 && attempt != before.Attempt {
				if _, anyAttempt := c.(state.CancelRequested); !anyAttempt {
					t.Fatalf("%T of attempt %d was applied to attempt %d", c, attempt, before.Attempt)
				}
			}
			check(c, o)
			if before.State != after.State || before.Attempt != after.Attempt || before.Revision != after.Revision {
				t.Fatalf("returned %+v, stored %+v", after, before)
			}
		}

		// From here on every scheduler dies as soon as it has the run: it ends all the same.
		for round := 0; !final(before.State); round++ {
			if round > n.MaxAttempts {
				t.Fatalf("stuck: %+v", before)
			}
			c := state.Accepted{SchedulerURL: "http://dead", Lease: lease}
			_, o, err := s.Advance(ctx, id, c)
			if err != nil {
				t.Fatal(err)
			}
			check(c, o)
			clock.Pass(10 * time.Minute)
			claim()
		}
		// The events tell the same story.
		events, err := s.Events(ctx, id, 0, 500)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has number %d", i+1, e.Seq)
			}
			if i > 0 && (e.Attempt < events[i-1].Attempt || e.Attempt == events[i-1].Attempt && order[e.State] < order[events[i-1].State] || final(events[i-1].State)) {
				t.Fatalf("event %+v after %+v", e, events[i-1])
			}
		}
		if last := events[len(events)-1]; last.State != before.State {
			t.Fatalf("the last event is %s, the run %s", last.State, before.State)
		}
	})
}
