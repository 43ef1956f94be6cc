package auth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kalla"
	"kalla/internal/state"
)

// OIDC configures sign-in by OpenID Connect.
type OIDC struct {
	Issuer       string // https://accounts.example.com
	ClientID     string
	ClientSecret string
	Name         string // on the button: "Sign in with NAME"; default the issuer's host
	// AllowedDomains are those whose addresses get an account at their first
	// sign-in, with DefaultRole; "*" allows all that the issuer vouches for.
	// Others must have been added by an administrator.
	AllowedDomains []string
	// RoleClaim is a claim of the ID token, a text or a list of them, that
	// decides the role at each sign-in: RoleMap says which value gives which, the
	// greatest counts. Where it is empty, administrators give roles.
	RoleClaim   string
	RoleMap     map[string]Role
	DefaultRole Role // default Viewer
}

const (
	oidcCallback = "/api/auth/oidc/callback"
	flowLife     = 10 * time.Minute
	issuerWait   = 10 * time.Second // for each answer of the issuer
	issuerPause  = 5 * time.Second  // after it did not answer
)

type oidcClient struct {
	OIDC
	redirect string
	now      func() time.Time
	http     *http.Client
	used     *recent[string, struct{}] // states that came back

	turn     chan struct{} // held while the issuer is asked; a mutex whose wait ends with its context
	provider *oidc.Provider
	failed   error
	retry    time.Time
}

func newOIDCClient(o OIDC, public *url.URL, now func() time.Time) (*oidcClient, error) {
	fault := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "reading the settings of OpenID Connect", Where: o.Issuer, Why: why, Hint: hint}
	}
	issuer, err := url.Parse(o.Issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.Scheme != "https" && !loopbackHost(issuer):
		return nil, fault("the issuer is not an https URL", "Write it as the provider does in its discovery document: https://accounts.example.com.")
	case o.ClientID == "":
		return nil, fault("there is no client id", "Register the app with the provider and set the client id it gives.")
	case public == nil:
		return nil, fault("the public URL is not set", "Set it: the provider sends people back to "+oidcCallback+" there.")
	}
	o.DefaultRole = cmp.Or(o.DefaultRole, Viewer)
	o.Name = cmp.Or(o.Name, issuer.Hostname())
	for value, role := range o.RoleMap {
		if !slices.Contains(roles, role) {
			return nil, fault(fmt.Sprintf("%q is mapped to the role %q, which does not exist", value, role), "The roles are viewer, preparer, approver and admin.")
		}
	}
	if !slices.Contains(roles, o.DefaultRole) {
		return nil, fault(fmt.Sprintf("the default role %q does not exist", o.DefaultRole), "The roles are viewer, preparer, approver and admin.")
	}
	return &oidcClient{OIDC: o, redirect: public.String() + oidcCallback, now: now,
		http: &http.Client{Timeout: issuerWait}, used: newRecent[string, struct{}](10_000), turn: make(chan struct{}, 1)}, nil
}

func loopbackHost(u *url.URL) bool {
	return u.Hostname() == "localhost" || parseAddr(u.Hostname()).IsLoopback()
}

// discover returns what the issuer says about itself. It is asked when somebody
// first signs in, so that the app starts without it, and again after a pause
// if it did not answer.
func (c *oidcClient) discover(ctx context.Context) (*oidc.Provider, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.provider != nil {
		return c.provider, nil
	}
	if c.failed != nil && c.now().Before(c.retry) {
		return nil, c.failed
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, c.http), c.Issuer)
	if err != nil {
		if ctx.Err() != nil { // says nothing about the issuer
			return nil, err
		}
		c.failed, c.retry = err, c.now().Add(issuerPause)
		return nil, err
	}
	c.provider = p
	return p, nil
}

