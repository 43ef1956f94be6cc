package statetest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kalla/internal/state"
)

func testUsers(t *testing.T, url string) {
	ctx, clock := as(t.Context(), "ada"), NewClock()
	stores := []*state.Store{Open(t, url, clock.Now), Open(t, url, clock.Now)}
	s := stores[0]

	// Of many who set it up at once, one is the first user.
	var wg sync.WaitGroup
	var first atomic.Int64
	for i := range 10 {
		wg.Go(func() {
			_, err := stores[i%2].CreateFirstUser(ctx, state.User{Email: fmt.Sprintf("first%d@example.com", i), Role: state.Admin})
			if err == nil {
				first.Add(1)
			} else if !errors.Is(err, state.ErrExists) {
				t.Errorf("the second first user: %v", err)
			}
		})
	}
	wg.Wait()
	equal(t, "first users", first.Load(), 1)
	equal(t, "users", must(s.CountUsers(ctx))(t), 1)

	u := must(s.CreateUser(ctx, state.User{Email: " Ada.LOVELACE@Example.com", Name: "Ada", Role: state.Preparer, Password: "$argon2id$x", OIDCIssuer: "https://id", OIDCSubject: "42"}))(t)
	got := must(s.UserByEmail(ctx, "ADA.lovelace@example.COM "))(t)
	if *got != *u || got.Email != "ada.lovelace@example.com" || got.Password != "$argon2id$x" {
		t.Errorf("created %+v, found %+v", u, got)
	}
	equal(t, "by OIDC", must(s.UserByOIDC(ctx, "https://id", "42"))(t).ID, u.ID)
	_, err := s.CreateUser(ctx, state.User{Email: "ada.Lovelace@example.com", Role: state.Viewer})
	wantErr(t, err, state.ErrExists)
	_, err = s.CreateUser(ctx, state.User{Email: "b@example.com", Role: state.Viewer, OIDCIssuer: "https://id", OIDCSubject: "42"})
	wantErr(t, err, state.ErrExists)
	_, err = s.CreateUser(ctx, state.User{Email: "c@example.com", Role: "king"})
	wantErr(t, err, state.ErrConstraint)
	must(s.CreateUser(ctx, state.User{Email: "d@example.com", Role: state.Viewer}))(t)
	must(s.CreateUser(ctx, state.User{Email: "e@example.com", Role: state.Viewer}))(t) // two without OIDC

	got.Role, got.Name = state.Approver, "Ada L."
	updated := must(s.UpdateUser(ctx, *got, ""))(t)
	equal(t, "role", updated.Role, state.Approver)
	_, err = s.UpdateUser(ctx, *got, "")
	wantErr(t, err, state.ErrStale)
	_, err = s.UpdateUser(ctx, state.User{ID: "x"}, "")
	wantErr(t, err, state.ErrNotFound)
	updated.Email = "d@example.com"
	_, err = s.UpdateUser(ctx, *updated, "")
	wantErr(t, err, state.ErrExists)

	ok(t, s.SignedIn(ctx, u.ID, "password"))
	wantErr(t, s.SignedIn(ctx, "x", "password"), state.ErrNotFound)
	ok(t, s.Rehash(ctx, u.ID, "$argon2id$x", "$argon2id$y"))
	ok(t, s.Rehash(ctx, u.ID, "$argon2id$x", "$argon2id$z"))
	got = must(s.User(ctx, u.ID))(t)
	if got.Password != "$argon2id$y" || got.SignedInAt == nil {
		t.Errorf("after the sign-in %+v", got)
	}
	equal(t, "users listed", len(must(s.Users(ctx, state.Page{Limit: 3}))(t).Items), 3)
	ok(t, s.DeleteUser(ctx, u.ID))
	wantErr(t, s.DeleteUser(ctx, u.ID), state.ErrNotFound)
}

