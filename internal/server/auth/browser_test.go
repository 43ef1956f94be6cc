package auth_test

import (
	"hash/crc32"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"kalla/internal/server/auth"
)

func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *site, o *auth.Options) { o.PublicURL = "https://kalla.example.com" })
	b := s.signedIn(t, auth.Admin)
	secret := b.token(auth.ScopeWrite)
	host := strings.TrimPrefix(s.URL, "http://")
	const path = "/api/test/sources.write"
	for _, c := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"the app itself", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {s.URL}}, http.StatusNoContent},
		{"an older browser", http.Header{"Origin": {s.URL}}, http.StatusNoContent},
		{"behind a proxy that changes the host", http.Header{"Origin": {"https://kalla.example.com"}}, http.StatusNoContent},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"another subdomain", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://x." + host}}, http.StatusForbidden},
		{"another site, older browser", http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"a page without an origin", http.Header{"Origin": {"null"}}, http.StatusForbidden},
		{"a cookie and nothing else", http.Header{}, http.StatusForbidden},
	} {
		b.header = c.header
		if a := b.do(http.MethodPost, path, nil); a.status != c.want {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	// A token does not come by itself, so it needs nothing of that, even beside a cookie.
	b.header = http.Header{"Authorization": {"Bearer " + secret}}
	b.must(http.StatusNoContent, http.MethodPost, path, nil)

	// Another site that signs its visitor in to its own account.
	evil := s.browser(t)
	evil.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
	evil.must(http.StatusForbidden, http.MethodPost, "/api/auth/sign-in", body{"email": adminEmail, "password": password})
	// A program without a cookie may sign in.
	curl := s.browser(t)
	curl.header = http.Header{}
	curl.must(http.StatusOK, http.MethodPost, "/api/auth/sign-in", body{"email": adminEmail, "password": password})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *site, o *auth.Options) { o.UploadOrigins = []string{"https://s3.example.com"} })
	app := s.browser(t).must(http.StatusOK, http.MethodGet, "/", nil).header
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Strict-Transport-Security": "", "Cache-Control": "",
	} {
		if got := app.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	policy := app.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'self'", "script-src 'self';", "connect-src 'self' https://s3.example.com;", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} {
		if !strings.Contains(policy+";", part) {
			t.Errorf("no %s in %s", part, policy)
		}
	}
	api := s.browser(t).must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	if api.header.Get("Cache-Control") != "no-store" || api.header.Get("Content-Type") != "application/problem+json" || api.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", api.header)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tls := httptest.NewTLSServer(s.Config.Handler)
	defer tls.Close()
	b := s.browser(t)
	b.site, b.client.Transport = &site{Server: tls}, tls.Client().Transport
	a := b.signIn(adminEmail, password)
	if c := a.header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-kalla=") || !strings.Contains(c, "Secure") || strings.Contains(c, "Domain") {
		t.Errorf("%d %s", a.status, c)
	}
	if a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	// The name without __Host- is no session here: another site of the domain could have set it.
	value, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Set-Cookie"), "__Host-kalla="), ";")
	other := s.browser(t)
	other.site, other.client.Transport = b.site, b.client.Transport
	other.header.Set("Cookie", "kalla_session="+value)
	other.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *site, o *auth.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	b := s.browser(t)
	b.header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.7")
	b.header.Set("X-Forwarded-Proto", "https")
	if a := b.must(http.StatusOK, http.MethodGet, "/addr", nil); a.body != "203.0.113.7" || a.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %v", a.body, a.header)
	}
	if c := b.signIn(adminEmail, password).header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-kalla=") {
		t.Error(c)
	}
	plain := newSite(t).browser(t)
	plain.header = b.header
	if a := plain.must(http.StatusOK, http.MethodGet, "/addr", nil); a.body != "127.0.0.1" || a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("no proxy is trusted: %s %v", a.body, a.header)
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *site, o *auth.Options) { o.Loopback, o.PublicURL = true, "https://kalla.example.com" })
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	for host, want := range map[string]int{
		"": 200, "localhost:" + port: 200, "LOCALHOST": 200, "app.localhost:" + port: 200, "127.0.0.1": 200, "127.9.9.9:" + port: 200, "[::1]:" + port: 200,
		"kalla.example.com": 200, "evil.example": 421, "evil.example:" + port: 421, "localhost.evil.example": 421, "127.0.0.1.nip.io": 421, "10.0.0.1": 421, "notlocalhost": 421,
	} {
		b := s.browser(t)
		if host != "" {
			b.header.Set("Host", host)
		}
		if a := b.do(http.MethodGet, "/", nil); a.status != want {
			t.Errorf("%q: %d %s", host, a.status, a.body)
		}
	}
}

