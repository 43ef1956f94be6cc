package auth_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kalla/internal/server/auth"
)

func TestSessionExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(t, auth.Admin)
	idle := s.signedIn(t, auth.Admin)
	for range 13 { // 6 days and 12 hours, never 12 hours without a request
		s.clock.pass(11*time.Hour + 59*time.Minute)
		b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	}
	if a := idle.do(http.MethodGet, "/api/auth/me", nil); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "has ended") {
		t.Errorf("idle: %d %s", a.status, a.body)
	}
	s.clock.pass(11 * time.Hour)
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	s.clock.pass(2 * time.Hour)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, there := s.signedIn(t, auth.Admin), s.signedIn(t, auth.Admin)
	third := s.signedIn(t, auth.Admin)
	var list []auth.SessionItem
	here.must(http.StatusOK, http.MethodGet, "/api/auth/sessions", nil).json(t, &list)
	if len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	if n := slices.IndexFunc(list, func(i auth.SessionItem) bool { return i.Current }); n < 0 || list[n].Agent != "Firefox" || list[n].Address != "127.0.0.1" {
		t.Errorf("%+v", list)
	}
	there.must(http.StatusOK, http.MethodGet, "/api/auth/sessions", nil).json(t, &list)
	n := slices.IndexFunc(list, func(i auth.SessionItem) bool { return i.Current })
	viewer := s.signedIn(t, auth.Viewer)
	viewer.must(http.StatusNotFound, http.MethodDelete, "/api/auth/sessions/"+list[n].ID, nil)
	there.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	here.must(http.StatusNoContent, http.MethodDelete, "/api/auth/sessions/"+list[n].ID, nil)
	there.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	here.must(http.StatusNotFound, http.MethodDelete, "/api/auth/sessions/"+list[n].ID, nil)
	here.must(http.StatusNoContent, http.MethodDelete, "/api/auth/sessions", nil)
	here.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	third.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	viewer.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
}

// TestSignInRotates: a session that was in the browser before is not carried on.
func TestSignInRotates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	first, _, _ := strings.Cut(b.signIn(adminEmail, password).header.Get("Set-Cookie"), ";")
	second, _, _ := strings.Cut(b.signIn(adminEmail, password).header.Get("Set-Cookie"), ";")
	if first == second || first == "" {
		t.Fatalf("%q %q", first, second)
	}
	old := s.browser(t)
	old.header.Set("Cookie", first)
	old.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	old.header.Set("Cookie", "kalla_session=planted")
	a := old.signIn(adminEmail, password)
	if got, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";"); a.status != http.StatusOK || got == "kalla_session=planted" {
		t.Errorf("%d %s", a.status, got)
	}
}