// testLastAdmin: however many take each other's role away at once, one admin stays.
func testLastAdmin(t *testing.T, url string) {
	ctx := t.Context()
	stores := []*state.Store{Open(t, url, nil), Open(t, url, nil)}
	var admins []*state.User
	for i := range 6 {
		admins = append(admins, must(stores[0].CreateUser(ctx, state.User{Email: fmt.Sprintf("a%d@example.com", i), Role: state.Admin}))(t))
	}
	var wg sync.WaitGroup
	var refused atomic.Int64
	for i, u := range admins {
		wg.Go(func() {
			var err error
			switch u := *u; i % 3 {
			case 0:
				err = stores[i%2].DeleteUser(ctx, u.ID)
			case 1:
				u.Role = state.Viewer
				_, err = stores[i%2].UpdateUser(ctx, u, "")
			case 2:
				u.Disabled = true
				_, err = stores[i%2].UpdateUser(ctx, u, "")
			}
			if err != nil {
				refused.Add(1)
				if !errors.Is(err, state.ErrConstraint) {
					t.Errorf("the last admin: %v", err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "refused", refused.Load(), 1)
	left := 0
	for _, u := range must(stores[0].Users(ctx, state.Page{}))(t).Items {
		if u.Role == state.Admin && !u.Disabled {
			left++
		}
	}
	equal(t, "admins", left, 1)
}

func sum(text string) []byte { h := sha256.Sum256([]byte(text)); return h[:] }

func testSessions(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	s := Open(t, url, clock.Now)
	u := must(s.CreateUser(ctx, state.User{Email: "a@example.com", Role: state.Viewer, Password: "1"}))(t)
	var ids []string
	for i := range 4 {
		x := must(s.CreateSession(ctx, state.Session{Hash: sum(fmt.Sprint(i)), UserID: u.ID, UserAgent: "test", Address: "192.0.2.1", ExpiresAt: clock.Now().Add(time.Hour)}))(t)
		ids = append(ids, x.ID)
	}
	x, who, err := s.Session(ctx, sum("2"))
	ok(t, err)
	if x.ID != ids[2] || who.ID != u.ID || x.UserAgent != "test" || x.ExpiresAt.Location() != time.UTC {
		t.Errorf("session %+v of %+v", x, who)
	}
	gone := func(token string) {
		t.Helper()
		_, _, err := s.Session(ctx, sum(token))
		wantErr(t, err, state.ErrNotFound)
	}
	gone("9")
	_, err = s.CreateSession(ctx, state.Session{Hash: sum("x"), UserID: "nobody"})
	wantErr(t, err, state.ErrConstraint)

	wantErr(t, s.DeleteSession(ctx, "somebody else", ids[0]), state.ErrNotFound)
	ok(t, s.DeleteSession(ctx, u.ID, ids[0]))
	gone("0")
	u.Password = "2" // whoever knew the old one is out
	u = must(s.UpdateUser(ctx, *u, ids[1]))(t)
	gone("2")
	gone("3")
	clock.Pass(50 * time.Minute)
	ok(t, s.TouchSession(ctx, sum("1"), clock.Now().Add(time.Hour)))
	clock.Pass(50 * time.Minute)
	if _, _, err := s.Session(ctx, sum("1")); err != nil {
		t.Errorf("a session in use ended: %v", err)
	}
	equal(t, "sessions", len(must(s.Sessions(ctx, u.ID))(t)), 1)
	clock.Pass(10 * time.Minute)
	gone("1")
	equal(t, "sessions", len(must(s.Sessions(ctx, u.ID))(t)), 0)
	ok(t, s.Sweep(ctx))

	for i := range 3 {
		must(s.CreateSession(ctx, state.Session{Hash: sum(fmt.Sprint("n", i)), UserID: u.ID, ExpiresAt: clock.Now().Add(time.Hour)}))(t)
	}
	keep := must(s.Sessions(ctx, u.ID))(t)[0].ID
	ok(t, s.DeleteSessions(ctx, u.ID, keep))
	equal(t, "sessions", len(must(s.Sessions(ctx, u.ID))(t)), 1)
	u.Disabled = true
	must(s.UpdateUser(ctx, *u, keep))(t)
	equal(t, "sessions of a disabled user", len(must(s.Sessions(ctx, u.ID))(t)), 0)
	must(s.CreateSession(ctx, state.Session{Hash: sum("late"), UserID: u.ID, ExpiresAt: clock.Now().Add(time.Hour)}))(t)
	gone("late")
	ok(t, s.DeleteUser(ctx, u.ID)) // with all sessions
}

func testTokens(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	s := Open(t, url, clock.Now)
	u := must(s.CreateUser(ctx, state.User{Email: "a@example.com", Role: state.Viewer}))(t)
	soon := clock.Now().Add(time.Hour)
	a := must(s.CreateToken(ctx, state.Token{UserID: u.ID, Name: "ci", Hash: sum("a"), Prefix: "kalla_ab", Scopes: []string{"read", "runs"}}))(t)
	must(s.CreateToken(ctx, state.Token{UserID: u.ID, Name: "short", Hash: sum("b"), ExpiresAt: &soon}))(t)
	_, err := s.CreateToken(ctx, state.Token{UserID: u.ID, Hash: sum("a")})
	wantErr(t, err, state.ErrExists)
	got, who, err := s.TokenByHash(ctx, sum("a"))
	ok(t, err)
	if got.Name != "ci" || got.Scopes[1] != "runs" || who.ID != u.ID || got.UsedAt != nil {
		t.Errorf("token %+v of %+v", got, who)
	}
	ok(t, s.TouchToken(ctx, a.ID))
	list := must(s.Tokens(ctx, u.ID))(t)
	if len(list) != 2 || len(must(s.Tokens(ctx, ""))(t)) != 2 {
		t.Errorf("tokens %+v", list)
	}
	clock.Pass(time.Hour)
	_, _, err = s.TokenByHash(ctx, sum("b"))
	wantErr(t, err, state.ErrNotFound)
	wantErr(t, s.DeleteToken(ctx, "x", a.ID), state.ErrNotFound)
	ok(t, s.DeleteToken(ctx, u.ID, a.ID))
	_, _, err = s.TokenByHash(ctx, sum("a"))
	wantErr(t, err, state.ErrNotFound)
}

func testSettings(t *testing.T, url string) {
	ctx := as(t.Context(), "ada")
	s := Open(t, url, nil)
	type value struct {
		Text string
		List []int
	}
	got := value{Text: "default"}
	if there := must(s.Setting(ctx, "k", &got))(t); there || got.Text != "default" {
		t.Errorf("found %v, %+v", there, got)
	}
	ok(t, s.SetSetting(ctx, "k", value{"one", nil}))
	ok(t, s.SetSetting(ctx, "k", value{"<two>", []int{1, 2}}))
	if there := must(s.Setting(ctx, "k", &got))(t); !there || got.Text != "<two>" || got.List[1] != 2 {
		t.Errorf("found %v, %+v", there, got)
	}
	e := must(s.Entries(ctx, state.AuditFilter{ObjectType: "setting", ObjectID: "k"}))(t)
	var detail struct{ Value value }
	ok(t, json.Unmarshal(e[0].Detail, &detail))
	if len(e) != 2 || detail.Value.Text != "<two>" || e[0].ActorID != "ada" {
		t.Errorf("audited %+v", e)
	}
}

func testIdempotency(t *testing.T, url string) {
	ctx, clock := t.Context(), NewClock()
	stores := []*state.Store{Open(t, url, clock.Now), Open(t, url, clock.Now)}
	s := stores[0]
	req := state.Idempotent{Key: "k", UserID: "ada", Route: "POST /api/runs", RequestHash: sum("body")}
	var wg sync.WaitGroup
	claims := make([]string, 20)
	for i := range claims {
		wg.Go(func() {
			claim, answer, err := stores[i%2].Claim(ctx, req, time.Minute)
			if err != nil && !errors.Is(err, state.ErrBusy) || answer != nil {
				t.Errorf("claimed with answer %+v, error %v", answer, err)
			}
			claims[i] = claim
		})
	}
	wg.Wait()
	claim := ""
	for _, c := range claims {
		if c != "" && claim != "" {
			t.Fatal("two do the same")
		}
		claim = max(claim, c)
	}

	ok(t, s.Abandon(ctx, req, claim)) // it failed: the next may try
	second, _, err := s.Claim(ctx, req, time.Minute)
	ok(t, err)
	clock.Pass(59 * time.Second)
	ok(t, s.Hold(ctx, req, second, time.Minute)) // it takes longer
	clock.Pass(59 * time.Second)
	if _, _, err := s.Claim(ctx, req, time.Minute); !errors.Is(err, state.ErrBusy) {
		t.Errorf("a request that is held: %v", err)
	}
	clock.Pass(time.Second) // whoever claimed it died
	third, _, err := s.Claim(ctx, req, time.Minute)
	ok(t, err)
	if second == "" || third == "" || second == third {
		t.Errorf("claims %q and %q", second, third)
	}
	ok(t, s.Answered(ctx, req, second, state.Answer{Status: 500}, time.Hour)) // too late
	ok(t, s.Hold(ctx, req, second, time.Hour))
	ok(t, s.Answered(ctx, req, third, state.Answer{Status: 202, ContentType: "application/json", Body: []byte("{\x00}")}, time.Hour))
	_, answer, err := s.Claim(ctx, req, time.Minute)
	ok(t, err)
	if answer == nil || answer.Status != 202 || string(answer.Body) != "{\x00}" || answer.ContentType != "application/json" {
		t.Errorf("answered %+v", answer)
	}
	other := req
	other.RequestHash = sum("another body")
	_, _, err = s.Claim(ctx, other, time.Minute)
	wantErr(t, err, state.ErrConstraint)
	other.UserID = "bob"
	if claim, _, err := s.Claim(ctx, other, time.Minute); err != nil || claim == "" {
		t.Errorf("the key of another user: %v", err)
	}
	clock.Pass(time.Hour)
	ok(t, s.Sweep(ctx))
	if claim, _, err := s.Claim(ctx, req, time.Minute); err != nil || claim == "" {
		t.Errorf("an old answer is still there: %v", err)
	}
}
