package server

import (
	"context"
	"sync"
	"time"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/state"
)

// runItems are runs as lists show them.
func (s *Server) runItems(ctx context.Context, runs []state.Run) ([]RunItem, error) {
	items := make([]RunItem, len(runs))
	for i := range runs {
		items[i] = s.runItem(ctx, &runs[i])
	}
	return items, ctx.Err()
}

func (s *Server) runItem(ctx context.Context, r *state.Run) RunItem {
	item := RunItem{
		RunID: r.RunID, RecipeID: r.RecipeID, RecipeName: r.RecipeName, RecipeVersion: r.RecipeVersion, Status: RunState(r.State), Attempt: r.Attempt,
		MatchedCount: r.MatchedCount, UnmatchedLeftCount: r.UnmatchedLeftCount, UnmatchedRightCount: r.UnmatchedRightCount,
		MatchRate: r.MatchRate, Target: r.Target, UnderTarget: r.UnderTarget(), CreatedBy: s.people.name(ctx, r.CreatedBy),
		Created: r.CreatedAt, Updated: r.UpdatedAt, Started: r.StartedAt, Ended: r.EndedAt,
	}
	if r.Failure != nil {
		item.ErrorMessage = &r.Failure.Message
	}
	return item
}

// runOf is everything about a run.
func (s *Server) runOf(ctx context.Context, r *state.Run) (Run, error) {
	out := Run{
		RunItem: s.runItem(ctx, r), LatestProgress: progressOf(r.Progress), Summary: r.Summary, Error: r.Failure, Parameters: r.Parameters,
		Recipe: []byte(r.Document), Engine: r.Engine, RerunOf: r.RerunOf, HasEvidence: r.State == state.Completed,
		OutputMatched: at(r.OutputPaths, "matched"), OutputUnmatchedLeft: at(r.OutputPaths, "unmatched_left"), OutputUnmatchedRight: at(r.OutputPaths, "unmatched_right"),
	}
	if r.Summary != nil {
		out.Engine = r.Summary.Engine.Name
	}
	var err error
	if out.Sentences, err = s.explained.of(r); err != nil {
		return out, err
	}
	approvals, err := s.store.Approvals(ctx, r.RunID)
	for _, a := range approvals {
		out.Approvals = append(out.Approvals, s.approval(ctx, a))
	}
	return out, err
}

func sentencesOf(r *kalla.Recipe) []Sentence {
	said := recipe.Explain(r)
	out := make([]Sentence, len(said))
	for i, x := range said {
		out[i] = Sentence(x)
	}
	return out
}

// explained keeps the sentences of runs, whose recipes never change: who waits
// for a run asks for it again and again.
type explained struct {
	mu    sync.Mutex
	known map[string][]Sentence // by run id
}

const maxExplained = 500

func (x *explained) of(r *state.Run) ([]Sentence, error) {
	x.mu.Lock()
	known, ok := x.known[r.RunID]
	x.mu.Unlock()
	if ok {
		return known, nil
	}
	doc, err := recipe.Parse(r.Document, r.RecipeID)
	if err != nil {
		return nil, err
	}
	drafted, _ := doc.Draft(nil) // it ran: what is wrong with it was said then
	known = sentencesOf(drafted)
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.known) >= maxExplained {
		clear(x.known)
	}
	x.known[r.RunID] = known
	return known, nil
}

func at(paths map[string]string, name string) *string {
	if path, ok := paths[name]; ok {
		return &path
	}
	return nil
}

func progressOf(p *state.Progress) *RunProgress {
	if p == nil {
		return nil
	}
	from, to := job.Span(p.Stage)
	return &RunProgress{
		Stage: string(p.Stage), Step: p.Step, Progress: p.Fraction, Overall: from + (to-from)*p.Fraction, Source: p.Source,
		MatchedCount: p.MatchedCount, TotalLeft: p.TotalLeft, TotalRight: p.TotalRight, RowsPerSecond: p.RowsPerSecond, Updated: p.At,
	}
}

func eventOf(e *state.Event) RunEvent {
	return RunEvent{Seq: e.Seq, RunID: e.RunID, Status: RunState(e.State), Attempt: e.Attempt, Progress: progressOf(e.Progress), Error: e.Failure, At: e.At}
}

// people are the names of users by their ids, which runs and versions hold.
type people struct {
	store *state.Store
	now   func() time.Time

	mu    sync.Mutex
	known map[string]person
}

type person struct {
	name  string
	until time.Time
}

const (
	personKept = time.Minute
	maxPeople  = 10_000
)

// name is the e-mail address of a user, and the id of who is none any more or
// cannot be looked up: a name is not worth a failed answer.
func (p *people) name(ctx context.Context, id string) string {
	if id == "" || id == "system" {
		return id
	}
	now := p.now()
	p.mu.Lock()
	known, ok := p.known[id]
	p.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.name
	}
	name := id
	if user, err := p.store.User(ctx, id); err == nil {
		name = user.Email
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxPeople {
		clear(p.known)
	}
	p.known[id] = person{name, now.Add(personKept)}
	return name
}
