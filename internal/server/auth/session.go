package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"kalla/internal/state"
)

const (
	sessionIdle     = 12 * time.Hour
	sessionAbsolute = 7 * 24 * time.Hour
	// knownFor is how long a session or token is believed without asking the
	// store: so much later works what another process revokes.
	knownFor = 3 * time.Second
	// touchEvery is how often it is written down that one was used.
	touchEvery = time.Minute
	touchWait  = 500 * time.Millisecond
)

// known is a session or token that was looked up.
type known struct {
	principal *Principal
	until     time.Time
}

// sessionCookie is the name of the cookie. One with __Host- can be set only by
// this host and over TLS, so no other site of the domain can plant one; without
// TLS, as on a loopback address, browsers do not take it.
func sessionCookie(secure bool) string {
	if secure {
		return "__Host-kalla"
	}
	return "kalla_session"
}

func cookie(name, value string, secure bool, life time.Duration) http.Cookie {
	c := http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// identifySession finds the principal of a session cookie.
func (s *Service) identifySession(ctx context.Context, req *request, secret string) {
	s.identify(ctx, req, secret, "Your session has ended. Sign in again.", func(hash []byte, now time.Time) (*Principal, time.Time, error) {
		session, user, err := s.store.Session(ctx, hash)
		if err != nil {
			return nil, time.Time{}, err
		}
		ends := session.ExpiresAt
		if now.Sub(session.SeenAt) >= touchEvery {
			ends = sessionEnd(session.CreatedAt, now)
			s.touch(ctx, "noting a session's use", func(ctx context.Context) error { return s.store.TouchSession(ctx, hash, ends) })
		}
		return &Principal{User: *user, Via: ViaSession, id: session.ID}, ends, nil
	})
}

// sessionEnd is when a session ends that was used at now.
func sessionEnd(created, now time.Time) time.Time {
	idle, absolute := now.Add(sessionIdle), created.Add(sessionAbsolute)
	if absolute.Before(idle) {
		return absolute
	}
	return idle
}

// identifyToken finds the principal of an API token.
func (s *Service) identifyToken(ctx context.Context, req *request, secret string) {
	if !wellFormed(secret) {
		req.refused = "That is not an API token: those begin with " + tokenPrefix + " and carry a checksum, which does not fit. Copy it again, whole."
		return
	}
	s.identify(ctx, req, secret, "The API token is revoked, has expired, or is not of this installation. Make another.", func(hash []byte, now time.Time) (*Principal, time.Time, error) {
		if p, err := s.localPrincipal(ctx, hash); p != nil || err != nil {
			return p, now.Add(knownFor), err
		}
		token, user, err := s.store.TokenByHash(ctx, hash)
		if err != nil {
			return nil, time.Time{}, err
		}
		ends := now.Add(knownFor)
		if token.ExpiresAt != nil {
			ends = *token.ExpiresAt
		}
		if token.UsedAt == nil || now.Sub(*token.UsedAt) >= touchEvery {
			s.touch(ctx, "noting a token's use", func(ctx context.Context) error { return s.store.TouchToken(ctx, token.ID) })
		}
		return &Principal{User: *user, Via: ViaToken, Scopes: scopesOf(token), id: token.ID, label: token.Prefix}, ends, nil
	})
}

// identify puts into req whom a secret belongs to, who is known or else looked
// up, or why nobody counts.
func (s *Service) identify(ctx context.Context, req *request, secret, refused string, look func(hash []byte, now time.Time) (*Principal, time.Time, error)) {
	now, hash := s.now(), digest(secret)
	key := [32]byte(hash)
	if k, ok := s.known.get(key); ok && now.Before(k.until) {
		req.principal = k.principal
		return
	}
	p, ends, err := look(hash, now)
	switch {
	case errors.Is(err, state.ErrNotFound):
		req.refused = refused
	case err != nil:
		s.logFailure(ctx, "looking up who calls", err)
		req.err = err
	default:
		if until := now.Add(knownFor); until.Before(ends) {
			ends = until
		}
		s.known.put(key, known{p, ends})
		req.principal = p
	}
}

// touch writes down that a session or token was used. A database that is busy
// writing holds up a request no longer than that; the next one tries again.
func (s *Service) touch(ctx context.Context, op string, write func(context.Context) error) {
	brief, cancel := context.WithTimeout(ctx, touchWait)
	defer cancel()
	s.logFailure(ctx, op, write(brief))
}

// forget makes the sessions and tokens of a user be looked up again.
func (s *Service) forget(userID string) {
	s.known.drop(func(_ [32]byte, k known) bool { return k.principal.User.ID == userID })
}

// startSession signs a user in, in that way, and returns the cookies to set. The
// session that the request came with ends: what may have been planted in the
// browser before is not carried on.
func (s *Service) startSession(ctx context.Context, user *state.User, how string) ([]http.Cookie, error) {
	req := requestOf(ctx)
	now := s.now()
	if err := s.endSession(ctx); err != nil {
		return nil, err
	}
	secret := newSecret()
	_, err := s.store.CreateSession(ctx, state.Session{Hash: digest(secret), UserID: user.ID, UserAgent: req.agent,
		Address: req.addr.String(), ExpiresAt: sessionEnd(now, now)})
	if err != nil {
		return nil, err
	}
	as := request{addr: req.addr, principal: &Principal{User: *user}}
	if err := s.store.SignedIn(state.WithActor(ctx, as.actor()), user.ID, how); err != nil {
		return nil, err
	}
	if !req.secure && !req.addr.IsLoopback() {
		s.plainHTTP.Do(func() {
			s.log.WarnContext(ctx, "somebody signed in over plain HTTP: put a proxy with TLS in front of the app and set the public URL", "addr", req.addr.String())
		})
	}
	return []http.Cookie{cookie(sessionCookie(req.secure), secret, req.secure, sessionAbsolute)}, nil
}

// endSession ends the session that the request came with, if it did.
func (s *Service) endSession(ctx context.Context) error {
	p := PrincipalOf(ctx)
	if p == nil || p.Via != ViaSession {
		return nil
	}
	err := s.store.DeleteSession(ctx, p.User.ID, p.id)
	s.forget(p.User.ID)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Service) logFailure(ctx context.Context, op string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, op, "error", err)
	}
}
