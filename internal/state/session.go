package state

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Session is a browser that is signed in. Its token is not stored, only the SHA-256 of it.
type Session struct {
	bun.BaseModel `bun:"table:sessions"`

	Hash      []byte    `bun:"hash,pk"`
	ID        string    `bun:"id"` // names it where people end it
	UserID    string    `bun:"user_id"`
	UserAgent string    `bun:"user_agent"`
	Address   string    `bun:"address"`
	CreatedAt time.Time `bun:"created_at"`
	SeenAt    time.Time `bun:"seen_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

// CreateSession adds a session; without an ID it gets one.
func (s *Store) CreateSession(ctx context.Context, x Session) (*Session, error) {
	if x.ID == "" {
		x.ID = newID()
	}
	x.CreatedAt = s.clock()
	x.SeenAt, x.ExpiresAt = x.CreatedAt, micros(x.ExpiresAt)
	err := s.change(ctx, "signing in", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&x).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// Session returns the session of a hash and its user, unless it has expired or the user is disabled: ErrNotFound.
func (s *Store) Session(ctx context.Context, hash []byte) (*Session, *User, error) {
	x, err := one[Session](ctx, s, "looking for the session", "session", "", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("hash = ?", hash).Where("expires_at > ?", s.clock())
	})
	if err != nil {
		return nil, nil, err
	}
	u, err := s.enabledUser(ctx, x.UserID)
	if err != nil {
		return nil, nil, err
	}
	return x, u, nil
}

func (s *Store) enabledUser(ctx context.Context, id string) (*User, error) {
	return s.user(ctx, id, "id = ? AND NOT disabled", id)
}

// TouchSession notes that a session was seen, and until when it lasts now.
func (s *Store) TouchSession(ctx context.Context, hash []byte, expires time.Time) error {
	return s.change(ctx, "noting the session", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*Session)(nil)).Set("seen_at = ?", s.clock()).Set("expires_at = ?", micros(expires)).Where("hash = ?", hash).Exec(ctx)
		return err
	})
}

// Sessions returns the sessions of a user that have not expired, the latest seen first.
func (s *Store) Sessions(ctx context.Context, userID string) ([]Session, error) {
	list := []Session{}
	err := s.query(ctx, "listing the sessions", func(ctx context.Context) error {
		list = list[:0]
		return s.read.NewSelect().Model(&list).Where("user_id = ?", userID).Where("expires_at > ?", s.clock()).Order("seen_at DESC", "id").Scan(ctx)
	})
	return list, err
}

// DeleteSession ends a session of a user by its id.
func (s *Store) DeleteSession(ctx context.Context, userID, id string) error {
	const op = "ending the session"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		ok, err := changed(tx.NewDelete().Model((*Session)(nil)).Where("id = ?", id).Where("user_id = ?", userID).Exec(ctx))
		if err != nil {
			return err
		}
		if !ok {
			return notFound(op, "session", id)
		}
		return s.audit(ctx, tx, "user.sign_out", "user", userID, map[string]any{"session": id})
	})
}

// DeleteSessions ends all sessions of a user but one (an id; may be empty).
func (s *Store) DeleteSessions(ctx context.Context, userID, but string) error {
	return s.change(ctx, "ending the sessions", func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*Session)(nil)).Where("user_id = ?", userID).Where("id <> ?", but).Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, "user.sign_out_everywhere", "user", userID, nil)
	})
}

// Token lets a program act for a user. It is not stored itself, only the SHA-256 of it.
type Token struct {
	bun.BaseModel `bun:"table:tokens"`

	ID        string     `bun:"id,pk"`
	UserID    string     `bun:"user_id"`
	Name      string     `bun:"name"`
	Hash      []byte     `bun:"hash"`
	Prefix    string     `bun:"prefix"` // its first characters, for people to know it by
	Scopes    []string   `bun:"scopes"`
	CreatedAt time.Time  `bun:"created_at"`
	ExpiresAt *time.Time `bun:"expires_at"` // nil: never
	UsedAt    *time.Time `bun:"used_at"`
}

// CreateToken adds a token; without an ID it gets one.
func (s *Store) CreateToken(ctx context.Context, t Token) (*Token, error) {
	if t.ID == "" {
		t.ID = newID()
	}
	t.CreatedAt = s.clock()
	if t.ExpiresAt != nil {
		at := micros(*t.ExpiresAt)
		t.ExpiresAt = &at
	}
	err := s.change(ctx, "making the token", func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&t).Exec(ctx); err != nil {
			return err
		}
		return s.audit(ctx, tx, "token.create", "token", t.ID, map[string]any{"name": t.Name, "prefix": t.Prefix, "scopes": t.Scopes, "user": t.UserID})
	})
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// TokenByHash returns a token and its user, unless it has expired or the user is disabled: ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (*Token, *User, error) {
	t, err := one[Token](ctx, s, "looking for the token", "token", "", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("hash = ?", hash).Where("expires_at IS NULL OR expires_at > ?", s.clock())
	})
	if err != nil {
		return nil, nil, err
	}
	u, err := s.enabledUser(ctx, t.UserID)
	if err != nil {
		return nil, nil, err
	}
	return t, u, nil
}

// TouchToken notes that a token was used.
func (s *Store) TouchToken(ctx context.Context, id string) error {
	return s.change(ctx, "noting the token", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*Token)(nil)).Set("used_at = ?", s.clock()).Where("id = ?", id).Exec(ctx)
		return err
	})
}

// Tokens returns the tokens of a user, or of all without one, the newest first.
func (s *Store) Tokens(ctx context.Context, userID string) ([]Token, error) {
	list := []Token{}
	err := s.query(ctx, "listing the tokens", func(ctx context.Context) error {
		list = list[:0]
		q := s.read.NewSelect().Model(&list).Order("created_at DESC", "id DESC")
		if userID != "" {
			q = q.Where("user_id = ?", userID)
		}
		return q.Scan(ctx)
	})
	return list, err
}

// DeleteToken ends a token of a user, or of anybody without one.
func (s *Store) DeleteToken(ctx context.Context, userID, id string) error {
	const op = "deleting the token"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewDelete().Model((*Token)(nil)).Where("id = ?", id)
		if userID != "" {
			q = q.Where("user_id = ?", userID)
		}
		ok, err := changed(q.Exec(ctx))
		if err != nil {
			return err
		}
		if !ok {
			return notFound(op, "token", id)
		}
		return s.audit(ctx, tx, "token.delete", "token", id, nil)
	})
}
