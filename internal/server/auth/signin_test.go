package auth_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	a := b.must(http.StatusOK, http.MethodPost, "/api/auth/sign-in", body{"email": "  MARIA@example.com ", "password": password})
	var me auth.Me
	a.json(t, &me)
	if me.Email != adminEmail || me.Role != auth.Admin || me.Via != auth.ViaSession || len(me.Permissions) != len(least) {
		t.Errorf("%+v", me)
	}
	c := a.header.Get("Set-Cookie")
	for _, part := range []string{"kalla_session=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=604800"} {
		if !strings.Contains(c, part) {
			t.Errorf("no %s in %s", part, c)
		}
	}
	if strings.Contains(c, "Secure") {
		t.Errorf("no browser keeps a Secure cookie without TLS: %s", c)
	}
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	b.must(http.StatusNoContent, http.MethodPost, "/api/auth/sign-out", nil)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	// The cookie itself is worth nothing any more.
	value, _, _ := strings.Cut(c, ";")
	b.header.Set("Cookie", value)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
}

// TestSignInTellsNothing: whoever may not sign in cannot find out why.
func TestSignInTellsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.signedIn(t, auth.Admin)
	admin.must(http.StatusCreated, http.MethodPost, "/api/users", body{"email": "none@example.com", "role": "viewer"})
	var off auth.UserItem
	admin.must(http.StatusCreated, http.MethodPost, "/api/users", body{"email": "off@example.com", "role": "viewer", "password": password}).json(t, &off)
	admin.must(http.StatusOK, http.MethodPatch, "/api/users/"+off.ID, body{"disabled": true})
	var first string
	for _, who := range []struct{ email, password string }{
		{adminEmail, "wrong words in a row"}, {"nobody@example.com", password}, {"none@example.com", ""}, {"none@example.com", password},
		{"off@example.com", password}, {"", ""}, {adminEmail, password + " "}, {adminEmail, strings.ToUpper(password)},
	} {
		a := s.browser(t).signIn(who.email, who.password)
		if a.status != http.StatusUnauthorized {
			t.Errorf("%q: %d", who.email, a.status)
		}
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("%q: %s instead of %s", who.email, a.body, first)
		}
	}
}

// TestNoEcho: what is sent and does not validate is not sent back.
func TestNoEcho(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, text := range []string{
		`{"email":"maria@example.com","password":"hunter2 and more"`,
		`{"email":"maria@example.com","pasword":"hunter2 and more"}`,
		`{"email":1,"password":"hunter2 and more"}`,
		`{"email":"maria@example.com","password":["hunter2 and more"]}`,
		`["hunter2 and more"]`,
	} {
		b := s.browser(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/auth/sign-in", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = b.header.Clone()
		req.Header.Set("Content-Type", "application/json")
		a := b.send(req)
		if a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, "hunter2") {
			t.Errorf("%s: %d %s", text, a.status, a.body)
		}
	}
}

