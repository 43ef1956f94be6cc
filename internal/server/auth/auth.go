// Package auth decides who calls the app and what they may do: sign-in by
// password, OpenID Connect or a one-time link, sessions, API tokens, roles, and
// what protects a browser from other sites.
//
// Service.Middleware finds out who calls, Service.Protect lets only those
// through to an operation who have the permission that it declares (Require),
// and Service.Register adds the operations of this package.
package auth

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kalla"
	"kalla/internal/state"
)

// Options configure a Service.
type Options struct {
	Store Store
	Log   *slog.Logger
	// PublicURL is where browsers reach the app: https://kalla.example.com. If
	// it is of https, cookies are Secure even where a proxy that is not trusted
	// ends TLS. It is needed for OIDC.
	PublicURL string
	// Loopback says that the app listens on a loopback address only. Requests
	// for other hosts are then refused: the names of a page that rebinds its DNS.
	Loopback bool
	// TrustedProxies are those whose X-Forwarded-For and -Proto are believed.
	// Without them, all who come through a proxy count as one address.
	TrustedProxies []netip.Prefix
	// UploadOrigins are other origins that the web app sends files to, such as that of an S3 endpoint.
	UploadOrigins []string
	OIDC          *OIDC            // nil: no sign-in by OpenID Connect
	Now           func() time.Time // default time.Now
}

// Service signs people in and knows who they are. It is safe for concurrent use.
type Service struct {
	store   Store
	log     *slog.Logger
	now     func() time.Time
	public  *url.URL // nil where none is configured
	local   bool
	trusted []netip.Prefix
	csp     string

	cross    *http.CrossOriginProtection
	hashes   *hasher
	attempts *limiter
	known    *recent[[32]byte, known] // sessions and tokens by digest
	links    *recent[[32]byte, time.Time]
	oidc     *oidcClient

	first      sync.Mutex // guards the setup token, and is held while the local user is made
	setupToken string     // empty where there are users

	localToken atomic.Pointer[[32]byte] // digest of what NewLocalToken returned last

	plainHTTP sync.Once // warns
}

// New returns a Service. Errors: a usage error if PublicURL or OIDC is not right.
func New(o Options) (*Service, error) {
	s := &Service{
		store: o.Store, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), now: o.Now,
		local: o.Loopback, trusted: o.TrustedProxies, csp: contentPolicy(o.UploadOrigins),
		cross:  http.NewCrossOriginProtection(),
		hashes: newHasher(currentCost),
		known:  newRecent[[32]byte, known](5_000),
		links:  newRecent[[32]byte, time.Time](1_000),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.attempts = newLimiter(s.now)
	if o.PublicURL != "" {
		u, err := url.Parse(strings.TrimSuffix(o.PublicURL, "/"))
		if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the public URL", Where: o.PublicURL,
				Why: "it is not the address of a site", Hint: "Write it as https://kalla.example.com, without a path."}
		}
		s.public = u
		if err := s.cross.AddTrustedOrigin(u.String()); err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the public URL", Where: o.PublicURL, Err: err}
		}
	}
	if o.OIDC != nil {
		client, err := newOIDCClient(*o.OIDC, s.public, s.now)
		if err != nil {
			return nil, err
		}
		s.oidc = client
	}
	return s, nil
}

// Via is how a principal proved who it is.
type Via string

// The ways.
const (
	ViaSession Via = "session"
	ViaToken   Via = "token"
)

// Principal is who calls. It is shared between requests and must not be changed.
type Principal struct {
	User   state.User
	Via    Via
	Scopes []Scope // of a token

	id    string // of the session or token
	label string // how a token begins
}

// request is what Middleware found out about a request.
type request struct {
	addr      netip.Addr
	secure    bool
	agent     string
	principal *Principal
	refused   string // why the credentials that came with it do not count
	err       error  // why it is not known whether they do
}

// actor is who the audit log says it was.
func (r *request) actor() state.Actor {
	a := state.Actor{Address: r.addr.String()}
	if p := r.principal; p != nil {
		a.ID, a.Name = p.User.ID, p.User.Email
		if p.Via == ViaToken {
			a.Name += " (" + p.label + ")"
		}
	}
	return a
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	if r == nil {
		return &request{}
	}
	return r
}

// PrincipalOf returns who calls, and nil if nobody is signed in or Middleware has not run.
func PrincipalOf(ctx context.Context) *Principal { return requestOf(ctx).principal }

// ClientAddr returns the address of the client, which a trusted proxy may have
// told. It is not valid where Middleware has not run.
func ClientAddr(ctx context.Context) netip.Addr { return requestOf(ctx).addr }

// OIDC reports whether one can sign in by OpenID Connect.
func (s *Service) OIDC() bool { return s.oidc != nil }
