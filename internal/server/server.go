// Package server is the app: its HTTP API, the runs it hands to a scheduler
// and follows, uploads, sign-in, and the web app that it serves.
//
// Everything it knows is in a state.Store, so that several processes may serve
// one database: whichever takes up a run hands it over, whichever gets a
// callback writes it down, and people may follow a run at any of them.
package server

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/compute/callback"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

// Config is what a Server needs. All is required that does not say otherwise.
type Config struct {
	Version string
	Mode    string // "up" or "serve", for people

	Store   *state.Store
	Auth    *auth.Service
	Records *records.Store
	Query   evidence.Querier // reads evidence for exports and verification

	Scheduler    *job.Client
	SchedulerURL string // of the client, as people are told
	// CallbackURL is where the scheduler reaches this app: http://localhost:3000.
	CallbackURL string
	// WorkerToken is what callbacks carry; CallbackKey is what they are signed
	// with, if it is not empty (see callback.Config).
	WorkerToken string
	CallbackKey string

	// Storage holds runs/<run id> and uploads/<upload id>: an absolute path, or
	// s3://bucket/prefix with the options of an s3 source. The scheduler must
	// reach it by the same name.
	Storage   string
	MaxUpload int64  // bytes; default 5 GiB
	TempDir   string // for exports, and for evidence from a bucket; default the system's
	// DemoDir is where demo data is made: an absolute path that the scheduler can
	// read. Empty offers none.
	DemoDir   string
	LookupEnv func(string) (string, bool)

	// Model answers in the assistant, within Budget for each conversation; nil: the assistant without a model.
	Model  agent.Model
	Budget agent.Budget

	Web fs.FS        // files of the web app, with index.html at the root
	Log *slog.Logger // nil logs nothing
	Now func() time.Time

	// Lease is how long a run without a sign of life is waited for until it is
	// taken up again; default 60 s.
	Lease time.Duration
	// MaxAttempts is how often a run is handed over in all; default 3.
	MaxAttempts int
}

// Server is the app. Its methods may be called from any goroutine.
type Server struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	store    *state.Store
	verifier *callback.Verifier
	metrics  *metrics
	web      map[string]*webFile
	handler  http.Handler

	dispatch  *dispatcher
	worker    *callbacks
	hub       *hub
	people    *people
	chats     *chats
	explained *explained
	exports   chan struct{} // holds a token for each export that is being made

	work   sync.WaitGroup
	ending <-chan struct{} // closed when the server stops
	stop   context.CancelFunc
}

// New makes a Server. Nothing runs before Start. Errors are *kalla.Error of class usage.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	verifier, err := callback.NewVerifier(cfg.WorkerToken, cfg.CallbackKey)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Log, now: cfg.Now, store: cfg.Store, verifier: verifier, metrics: newMetrics(cfg.Version)}
	s.dispatch, s.worker, s.hub = newDispatcher(s), newCallbacks(s), newHub(s, s.runNews())
	s.chats = newChats(s)
	s.people = &people{store: cfg.Store, now: cfg.Now, known: map[string]person{}}
	s.explained = &explained{known: map[string][]Sentence{}}
	s.exports = make(chan struct{}, exportsAtOnce)
	running, stop := context.WithCancel(context.Background())
	s.ending, s.stop = running.Done(), stop
	if s.web, err = readWeb(cfg.Web); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

func (c *Config) setDefaults() error {
	const op = "setting up the app"
	if c.LookupEnv == nil {
		c.LookupEnv = func(string) (string, bool) { return "", false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 3
	}
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
	}
	if c.MaxUpload <= 0 {
		c.MaxUpload = 5 << 30
	}
	c.CallbackURL = strings.TrimSuffix(c.CallbackURL, "/")
	if objects.IsURI(c.Storage) {
		p, err := objects.Open(c.Storage, c.LookupEnv)
		if err != nil {
			return err
		}
		p.Close()
	} else if c.Storage == "" {
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Why: "there is no place for evidence", Hint: "name a folder with --data-dir, or a bucket with --storage"}
	}
	return nil
}

// Handler serves the app. Requests are answered as soon as the server is made;
// runs are handed over from Start on.
func (s *Server) Handler() http.Handler { return s.handler }

// Start begins to hand runs over, to follow them, and to sweep. The context is
// for starting only: Stop stops.
func (s *Server) Start(ctx context.Context) error {
	if err := s.store.Ping(ctx); err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() { <-s.ending; cancel() })
	for _, run := range []func(context.Context){s.dispatch.run, s.worker.run, s.hub.run, s.chats.hub.run, s.chats.run, s.sweep} {
		s.work.Go(func() { run(background) })
	}
	return nil
}

// Stop ends what Start began, and every stream of events. What was handed over
// goes on at the scheduler, and is followed again by whoever starts next. It
// comes before the HTTP server is shut down, or that waits for the streams; it
// may be called again.
func (s *Server) Stop(context.Context) error {
	s.stop()
	s.work.Wait()
	return nil
}

// sweep removes what has expired, once an hour.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("what has expired could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// routes registers every operation.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Kalla", s.cfg.Version)
	config.Info.Description = "Reconciles two sources by recipes. Lists are JSON arrays; where there is more, the header Link names the next page."
	config.DocsPath, config.SchemasPath = "", ""
	config.CreateHooks = nil // no $schema fields in the answers
	config.Transformers = []huma.Transformer{problem.Transform}
	config.Servers = []*huma.Server{{URL: "/"}}
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	api := humago.New(mux, config)
	s.cfg.Auth.Protect(api)
	s.cfg.Auth.Register(api)
	for _, register := range []func(huma.API){
		s.registerRuns, s.registerEvents, s.registerWorker, s.registerRecords, s.registerEvidence,
		s.registerOverview, s.registerDemo, s.registerAudit, s.registerAbout,
		s.registerSources, s.registerRecipes, s.registerUploads, s.registerChat,
	} {
		register(api)
	}
	problem.Describe(api)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler(s))
	mux.Handle("/mcp", s.mcp())
	mux.HandleFunc("/", s.serveWeb)
	return s.guard(mux)
}

// operation describes a route. The subject groups it in the document.
func operation(subject, method, path, id, summary string, perm auth.Permission) huma.Operation {
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{subject}, Metadata: auth.Require(perm),
		MaxBodyBytes: problem.MaxBody + 1, BodyReadTimeout: -1, // the guard has read the body, within its limits
		RejectUnknownQueryParameters: true,
	}
}
