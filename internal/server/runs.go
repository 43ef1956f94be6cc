package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerRuns(api huma.API) {
	const runs = "runs"
	huma.Register(api, operation(runs, http.MethodPost, "/api/runs", "start-run", "Start a run of a recipe", auth.RunsWrite), s.startRun)
	huma.Register(api, operation(runs, http.MethodGet, "/api/runs", "list-runs", "Runs, newest first", auth.Read), s.listRuns)
	huma.Register(api, operation(runs, http.MethodGet, "/api/runs/{run_id}", "get-run", "Everything about a run", auth.Read), s.getRun)
	huma.Register(api, operation(runs, http.MethodPost, "/api/runs/{run_id}/cancel", "cancel-run", "Stop a run", auth.RunsWrite), s.cancelRun)
	huma.Register(api, operation(runs, http.MethodPost, "/api/runs/{run_id}/rerun", "rerun", "Start a run like this one", auth.RunsWrite), s.rerun)
	huma.Register(api, operation(runs, http.MethodPost, "/api/runs/{run_id}/approve", "approve-run", "Approve or reject a completed run", auth.RunsApprove), s.decideRun)
	huma.Register(api, operation(runs, http.MethodGet, "/api/runs/{run_id}/approvals", "list-approvals", "What was decided about a run, oldest first", auth.Read), s.listApprovals)
}

type runInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"The same again starts nothing twice"`
	Body           RunInput
}

func (s *Server) startRun(ctx context.Context, in *runInput) (*body[RunStarted], error) {
	n, err := s.plan(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	n.IdempotencyKey = in.IdempotencyKey
	return s.create(ctx, n)
}

// create stores a run, from which moment on it will come to an end, and has it handed over.
func (s *Server) create(ctx context.Context, n *state.NewRun) (*body[RunStarted], error) {
	run, created, err := s.store.CreateRun(ctx, *n)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if created {
		s.dispatch.wake()
		s.logOf(ctx).Info("run submitted", "run_id", run.RunID, "recipe_id", run.RecipeID, "version", run.RecipeVersion)
	}
	return &body[RunStarted]{RunStarted{RunID: run.RunID, Status: "submitted"}}, nil
}

type runsQuery struct {
	Paging
	RecipeID string     `query:"recipe_id" maxLength:"200"`
	Status   []RunState `query:"status" doc:"One or several, with commas between" maxItems:"8"`
	Since    time.Time  `query:"since" doc:"Made at that time or later"`
}

func (s *Server) listRuns(ctx context.Context, in *runsQuery) (*list[RunItem], error) {
	f := state.RunFilter{RecipeID: in.RecipeID, Since: in.Since}
	for _, one := range in.Status {
		if !slices.Contains(state.RunStates(), state.RunState(one)) {
			return nil, invalid("query.status", "there is no such state", "use pending, dispatched, staging, matching, evidence, completed, failed or cancelled")
		}
		f.States = append(f.States, state.RunState(one))
	}
	found, err := s.store.Runs(ctx, f, in.page())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	items, err := s.runItems(ctx, found.Items)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return pageOf(&in.Paging, items, found.Next), nil
}

// RunPath names a run in the path of a request.
type RunPath struct {
	RunID string `path:"run_id" minLength:"1" maxLength:"200"`
}

func (s *Server) getRun(ctx context.Context, in *RunPath) (*body[Run], error) {
	run, err := s.store.Run(ctx, in.RunID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out, err := s.runOf(ctx, run)
	return answer(ctx, s, out, err)
}

// cancelRun notes that somebody wants the run stopped, and has the scheduler
// told, now or when it can be reached. The answer is the run as it is then: one
// that was not handed over yet has ended, another ends within a second or so.
func (s *Server) cancelRun(ctx context.Context, in *RunPath) (*body[Run], error) {
	run, outcome, err := s.store.Advance(ctx, in.RunID, state.CancelRequested{})
	switch {
	case err != nil:
		return nil, s.problem(ctx, err)
	case outcome == state.Unknown:
		return nil, problem.New(http.StatusNotFound, "cancelling the run: "+in.RunID+": there is no such run", "")
	case outcome == state.Stale && run.State.Final() && run.State != state.Cancelled:
		return nil, problem.New(http.StatusConflict, "cancelling the run: "+in.RunID+": it is "+string(run.State)+" already", "")
	case outcome == state.Applied:
		s.hub.poke(in.RunID)
		s.dispatch.look()
	}
	return s.getRun(ctx, in)
}

// Rerun says what is to be other than in the run before.
type Rerun struct {
	Latest     bool              `json:"latest,omitempty" doc:"Use the latest version of the recipe instead of that of the run"`
	Parameters map[string]string `json:"parameters,omitempty" doc:"In place of those of the run"`
}

type rerunInput struct {
	RunPath
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200"`
	Body           *Rerun `required:"false"`
}

func (s *Server) rerun(ctx context.Context, in *rerunInput) (*body[RunStarted], error) {
	before, err := s.store.Run(ctx, in.RunID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	change := Rerun{}
	if in.Body != nil {
		change = *in.Body
	}
	n, err := s.planAgain(ctx, before, change)
	if err != nil {
		return nil, err
	}
	n.IdempotencyKey, n.RerunOf = in.IdempotencyKey, before.RunID
	return s.create(ctx, n)
}

// Decision is what an approver says about a completed run.
type Decision struct {
	Decision string `json:"decision" enum:"approved,rejected"`
	Comment  string `json:"comment,omitempty" maxLength:"2000"`
}

// Approval is a decision that was made.
type Approval struct {
	Decision  string    `json:"decision" enum:"approved,rejected"`
	Comment   string    `json:"comment"`
	DecidedBy string    `json:"decided_by"`
	Created   time.Time `json:"created_at"`
}

type decisionInput struct {
	RunPath
	Body Decision
}

func (s *Server) decideRun(ctx context.Context, in *decisionInput) (*body[Approval], error) {
	if in.Body.Decision == "rejected" && in.Body.Comment == "" {
		return nil, invalid("body.comment", "is missing", "say why the run is rejected")
	}
	a, err := s.store.Decide(ctx, in.RunID, in.Body.Decision, in.Body.Comment)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return answer(ctx, s, s.approval(ctx, *a), nil)
}

func (s *Server) listApprovals(ctx context.Context, in *RunPath) (*list[Approval], error) {
	if _, err := s.store.Run(ctx, in.RunID); err != nil {
		return nil, s.problem(ctx, err)
	}
	found, err := s.store.Approvals(ctx, in.RunID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out := make([]Approval, len(found))
	for i, a := range found {
		out[i] = s.approval(ctx, a)
	}
	return &list[Approval]{Body: out}, nil
}

func (s *Server) approval(ctx context.Context, a state.Approval) Approval {
	return Approval{Decision: a.Decision, Comment: a.Comment, DecidedBy: s.people.name(ctx, a.DecidedBy), Created: a.CreatedAt}
}
