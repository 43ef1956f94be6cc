package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const (
	// claimTime is how long a request keeps others of the same key waiting after
	// the last sign of life from whoever answers it: a process may have died over it.
	claimTime = 10 * time.Second
	// keepAnswer is how long a repeated request gets the answer of the first.
	keepAnswer = 24 * time.Hour
	// maxKept is the longest answer that is kept, in bytes; those of changes are short.
	maxKept = 1 << 20
	maxKey  = 200
)

// idempotent does a POST with an Idempotency-Key once: the same request again,
// by the same caller, gets the answer of the first. What is read is not worth
// keeping, and what has failed may be tried again.
func (s *Server) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, p := r.Header.Get("Idempotency-Key"), auth.PrincipalOf(r.Context())
		// Callbacks come with keys too, but without a principal: the states of runs make them idempotent.
		if r.Method != http.MethodPost || key == "" || p == nil {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > maxKey {
			problem.New(http.StatusBadRequest, "the Idempotency-Key is longer than 200 bytes", "use a UUID").Write(w)
			return
		}
		text, err := io.ReadAll(r.Body) // the guard has bounded it
		if err != nil {
			problem.New(http.StatusBadRequest, "the body cannot be read", "").Write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		sum := sha256.Sum256(text)
		i := state.Idempotent{Key: key, UserID: p.User.ID, Route: r.Method + " " + r.URL.RequestURI(), RequestHash: sum[:]}
		claim, earlier, err := s.store.Claim(r.Context(), i, claimTime)
		if err != nil {
			s.refuseClaim(w, r, err)
			return
		}
		if earlier != nil {
			w.Header().Set("Idempotency-Replayed", "true")
			w.Header().Set("Content-Type", earlier.ContentType)
			w.WriteHeader(earlier.Status)
			_, _ = w.Write(earlier.Body) // fails when the client has gone
			return
		}
		s.keeping(w, r, next, i, claim)
	})
}

// keeping answers, and keeps the answer of what was done.
func (s *Server) keeping(w http.ResponseWriter, r *http.Request, next http.Handler, i state.Idempotent, claim string) {
	ctx := context.WithoutCancel(r.Context()) // whoever repeats is one whose connection broke
	copied := &copier{ResponseWriter: w}
	done := false
	answering, stop := context.WithCancel(ctx)
	var holding sync.WaitGroup
	holding.Go(func() {
		for sleep(answering, claimTime/4) {
			if err := s.store.Hold(answering, i, claim, claimTime); err != nil && answering.Err() == nil {
				s.logOf(ctx).Warn("a request that goes on could not say so", "error", err)
			}
		}
	})
	defer func() {
		stop()
		holding.Wait()
		var err error
		if done && copied.status/100 == 2 && copied.body.Len() <= maxKept {
			err = s.store.Answered(ctx, i, claim, state.Answer{Status: copied.status, ContentType: w.Header().Get("Content-Type"), Body: copied.body.Bytes()}, keepAnswer)
		} else {
			err = s.store.Abandon(ctx, i, claim)
		}
		if err != nil {
			s.logOf(ctx).Warn("an answer could not be kept for a repeated request", "error", err)
		}
	}()
	next.ServeHTTP(copied, r)
	done = true
}

func (s *Server) refuseClaim(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusConflict
	switch {
	case errors.Is(err, state.ErrConstraint):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, state.ErrBusy):
		w.Header().Set("Retry-After", "1")
	default:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
		s.logOf(r.Context()).Error("request failed", "error", err)
	}
	problem.Of(status, err, "").Write(w)
}

// copier copies an answer that goes by.
type copier struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copier) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *copier) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if c.body.Len() <= maxKept {
		c.body.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (c *copier) Unwrap() http.ResponseWriter { return c.ResponseWriter }
