package state

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"kalla"
	"kalla/internal/job"
)

// Event is one thing that happened to a run, in the order of Seq, for people to follow.
type Event struct {
	bun.BaseModel `bun:"table:run_events"`

	RunID    string       `bun:"run_id,pk"`
	Seq      int64        `bun:"seq,pk"` // from 1; old progress is left out
	Kind     EventKind    `bun:"kind"`
	State    RunState     `bun:"state"`
	Attempt  int          `bun:"attempt"`
	Progress *Progress    `bun:"progress"`
	Failure  *job.Failure `bun:"failure"`
	At       time.Time    `bun:"at"`
}

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	StateEvent    EventKind = "state"
	ProgressEvent EventKind = "progress"
)

// Of the progress of a run this many events stay at least, and no more than a quarter more.
const keptProgress = 256

// NewRun is a run that is to be.
type NewRun struct {
	RunID          string // empty: a new one
	RecipeID       string
	RecipeVersion  int // 0: the recipe comes with the run
	RecipeName     string
	Document       JSON // the recipe as it runs, without credentials
	Parameters     map[string]string
	Request        []byte // what the scheduler gets, with credentials; stored sealed
	Engine         string
	Evidence       string
	Target         *kalla.Decimal
	Output         string
	MaxAttempts    int           // 0 means 3
	Lease          time.Duration // how long until it is given out again if nobody hands it to a scheduler
	RerunOf        string
	IdempotencyKey string // the same again, by the same actor, returns the run that is there
}

const defaultMaxAttempts = 3

func runPlace(id string) []string { return []string{"runs", "request", id} }

// CreateRun adds a pending run. It reports whether it is new: with an
// idempotency key that is there already, it is that run. A run_id that is there is ErrExists.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (run *Run, created bool, err error) {
	err = s.change(ctx, "creating the run", func(ctx context.Context, tx bun.Tx) error {
		run, created = &Run{}, false
		key, who, now := "", actor(ctx).ID, s.clock()
		if n.IdempotencyKey != "" {
			key = who + " " + n.IdempotencyKey
			err := tx.NewSelect().Model(run).Where("idempotency_key = ?", key).Scan(ctx)
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		until := micros(now.Add(n.Lease))
		*run = Run{
			RunID: n.RunID, RecipeID: n.RecipeID, RecipeVersion: n.RecipeVersion, RecipeName: n.RecipeName, Document: n.Document,
			Parameters: n.Parameters, Engine: n.Engine, Evidence: n.Evidence, Target: n.Target, Output: n.Output, RerunOf: n.RerunOf,
			IdempotencyKey: key, State: Pending, Attempt: 1, MaxAttempts: n.MaxAttempts, LeaseUntil: &until,
			Revision: 1, LastEvent: 1, CreatedBy: who, CreatedAt: now, UpdatedAt: now,
		}
		if run.RunID == "" {
			run.RunID = newID()
		}
		if run.MaxAttempts <= 0 {
			run.MaxAttempts = defaultMaxAttempts
		}
		if n.Request != nil {
			run.Sealed = s.keys.Seal(n.Request, runPlace(run.RunID)...)
		}
		insert := tx.NewInsert().Model(run)
		if key != "" {
			insert = insert.On("CONFLICT (idempotency_key) DO NOTHING")
		}
		if inserted, err := changed(insert.Exec(ctx)); err != nil || !inserted {
			if err == nil {
				err = errOvertaken
			}
			return err
		}
		created = true
		if err := appendEvent(ctx, tx, run, StateEvent); err != nil {
			return err
		}
		return s.audit(ctx, tx, "run.create", "run", run.RunID, map[string]any{"recipe_id": run.RecipeID, "version": run.RecipeVersion})
	})
	if err != nil {
		return nil, false, err
	}
	run.Sealed = nil
	return run, created, nil
}

func appendEvent(ctx context.Context, tx bun.Tx, r *Run, kind EventKind) error {
	e := &Event{RunID: r.RunID, Seq: r.LastEvent, Kind: kind, State: r.State, Attempt: r.Attempt, Progress: r.Progress, Failure: r.Failure, At: r.UpdatedAt}
	if _, err := tx.NewInsert().Model(e).Exec(ctx); err != nil {
		return err
	}
	if kind == StateEvent || e.Seq%(keptProgress/4) != 0 {
		return nil
	}
	_, err := tx.NewDelete().Model((*Event)(nil)).Where("run_id = ?", r.RunID).Where("kind = ?", ProgressEvent).Where("seq <= ?", e.Seq-keptProgress).Exec(ctx)
	return err
}

