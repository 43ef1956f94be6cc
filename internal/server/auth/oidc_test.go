package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kalla/internal/server/auth"
)

// withIssuer returns a site that trusts an issuer; change sees its settings.
func withIssuer(t *testing.T, change func(*auth.OIDC)) (*site, *issuer) {
	var i *issuer
	s := newSite(t, func(s *site, o *auth.Options) {
		i = newIssuer(t, s.clock.now)
		o.PublicURL = s.URL
		o.OIDC = &auth.OIDC{Issuer: i.URL, ClientID: i.client, ClientSecret: i.secret, Name: "Example", AllowedDomains: []string{"example.com"}}
		if change != nil {
			change(o.OIDC)
		}
	})
	return s, i
}

// toIssuer begins to sign in and returns where the issuer sends the browser back to.
func (b *browser) toIssuer(path string) string {
	b.t.Helper()
	there := b.must(http.StatusSeeOther, http.MethodGet, "/api/auth/oidc/start?return_to="+url.QueryEscape(path), nil).header.Get("Location")
	return b.must(http.StatusFound, http.MethodGet, there, nil).header.Get("Location")
}

// signInOIDC returns where the browser ends.
func (b *browser) signInOIDC(path string) string {
	b.t.Helper()
	return b.must(http.StatusSeeOther, http.MethodGet, b.toIssuer(path), nil).header.Get("Location")
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	s, i := withIssuer(t, nil)
	i.says(map[string]any{"sub": "u-2", "email": "Jo@Example.com", "name": "Jo"})
	b := s.browser(t)
	if a := b.must(http.StatusOK, http.MethodGet, "/api/auth", nil); !strings.Contains(a.body, `"oidc":"Example"`) {
		t.Error(a.body)
	}
	if to := b.signInOIDC("/runs?state=failed"); to != "/runs?state=failed" {
		t.Errorf("to %s", to)
	}
	var me auth.Me
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &me)
	if me.Email != "jo@example.com" || me.Name != "Jo" || me.Role != auth.Viewer || !me.OIDC || me.Password {
		t.Errorf("%+v", me)
	}
	// The same person again, whose address has changed in the meantime, is the same user.
	i.says(map[string]any{"sub": "u-2", "email": "jo.new@example.com"})
	again := s.browser(t)
	again.signInOIDC("/")
	var who auth.Me
	again.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &who)
	if who.ID != me.ID {
		t.Errorf("%+v", who)
	}
	// Whom an administrator added is found by the address, keeps the role, and can still use the password.
	i.says(map[string]any{"sub": "u-1"})
	maria := s.browser(t)
	maria.signInOIDC("/")
	maria.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &who)
	if who.Email != adminEmail || who.Role != auth.Admin || !who.Password || !who.OIDC {
		t.Errorf("%+v", who)
	}
	s.signedIn(t, auth.Admin)
	// Only paths within the app are gone back to.
	for _, path := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "", "/\tevil"} {
		if to := s.browser(t).signInOIDC(path); to != "/" {
			t.Errorf("%q: to %s", path, to)
		}
	}
}

func TestOIDCRefuses(t *testing.T) {
	t.Parallel()
	s, i := withIssuer(t, nil)
	now := s.clock.now()
	for _, c := range []struct {
		name   string
		claims map[string]any
		code   string
	}{
		{"another nonce", map[string]any{"nonce": "other"}, "oidc_token"},
		{"no nonce", map[string]any{"nonce": nil}, "oidc_token"},
		{"another audience", map[string]any{"aud": "another-app"}, "oidc_token"},
		{"another issuer", map[string]any{"iss": "https://other.example"}, "oidc_token"},
		{"expired", map[string]any{"exp": now.Add(-time.Minute).Unix()}, "oidc_token"},
		{"not yet valid", map[string]any{"nbf": now.Add(time.Hour).Unix()}, "oidc_token"},
		{"not verified", map[string]any{"email_verified": false}, "oidc_email"},
		{"says nothing of verified", map[string]any{"email_verified": nil}, "oidc_email"},
		{"no address", map[string]any{"email": nil}, "oidc_email"},
		{"another domain", map[string]any{"sub": "x", "email": "jo@example.org"}, "oidc_domain"},
		{"a domain that ends alike", map[string]any{"sub": "x", "email": "jo@notexample.com"}, "oidc_domain"},
	} {
		i.says(c.claims)
		b := s.browser(t)
		if to := b.signInOIDC("/"); to != "/sign-in?error="+c.code {
			t.Errorf("%s: to %s", c.name, to)
		}
		b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	}
	i.says(nil)

	other := newIssuer(t, s.clock.now)
	i.set(func() { i.sign = other.key })
	if to := s.browser(t).signInOIDC("/"); to != "/sign-in?error=oidc_token" {
		t.Errorf("a foreign signature: to %s", to)
	}
	i.set(func() { i.sign = i.key })

	i.set(func() { i.refuses = true })
	if to := s.browser(t).signInOIDC("/"); to != "/sign-in?error=oidc_refused" {
		t.Errorf("refused: to %s", to)
	}
	i.set(func() { i.refuses = false })

	// The subject of one account with the address of another.
	jo := s.browser(t)
	jo.signInOIDC("/")
	i.says(map[string]any{"sub": "u-9"})
	if to := s.browser(t).signInOIDC("/"); to != "/sign-in?error=oidc_taken" {
		t.Errorf("taken: to %s", to)
	}
}

