package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"kalla/internal/problem"
)

const (
	answerTime    = 15 * time.Second
	lookTime      = 75 * time.Second // previews and validations: waiting for one of two places, and 60 s of work
	bodyTime      = 30 * time.Second
	maxHeaderSize = 64 << 10
)

// guard stands before every route: it holds what no handler should have to think of.
type guard struct {
	Options
	mux   *http.ServeMux
	cross *http.CrossOriginProtection
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := rand.Text()
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")

	log := g.Log.With("request_id", id)
	answer := &problem.Recorder{ResponseWriter: w}
	start := time.Now()
	defer func() {
		if fault := recover(); fault != nil {
			problem.Panicked(fault, log, answer, r, "a fault of the scheduler's own", id)
		}
		log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", answer.Status, "ms", time.Since(start).Milliseconds(), "remote", r.RemoteAddr)
	}()
	if p := g.refuse(answer, r); p != nil {
		p.Write(answer)
		return
	}
	limit := answerTime
	if r.Method == http.MethodPost && r.URL.Path != "/api/jobs" {
		limit = lookTime
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	// What a request sets off hangs below the span that the client sends along.
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	g.mux.ServeHTTP(answer, r.WithContext(ctx))
}

// refuse says why a request is not even looked at, and reads its body, so
// that no handler waits for a slow client.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request) *problem.Problem {
	switch {
	case g.Token == "" && g.Loopback && !isLoopback(r.Host):
		// Else a web page could reach the scheduler by a name of its own that it resolves to 127.0.0.1.
		return problem.New(http.StatusForbidden, "the scheduler listens on this machine only, and was asked for by another name: "+r.Host,
			"use http://127.0.0.1 or http://localhost, or set KALLA_WORKER_TOKEN and send it")
	case g.cross.Check(r) != nil:
		return problem.New(http.StatusForbidden, "requests of web pages from elsewhere are refused", "send it from a server")
	}
	if open := r.URL.Path == "/health" || r.URL.Path == "/ready"; !open && !g.authorised(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kallad"`)
		return problem.New(http.StatusUnauthorized, "the token is missing or wrong", "send Authorization: Bearer with the scheduler's KALLA_WORKER_TOKEN")
	}
	if p := g.route(w, r); p != nil {
		return p
	}
	return problem.ReadBody(w, r, bodyTime)
}

// authorised compares hashes: those have one length, and comparing takes one time.
func (g *guard) authorised(r *http.Request) bool {
	if g.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(g.Token))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// route answers for the mux where it would in plain text: no such path, no such method, a redirect.
func (g *guard) route(w http.ResponseWriter, r *http.Request) *problem.Problem {
	_, pattern := g.mux.Handler(r)
	if pattern != "" && path.Clean(r.URL.Path) == r.URL.Path {
		return nil
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := g.mux.Handler(other); pattern != "" && method != r.Method {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && path.Clean(r.URL.Path) == r.URL.Path {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem.New(http.StatusMethodNotAllowed, r.Method+" is not for "+r.URL.Path, "use "+strings.Join(allowed, " or "))
	}
	return problem.New(http.StatusNotFound, "there is nothing at "+r.URL.Path, "GET /openapi.json lists what there is")
}

// isLoopback reports whether a Host header names this machine by itself.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// NewServer is the server for a handler of this package. Its limits keep slow
// and greedy clients from holding memory and connections.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       bodyTime,
		WriteTimeout:      bodyTime + lookTime + 15*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderSize,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients that speak no HTTP
	}
}
