package auth

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"kalla/internal/state"
)

// TokenItem is an API token without its secret.
type TokenItem struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Prefix   string     `json:"prefix" doc:"How the token begins"`
	Scopes   []Scope    `json:"scopes"`
	Created  time.Time  `json:"created_at"`
	Expires  *time.Time `json:"expires_at,omitempty"`
	LastUsed *time.Time `json:"last_used_at,omitempty" doc:"To the minute"`
}

// NewTokenItem is an API token that has just been made.
type NewTokenItem struct {
	TokenItem
	Token string `json:"token" doc:"Shown this once"`
}

type tokensOutput struct{ Body []TokenItem }

func (s *Service) listTokens(ctx context.Context, _ *empty) (*tokensOutput, error) {
	tokens, err := s.store.Tokens(ctx, PrincipalOf(ctx).User.ID)
	if err != nil {
		return nil, s.fail(ctx, "listing tokens", err)
	}
	out := &tokensOutput{Body: make([]TokenItem, len(tokens))}
	for i := range tokens {
		out.Body[i] = tokenItem(&tokens[i])
	}
	return out, nil
}

func tokenItem(t *state.Token) TokenItem {
	return TokenItem{ID: t.ID, Name: t.Name, Prefix: t.Prefix, Scopes: scopesOf(t), Created: t.CreatedAt, Expires: t.ExpiresAt, LastUsed: t.UsedAt}
}

func scopesOf(t *state.Token) []Scope {
	list := make([]Scope, len(t.Scopes))
	for i, scope := range t.Scopes {
		list[i] = Scope(scope)
	}
	return list
}

type createTokenInput struct {
	Body struct {
		Name    string     `json:"name" minLength:"1" maxLength:"100" doc:"What it is for"`
		Scopes  []Scope    `json:"scopes" minItems:"1" maxItems:"4" enum:"read,write,runs,admin"`
		Expires *time.Time `json:"expires_at,omitempty" doc:"Never without it"`
	}
}

type createTokenOutput struct {
	Status int
	Body   NewTokenItem
}

func (s *Service) createToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	if in.Body.Expires != nil && !in.Body.Expires.After(s.now()) {
		return nil, invalid("expires_at", "That is not in the future.")
	}
	name := strings.TrimSpace(in.Body.Name)
	if name == "" {
		return nil, invalid("name", "Say what the token is for.")
	}
	secret := newToken()
	token := state.Token{UserID: PrincipalOf(ctx).User.ID, Name: name, Hash: digest(secret), Prefix: secret[:tokenShown], ExpiresAt: in.Body.Expires}
	for _, scope := range scopes {
		if slices.Contains(in.Body.Scopes, scope) {
			token.Scopes = append(token.Scopes, string(scope))
		}
	}
	made, err := s.store.CreateToken(ctx, token)
	if err != nil {
		return nil, s.fail(ctx, "making a token", err)
	}
	return &createTokenOutput{http.StatusCreated, NewTokenItem{tokenItem(made), secret}}, nil
}

// revokeToken revokes one's own token, and an administrator anybody's.
func (s *Service) revokeToken(ctx context.Context, in *idInput) (*empty, error) {
	p := PrincipalOf(ctx)
	owner := p.User.ID
	if Can(p, UsersAdmin) {
		owner = ""
	}
	if err := s.store.DeleteToken(ctx, owner, in.ID); err != nil {
		return nil, s.fail(ctx, "revoking a token", err)
	}
	s.known.drop(func(_ [32]byte, k known) bool { return k.principal.id == in.ID })
	return nil, nil
}
