package server

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/recipe"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

// services are the app's operations as the assistant's tools use them: what
// whoever asks may not do by the API, they may not have done by the assistant.
type services struct{ *Server }

var _ agent.Services = services{}

// Services are the app's operations for the tools of package agent. The context says whose they are.
func (s *Server) Services() agent.Services { return services{s} }

// may reports that whoever asks lacks a permission.
func may(ctx context.Context, op string, perm auth.Permission) error {
	p := auth.PrincipalOf(ctx)
	if auth.Can(p, perm) {
		return nil
	}
	why := "nobody is signed in"
	if p != nil {
		why = strings.TrimSuffix(auth.Lacking(p, perm), ".")
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Why: why}
}

// known makes the problem that an operation answers the error that it was.
func known(op string, err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return err
	}
	e := &kalla.Error{Code: p.Code, Op: op, Why: p.Detail, Hint: p.Hint}
	if e.Code == "" {
		e.Code = kalla.CodeUsage
	}
	var faults kalla.Faults
	for _, f := range p.Errors {
		faults = append(faults, kalla.Fault{Path: strings.TrimPrefix(strings.TrimPrefix(f.Location, "body."), "document."), Problem: f.Message, Hint: f.Hint, Line: f.Line, Column: f.Column})
	}
	if len(faults) > 0 {
		e.Why, e.Err = "", faults
	}
	return e
}

const listedSources = 200

func (s services) Sources(ctx context.Context) ([]agent.Source, error) {
	if err := may(ctx, "listing the sources", auth.Read); err != nil {
		return nil, err
	}
	found, err := s.store.Sources(ctx, state.Page{Limit: listedSources})
	if err != nil {
		return nil, err
	}
	out := make([]agent.Source, len(found.Items))
	aliases := make([]string, len(found.Items))
	for i, src := range found.Items {
		out[i], aliases[i] = sourceView(&src), src.Alias
	}
	users, err := s.store.SourceUsers(ctx, aliases...)
	for i := range out {
		out[i].UsedBy = users[out[i].Alias]
	}
	return out, err
}

func sourceView(src *state.Source) agent.Source {
	return agent.Source{Alias: src.Alias, Type: string(src.Type), Rows: src.Rows, Columns: src.Columns, Failed: src.Error}
}

func (s services) Preview(ctx context.Context, scope agent.Scope, limit int, profile bool) (*job.Preview, error) {
	if err := may(ctx, "looking at the source", auth.Read); err != nil {
		return nil, err
	}
	found, err := s.look(ctx, scope.Source, job.PreviewRequest{Limit: limit, Filters: scope.Filters, Profile: profile})
	return &found, err
}

func (s services) Draft(ctx context.Context, in agent.DraftInput) (*job.Draft, error) {
	const op = "drafting the recipe"
	if err := may(ctx, op, auth.RecipesWrite); err != nil {
		return nil, err
	}
	out, err := s.draftRecipe(ctx, &body[RecipeDraftInput]{RecipeDraftInput{
		Left: DraftSource(in.Left), Right: DraftSource(in.Right), RecipeID: in.RecipeID, Name: in.Name, Guidance: in.Guidance}})
	if err != nil {
		return nil, known(op, err)
	}
	return &out.Body.Draft, nil
}

func (s services) Check(ctx context.Context, document string) (*agent.Checked, error) {
	if err := may(ctx, "checking the recipe", auth.Read); err != nil {
		return nil, err
	}
	out := &agent.Checked{Faults: []kalla.Fault{}}
	wrong := func(err error) (*agent.Checked, error) {
		if faults, ok := errors.AsType[kalla.Faults](err); ok {
			out.Faults = faults
			return out, nil
		}
		return nil, err
	}
	doc, err := recipe.Parse([]byte(document), "recipe")
	if err != nil {
		return wrong(err)
	}
	r, _ := doc.Draft(nil) // its faults are among those of Validate
	for _, x := range recipe.Explain(r) {
		out.Sentences = append(out.Sentences, agent.Sentence(Sentence{x.Path, x.Text}))
	}
	faults := doc.Validate()
	missing, err := s.unregistered(ctx, doc, r)
	if err != nil {
		return nil, err
	}
	faults = append(append(faults, s.lasting(doc, r)...), missing...)
	if len(faults) > 0 {
		return wrong(faults)
	}
	text, err := s.runnable(ctx, doc, nil)
	if err != nil {
		return wrong(err)
	}
	found, err := s.cfg.Scheduler.Validate(ctx, job.ValidateRequest{Recipe: text})
	if err != nil {
		return wrong(err)
	}
	out.Valid, out.Left, out.Right = found.Valid, found.Left, found.Right
	if !found.Valid {
		out.Faults = inDocument(doc, found.Faults)
	}
	return out, nil
}