// FuzzForwardedFor: whatever a client writes into X-Forwarded-For, it is the
// address that the last trusted proxy saw, or that of a trusted proxy.
func FuzzForwardedFor(f *testing.F) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	service, err := auth.New(auth.Options{TrustedProxies: trusted})
	if err != nil {
		f.Fatal(err)
	}
	handler := service.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, auth.ClientAddr(r.Context()).String())
	}))
	ask := func(t *testing.T, remote string, forwarded ...string) netip.Addr {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = remote, forwarded
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		addr, err := netip.ParseAddr(w.Body.String())
		if err != nil {
			t.Fatal(err)
		}
		return addr
	}
	within := func(a netip.Addr) bool { return trusted[0].Contains(a) || trusted[1].Contains(a) }
	for _, seed := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", "::ffff:10.1.1.1", "[2001:db8::1]:443, 10.1.1.1:80", ",,,", "fe80::1%eth0", "unknown, _hidden", "10.0.0.2,10.0.0.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, forged string) {
		if got := ask(t, "203.0.113.9:1234", forged); got.String() != "203.0.113.9" {
			t.Fatalf("not from a proxy: %v", got)
		}
		for _, headers := range [][]string{{forged, "198.51.100.1"}, {forged + ",198.51.100.1"}, {forged, " 198.51.100.1:99 , 10.9.9.9"}, {forged + ", ::ffff:198.51.100.1", "fd00::1"}} {
			if got := ask(t, "10.0.0.1:1234", headers...); got.String() != "198.51.100.1" {
				t.Fatalf("%q: %v", headers, got)
			}
		}
		// Alone it is believed as far as it goes: any address, but never none.
		got := ask(t, "[fd00::9]:1", forged)
		last := forged[strings.LastIndexByte(forged, ',')+1:]
		if want, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil && !within(want.Unmap()) && want.Zone() == "" && got != want.Unmap() {
			t.Fatalf("%q: %v", forged, got)
		}
	})
}

// FuzzToken: no text gets as far as the store whose checksum does not fit.
func FuzzToken(f *testing.F) {
	service, err := auth.New(auth.Options{}) // without a store: to ask it panics
	if err != nil {
		f.Fatal(err)
	}
	handler := service.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	fits := func(token string) bool {
		if len(token) != 55 || token[:6] != "kalla_" {
			return false
		}
		sum, ok := new(big.Int).SetString(token[49:], 62)
		return ok && sum.IsUint64() && sum.Uint64() == uint64(crc32.ChecksumIEEE([]byte(token[6:49])))
	}
	for _, seed := range []string{"", "kalla_", "kalla_" + strings.Repeat("0", 49), "Kalla_" + strings.Repeat("a", 49), "kalla_" + strings.Repeat("é", 24)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["Authorization"] = []string{"Bearer " + token}
		defer func() {
			if p := recover(); p != nil && !fits(strings.TrimSpace(token)) {
				t.Fatalf("%q: %v", token, p)
			}
		}()
		handler.ServeHTTP(httptest.NewRecorder(), r)
	})
}