// Advance tells the store what happened to a run. The run is as it is then; it
// is nil when the outcome is Unknown. What is late or comes twice changes nothing.
func (s *Store) Advance(ctx context.Context, runID string, c Change) (run *Run, o Outcome, err error) {
	err = s.change(ctx, "noting what happened to the run", func(ctx context.Context, tx bun.Tx) error {
		run = &Run{}
		err := s.forUpdate(light(tx.NewSelect().Model(run)).Where("run_id = ?", runID)).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			run, o = nil, Unknown
			return nil
		}
		if err != nil {
			return err
		}
		o, err = s.advance(ctx, tx, run, c)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return run, o, nil
}

// light leaves out what is large, secret and never changes.
func light(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ExcludeColumn("document", "request", "summary")
}

// advance makes one step of a run that the transaction holds.
func (s *Store) advance(ctx context.Context, tx bun.Tx, r *Run, c Change) (Outcome, error) {
	before, revision, now := r.State, r.Revision, s.clock()
	o, event := r.step(c, now)
	if o != Applied {
		return o, nil
	}
	r.Revision++
	r.UpdatedAt = now
	if event {
		r.LastEvent++
	}
	update := tx.NewUpdate().Model(r).WherePK().Where("revision = ?", revision).ExcludeColumn("run_id", "document", "request", "created_at")
	if r.State != Completed {
		update = update.ExcludeColumn("summary")
	}
	ok, err := changed(update.Exec(ctx))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", stale("noting what happened to the run", r.RunID)
	}
	if event {
		kind := StateEvent
		if _, progressed := c.(Progressed); progressed && before == r.State {
			kind = ProgressEvent
		}
		if err := appendEvent(ctx, tx, r, kind); err != nil {
			return "", err
		}
	}
	return o, s.auditRun(ctx, tx, r, c)
}

// auditRun records how a run ended, and who wanted it to.
func (s *Store) auditRun(ctx context.Context, tx bun.Tx, r *Run, c Change) error {
	action, detail := "", map[string]any{"attempt": r.Attempt}
	switch r.State {
	case Completed:
		action = "run.complete"
		detail["matched"], detail["unmatched_left"], detail["unmatched_right"] = r.MatchedCount, r.UnmatchedLeftCount, r.UnmatchedRightCount
	case Failed:
		action = "run.fail"
		detail["code"] = r.Failure.Code
	case Cancelled:
		action = "run.cancel"
	default:
		if _, ok := c.(CancelRequested); !ok {
			return nil
		}
		action = "run.request_cancel"
	}
	return s.audit(ctx, tx, action, "run", r.RunID, detail)
}

// ClaimExpired takes up the runs whose lease has run out, the longest first, and
// returns them as they are then: those that are Pending are to be handed to a
// scheduler, within the lease; the others are over. Several processes may ask
// at once: each run is given to one.
func (s *Store) ClaimExpired(ctx context.Context, lease time.Duration, limit int) ([]Run, error) {
	var claimed []Run
	err := s.change(ctx, "taking up runs", func(ctx context.Context, tx bun.Tx) error {
		claimed = []Run{}
		var runs []Run
		err := s.skipLocked(light(tx.NewSelect().Model(&runs)).Where("lease_until <= ?", s.clock()).OrderBy("lease_until", bun.OrderAsc).Limit(int64(limit))).Scan(ctx)
		if err != nil {
			return err
		}
		for i := range runs {
			o, err := s.advance(ctx, tx, &runs[i], expired{lease: lease})
			if err != nil {
				return err
			}
			if o == Applied {
				claimed = append(claimed, runs[i])
			}
		}
		return nil
	})
	return claimed, err
}

// Run returns everything about a run but its request.
func (s *Store) Run(ctx context.Context, id string) (*Run, error) {
	return one[Run](ctx, s, "reading the run", "run", id, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.ExcludeColumn("request").Where("run_id = ?", id)
	})
}

// RunRequest opens what the scheduler gets; nil if the run was created without.
func (s *Store) RunRequest(ctx context.Context, id string) ([]byte, error) {
	r, err := one[Run](ctx, s, "opening the run's request", "run", id, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Column("request").Where("run_id = ?", id)
	})
	if err != nil || r.Sealed == nil {
		return nil, err
	}
	return s.keys.Open(r.Sealed, runPlace(id)...)
}

// RunFilter chooses runs; empty fields choose all.
type RunFilter struct {
	RecipeID  string
	States    []RunState
	CreatedBy string
	Since     time.Time // made at that time or later
}

func (f RunFilter) where(q *bun.SelectQuery) *bun.SelectQuery {
	if f.RecipeID != "" {
		q = q.Where("recipe_id = ?", f.RecipeID)
	}
	if len(f.States) > 0 {
		q = q.Where("state IN (?)", bun.List(f.States))
	}
	if f.CreatedBy != "" {
		q = q.Where("created_by = ?", f.CreatedBy)
	}
	if !f.Since.IsZero() {
		q = q.Where("created_at >= ?", micros(f.Since))
	}
	return q
}

