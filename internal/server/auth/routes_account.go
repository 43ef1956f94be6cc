package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/state"
)

// Ways says how one can sign in, beside a password.
type Ways struct {
	OIDC  string `json:"oidc,omitempty" doc:"Name of the OpenID provider, where there is one: GET /api/auth/oidc/start?return_to="`
	Local bool   `json:"local" doc:"The app serves its own machine: the link that its start prints signs in"`
	Setup bool   `json:"setup" doc:"There is no user yet: POST /api/auth/setup with the token from the log"`
}

// Me is who is signed in.
type Me struct {
	UserItem
	Permissions []Permission `json:"permissions" doc:"What may be done with these credentials"`
	Via         Via          `json:"via" enum:"session,token"`
	Scopes      []Scope      `json:"scopes,omitempty" doc:"Of the API token"`
}

type waysOutput struct{ Body Ways }

type meOutput struct {
	Cookies []http.Cookie `header:"Set-Cookie"`
	Body    Me
}

func meOf(p *Principal, cookies ...http.Cookie) *meOutput {
	return &meOutput{cookies, Me{UserItem: userItem(&p.User), Permissions: permissionsOf(p), Via: p.Via, Scopes: p.Scopes}}
}

func (s *Service) ways(context.Context, *empty) (*waysOutput, error) {
	w := Ways{Local: s.localToken.Load() != nil, Setup: s.needsSetup()}
	if s.oidc != nil {
		w.OIDC = s.oidc.Name
	}
	return &waysOutput{w}, nil
}

func (s *Service) me(ctx context.Context, _ *empty) (*meOutput, error) {
	return meOf(PrincipalOf(ctx)), nil
}

type signInInput struct {
	Body struct {
		Email    string `json:"email"`
		Password string `json:"password" writeOnly:"true"`
	}
}

// signIn says the same, after the same time, of a wrong password and of an
// account that does not exist, is disabled or has no password.
func (s *Service) signIn(ctx context.Context, in *signInInput) (*meOutput, error) {
	req := requestOf(ctx)
	if wait := s.attempts.attempt(req.addr, in.Body.Email); wait > 0 {
		return nil, tooMany(wait)
	}
	user, err := s.store.UserByEmail(ctx, in.Body.Email)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, s.fail(ctx, "signing in", err)
	}
	phc := ""
	if user != nil && !user.Disabled {
		phc = user.Password
	}
	ok, stale, err := s.hashes.verify(ctx, phc, in.Body.Password)
	if err != nil {
		return nil, s.fail(ctx, "checking a password", err)
	}
	if !ok {
		// Known or not, as much is done: the time it takes tells nothing.
		id := ""
		if user != nil {
			id = user.ID
		}
		s.logFailure(ctx, "writing the audit log", s.store.Record(ctx, "user.sign_in_failed", "user", id, nil))
		return nil, huma.Error401Unauthorized("The e-mail address and the password do not belong together. If you have forgotten it, an administrator can set another.")
	}
	s.attempts.succeeded(req.addr, in.Body.Email)
	if stale {
		better, err := s.hashes.hash(ctx, in.Body.Password)
		if err == nil {
			err = s.store.Rehash(ctx, user.ID, user.Password, better)
		}
		s.logFailure(ctx, "strengthening a password hash", err)
	}
	return s.welcome(ctx, user)
}

// welcome starts a session of a user who proved to be it by a password.
func (s *Service) welcome(ctx context.Context, user *state.User) (*meOutput, error) {
	cookies, err := s.startSession(ctx, user, "password")
	if err != nil {
		return nil, s.fail(ctx, "starting a session", err)
	}
	return meOf(&Principal{User: *user, Via: ViaSession}, cookies...), nil
}

func (s *Service) signOut(ctx context.Context, _ *empty) (*cookiesOutput, error) {
	if err := s.endSession(ctx); err != nil {
		return nil, s.fail(ctx, "signing out", err)
	}
	return noSession(ctx), nil
}

type setupInput struct {
	Body struct {
		Token    string `json:"token" writeOnly:"true"`
		Email    string `json:"email"`
		Name     string `json:"name,omitempty" maxLength:"200"`
		Password string `json:"password" writeOnly:"true"`
	}
}

func (s *Service) firstUser(ctx context.Context, in *setupInput) (*meOutput, error) {
	if wait := s.attempts.attempt(requestOf(ctx).addr, ""); wait > 0 {
		return nil, tooMany(wait)
	}
	if fault := emailFault(in.Body.Email); fault != "" {
		return nil, invalid("email", fault)
	}
	if fault := passwordFault(in.Body.Password, in.Body.Email); fault != "" {
		return nil, invalid("password", fault)
	}
	user, err := s.setup(ctx, in.Body.Token, in.Body.Email, in.Body.Name, in.Body.Password)
	if err != nil {
		return nil, s.fail(ctx, "making the first administrator", err)
	}
	if user == nil {
		return nil, huma.Error403Forbidden("The setup token is not right, or there is an administrator already. The last one is in the log; a restart writes another while there are no users.")
	}
	s.attempts.succeeded(requestOf(ctx).addr, "")
	return s.welcome(ctx, user)
}

