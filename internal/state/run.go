package state

import (
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"kalla"
	"kalla/internal/job"
)

// RunState is where a run is.
type RunState string

// The states of a run in order; the last three are final.
const (
	Pending    RunState = "pending" // to be handed to a scheduler
	Dispatched RunState = "dispatched"
	Staging    RunState = "staging"
	Matching   RunState = "matching"
	Evidence   RunState = "evidence"
	Completed  RunState = "completed"
	Failed     RunState = "failed"
	Cancelled  RunState = "cancelled"
)

// RunStates returns all states in order.
func RunStates() []RunState {
	return []RunState{Pending, Dispatched, Staging, Matching, Evidence, Completed, Failed, Cancelled}
}

// Final reports whether the state never changes again.
func (s RunState) Final() bool { return s == Completed || s == Failed || s == Cancelled }

func (s RunState) rank() int { return slices.Index(RunStates(), s) }

// Run is a run of a recipe. Lists leave out Document and Summary.
type Run struct {
	bun.BaseModel `bun:"table:runs"`

	RunID         string            `bun:"run_id,pk"`
	RecipeID      string            `bun:"recipe_id"`      // of the recipe that came with it too
	RecipeVersion int               `bun:"recipe_version"` // 0: the recipe came with the run
	RecipeName    string            `bun:"recipe_name"`
	Document      JSON              `bun:"document"` // the recipe as it runs, without credentials
	Parameters    map[string]string `bun:"parameters"`
	Sealed        []byte            `bun:"request"` // see RunRequest
	Engine        string            `bun:"engine"`  // as asked for: auto, duckdb, trino
	Evidence      string            `bun:"evidence"`
	Target        *kalla.Decimal    `bun:"target"` // match rate that it should reach, 0..1

	State             RunState   `bun:"state"`
	Attempt           int        `bun:"attempt"` // from 1
	MaxAttempts       int        `bun:"max_attempts"`
	SchedulerURL      string     `bun:"scheduler_url"` // that took this attempt
	LeaseUntil        *time.Time `bun:"lease_until"`   // until then somebody takes care of it; nil when final
	HeartbeatAt       *time.Time `bun:"heartbeat_at"`
	CancelRequestedAt *time.Time `bun:"cancel_requested_at"`
	Progress          *Progress  `bun:"progress"` // the latest of this attempt

	MatchedCount        int64             `bun:"matched_count"` // pairs
	UnmatchedLeftCount  int64             `bun:"unmatched_left_count"`
	UnmatchedRightCount int64             `bun:"unmatched_right_count"`
	MatchRate           *kalla.Decimal    `bun:"match_rate"` // 0..1
	Summary             *kalla.Summary    `bun:"summary"`
	Output              string            `bun:"output"` // folder or prefix of the evidence
	OutputPaths         map[string]string `bun:"output_paths"`
	Failure             *job.Failure      `bun:"failure"`

	RerunOf        string     `bun:"rerun_of"`
	IdempotencyKey string     `bun:"idempotency_key,nullzero"` // behind the id of its actor
	Revision       int64      `bun:"revision"`                 // counts the changes
	LastEvent      int64      `bun:"last_event"`               // number of the latest event
	CreatedBy      string     `bun:"created_by"`
	CreatedAt      time.Time  `bun:"created_at"`
	UpdatedAt      time.Time  `bun:"updated_at"`
	StartedAt      *time.Time `bun:"started_at"` // of this attempt
	EndedAt        *time.Time `bun:"ended_at"`
}

// UnderTarget reports whether the run came to less than it should have.
func (r *Run) UnderTarget() bool {
	return r.State == Completed && r.Target != nil && r.MatchRate != nil && r.MatchRate.LessThan(*r.Target)
}

