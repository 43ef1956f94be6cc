package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"kalla/internal/problem"
)

const (
	bodyTime      = 30 * time.Second
	answerTime    = 90 * time.Second // previews and trials take up to 75 s at the scheduler
	maxHeaderSize = 64 << 10
)

// guard stands before every route: it holds what no handler should have to
// think of. Inside it is auth's, which finds out who calls, and inside of that
// what repeats requests.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	inner := s.cfg.Auth.Middleware(s.idempotent(mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		log := s.log.With("request_id", id)
		answer := &problem.Recorder{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if fault := recover(); fault != nil {
				problem.Panicked(fault, log, answer, r, "a fault of Kalla's own", id)
			}
			took := time.Since(start)
			s.metrics.answered(mux, r, answer.Status, took)
			log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", answer.Status, "ms", took.Milliseconds(), "remote", r.RemoteAddr)
		}()
		if p := route(mux, answer, r); p != nil {
			p.Write(answer)
			return
		}
		// A recorder in tests has no deadlines.
		_ = http.NewResponseController(w).SetWriteDeadline(start.Add(bodyTime + answerTime))
		if !streamed(r) {
			if p := problem.ReadBody(answer, r, bodyTime); p != nil {
				p.Write(answer)
				return
			}
		}
		ctx := withLog(r.Context(), log)
		// What a request sets off hangs below the span that the client sends along.
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
		inner.ServeHTTP(answer, r.WithContext(ctx))
	})
}

// streamed reports whether a request's body is read by its handler as it comes: that of an upload.
func streamed(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/api/uploads/") && strings.HasSuffix(r.URL.Path, "/content")
}

// route answers for the mux where it would in plain text or with the web app:
// no such operation, no such method, a redirect.
func route(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) *problem.Problem {
	escaped := r.URL.EscapedPath() // a key of a record may hold any character
	clean := path.Clean(escaped) == strings.TrimSuffix(escaped, "/") || escaped == "/"
	operation := func(method string) bool {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		_, pattern := mux.Handler(other)
		return pattern != "" && pattern != "/" && clean
	}
	isAPI := r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/")
	if operation(r.Method) || !isAPI && (r.Method == http.MethodGet || r.Method == http.MethodHead) && clean {
		return nil
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if operation(method) || !isAPI && method == http.MethodGet {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && clean {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem.New(http.StatusMethodNotAllowed, r.Method+" is not for "+r.URL.Path, "use "+strings.Join(allowed, " or "))
	}
	return problem.New(http.StatusNotFound, "there is nothing at "+r.URL.Path, "GET /openapi.json lists what there is")
}

type logKey struct{}

func withLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// logOf is the log of a request, which names it.
func (s *Server) logOf(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(logKey{}).(*slog.Logger); ok {
		return log
	}
	return s.log
}

// NewHTTPServer is the server for the handler of a Server. Its limits keep slow
// and greedy clients from holding memory and connections; how long a body or an
// answer may take is the handler's to say, since uploads, exports and streams of events take long.
func NewHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderSize,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients that speak no HTTP
	}
}
