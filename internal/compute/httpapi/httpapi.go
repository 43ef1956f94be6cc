// Package httpapi is the HTTP API of the scheduler: jobs, previews and checks
// of recipes, health and metrics. Its OpenAPI document is made of the types of
// package job, and every answer that is an error is a problem.Problem.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
	"kalla/internal/problem"
)

// Jobs is the service behind the API: compute.Service.
type Jobs interface {
	Submit(ctx context.Context, req job.Request) (job.Accepted, error)
	Get(ctx context.Context, runID string) (job.Job, error)
	List(ctx context.Context, cursor string, limit int, state job.State) (job.Page, error)
	Cancel(ctx context.Context, runID string) error
	Ready(ctx context.Context) job.Readiness
	Stats(ctx context.Context) (compute.Stats, error)
	Engine(ctx context.Context) (job.Engine, error)
	Preview(ctx context.Context, req job.PreviewRequest) (*job.Preview, error)
	Validate(ctx context.Context, req job.ValidateRequest) (*job.Validation, error)
	Draft(ctx context.Context, req job.DraftRequest) (*job.Draft, error)
	Trial(ctx context.Context, req job.TrialRequest) (*kalla.Summary, error)
	Backtest(ctx context.Context, req job.BacktestRequest) (*job.Backtest, error)
}

// Options are how the API is served.
type Options struct {
	Version  string
	Token    string // that requests must carry; empty asks for none
	Loopback bool   // the server listens on loopback only: without a token, requests for other hosts are refused
	Metrics  *Metrics
	Log      *slog.Logger
}

// Handler returns the API.
func Handler(jobs Jobs, o Options) http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Kalla scheduler", o.Version)
	config.Info.Description = "Takes reconciliation jobs, runs them, and reports by callbacks."
	config.DocsPath, config.SchemasPath = "", ""
	config.CreateHooks = nil // no $schema fields in the answers
	config.Transformers = []huma.Transformer{problem.Transform}
	config.Servers = []*huma.Server{{URL: "/"}}
	if o.Token != "" {
		config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "The scheduler's KALLA_WORKER_TOKEN"}}
		config.Security = []map[string][]string{{"token": {}}}
	}
	a := &api{API: humago.New(mux, config), jobs: jobs, token: o.Token != ""}
	a.problem = a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem.Problem](), true, "Problem")
	a.jobRoutes()
	a.lookRoutes()
	a.healthRoutes()
	schemas := a.OpenAPI().Components.Schemas.Map()
	for _, name := range []string{"Request", "Source", "Filter", "PreviewRequest", "ValidateRequest", "DraftRequest", "DraftSource", "TrialRequest", "BacktestRequest", "Example"} {
		allowNull(schemas[name])
	}
	// huma describes problems of its own, which package problem turns into ours.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	mux.Handle("GET /metrics", o.Metrics.handler(jobs))
	return &guard{Options: o, mux: mux, cross: http.NewCrossOriginProtection()}
}

// allowNull says of optional fields what huma does: null is taken for absent, as many clients write it.
func allowNull(s *huma.Schema) {
	for name, field := range s.Properties {
		if slices.Contains(s.Required, name) || field.Type == "" {
			continue
		}
		field.Nullable = true
		if len(field.Enum) > 0 {
			field.Enum = append(field.Enum, nil)
		}
	}
}

type api struct {
	huma.API
	jobs    Jobs
	token   bool
	problem *huma.Schema
}

// operation describes a route, with the problems that it may answer with.
func (a *api) operation(method, path, id, summary string, status int, problems ...int) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		// The guard has read the body within its limits. huma's own would make the
		// server take the client for gone after 5 s, and end what it waits for.
		MaxBodyBytes: problem.MaxBody + 1, BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{}, RejectUnknownQueryParameters: true,
	}
	problems = append(problems, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable)
	if a.token {
		problems = append(problems, http.StatusUnauthorized)
	}
	if method == http.MethodPost {
		problems = append(problems, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	slices.Sort(problems)
	for _, p := range problems {
		op.Responses[strconv.Itoa(p)] = &huma.Response{Description: http.StatusText(p), Content: map[string]*huma.MediaType{problem.ContentType: {Schema: a.problem}}}
	}
	return op
}

// body is a request or an answer that is all body.
type body[T any] struct{ Body T }

type none struct{}

type runID struct {
	RunID string `path:"run_id" minLength:"1" maxLength:"200"`
}

type page struct {
	Cursor string    `query:"cursor" maxLength:"500" doc:"next_cursor of the page before"`
	Limit  int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
	State  job.State `query:"state" enum:"queued,running,completed,failed,cancelled"`
}

// Resolve refuses parameters without a value, which huma takes for absent: ?state= is half a question.
func (*page) Resolve(ctx huma.Context) (faults []error) {
	u := ctx.URL()
	for name, values := range u.Query() {
		if slices.Contains(values, "") {
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: "has no value"})
		}
	}
	return faults
}

// cancelled answers 202 while the engine is being stopped, 200 when the job is over.
type cancelled struct {
	Status int
	Body   job.Job
}