func (s services) Backtest(ctx context.Context, in agent.BacktestInput) (*job.Backtest, error) {
	const op = "back-testing the recipe"
	if err := may(ctx, op, auth.RecipesWrite); err != nil {
		return nil, err
	}
	doc, err := recipe.Parse([]byte(in.Document), "recipe")
	if err != nil {
		return nil, err
	}
	req := job.BacktestRequest{Examples: in.Examples, Samples: in.Samples}
	if req.Recipe, err = s.runnable(ctx, doc, nil); err != nil {
		return nil, err
	}
	if in.Base != nil {
		base, err := s.Recipe(ctx, in.Base.RecipeID, in.Base.Version)
		if err != nil {
			return nil, err
		}
		if base != nil {
			before, err := recipe.Parse([]byte(base.Document), base.RecipeID)
			if err != nil {
				return nil, err
			}
			// A version whose sources are gone, or that asks for parameters, is not compared with.
			if req.Base, err = s.runnable(ctx, before, nil); kalla.CodeOf(err) == kalla.CodeRecipe {
				req.Base = nil
			} else if err != nil {
				return nil, err
			}
		}
	}
	found, err := s.cfg.Scheduler.Backtest(ctx, req)
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		err = &kalla.Error{Code: kalla.CodeRecipe, Op: op, Err: inDocument(doc, faults)}
	}
	return &found, err
}