func TestOIDCState(t *testing.T) {
	t.Parallel()
	s, _ := withIssuer(t, nil)
	const stale = "/sign-in?error=oidc_expired"
	end := func(b *browser, back string) string {
		return b.must(http.StatusSeeOther, http.MethodGet, back, nil).header.Get("Location")
	}
	b := s.browser(t)
	start := b.must(http.StatusSeeOther, http.MethodGet, "/api/auth/oidc/start", nil)
	flow, _, _ := strings.Cut(start.header.Get("Set-Cookie"), ";")
	back := b.must(http.StatusFound, http.MethodGet, start.header.Get("Location"), nil).header.Get("Location")
	// A state that began in another browser: somebody is made to sign in as somebody else.
	if to := end(s.browser(t), back); to != stale {
		t.Errorf("in another browser: to %s", to)
	}
	if to := end(b, back); to != "/" {
		t.Errorf("to %s", to)
	}
	if to := end(b, back); to != stale {
		t.Errorf("again: to %s", to)
	}
	// Again with the cookie of then.
	replay := s.browser(t)
	replay.header.Set("Cookie", flow)
	if to := end(replay, back); to != stale {
		t.Errorf("replayed with its cookie: to %s", to)
	}
	late := s.browser(t)
	back = late.toIssuer("/")
	s.clock.pass(11 * time.Minute)
	if to := end(late, back); to != stale {
		t.Errorf("after 11 minutes: to %s", to)
	}
	forged := s.browser(t)
	back = forged.toIssuer("/")
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("state", q.Get("state")+"x")
	u.RawQuery = q.Encode()
	if to := end(forged, u.String()); to != stale {
		t.Errorf("another state: to %s", to)
	}
	// Code injection: the code of another's flow does not fit this browser's verifier.
	mine, theirs := s.browser(t), s.browser(t)
	a, err := url.Parse(mine.toIssuer("/"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := url.Parse(theirs.toIssuer("/"))
	if err != nil {
		t.Fatal(err)
	}
	q = a.Query()
	q.Set("code", c.Query().Get("code"))
	a.RawQuery = q.Encode()
	if to := end(mine, a.String()); to != "/sign-in?error=oidc_token" {
		t.Errorf("another's code: to %s", to)
	}
}

func TestOIDCRoles(t *testing.T) {
	t.Parallel()
	s, i := withIssuer(t, func(o *auth.OIDC) {
		o.RoleClaim = "groups"
		o.RoleMap = map[string]auth.Role{"finance": auth.Preparer, "controlling": auth.Approver, "it": auth.Admin}
	})
	for _, c := range []struct {
		claim any
		want  auth.Role
	}{
		{[]string{"sales", "finance"}, auth.Preparer}, {[]string{"controlling", "finance"}, auth.Approver}, {"it", auth.Admin},
		{nil, auth.Viewer}, {[]any{1, true}, auth.Viewer}, {map[string]any{"it": true}, auth.Viewer},
	} {
		i.says(map[string]any{"sub": "u-2", "email": "jo@example.com", "groups": c.claim})
		b := s.browser(t)
		b.signInOIDC("/")
		var me auth.Me
		b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &me)
		if me.Role != c.want {
			t.Errorf("%v: %s", c.claim, me.Role)
		}
	}
}

// TestOIDCDown: an issuer that does not answer stops nothing but itself, and is asked again.
func TestOIDCDown(t *testing.T) {
	t.Parallel()
	s, i := withIssuer(t, nil)
	i.set(func() { i.down = true })
	b := s.browser(t)
	start := func() string {
		return b.must(http.StatusSeeOther, http.MethodGet, "/api/auth/oidc/start", nil).header.Get("Location")
	}
	if to := start(); to != "/sign-in?error=oidc_unanswered" {
		t.Errorf("to %s", to)
	}
	wanted := b.must(http.StatusSeeOther, http.MethodGet, "/api/auth/oidc/start?return_to=%2Fruns%3Fpage%3D2", nil).header.Get("Location")
	if wanted != "/sign-in?error=oidc_unanswered&next=%2Fruns%3Fpage%3D2" {
		t.Errorf("where one wanted is lost: %s", wanted)
	}
	s.signedIn(t, auth.Admin)
	i.set(func() { i.down = false })
	s.clock.pass(time.Minute)
	if to := start(); !strings.HasPrefix(to, i.URL) {
		t.Errorf("to %s", to)
	}
	if to := b.signInOIDC("/"); to != "/" {
		t.Errorf("to %s", to)
	}
	if strings.Contains(s.log.String(), i.secret) {
		t.Error("the client secret is in the log")
	}
}

func TestOIDCSettings(t *testing.T) {
	t.Parallel()
	good := auth.OIDC{Issuer: "https://id.example.com", ClientID: "kalla"}
	for says, change := range map[string]func(*auth.OIDC, *auth.Options){
		"":                     func(*auth.OIDC, *auth.Options) {},
		"not an https URL":     func(o *auth.OIDC, _ *auth.Options) { o.Issuer = "http://id.example.com" },
		"no client id":         func(o *auth.OIDC, _ *auth.Options) { o.ClientID = "" },
		"public URL":           func(_ *auth.OIDC, o *auth.Options) { o.PublicURL = "" },
		`role "owner"`:         func(o *auth.OIDC, _ *auth.Options) { o.RoleMap = map[string]auth.Role{"it": "owner"} },
		`default role "owner"`: func(o *auth.OIDC, _ *auth.Options) { o.DefaultRole = "owner" },
		"address of a site":    func(_ *auth.OIDC, o *auth.Options) { o.PublicURL = "kalla.example.com" },
	} {
		o, options := good, auth.Options{PublicURL: "https://kalla.example.com"}
		change(&o, &options)
		options.OIDC = &o
		_, err := auth.New(options)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v", says, err)
		}
	}
}