func (c *oidcClient) config(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: c.redirect, Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// flow is one try to sign in. It lives in a cookie of the browser that began
// it, SECRET.UNIXTIME.PATH, so any process of the app can end it; what the
// issuer gets to see is derived from the whole of it.
type flow struct{ cookie string }

func newFlow(now time.Time, path string) flow {
	return flow{newSecret() + "." + strconv.FormatInt(now.Unix(), 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(path))}
}

func (f flow) derive(what string) string {
	m := hmac.New(sha256.New, []byte(f.cookie))
	m.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (f flow) state() string    { return f.derive("state") }
func (f flow) nonce() string    { return f.derive("nonce") }
func (f flow) verifier() string { return f.derive("verifier") }

// parts returns when the flow began and where to go after it.
func (f flow) parts() (began time.Time, path string) {
	parts := strings.Split(f.cookie, ".")
	if len(parts) != 3 || len(parts[0]) < 40 {
		return time.Time{}, "/"
	}
	unix, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return time.Time{}, "/"
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return time.Time{}, "/"
	}
	return time.Unix(unix, 0), localPath(string(b))
}

func flowCookie(secure bool) string {
	if secure {
		return "__Host-kalla_oidc"
	}
	return "kalla_oidc"
}

// begin returns where to send the browser, and the flow to keep in it.
func (c *oidcClient) begin(ctx context.Context, path string) (string, flow, error) {
	p, err := c.discover(ctx)
	if err != nil {
		return "", flow{}, err
	}
	f := newFlow(c.now(), localPath(path))
	return c.config(p).AuthCodeURL(f.state(), oidc.Nonce(f.nonce()), oauth2.S256ChallengeOption(f.verifier())), f, nil
}

// What can be wrong with an answer of the issuer. The codes are the error
// parameter of /sign-in.
var (
	errFlowStale    = errors.New("oidc_expired")    // took too long, began in another browser, or was replayed
	errFlowRefused  = errors.New("oidc_refused")    // the issuer, or the person there, said no
	errFlowToken    = errors.New("oidc_token")      // the ID token is not right
	errFlowEmail    = errors.New("oidc_email")      // no verified e-mail address
	errFlowDomain   = errors.New("oidc_domain")     // nobody of that address may have an account
	errFlowTaken    = errors.New("oidc_taken")      // the address belongs to another account of the issuer
	errFlowDisabled = errors.New("oidc_disabled")   // the account is disabled
	errFlowIssuer   = errors.New("oidc_unanswered") // the issuer does not answer

	flowErrors = []error{errFlowStale, errFlowRefused, errFlowToken, errFlowEmail, errFlowDomain, errFlowTaken, errFlowDisabled, errFlowIssuer}
)

// identity is what the issuer says about a person.
type identity struct {
	issuer, subject, email, name string
	role                         Role // empty where no claim decides
}

// finish checks the issuer's answer. Errors are one of those above with the cause.
func (c *oidcClient) finish(ctx context.Context, f flow, state, code, refusal string) (*identity, error) {
	began, _ := f.parts()
	age := c.now().Sub(began)
	if f.cookie == "" || !hmac.Equal([]byte(state), []byte(f.state())) || age < 0 || age > flowLife {
		return nil, fmt.Errorf("%w: the state is not that of this browser, or older than %v", errFlowStale, flowLife)
	}
	replayed := true
	c.used.getOrPut(state, func() struct{} { replayed = false; return struct{}{} })
	if replayed {
		return nil, fmt.Errorf("%w: the state has been used", errFlowStale)
	}
	if refusal != "" || code == "" {
		return nil, fmt.Errorf("%w: %s", errFlowRefused, clip(refusal, 200))
	}
	p, err := c.discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFlowIssuer, err)
	}
	tokens, err := c.config(p).Exchange(oidc.ClientContext(ctx, c.http), code, oauth2.VerifierOption(f.verifier()))
	if err != nil {
		if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			return nil, fmt.Errorf("%w: exchanging the code: %s %s", errFlowToken, answer.Response.Status, answer.ErrorCode)
		}
		return nil, fmt.Errorf("%w: exchanging the code: %w", errFlowIssuer, err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := p.Verifier(&oidc.Config{ClientID: c.ClientID, Now: c.now}).Verify(oidc.ClientContext(ctx, c.http), raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFlowToken, err)
	}
	if !hmac.Equal([]byte(token.Nonce), []byte(f.nonce())) {
		return nil, fmt.Errorf("%w: the nonce is not the one that was sent", errFlowToken)
	}
	return c.identity(token)
}

func (c *oidcClient) identity(token *oidc.IDToken) (*identity, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, fmt.Errorf("%w: %w", errFlowToken, err)
	}
	who := &identity{issuer: token.Issuer, subject: token.Subject}
	email, _ := claims["email"].(string)
	who.email = state.Email(email)
	who.name, _ = claims["name"].(string)
	who.name = clip(who.name, 200)
	// Some issuers write the boolean as a text.
	verified := claims["email_verified"] == true || claims["email_verified"] == "true"
	if !verified || emailFault(who.email) != "" {
		return nil, fmt.Errorf("%w: the ID token has no e-mail address that the issuer verified", errFlowEmail)
	}
	if c.RoleClaim != "" {
		who.role = c.roleOf(claims[c.RoleClaim])
	}
	return who, nil
}

// roleOf maps a claim to the greatest role that it gives.
func (c *oidcClient) roleOf(claim any) Role {
	values, ok := claim.([]any)
	if !ok {
		values = []any{claim}
	}
	role := c.DefaultRole
	for _, v := range values {
		text, _ := v.(string)
		if r, ok := c.RoleMap[text]; ok && atLeast(r, role) {
			role = r
		}
	}
	return role
}

// admits reports whether somebody with that address gets an account by signing in.
func (c *oidcClient) admits(email string) bool {
	_, domain, _ := strings.Cut(email, "@")
	return slices.ContainsFunc(c.AllowedDomains, func(d string) bool { return d == "*" || strings.EqualFold(d, domain) })
}

// federated returns the user whom an identity belongs to. A new one is made
// where its domain allows it; one that an administrator added is found by the
// address, which the issuer has verified, and belongs to that identity from then on.
func (s *Service) federated(ctx context.Context, who *identity) (*state.User, error) {
	user, err := s.store.UserByOIDC(ctx, who.issuer, who.subject)
	if errors.Is(err, state.ErrNotFound) {
		user, err = s.store.UserByEmail(ctx, who.email)
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		if !s.oidc.admits(who.email) {
			return nil, errFlowDomain
		}
		return s.store.CreateUser(ctx, state.User{Email: who.email, Name: who.name, Role: cmp.Or(who.role, s.oidc.DefaultRole),
			OIDCIssuer: who.issuer, OIDCSubject: who.subject})
	case err != nil:
		return nil, err
	case user.Disabled:
		return nil, errFlowDisabled
	case user.OIDCSubject != "" && (user.OIDCIssuer != who.issuer || user.OIDCSubject != who.subject):
		return nil, errFlowTaken
	}
	now := *user
	now.OIDCIssuer, now.OIDCSubject, now.Role = who.issuer, who.subject, cmp.Or(who.role, user.Role)
	if now == *user {
		return user, nil
	}
	s.forget(user.ID)
	return s.store.UpdateUser(ctx, now, "")
}
