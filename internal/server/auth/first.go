package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/mail"
	"strings"
	"time"

	"kalla"
	"kalla/internal/state"
)

const linkLife = 10 * time.Minute

// The user that a one-time link signs in: whoever can start the app on this machine owns its data.
const (
	localEmail = "local@localhost"
	localName  = "Local user"
)

// NewLink returns the token of a one-time link, /api/auth/link?token=…, that
// signs the local administrator in. It is valid for ten minutes.
func (s *Service) NewLink() string {
	secret := newSecret()
	s.links.put([32]byte(digest(secret)), s.now().Add(linkLife))
	return secret
}

// redeem returns the user of a one-time link, whom it makes if need be, and nil if the link is not valid.
func (s *Service) redeem(ctx context.Context, secret string) (*state.User, error) {
	until, ok := s.links.take([32]byte(digest(secret)))
	if !ok || !s.now().Before(until) {
		return nil, nil
	}
	return s.localUser(ctx)
}

// NewLocalToken returns an API token of the local administrator's for programs on
// this machine, which reads, writes and runs. It is good while this process
// lives, is stored nowhere, and takes the place of the one before.
func (s *Service) NewLocalToken() string {
	secret := newToken()
	hash := [32]byte(digest(secret))
	s.localToken.Store(&hash)
	return secret
}

// localPrincipal is who comes with the local token, nil if the hash is not its.
func (s *Service) localPrincipal(ctx context.Context, hash []byte) (*Principal, error) {
	if local := s.localToken.Load(); local == nil || *local != [32]byte(hash) {
		return nil, nil
	}
	user, err := s.localUser(ctx)
	if err != nil {
		return nil, err
	}
	return &Principal{User: *user, Via: ViaToken, Scopes: []Scope{ScopeRead, ScopeWrite, ScopeRuns}, label: "this machine"}, nil
}

// localUser is the local administrator, who is made if need be.
func (s *Service) localUser(ctx context.Context) (*state.User, error) {
	s.first.Lock()
	defer s.first.Unlock()
	user, err := s.store.UserByEmail(ctx, localEmail)
	if errors.Is(err, state.ErrNotFound) {
		return s.store.CreateUser(ctx, state.User{Email: localEmail, Name: localName, Role: Admin})
	}
	return user, err
}

// FirstStart sees to it that somebody can sign in. While there are no users,
// but perhaps the local one, it makes an administrator of the e-mail and
// password, or, where there is no e-mail, returns a token that lets whoever
// opens /setup?token=… make one. It returns no token where there are users;
// their passwords stay as they are. The token is good for this process, until
// there is a user.
func (s *Service) FirstStart(ctx context.Context, email, password string) (token string, err error) {
	_, free, err := s.unclaimed(ctx)
	if err != nil || !free {
		return "", err
	}
	if email == "" {
		s.first.Lock()
		defer s.first.Unlock()
		s.setupToken = newSecret()
		return s.setupToken, nil
	}
	fault := emailFault(email)
	if fault == "" {
		fault = passwordFault(password, email)
	}
	if fault != "" {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "making the first administrator", Where: email, Why: fault,
			Hint: "Set KALLA_ADMIN_EMAIL and KALLA_ADMIN_PASSWORD to others, or neither to make the administrator in the browser."}
	}
	_, err = s.makeFirst(ctx, email, "", password)
	if tooLate(err) {
		err = nil
	}
	return "", err
}

// setup makes the first administrator. It returns nil if the token is not right or not needed any more.
func (s *Service) setup(ctx context.Context, token, email, name, password string) (*state.User, error) {
	s.first.Lock()
	defer s.first.Unlock()
	if s.setupToken == "" || subtle.ConstantTimeCompare([]byte(token), []byte(s.setupToken)) != 1 {
		return nil, nil
	}
	user, err := s.makeFirst(ctx, email, name, password)
	if err == nil || tooLate(err) {
		s.setupToken = ""
		return user, nil
	}
	return nil, err
}

// tooLate reports whether another process was quicker to make the administrator.
func tooLate(err error) bool {
	return errors.Is(err, state.ErrExists) || errors.Is(err, state.ErrStale)
}

func (s *Service) makeFirst(ctx context.Context, email, name, password string) (*state.User, error) {
	hash, err := s.hashes.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	local, free, err := s.unclaimed(ctx)
	switch {
	case err != nil:
		return nil, err
	case free && local != nil:
		local.Email, local.Name, local.Password = email, name, hash
		return s.store.UpdateUser(ctx, *local, "")
	}
	return s.store.CreateFirstUser(ctx, state.User{Email: email, Name: name, Role: Admin, Password: hash})
}

// unclaimed reports whether nobody can sign in yet: there is no user, or only
// the local one of somebody who has tried the app out on this machine, and who
// becomes the administrator.
func (s *Service) unclaimed(ctx context.Context) (local *state.User, free bool, err error) {
	n, err := s.store.CountUsers(ctx)
	if err != nil || n > 1 {
		return nil, false, err
	}
	if n == 0 {
		return nil, true, nil
	}
	local, err = s.store.UserByEmail(ctx, localEmail)
	if errors.Is(err, state.ErrNotFound) {
		return nil, false, nil
	}
	return local, err == nil, err
}

// needsSetup reports whether a setup token waits to be used.
func (s *Service) needsSetup() bool {
	s.first.Lock()
	defer s.first.Unlock()
	return s.setupToken != ""
}

// emailFault says what is wrong with an e-mail address, and nothing if it can be one.
func emailFault(email string) string {
	email = strings.TrimSpace(email)
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > 254 {
		return "That is not an e-mail address. Write it as maria@example.com."
	}
	return ""
}
