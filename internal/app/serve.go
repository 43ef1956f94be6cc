package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/seal"
	"kalla/internal/server"
	"kalla/internal/server/auth"
	"kalla/internal/source"
	"kalla/internal/state"
	"kalla/web"
)

// ServerConfig is what the app is started with. Paths are absolute.
type ServerConfig struct {
	Mode string // "serve" or "up", as people are told

	Host      string // address to listen on
	Port      int    // 0 takes a free one
	MorePorts int    // how many ports behind Port are tried where it is taken
	Loopback  bool   // the host is this machine alone
	TLSCert   string // PEM files; empty: no TLS. It takes a PublicURL
	TLSKey    string

	Database  string // see state.Open
	Keys      *seal.Keys
	Storage   string        // see server.Config
	DemoDir   string        // see server.Config
	Limits    engine.Limits // of the engine that reads evidence
	MaxUpload int64         // bytes; 0 means the server's default
	Lease     time.Duration // see server.Config

	SchedulerURL string
	WorkerToken  string // of requests to the scheduler and its callbacks; empty means none
	CallbackKey  string // see server.Config
	CallbackURL  string // where the scheduler reaches the app; empty: at localhost

	PublicURL      string // where browsers reach the app; empty: at localhost
	TrustedProxies []netip.Prefix
	OIDC           *auth.OIDC // nil: none
	AdminEmail     string     // see auth.Service.FirstStart
	AdminPassword  string

	Model ModelConfig // that the assistant asks

	LookupEnv func(name string) (string, bool) // for the options of a bucket
	Log       *slog.Logger
}

// Server is an app that serves.
type Server struct {
	server *server.Server
	auth   *auth.Service
	http   *http.Server
	url    string // for people
	port   int
	setup  string // token; empty where somebody can sign in
	close  []func() error
	done   chan struct{}
	err    error // why it ended by itself, once done is closed
}

// StartServer listens, opens the database, and serves until Stop. Errors are *kalla.Error.
func StartServer(ctx context.Context, cfg ServerConfig) (_ *Server, err error) {
	s := &Server{done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	listener, err := cfg.listen(ctx)
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, func() error { return ignoreClosed(listener.Close()) })
	s.port = listener.Addr().(*net.TCPAddr).Port
	s.url, cfg.CallbackURL = cfg.urls(strconv.Itoa(s.port))
	if err := s.open(ctx, cfg); err != nil {
		return nil, err
	}
	if s.setup, err = s.auth.FirstStart(ctx, cfg.AdminEmail, cfg.AdminPassword); err != nil {
		return nil, err
	}
	if err := s.server.Start(ctx); err != nil {
		return nil, err
	}
	s.http = server.NewHTTPServer(s.server.Handler(), cfg.Log)
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.err = &kalla.Error{Code: kalla.CodeInternal, Op: "serving", Where: s.url, Err: err}
		}
	}()
	return s, nil
}

// listen takes the port, or the next that is free.
func (cfg ServerConfig) listen(ctx context.Context) (net.Listener, error) {
	var secure *tls.Config
	if cfg.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the certificate", Where: "--tls-cert " + cfg.TLSCert + " --tls-key " + cfg.TLSKey, Err: err,
				Hint: "both are PEM files: the certificate with its chain, and its key"}
		}
		secure = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	var first error
	for port := cfg.Port; port <= min(cfg.Port+cfg.MorePorts, 65535); port++ {
		l, err := listen(ctx, net.JoinHostPort(cfg.Host, strconv.Itoa(port)), "--port")
		if err == nil && secure != nil {
			l = tls.NewListener(l, secure)
		}
		if err == nil {
			return l, nil
		}
		first = cmp.Or(first, err)
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, first
}

// urls are where browsers and where the scheduler reach the app.
func (cfg ServerConfig) urls(port string) (public, callback string) {
	here := "http://localhost:" + port
	public, callback = strings.TrimSuffix(cfg.PublicURL, "/"), cfg.CallbackURL
	switch ip := net.ParseIP(cfg.Host); {
	case cfg.TLSCert != "": // which is not of localhost
		here = public
	case !cfg.Loopback && !(ip != nil && ip.IsUnspecified()):
		here = "http://" + net.JoinHostPort(cfg.Host, port)
	}
	return cmp.Or(public, here), cmp.Or(callback, here)
}