func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.signedIn(t, auth.Admin)
	for i, c := range []struct{ password, says string }{
		{"short", "shorter than 10"},
		{"ninechars", "shorter than 10"},
		{"ääääääää1", "shorter than 10"}, // characters count, not bytes
		{strings.Repeat("longer words ", 80), "longer than"},
		{"Password2026!", "first that anybody"},
		{"p4$$w0rd1234", "first that anybody"},
		{"aaaaaaaaaaaaaaa", "first that anybody"},
		{"1234567890", "first that anybody"},
		{"Kalla-admin-2026", "first that anybody"},
		{"qwertyuiop123", "first that anybody"},
		{"Jo.Smith-Jones#7x", "contains your e-mail"},
		{"four unrelated words", ""},
		{"kx8#Qm2!vT", ""},
		{"Größenwahn täglich", ""},
	} {
		email := fmt.Sprintf("u%d@example.com", i)
		if strings.HasPrefix(c.password, "Jo") {
			email = "jo.smith-jones@example.com"
		}
		a := admin.do(http.MethodPost, "/api/users", body{"email": email, "role": "viewer", "password": c.password})
		if c.says == "" && a.status != http.StatusCreated || c.says != "" && (a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, c.says)) {
			t.Errorf("%q: %d %s", c.password, a.status, a.body)
		}
	}
	// Composed or decomposed, the letters are the same.
	if a := s.browser(t).signIn("u13@example.com", "Gro\u0308\u00dfenwahn ta\u0308glich"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, there := s.signedIn(t, auth.Admin), s.signedIn(t, auth.Admin)
	here.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/auth/password", body{"current": "not that one at all", "password": "another four words here"})
	here.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/auth/password", body{"current": password, "password": "short"})
	there.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	here.must(http.StatusOK, http.MethodPost, "/api/auth/password", body{"current": password, "password": "another four words here"})
	here.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	there.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	if a := s.browser(t).signIn(adminEmail, password); a.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.status)
	}
	if a := s.browser(t).signIn(adminEmail, "another four words here"); a.status != http.StatusOK {
		t.Errorf("the new password: %d", a.status)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	guess := func(email string) answer { return b.signIn(email, "a guess of somebody") }
	limited := func(email string, most int) answer {
		for range most {
			if a := guess(email); a.status == http.StatusTooManyRequests {
				return a
			} else if a.status != http.StatusUnauthorized {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		t.Fatalf("%s: %d guesses", email, most)
		return answer{}
	}
	a := limited(adminEmail, 10)
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > 60 {
		t.Fatalf("Retry-After %q", a.header.Get("Retry-After"))
	}
	// Not even the right password counts now; another account's does.
	if a := b.signIn(adminEmail, password); a.status != http.StatusTooManyRequests {
		t.Errorf("%d", a.status)
	}
	if a := guess("somebody@example.com"); a.status != http.StatusUnauthorized {
		t.Errorf("another account: %d", a.status)
	}
	s.clock.pass(time.Duration(wait) * time.Second)
	if a := b.signIn(adminEmail, password); a.status != http.StatusOK {
		t.Errorf("after the wait: %d %s", a.status, a.body)
	}
	// One address that tries many accounts.
	for i := range 40 {
		if a := guess(fmt.Sprintf("u%d@example.com", i)); a.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("40 accounts were tried from one address")
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t)
	token, err := s.auth.FirstStart(t.Context(), "", "")
	if err != nil || len(token) < 40 {
		t.Fatalf("%q %v", token, err)
	}
	b := s.browser(t)
	if a := b.must(http.StatusOK, http.MethodGet, "/api/auth", nil); !strings.Contains(a.body, `"setup":true`) {
		t.Error(a.body)
	}
	user := body{"token": "x" + token, "email": adminEmail, "name": "Maria", "password": password}
	b.must(http.StatusForbidden, http.MethodPost, "/api/auth/setup", user)
	user["token"], user["password"] = token, "short"
	b.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/auth/setup", user)
	user["password"] = password
	b.must(http.StatusOK, http.MethodPost, "/api/auth/setup", user)
	b.must(http.StatusOK, http.MethodGet, "/api/users", nil)
	user["email"] = "second@example.com"
	s.browser(t).must(http.StatusForbidden, http.MethodPost, "/api/auth/setup", user)
	if token, err := s.auth.FirstStart(t.Context(), "other@example.com", password); token != "" || err != nil {
		t.Errorf("%q %v", token, err)
	}
	if a := s.browser(t).signIn("other@example.com", password); a.status != http.StatusUnauthorized {
		t.Errorf("a second first administrator: %d", a.status)
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the token is in the log; where it is shown is for the caller")
	}
}

func TestFirstStartRefuses(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t)
	for _, c := range []struct{ email, password, says string }{{"maria", password, "not an e-mail"}, {adminEmail, "", "shorter"}} {
		if _, err := s.auth.FirstStart(t.Context(), c.email, c.password); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v", err)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t)
	link := "/api/auth/link?token=" + s.auth.NewLink()
	b := s.browser(t)
	a := b.must(http.StatusSeeOther, http.MethodGet, link, nil)
	if a.header.Get("Location") != "/" {
		t.Errorf("to %s", a.header.Get("Location"))
	}
	var me auth.Me
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &me)
	if me.Role != auth.Admin {
		t.Errorf("%+v", me)
	}
	late := "/api/auth/link?token=" + s.auth.NewLink()
	s.clock.pass(11 * time.Minute)
	for _, link := range []string{link, late, "/api/auth/link?token=", "/api/auth/link"} {
		other := s.browser(t)
		if a := other.must(http.StatusSeeOther, http.MethodGet, link, nil); a.header.Get("Location") != "/sign-in?error=link_expired" {
			t.Errorf("%s: to %s", link, a.header.Get("Location"))
		}
		other.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	}
	// The second link is of the same user.
	again := s.browser(t)
	again.must(http.StatusSeeOther, http.MethodGet, "/api/auth/link?token="+s.auth.NewLink(), nil)
	var users []auth.UserItem
	again.must(http.StatusOK, http.MethodGet, "/api/users", nil).json(t, &users)
	if len(users) != 1 {
		t.Errorf("%d users", len(users))
	}
	if a := s.browser(t).signIn("local@localhost", ""); a.status != http.StatusUnauthorized {
		t.Errorf("the local user has no password: %d", a.status)
	}
}

// TestLocalUserBecomesAdmin: an app that was tried out on one machine is then served to others.
func TestLocalUserBecomesAdmin(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t)
	local := s.browser(t)
	local.must(http.StatusSeeOther, http.MethodGet, "/api/auth/link?token="+s.auth.NewLink(), nil)
	token, err := s.auth.FirstStart(t.Context(), "", "")
	if err != nil || token == "" {
		t.Fatalf("%q %v", token, err)
	}
	b := s.browser(t)
	var me auth.Me
	b.must(http.StatusOK, http.MethodPost, "/api/auth/setup", body{"token": token, "email": adminEmail, "name": "Maria", "password": password}).json(t, &me)
	if me.Email != adminEmail || me.Name != "Maria" || me.Role != auth.Admin {
		t.Errorf("%+v", me)
	}
	s.signedIn(t, auth.Admin)
	local.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	if token, err := s.auth.FirstStart(t.Context(), "", ""); token != "" || err != nil {
		t.Errorf("%q %v", token, err)
	}
}