type linkInput struct {
	Token string `query:"token"`
}

func (s *Service) followLink(ctx context.Context, in *linkInput) (*redirect, error) {
	if s.attempts.attempt(requestOf(ctx).addr, "") > 0 {
		return toSignIn("too_many", "/"), nil
	}
	user, err := s.redeem(ctx, in.Token)
	if err != nil {
		return nil, s.fail(ctx, "following a link", err)
	}
	if user == nil || user.Disabled {
		return toSignIn("link_expired", "/"), nil
	}
	s.attempts.succeeded(requestOf(ctx).addr, "")
	cookies, err := s.startSession(ctx, user, "link")
	if err != nil {
		return nil, s.fail(ctx, "starting a session", err)
	}
	return to("/", cookies...), nil
}

type oidcStartInput struct {
	ReturnTo string `query:"return_to" doc:"Path within the app to go to afterwards"`
}

func (s *Service) oidcStart(ctx context.Context, in *oidcStartInput) (*redirect, error) {
	req := requestOf(ctx)
	location, f, err := s.oidc.begin(ctx, in.ReturnTo)
	if err != nil {
		s.logFailure(ctx, "asking the OpenID provider", err)
		return toSignIn(errFlowIssuer.Error(), in.ReturnTo), nil
	}
	return to(location, cookie(flowCookie(req.secure), f.cookie, req.secure, flowLife)), nil
}

type oidcFinishInput struct {
	State  string      `query:"state"`
	Code   string      `query:"code"`
	Error  string      `query:"error"`
	Secure http.Cookie `cookie:"__Host-kalla_oidc"`
	Plain  http.Cookie `cookie:"kalla_oidc"`
}

func (s *Service) oidcFinish(ctx context.Context, in *oidcFinishInput) (*redirect, error) {
	req := requestOf(ctx)
	f := flow{in.Plain.Value}
	if req.secure {
		f = flow{in.Secure.Value}
	}
	_, path := f.parts()
	if s.attempts.attempt(req.addr, "") > 0 { // each asks the issuer
		return toSignIn("too_many", path), nil
	}
	done := cookie(flowCookie(req.secure), "", req.secure, 0)
	who, err := s.oidc.finish(ctx, f, in.State, in.Code, in.Error)
	var user *state.User
	if err == nil {
		user, err = s.federated(ctx, who)
	}
	for _, known := range flowErrors {
		if errors.Is(err, known) {
			s.log.WarnContext(ctx, "sign-in by OpenID Connect failed", "error", err, "addr", req.addr.String())
			return toSignIn(known.Error(), path, done), nil
		}
	}
	if err != nil {
		return nil, s.fail(ctx, "signing in by OpenID Connect", err)
	}
	cookies, err := s.startSession(ctx, user, "oidc")
	if err != nil {
		return nil, s.fail(ctx, "starting a session", err)
	}
	s.attempts.succeeded(req.addr, "")
	return to(path, append(cookies, done)...), nil
}

type passwordInput struct {
	Body struct {
		Current  string `json:"current,omitempty" writeOnly:"true" doc:"Not needed where there is none"`
		Password string `json:"password" writeOnly:"true"`
	}
}

// changePassword ends all sessions and starts another: whoever may have known the old password is out.
func (s *Service) changePassword(ctx context.Context, in *passwordInput) (*meOutput, error) {
	p := PrincipalOf(ctx)
	user, err := s.store.User(ctx, p.User.ID)
	if err != nil {
		return nil, s.fail(ctx, "changing a password", err)
	}
	if user.Password != "" {
		if wait := s.attempts.attempt(requestOf(ctx).addr, user.Email); wait > 0 {
			return nil, tooMany(wait)
		}
		ok, _, err := s.hashes.verify(ctx, user.Password, in.Body.Current)
		if err != nil {
			return nil, s.fail(ctx, "checking a password", err)
		}
		if !ok {
			return nil, invalid("current", "That is not your current password.")
		}
		s.attempts.succeeded(requestOf(ctx).addr, user.Email)
	}
	if fault := passwordFault(in.Body.Password, user.Email); fault != "" {
		return nil, invalid("password", fault)
	}
	if user.Password, err = s.hashes.hash(ctx, in.Body.Password); err != nil {
		return nil, s.fail(ctx, "changing a password", err)
	}
	if user, err = s.store.UpdateUser(ctx, *user, ""); err != nil {
		return nil, s.fail(ctx, "changing a password", err)
	}
	s.forget(user.ID)
	return s.welcome(ctx, user)
}