// open opens what the server stands on, in order; release closes it.
func (s *Server) open(ctx context.Context, cfg ServerConfig) error {
	store, err := state.Open(ctx, cfg.Database, state.Options{Keys: cfg.Keys})
	if err != nil {
		return err
	}
	s.close = append(s.close, store.Close)
	if err := checkKeys(ctx, store, cfg.Keys, cfg.Log); err != nil {
		return err
	}
	reader, err := duckdb.OpenReader(ctx, cfg.Limits)
	if err != nil {
		return err
	}
	s.close = append(s.close, reader.Close)
	var uploads []string
	if objects.IsURI(cfg.Storage) {
		bucket, err := bucketOf(cfg.Storage, cfg.LookupEnv)
		if err != nil {
			return err
		}
		if err := reader.Grant(ctx, bucket); err != nil {
			return err
		}
		uploads = append(uploads, origin(bucket))
	}
	found := records.Open(reader, func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		l, err := evidence.Locate(location, cfg.Limits.TempDir, cfg.LookupEnv)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		return m, l.String(), err
	}, records.Options{})
	s.close = append(s.close, func() error { found.Close(); return nil })
	scheduler, err := job.NewClient(cfg.SchedulerURL, cfg.WorkerToken)
	if err != nil {
		return err
	}
	s.close = append(s.close, func() error { scheduler.Close(); return nil })
	s.auth, err = auth.New(auth.Options{
		Store: store, Log: cfg.Log, PublicURL: cfg.PublicURL, Loopback: cfg.Loopback, TrustedProxies: cfg.TrustedProxies,
		UploadOrigins: uploads, OIDC: cfg.OIDC,
	})
	if err != nil {
		return err
	}
	model, err := Model(cfg.Model)
	if err != nil {
		return err
	}
	s.server, err = server.New(server.Config{
		Version: Version, Mode: cfg.Mode, Store: store, Auth: s.auth, Records: found, Query: reader,
		Scheduler: scheduler, SchedulerURL: cfg.SchedulerURL, CallbackURL: cfg.CallbackURL, WorkerToken: cfg.WorkerToken, CallbackKey: cfg.CallbackKey,
		Storage: cfg.Storage, DemoDir: cfg.DemoDir, MaxUpload: cfg.MaxUpload, TempDir: cfg.Limits.TempDir, LookupEnv: cfg.LookupEnv,
		Model: model, Budget: cfg.Model.Budget, Web: web.FS(), Log: cfg.Log, Lease: cfg.Lease,
	})
	return err
}

// OpenState opens the database of the app for what needs no credentials: it has no key to open them with.
func OpenState(ctx context.Context, database string) (*state.Store, error) {
	keys, err := seal.Parse(seal.Generate())
	if err != nil {
		return nil, err
	}
	return state.Open(ctx, database, state.Options{Keys: keys})
}

// keySetting holds a value that was sealed when all others were, to tell by.
const keySetting = "seal_check"

// checkKeys has what was sealed with an older key sealed with the first one.
// That something is sealed with a key that is not there is logged: all else works without it.
func checkKeys(ctx context.Context, store *state.Store, keys *seal.Keys, log *slog.Logger) error {
	var sealed []byte
	there, err := store.Setting(ctx, keySetting, &sealed)
	switch {
	case err != nil:
		return err
	case there && keys.Current(sealed):
		return nil
	case there && !keys.Knows(sealed):
		log.Error("the stored credentials were sealed with another key than "+keys.String()+": sources that need them will not open",
			"hint", "put the key that was used before behind the present one in KALLA_SECRET_KEY, with a comma between, or enter the credentials again")
		return nil
	case there:
		n, err := store.Reseal(ctx)
		if err != nil {
			return err
		}
		log.Info("credentials sealed with the new key; the old one may go", "values", n)
	}
	return store.SetSetting(ctx, keySetting, keys.Seal(nil, "settings", keySetting))
}

// bucketOf is the storage as a source of objects.
func bucketOf(storage string, env func(string) (string, bool)) (source.Source, error) {
	base, options, _ := strings.Cut(storage, "?")
	// No object has that name; a place for objects is none itself.
	src, err := source.Parse(strings.TrimSuffix(base, "/")+"/all.parquet?"+options, nil, "", env)
	src.Path = strings.TrimSuffix(src.Path, "all.parquet")
	return src, err
}

// origin is where browsers send the uploads of a bucket.
func origin(bucket source.Source) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(bucket.Path, "s3://"), "/")
	endpoint := bucket.Get("endpoint")
	if endpoint == "" {
		return fmt.Sprintf("https://%s.s3.%s.amazonaws.com", name, bucket.Get("region"))
	}
	scheme, host, ok := strings.Cut(endpoint, "://")
	if !ok {
		scheme, host = "https", endpoint
		if bucket.Get("use_ssl") == "false" {
			scheme = "http"
		}
	}
	if bucket.Get("url_style") == "vhost" {
		host = name + "." + host
	}
	return scheme + "://" + strings.TrimSuffix(host, "/")
}

// URL is where browsers reach the app.
func (s *Server) URL() string { return s.url }

// SetupURL is where the first administrator is made; empty where somebody can sign in already.
func (s *Server) SetupURL() string {
	if s.setup == "" {
		return ""
	}
	return s.url + "/setup?token=" + s.setup
}

// Done is closed when the app is served no more.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends streams of events, answers what was asked until ctx ends, and closes
// the database. Runs go on at the scheduler, and are followed by the next start.
func (s *Server) Stop(ctx context.Context) error {
	err := s.server.Stop(ctx)
	if shut := s.http.Shutdown(ctx); shut != nil {
		s.http.Close() // who is still being answered asked for too much
	}
	<-s.done
	return errors.Join(s.err, err, s.release())
}

// release closes what was opened, the last first.
func (s *Server) release() error {
	var err error
	for i := len(s.close) - 1; i >= 0; i-- {
		err = errors.Join(err, s.close[i]())
	}
	s.close = nil
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