// TestRehash: a hash that was cheaper than today's is made anew when its password is known, and only then.
func TestRehash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	salt := []byte("sixteen bytes of")
	b64 := base64.RawStdEncoding
	weak := "$argon2id$v=19$m=8192,t=1,p=1$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(argon2.IDKey([]byte(password), salt, 1, 8192, 1, 32))
	user, err := s.store.CreateUser(t.Context(), state.User{Email: "jo@example.com", Role: auth.Viewer, Password: weak})
	if err != nil {
		t.Fatal(err)
	}
	stored := func() string {
		u, err := s.store.User(t.Context(), user.ID)
		if err != nil {
			t.Fatal(err)
		}
		return u.Password
	}
	if a := s.browser(t).signIn("jo@example.com", "some other words here"); a.status != http.StatusUnauthorized || stored() != weak {
		t.Errorf("%d %s", a.status, stored())
	}
	if a := s.browser(t).signIn("jo@example.com", password); a.status != http.StatusOK || stored() == weak || !strings.HasPrefix(stored(), "$argon2id$v=19$m=") {
		t.Errorf("%d %s", a.status, stored())
	}
	if a := s.browser(t).signIn("jo@example.com", password); a.status != http.StatusOK {
		t.Errorf("with the new hash: %d", a.status)
	}
	// A damaged hash is nobody's, and harms nothing else.
	for i, damaged := range []string{"x", "$2a$10$abc", strings.Replace(weak, "t=1", "t=0", 1), strings.Replace(weak, "m=8192", "m=4294967295", 1), strings.Replace(weak, "p=1", "p=0", 1), weak[:40]} {
		email := fmt.Sprintf("u%d@example.com", i)
		if _, err := s.store.CreateUser(t.Context(), state.User{Email: email, Role: auth.Viewer, Password: damaged}); err != nil {
			t.Fatal(err)
		}
		if a := s.browser(t).signIn(email, password); a.status != http.StatusInternalServerError || strings.Contains(a.body, "argon2") {
			t.Errorf("%q: %d %s", damaged, a.status, a.body)
		}
	}
}

// TestAudit: who did what from where is in the log, and no secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.signedIn(t, auth.Admin)
	viewer := s.signedIn(t, auth.Viewer)
	secret := admin.token(auth.ScopeAdmin)
	s.program(t, secret).must(http.StatusCreated, http.MethodPost, "/api/users", body{"email": "jo@example.com", "role": "viewer", "password": password})
	viewer.signIn(adminEmail, "not her password at all")
	entries, err := s.store.Entries(t.Context(), state.AuditFilter{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range slices.Backward(entries) {
		fmt.Fprintf(&text, "%s by %s from %s: %s\n", e.Action, e.ActorName, e.Address, e.Detail)
	}
	for _, want := range []string{
		"user.sign_in by maria@example.com from 127.0.0.1: ",
		"user.create by maria@example.com from 127.0.0.1: ",
		"user.create by maria@example.com (" + secret[:10] + ") from 127.0.0.1: ",
		"token.create by maria@example.com from 127.0.0.1: ",
		"user.sign_in_failed by viewer@example.com from 127.0.0.1: ",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), secret) || strings.Contains(text.String(), password) || strings.Contains(text.String(), "argon2") {
		t.Errorf("a secret is in\n%s", text.String())
	}
}

// TestDatabaseGone: who is signed in is not told to sign in again when it cannot be looked up.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(t, auth.Admin)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.clock.pass(time.Minute)
	b.must(http.StatusServiceUnavailable, http.MethodGet, "/api/auth/me", nil)
	s.browser(t).must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	b.must(http.StatusOK, http.MethodGet, "/", nil)
}