// Runs returns runs, the newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter, p Page) (List[Run], error) {
	return page(ctx, s, "listing the runs", p, "run_id", func(x *Run) (time.Time, string) { return x.CreatedAt, x.RunID },
		func(q *bun.SelectQuery) *bun.SelectQuery { return f.where(light(q)) })
}

const latestAtOnce = 100 // recipes whose runs one statement looks for; SQLite takes 500 parts of a union

// LatestRuns returns, by recipe, the last n runs that pass, the newest first,
// without parameters, output paths and progress. Without recipes in recipeIDs
// it is those of all. One look at an index for each recipe costs less than
// ranking all their runs, and one statement for many less than one for each.
func (s *Store) LatestRuns(ctx context.Context, f RunFilter, n int, recipeIDs ...string) (map[string][]Run, error) {
	latest := map[string][]Run{}
	err := s.query(ctx, "listing the latest runs", func(ctx context.Context) error {
		clear(latest)
		ids := slices.Clone(recipeIDs)
		if len(ids) == 0 {
			if err := s.read.NewSelect().Model((*Run)(nil)).Column("recipe_id").Distinct().Scan(ctx, &ids); err != nil {
				return err
			}
		}
		for some := range slices.Chunk(ids, latestAtOnce) {
			parts := make([]any, len(some))
			for i, id := range some {
				f.RecipeID = id
				parts[i] = f.where(light(s.read.NewSelect().Model((*Run)(nil)))).ExcludeColumn("parameters", "output_paths", "progress").
					OrderBy("created_at", bun.OrderDesc).OrderBy("run_id", bun.OrderDesc).Limit(int64(n))
			}
			union := strings.TrimSuffix(strings.Repeat("SELECT * FROM (?) AS part UNION ALL ", len(parts)), " UNION ALL ")
			var runs []Run
			if err := s.read.NewRaw(union, parts...).Scan(ctx, &runs); err != nil {
				return err
			}
			slices.SortFunc(runs, func(a, b Run) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.RunID, a.RunID)) })
			for _, r := range runs {
				latest[r.RecipeID] = append(latest[r.RecipeID], r)
			}
		}
		return nil
	})
	return latest, err
}

// Events returns up to limit events of a run after a number, in order: what
// somebody who saw that one has missed. There may be more.
func (s *Store) Events(ctx context.Context, runID string, after int64, limit int) ([]Event, error) {
	events := []Event{}
	err := s.query(ctx, "reading the events of the run", func(ctx context.Context) error {
		events = events[:0]
		return s.read.NewSelect().Model(&events).Where("run_id = ?", runID).Where("seq > ?", after).OrderBy("seq", bun.OrderAsc).Limit(Page{Limit: limit}.limit()).Scan(ctx)
	})
	return events, err
}

// Approval is what somebody decided about a completed run.
type Approval struct {
	bun.BaseModel `bun:"table:approvals"`

	ID        string    `bun:"id,pk"`
	RunID     string    `bun:"run_id"`
	Decision  string    `bun:"decision"` // approved or rejected
	Comment   string    `bun:"comment"`
	DecidedBy string    `bun:"decided_by"`
	CreatedAt time.Time `bun:"created_at"`
}

// Decide notes a decision about a run, which must be completed. Who may decide is for the caller to know.
func (s *Store) Decide(ctx context.Context, runID, decision, comment string) (*Approval, error) {
	const op = "deciding about the run"
	a := &Approval{ID: newID(), RunID: runID, Decision: decision, Comment: comment, DecidedBy: actor(ctx).ID}
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		var r Run
		err := tx.NewSelect().Model(&r).Column("state").Where("run_id = ?", runID).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(op, "run", runID)
		}
		if err != nil {
			return err
		}
		if r.State != Completed {
			return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: runID, Why: "the run is " + string(r.State), Hint: "only a completed run can be decided about", Err: ErrConstraint}
		}
		a.CreatedAt = s.clock()
		if _, err := tx.NewInsert().Model(a).Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, "run."+decision, "run", runID, map[string]any{"comment": comment})
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Approvals returns the decisions about a run, the oldest first.
func (s *Store) Approvals(ctx context.Context, runID string) ([]Approval, error) {
	list := []Approval{}
	err := s.query(ctx, "reading the decisions about the run", func(ctx context.Context) error {
		list = list[:0]
		return s.read.NewSelect().Model(&list).Where("run_id = ?", runID).Order("created_at", "id").Scan(ctx)
	})
	return list, err
}