func (s services) Recipe(ctx context.Context, id string, version int) (*agent.Stored, error) {
	if err := may(ctx, "reading the recipe", auth.Read); err != nil {
		return nil, err
	}
	r, err := s.store.Recipe(ctx, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && r.Archived {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := s.store.RecipeVersion(ctx, id, version)
	if err != nil {
		return nil, err
	}
	return &agent.Stored{Saved: agent.Saved{RecipeID: id, Version: v.Version}, Name: r.Name, Document: v.Document}, nil
}

func (s services) SaveRecipe(ctx context.Context, document, message string, expect *int) (*agent.Saved, error) {
	const op = "saving the recipe"
	if err := may(ctx, op, auth.RecipesWrite); err != nil {
		return nil, err
	}
	var c Conditions
	switch {
	case expect == nil:
	case *expect == 0:
		c.IfNoneMatch = "*"
	default:
		c.IfMatch = etag(*expect)
	}
	raw, err := json.Marshal(RecipeDocument{Document: document, Message: message})
	if err != nil {
		return nil, err
	}
	saved, err := s.saveRecipe(ctx, raw, "", c)
	if err != nil {
		return nil, known(op, err)
	}
	return &agent.Saved{RecipeID: saved.RecipeID, Version: saved.Version}, nil
}

func (s services) StartRun(ctx context.Context, r agent.Saved, key string) (string, error) {
	const op = "starting the run"
	if err := may(ctx, op, auth.RunsWrite); err != nil {
		return "", err
	}
	n, err := s.plan(ctx, &RunInput{RecipeID: r.RecipeID, Version: r.Version})
	if err != nil {
		return "", known(op, err)
	}
	n.IdempotencyKey = key
	started, err := s.create(ctx, n)
	if err != nil {
		return "", known(op, err)
	}
	return started.Body.RunID, nil
}

func (s services) Run(ctx context.Context, runID string) (*agent.Run, error) {
	if err := may(ctx, "looking at the run", auth.Read); err != nil {
		return nil, err
	}
	run, err := s.store.Run(ctx, runID)
	if err != nil {
		return nil, err
	}
	out := runView(run)
	return &out, nil
}

func runView(run *state.Run) agent.Run {
	out := agent.Run{RunID: run.RunID, RecipeID: run.RecipeID, Status: string(run.State), Final: run.State.Final(), Summary: run.Summary}
	if p := run.Progress; p != nil {
		from, to := job.Span(p.Stage)
		out.Stage, out.Progress = string(p.Stage), from+(to-from)*p.Fraction
	}
	if f := run.Failure; f != nil {
		out.Error, out.Hint = f.Message, f.Hint
	}
	return out
}

func (s services) LastRun(ctx context.Context, recipeID string) (string, error) {
	if err := may(ctx, "looking for runs", auth.Read); err != nil {
		return "", err
	}
	found, err := s.store.Runs(ctx, state.RunFilter{RecipeID: recipeID, States: []state.RunState{state.Completed}}, state.Page{Limit: 1})
	if err != nil || len(found.Items) == 0 {
		return "", err
	}
	return found.Items[0].RunID, nil
}

func (s services) Record(ctx context.Context, runID string, side kalla.Side, key string) (*records.Record, error) {
	const op = "explaining the record"
	if err := may(ctx, op, auth.Read); err != nil {
		return nil, err
	}
	run, err := s.evidence(ctx, runID)
	if err != nil {
		return nil, known(op, err)
	}
	return run.Record(ctx, side, key)
}

func (s services) PlaceUpload(ctx context.Context, filename string) (*agent.Place, error) {
	const op = "asking for a place"
	if err := may(ctx, op, auth.UploadsWrite); err != nil {
		return nil, err
	}
	out, err := s.presign(ctx, &body[UploadInput]{UploadInput{Filename: filename}})
	if err != nil {
		return nil, known(op, err)
	}
	return &agent.Place{UploadID: out.Body.UploadID, URL: out.Body.PresignedURL, Expires: out.Body.Expires.Format(time.RFC3339), MaxBytes: out.Body.MaxBytes}, nil
}

func (s services) KeepUpload(ctx context.Context, uploadID, alias string) (*agent.Source, error) {
	const op = "keeping the upload"
	for _, perm := range []auth.Permission{auth.UploadsWrite, auth.SourcesWrite} {
		if err := may(ctx, op, perm); err != nil {
			return nil, err
		}
	}
	u, err := s.upload(ctx, uploadID)
	if err != nil {
		return nil, err
	}
	if u.Status == state.UploadPending {
		if _, err := s.confirmUpload(ctx, &uploadConfirm{UploadPath{uploadID}, UploadRef{S3URI: s.uploadURI(u)}}); err != nil {
			return nil, known(op, err)
		}
	}
	if alias == "" {
		if alias, err = s.freeAlias(ctx, u); err != nil {
			return nil, err
		}
	}
	if !validAlias(alias) {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: alias, Why: "it is no name of a source", Hint: "use letters, digits and underscores, a letter first"}
	}
	if _, err := s.keepUpload(ctx, &uploadKeep{UploadPath{uploadID}, UploadKeep{Alias: alias}}); err != nil {
		return nil, known(op, err)
	}
	src, err := s.store.Source(ctx, alias)
	if err != nil {
		return nil, err
	}
	out := sourceView(src)
	return &out, nil
}

// freeAlias makes a name that no source has of the name of a file.
func (s services) freeAlias(ctx context.Context, u *state.Upload) (string, error) {
	if u.Alias != "" {
		return u.Alias, nil
	}
	name, _, _ := strings.Cut(path.Base(u.Filename), ".")
	alias := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name)), "_")
	if alias == "" || alias[0] >= '0' && alias[0] <= '9' {
		alias = "file_" + alias
	}
	alias = strings.TrimRight(alias[:min(len(alias), 50)], "_")
	for n := 1; ; n++ {
		out := alias
		if n > 1 {
			out += "_" + strconv.Itoa(n)
		}
		if _, err := s.store.Source(ctx, out); errors.Is(err, state.ErrNotFound) {
			return out, nil
		} else if err != nil {
			return "", err
		}
	}
}

func validAlias(alias string) bool {
	if alias == "" || len(alias) > 63 || alias[0] >= '0' && alias[0] <= '9' {
		return false
	}
	return strings.Trim(strings.ToLower(alias), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
