package auth

import (
	"context"
	"net/http"
	"time"
)

// SessionItem is one place where one is signed in.
type SessionItem struct {
	ID      string    `json:"id"`
	Agent   string    `json:"user_agent"`
	Address string    `json:"address"`
	Created time.Time `json:"created_at"`
	Seen    time.Time `json:"seen_at" doc:"To the minute"`
	Expires time.Time `json:"expires_at"`
	Current bool      `json:"current"`
}

type sessionsOutput struct{ Body []SessionItem }

type idInput struct {
	ID string `path:"id" maxLength:"200"`
}

func (s *Service) listSessions(ctx context.Context, _ *empty) (*sessionsOutput, error) {
	p := PrincipalOf(ctx)
	sessions, err := s.store.Sessions(ctx, p.User.ID)
	if err != nil {
		return nil, s.fail(ctx, "listing sessions", err)
	}
	out := &sessionsOutput{make([]SessionItem, len(sessions))}
	for i, x := range sessions {
		out.Body[i] = SessionItem{ID: x.ID, Agent: x.UserAgent, Address: x.Address, Created: x.CreatedAt, Seen: x.SeenAt, Expires: x.ExpiresAt, Current: x.ID == p.id}
	}
	return out, nil
}

func (s *Service) endSessions(ctx context.Context, _ *empty) (*cookiesOutput, error) {
	p := PrincipalOf(ctx)
	if err := s.store.DeleteSessions(ctx, p.User.ID, ""); err != nil {
		return nil, s.fail(ctx, "ending sessions", err)
	}
	s.forget(p.User.ID)
	return noSession(ctx), nil
}

func (s *Service) endOneSession(ctx context.Context, in *idInput) (*empty, error) {
	p := PrincipalOf(ctx)
	if err := s.store.DeleteSession(ctx, p.User.ID, in.ID); err != nil {
		return nil, s.fail(ctx, "ending a session", err)
	}
	s.forget(p.User.ID)
	return nil, nil
}

type cookiesOutput struct {
	Cookies []http.Cookie `header:"Set-Cookie"`
}

// noSession makes the browser forget its cookie.
func noSession(ctx context.Context) *cookiesOutput {
	secure := requestOf(ctx).secure
	return &cookiesOutput{[]http.Cookie{cookie(sessionCookie(secure), "", secure, 0)}}
}
