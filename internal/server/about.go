package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/objects"
	"kalla/internal/server/auth"
)

func (s *Server) registerAbout(api huma.API) {
	huma.Register(api, operation("about", http.MethodGet, "/api/about", "about", "What this installation is", auth.Read), s.about)
}

func (s *Server) about(ctx context.Context, _ *none) (*body[About], error) {
	a := About{Version: s.cfg.Version, Store: s.store.Kind(), Storage: s.cfg.Storage, OIDC: s.cfg.Auth.OIDC(), Mode: s.cfg.Mode}
	if objects.IsURI(s.cfg.Storage) {
		p, err := objects.Open(s.cfg.Storage, s.cfg.LookupEnv)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		defer p.Close()
		a.Storage = p.String()
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if engine, err := s.cfg.Scheduler.Engine(short); err != nil {
		a.Problem = err.Error()
	} else {
		a.Engine = &engine
	}
	return &body[About]{a}, nil
}

// Health is what GET /healthz and /readyz answer.
type Health struct {
	Status    string `json:"status"`              // ok, or why not
	Scheduler string `json:"scheduler,omitempty"` // ok, or why it does not answer
}

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, Health{Status: "ok"})
}

// readyz says whether requests can be answered, which takes the store. A
// scheduler that is away is told but does not make the app unready: runs wait
// for it, and whoever takes the app out of service for it would only hide that.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	asked := make(chan string, 1)
	go func() {
		if _, err := s.cfg.Scheduler.Engine(ctx); err != nil {
			asked <- "it does not answer"
			return
		}
		asked <- "ok"
	}()
	if err := s.store.Ping(ctx); err != nil {
		s.log.Warn("not ready", "error", err)
		writeHealth(w, http.StatusServiceUnavailable, Health{Status: "the database does not answer"})
		return
	}
	writeHealth(w, http.StatusOK, Health{Status: "ok", Scheduler: <-asked})
}

func writeHealth(w http.ResponseWriter, status int, h Health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // fails when the client has gone
}