// TestRevokedElsewhere: what another process of the app revokes works here a few seconds later.
func TestRevokedElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(t, auth.Admin)
	token := s.program(t, b.token(auth.ScopeRead))
	b.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	token.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)

	other, err := auth.New(auth.Options{Store: s.store, Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	_, handler := handlerOf(other)
	second := httptest.NewServer(handler)
	defer second.Close()
	b.site = &site{Server: second}
	b.must(http.StatusNoContent, http.MethodDelete, "/api/auth/sessions", nil)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	b.site = s
	s.clock.pass(5 * time.Second)
	b.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	token.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	viewer := s.signedIn(t, auth.Viewer)
	secret := viewer.token(auth.ScopeRead, auth.ScopeAdmin)
	if !strings.HasPrefix(secret, "kalla_") || len(secret) != 6+43+6 {
		t.Fatalf("%q", secret)
	}
	program := s.program(t, secret)
	var me auth.Me
	program.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &me)
	if me.Via != auth.ViaToken || me.Role != auth.Viewer || !slices.Equal(me.Permissions, []auth.Permission{auth.Read, auth.Self}) {
		t.Errorf("%+v", me)
	}
	program.must(http.StatusForbidden, http.MethodGet, "/api/users", nil) // its user is no administrator
	program.must(http.StatusForbidden, http.MethodPost, "/api/tokens", body{"name": "more", "scopes": []string{"write"}})

	var list []auth.TokenItem
	a := viewer.must(http.StatusOK, http.MethodGet, "/api/tokens", nil)
	a.json(t, &list)
	if len(list) != 1 || list[0].Prefix != secret[:10] || list[0].LastUsed == nil || strings.Contains(a.body, secret) {
		t.Fatalf("%s", a.body)
	}
	// Its use is written down once a minute.
	used := *list[0].LastUsed
	for range 3 {
		s.clock.pass(15 * time.Second)
		program.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	}
	viewer.must(http.StatusOK, http.MethodGet, "/api/tokens", nil).json(t, &list)
	if !list[0].LastUsed.Equal(used) {
		t.Errorf("used at %v, then at %v", used, list[0].LastUsed)
	}
	s.clock.pass(time.Minute)
	program.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	viewer.must(http.StatusOK, http.MethodGet, "/api/tokens", nil).json(t, &list)
	if !list[0].LastUsed.After(used) {
		t.Errorf("still used at %v", list[0].LastUsed)
	}

	preparer := s.signedIn(t, auth.Preparer)
	preparer.must(http.StatusNotFound, http.MethodDelete, "/api/tokens/"+list[0].ID, nil)
	program.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	s.signedIn(t, auth.Admin).must(http.StatusNoContent, http.MethodDelete, "/api/tokens/"+list[0].ID, nil)
	if a := program.do(http.MethodGet, "/api/auth/me", nil); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}

	soon := s.clock.now().Add(time.Hour)
	var made struct{ Token string }
	viewer.must(http.StatusCreated, http.MethodPost, "/api/tokens", body{"name": "an hour", "scopes": []string{"read"}, "expires_at": soon}).json(t, &made)
	program = s.program(t, made.Token)
	program.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	s.clock.pass(time.Hour)
	program.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	for _, wrong := range []body{{"name": "", "scopes": []string{"read"}}, {"name": "x", "scopes": []string{}}, {"name": "x", "scopes": []string{"everything"}},
		{"name": "x", "scopes": []string{"read"}, "expires_at": soon}} {
		viewer.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/tokens", wrong)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.signedIn(t, auth.Admin)
	var me auth.Me
	admin.must(http.StatusOK, http.MethodGet, "/api/auth/me", nil).json(t, &me)
	for _, change := range []body{{"role": "viewer"}, {"disabled": true}} {
		admin.must(http.StatusConflict, http.MethodPatch, "/api/users/"+me.ID, change)
	}
	admin.must(http.StatusConflict, http.MethodDelete, "/api/users/"+me.ID, nil)

	var user auth.UserItem
	a := admin.must(http.StatusCreated, http.MethodPost, "/api/users", body{"email": "Jo@Example.com", "name": "Jo", "role": "preparer", "password": password})
	a.json(t, &user)
	if user.Email != "jo@example.com" || !user.Password || strings.Contains(a.body, "argon2") {
		t.Errorf("%s", a.body)
	}
	admin.must(http.StatusConflict, http.MethodPost, "/api/users", body{"email": "JO@example.com", "role": "viewer"})
	admin.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/users", body{"email": "jo", "role": "viewer"})
	admin.must(http.StatusUnprocessableEntity, http.MethodPost, "/api/users", body{"email": "x@example.com", "role": "owner"})
	admin.must(http.StatusNotFound, http.MethodPatch, "/api/users/none", body{"role": "viewer"})

	jo := s.browser(t)
	if a := jo.signIn("jo@example.com", password); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	program := s.program(t, jo.token(auth.ScopeRuns))
	jo.must(http.StatusNoContent, http.MethodPost, "/api/test/runs.write", nil)
	program.must(http.StatusNoContent, http.MethodPost, "/api/test/runs.write", nil)
	// A lesser role counts at once, for sessions and tokens.
	admin.must(http.StatusOK, http.MethodPatch, "/api/users/"+user.ID, body{"role": "viewer"})
	jo.must(http.StatusForbidden, http.MethodPost, "/api/test/runs.write", nil)
	program.must(http.StatusForbidden, http.MethodPost, "/api/test/runs.write", nil)
	// So does a password that an administrator sets.
	admin.must(http.StatusOK, http.MethodPatch, "/api/users/"+user.ID, body{"password": "another four words here", "role": "preparer"})
	jo.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	if a := jo.signIn("jo@example.com", "another four words here"); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	admin.must(http.StatusOK, http.MethodPatch, "/api/users/"+user.ID, body{"disabled": true})
	jo.must(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	program.must(http.StatusUnauthorized, http.MethodPost, "/api/test/runs.write", nil)
	admin.must(http.StatusNoContent, http.MethodDelete, "/api/users/"+user.ID, nil)
	admin.must(http.StatusNotFound, http.MethodDelete, "/api/users/"+user.ID, nil)

	// With a second administrator, the first may go.
	second := body{"email": "second@example.com", "role": "admin", "password": password}
	admin.must(http.StatusCreated, http.MethodPost, "/api/users", second)
	admin.must(http.StatusOK, http.MethodPatch, "/api/users/"+me.ID, body{"role": "viewer"})
	admin.must(http.StatusForbidden, http.MethodGet, "/api/users", nil)
}
