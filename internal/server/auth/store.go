package auth

import (
	"context"
	"time"

	"kalla/internal/state"
)

// Store is what this package needs of state.Store, which also writes the audit
// log; the context says who acts.
type Store interface {
	CountUsers(ctx context.Context) (int64, error)
	Users(ctx context.Context, p state.Page) (state.List[state.User], error)
	User(ctx context.Context, id string) (*state.User, error)
	UserByEmail(ctx context.Context, address string) (*state.User, error)
	UserByOIDC(ctx context.Context, issuer, subject string) (*state.User, error)
	CreateUser(ctx context.Context, u state.User) (*state.User, error)
	CreateFirstUser(ctx context.Context, u state.User) (*state.User, error)
	UpdateUser(ctx context.Context, u state.User, keepSession string) (*state.User, error)
	DeleteUser(ctx context.Context, id string) error
	Rehash(ctx context.Context, id, from, to string) error
	SignedIn(ctx context.Context, id, how string) error

	CreateSession(ctx context.Context, x state.Session) (*state.Session, error)
	Session(ctx context.Context, hash []byte) (*state.Session, *state.User, error)
	Sessions(ctx context.Context, userID string) ([]state.Session, error)
	TouchSession(ctx context.Context, hash []byte, expires time.Time) error
	DeleteSession(ctx context.Context, userID, id string) error
	DeleteSessions(ctx context.Context, userID, but string) error

	CreateToken(ctx context.Context, t state.Token) (*state.Token, error)
	TokenByHash(ctx context.Context, hash []byte) (*state.Token, *state.User, error)
	Tokens(ctx context.Context, userID string) ([]state.Token, error)
	TouchToken(ctx context.Context, id string) error
	DeleteToken(ctx context.Context, userID, id string) error

	Record(ctx context.Context, action, objectType, objectID string, detail map[string]any) error
}

var _ Store = (*state.Store)(nil)