func (a *api) jobRoutes() {
	submit := a.operation(http.MethodPost, "/api/jobs", "submit-job", "Submit a job", http.StatusAccepted, http.StatusConflict, http.StatusTooManyRequests)
	submit.Description = "The job is on disk when this answers. The same run_id with the same body again answers the same, and runs nothing twice."
	huma.Register(a, submit, func(ctx context.Context, in *body[job.Request]) (*body[job.Accepted], error) {
		return answer(a.jobs.Submit(ctx, in.Body))
	})
	huma.Register(a, a.operation(http.MethodGet, "/api/jobs", "list-jobs", "List jobs, newest first", http.StatusOK),
		func(ctx context.Context, in *page) (*body[job.Page], error) {
			return answer(a.jobs.List(ctx, in.Cursor, in.Limit, in.State))
		})
	huma.Register(a, a.operation(http.MethodGet, "/api/jobs/{run_id}", "get-job", "Look at a job", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *runID) (*body[job.Job], error) {
			return answer(a.jobs.Get(ctx, in.RunID))
		})
	cancel := a.operation(http.MethodDelete, "/api/jobs/{run_id}", "cancel-job", "Cancel a job", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	cancel.Description = "200 with the job when it is over, 202 while its engine is being stopped, which takes a second at most. 409 for a job that had ended."
	cancel.Responses["200"] = &huma.Response{Description: "It is over", Content: map[string]*huma.MediaType{
		"application/json": {Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[job.Job](), true, "Job")}}}
	huma.Register(a, cancel, func(ctx context.Context, in *runID) (*cancelled, error) {
		if err := a.jobs.Cancel(ctx, in.RunID); err != nil {
			return nil, problemOf(err)
		}
		j, err := a.jobs.Get(ctx, in.RunID)
		if err != nil {
			return nil, problemOf(err)
		}
		if j.State.Final() {
			return &cancelled{http.StatusOK, j}, nil
		}
		return &cancelled{http.StatusAccepted, j}, nil
	})
}

func (a *api) lookRoutes() {
	huma.Register(a, a.operation(http.MethodGet, "/api/engine", "get-engine", "Which engine runs the jobs, and how many run", http.StatusOK),
		func(ctx context.Context, _ *none) (*body[job.Engine], error) {
			return answer(a.jobs.Engine(ctx))
		})
	huma.Register(a, a.operation(http.MethodPost, "/api/preview", "preview-source", "Look at a source: columns, first rows, counts", http.StatusOK),
		func(ctx context.Context, in *body[job.PreviewRequest]) (*body[*job.Preview], error) {
			return answer(a.jobs.Preview(ctx, in.Body))
		})
	huma.Register(a, a.operation(http.MethodPost, "/api/validate", "validate-recipe", "Find what is wrong with a recipe, and what it would do", http.StatusOK),
		func(ctx context.Context, in *body[job.ValidateRequest]) (*body[*job.Validation], error) {
			return answer(a.jobs.Validate(ctx, in.Body))
		})
	huma.Register(a, a.operation(http.MethodPost, "/api/draft", "draft-recipe", "Propose a recipe from the data of two sources", http.StatusOK),
		func(ctx context.Context, in *body[job.DraftRequest]) (*body[*job.Draft], error) {
			return answer(a.jobs.Draft(ctx, in.Body))
		})
	trial := a.operation(http.MethodPost, "/api/trial", "try-recipe", "Run a recipe without leaving evidence", http.StatusOK)
	trial.Description = "Two run at once, each for a minute at most, waiting included."
	huma.Register(a, trial, func(ctx context.Context, in *body[job.TrialRequest]) (*body[*kalla.Summary], error) {
		return answer(a.jobs.Trial(ctx, in.Body))
	})
	huma.Register(a, a.operation(http.MethodPost, "/api/backtest", "backtest-recipe", "Run a recipe without leaving evidence, and hold it against another and against examples", http.StatusOK),
		func(ctx context.Context, in *body[job.BacktestRequest]) (*body[*job.Backtest], error) {
			return answer(a.jobs.Backtest(ctx, in.Body))
		})
}

// health is what GET /health answers.
type health struct {
	Status string `json:"status" enum:"ok"`
}

type ready struct {
	Status int
	Body   job.Readiness
}

func (a *api) healthRoutes() {
	alive := a.operation(http.MethodGet, "/health", "get-health", "Whether the scheduler lives", http.StatusOK)
	taking := a.operation(http.MethodGet, "/ready", "get-ready", "Whether a job could be taken now", http.StatusOK)
	// Both are open, so that a container's probes need no token.
	alive.Security, taking.Security = []map[string][]string{{}}, []map[string][]string{{}}
	alive.RejectUnknownQueryParameters, taking.RejectUnknownQueryParameters = false, false
	huma.Register(a, alive, func(context.Context, *none) (*body[health], error) {
		return &body[health]{health{"ok"}}, nil
	})
	taking.Responses["503"] = &huma.Response{Description: "Not now", Content: map[string]*huma.MediaType{
		"application/json":  {Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[job.Readiness](), true, "Readiness")},
		problem.ContentType: {Schema: a.problem}}}
	huma.Register(a, taking, func(ctx context.Context, _ *none) (*ready, error) {
		r := a.jobs.Ready(ctx)
		if r.Ready {
			return &ready{http.StatusOK, r}, nil
		}
		return &ready{http.StatusServiceUnavailable, r}, nil
	})
}

// answer makes what the service returns an answer.
func answer[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &body[T]{v}, nil
}