// Progress is how far an attempt is.
type Progress struct {
	Stage         kalla.Stage `json:"stage"`
	Step          string      `json:"step,omitempty"`
	Fraction      float64     `json:"progress"` // 0..1 of the stage
	Source        string      `json:"source,omitempty"`
	MatchedCount  *int64      `json:"matched_count,omitempty"`
	TotalLeft     *int64      `json:"total_left,omitempty"`
	TotalRight    *int64      `json:"total_right,omitempty"`
	RowsPerSecond *int64      `json:"rows_per_second,omitempty"`
	At            time.Time   `json:"at"`
}

// Change is something that happened to a run: one of the types below. Attempt
// is the attempt it happened to; 0, from a scheduler that does not echo it, means the present one.
// Lease is how long from now the run is taken care of.
type Change interface{ change() }

type (
	// Accepted is that a scheduler took the attempt.
	Accepted struct {
		Attempt      int
		SchedulerURL string
		Lease        time.Duration
	}
	// Progressed is that the scheduler got on.
	Progressed struct {
		Attempt  int
		Progress Progress
		Lease    time.Duration
	}
	// Alive is a sign of life, from the scheduler or from whoever tries to hand the run to one.
	Alive struct {
		Attempt int
		Lease   time.Duration
	}
	// Succeeded is that the run is done.
	Succeeded struct {
		Attempt                                               int
		MatchedCount, UnmatchedLeftCount, UnmatchedRightCount int64
		Summary                                               *kalla.Summary
		OutputPaths                                           map[string]string
	}
	// Broke is that the run failed, or, by the code "cancelled", that it was stopped.
	Broke struct {
		Attempt int
		Failure job.Failure
	}
	// Lost is that the scheduler does not know the attempt, which is made again at once.
	Lost struct{ Attempt int }
	// CancelRequested is that somebody wants it stopped.
	CancelRequested struct{}

	// expired is that its lease may have run out.
	expired struct{ lease time.Duration }
)

func (Accepted) change()        {}
func (Progressed) change()      {}
func (Alive) change()           {}
func (Succeeded) change()       {}
func (Broke) change()           {}
func (Lost) change()            {}
func (CancelRequested) change() {}
func (expired) change()         {}

// Outcome is what came of a change.
type Outcome string

// The outcomes. Only the first changed something.
const (
	Applied Outcome = "applied"
	Stale   Outcome = "stale"   // late, repeated, of another attempt, or the run is over
	Unknown Outcome = "unknown" // there is no such run
)

// step is the state machine of runs: nothing else moves one. It goes forward
// only, but for an attempt whose scheduler went silent, which begins again with a higher number. A
// final state stays. It reports what came of the change and whether it is worth an event.
func (r *Run) step(c Change, now time.Time) (o Outcome, event bool) {
	if r.State.Final() {
		return Stale, false
	}
	present := func(attempt int) bool { return attempt == 0 || attempt == r.Attempt }
	hold := func(lease time.Duration) {
		until := micros(now.Add(lease))
		if r.LeaseUntil == nil || until.After(*r.LeaseUntil) {
			r.LeaseUntil = &until
		}
		r.HeartbeatAt = &now
	}
	end := func(s RunState) {
		r.State, r.EndedAt, r.LeaseUntil = s, &now, nil
	}

	switch c := c.(type) {
	case Accepted:
		switch {
		case !present(c.Attempt):
			return Stale, false
		case r.State == Pending:
			r.State, r.SchedulerURL = Dispatched, c.SchedulerURL
			hold(c.Lease)
			return Applied, true
		case r.SchedulerURL == "": // its first progress overtook the answer
			r.SchedulerURL = c.SchedulerURL
			hold(c.Lease)
			return Applied, false
		}
		return Stale, false

	case Progressed:
		to, last := RunState(c.Progress.Stage), r.Progress
		if !present(c.Attempt) || to.rank() < max(r.State.rank(), Staging.rank()) || to.Final() ||
			to == r.State && last != nil && c.Progress.Fraction < last.Fraction {
			return Stale, false
		}
		if r.StartedAt == nil {
			r.StartedAt = &now
		}
		news := last == nil || !sameProgress(*last, c.Progress)
		p := c.Progress
		p.At = now
		r.State, r.Progress = to, &p
		hold(c.Lease)
		return Applied, news

	case Alive:
		if !present(c.Attempt) {
			return Stale, false
		}
		hold(c.Lease)
		return Applied, false

	case Succeeded:
		if !present(c.Attempt) {
			return Stale, false
		}
		r.MatchedCount, r.UnmatchedLeftCount, r.UnmatchedRightCount = c.MatchedCount, c.UnmatchedLeftCount, c.UnmatchedRightCount
		r.Summary, r.OutputPaths = c.Summary, c.OutputPaths
		if c.Summary != nil {
			rate := c.Summary.MatchRate
			r.MatchRate = &rate
		}
		end(Completed)
		return Applied, true

	case Broke:
		if !present(c.Attempt) {
			return Stale, false
		}
		f := c.Failure
		r.Failure = &f
		if f.Code == string(kalla.CodeCanceled) {
			end(Cancelled)
		} else {
			end(Failed)
		}
		return Applied, true

	case CancelRequested:
		switch {
		case r.CancelRequestedAt != nil:
			return Stale, false
		case r.State == Pending: // whoever hands it over at this moment finds it over, and cancels there
			r.CancelRequestedAt = &now
			r.Failure = &job.Failure{Code: string(kalla.CodeCanceled), Message: "it was cancelled before it began"}
			end(Cancelled)
		default:
			r.CancelRequestedAt = &now
		}
		return Applied, true

	case Lost:
		if !present(c.Attempt) || r.State == Pending {
			return Stale, false
		}
		r.again("it does not know the run", now)
		return Applied, true

	case expired:
		switch {
		case r.LeaseUntil.After(now):
			return Stale, false
		case r.State == Pending: // nobody handed it over: the attempt is still to be made
			hold(c.lease)
			r.HeartbeatAt = nil
			return Applied, false
		}
		if r.again("no sign of life since "+r.LeaseUntil.Format(time.RFC3339), now); !r.State.Final() {
			hold(c.lease)
			r.HeartbeatAt = nil
		}
		return Applied, true
	}
	return Stale, false
}

// again makes the next attempt of a run whose scheduler is lost, why says how,
// or ends it where there is none.
func (r *Run) again(why string, now time.Time) {
	switch {
	case r.CancelRequestedAt != nil:
		r.Failure = &job.Failure{Code: string(kalla.CodeCanceled), Message: "it was cancelled; its scheduler is lost: " + why}
		r.State = Cancelled
	case r.Attempt == r.MaxAttempts:
		r.Failure = &job.Failure{Code: string(kalla.CodeEngine), Stage: stageOf(r.State),
			Message: fmt.Sprintf("running the recipe: %s: %s (attempt %d of %d)", r.SchedulerURL, why, r.Attempt, r.MaxAttempts),
			Hint:    "look whether the scheduler runs and reaches the app, then run it again"}
		r.State = Failed
	default:
		r.Attempt++
		r.State, r.SchedulerURL, r.Progress, r.StartedAt = Pending, "", nil, nil
		r.LeaseUntil, r.HeartbeatAt = &now, nil
		return
	}
	r.EndedAt, r.LeaseUntil = &now, nil
}

func stageOf(s RunState) kalla.Stage {
	if s == Staging || s == Matching || s == Evidence {
		return kalla.Stage(s)
	}
	return ""
}

// sameProgress is whether people see no difference.
func sameProgress(a, b Progress) bool {
	same := func(x, y *int64) bool { return x == y || x != nil && y != nil && *x == *y }
	return a.Stage == b.Stage && a.Step == b.Step && a.Fraction == b.Fraction && a.Source == b.Source &&
		same(a.MatchedCount, b.MatchedCount) && same(a.TotalLeft, b.TotalLeft) && same(a.TotalRight, b.TotalRight) && same(a.RowsPerSecond, b.RowsPerSecond)
}
