package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla/internal/server/auth"
	"kalla/internal/state"
)

// least is the role that each permission takes, and scope the scope of a token; written down again, on purpose.
var least = map[auth.Permission]auth.Role{
	auth.Self: auth.Viewer, auth.Account: auth.Viewer, auth.Read: auth.Viewer,
	auth.SourcesWrite: auth.Preparer, auth.RecipesWrite: auth.Preparer, auth.UploadsWrite: auth.Preparer, auth.RunsWrite: auth.Preparer,
	auth.RunsApprove: auth.Approver, auth.AuditRead: auth.Approver,
	auth.UsersAdmin: auth.Admin, auth.SettingsAdmin: auth.Admin,
}

var scope = map[auth.Permission]auth.Scope{
	auth.Read: auth.ScopeRead, auth.AuditRead: auth.ScopeRead,
	auth.SourcesWrite: auth.ScopeWrite, auth.RecipesWrite: auth.ScopeWrite, auth.UploadsWrite: auth.ScopeWrite,
	auth.RunsWrite: auth.ScopeRuns, auth.UsersAdmin: auth.ScopeAdmin, auth.SettingsAdmin: auth.ScopeAdmin,
}

var (
	roleOrder = map[auth.Role]int{auth.Viewer: 1, auth.Preparer: 2, auth.Approver: 3, auth.Admin: 4}
	allScopes = []auth.Scope{auth.ScopeRead, auth.ScopeWrite, auth.ScopeRuns, auth.ScopeAdmin}
)

// operation is one of the OpenAPI document.
type operation struct {
	method, path string
	permission   auth.Permission
}

func operations(t *testing.T, api huma.API) []operation {
	t.Helper()
	text, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Permission auth.Permission `json:"x-permission"`
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var ops []operation
	for path, item := range doc.Paths {
		for method, op := range item {
			ops = append(ops, operation{strings.ToUpper(method), path, op.Permission})
		}
	}
	return ops
}

// TestMatrix asks for every operation of the document as nobody, with the
// session of each role, and with tokens of each scope.
func TestMatrix(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ops := operations(t, s.api)
	if len(ops) < 20 {
		t.Fatalf("only %d operations", len(ops))
	}
	type caller struct {
		name  string
		role  auth.Role
		scope auth.Scope // of a token
		who   *browser
	}
	callers := []caller{{name: "nobody", who: s.browser(t)}}
	for role := range roleOrder {
		b := s.signedIn(t, role)
		callers = append(callers, caller{name: string(role), role: role, who: b})
		for _, scope := range allScopes {
			callers = append(callers, caller{fmt.Sprintf("%s with a token for %s", role, scope), role, scope, s.program(t, b.token(scope))})
		}
	}
	asked := 0
	for _, op := range ops {
		// These end the sessions and users that the test goes on with; their own tests look at them.
		if op.path == "/api/auth/sign-out" || op.method == http.MethodDelete && op.path == "/api/auth/sessions" || op.path == "/api/auth/sign-in" {
			continue
		}
		for _, c := range callers {
			want := 0
			switch {
			case op.permission == auth.Public:
			case c.role == "":
				want = http.StatusUnauthorized
			case roleOrder[c.role] < roleOrder[least[op.permission]]:
				want = http.StatusForbidden
			case c.scope != "" && op.permission != auth.Self && scope[op.permission] != c.scope:
				want = http.StatusForbidden
			}
			got := c.who.do(op.method, strings.ReplaceAll(op.path, "{id}", "none"), body{})
			if refused := got.status == http.StatusUnauthorized || got.status == http.StatusForbidden && op.path != "/api/auth/setup"; want != 0 && got.status != want || want == 0 && refused {
				t.Errorf("%s: %s %s (%s): %d, want %d (0: let through): %s", c.name, op.method, op.path, op.permission, got.status, want, got.body)
			}
			asked++
		}
	}
	t.Logf("%d operations × %d callers: %d requests", len(ops), len(callers), asked)
}

// TestCan covers what no operation of the site has.
func TestCan(t *testing.T) {
	t.Parallel()
	for perm, role := range least {
		for r, n := range roleOrder {
			if got := auth.Can(&auth.Principal{User: state.User{Role: r}, Via: auth.ViaSession}, perm); got != (n >= roleOrder[role]) {
				t.Errorf("%s with %s: %v", perm, r, got)
			}
		}
		if auth.Can(nil, perm) || auth.Can(&auth.Principal{User: state.User{Role: "owner"}, Via: auth.ViaSession}, perm) {
			t.Errorf("%s: nobody, or an unknown role", perm)
		}
		if auth.Can(&auth.Principal{User: state.User{Role: auth.Admin}, Via: auth.ViaToken}, perm) {
			t.Errorf("%s: a token without a scope", perm)
		}
	}
	if !auth.Can(nil, auth.Public) {
		t.Error("nobody may not do what is public")
	}
	if auth.Can(&auth.Principal{User: state.User{Role: auth.Admin}, Via: auth.ViaSession}, "runs.destroy") {
		t.Error("a permission that does not exist is given")
	}
}

func TestOperationWithoutPermission(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nothing := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
	for name, meta := range map[string]map[string]any{"none": nil, "unknown": auth.Require("runs.destroy"), "empty": auth.Require("")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: registered", name)
				}
			}()
			huma.Register(s.api, huma.Operation{Method: http.MethodGet, Path: "/api/" + name, OperationID: name, Metadata: meta}, nothing)
		}()
	}
	// One that is hidden does not pass by where the others are looked at.
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("Kalla", "test"))
	s.auth.Protect(api)
	huma.Register(api, huma.Operation{Method: http.MethodGet, Path: "/api/hidden", Hidden: true}, nothing)
	hidden := httptest.NewServer(s.auth.Middleware(mux))
	defer hidden.Close()
	b := s.signedIn(t, auth.Admin)
	b.must(http.StatusForbidden, http.MethodGet, hidden.URL+"/api/hidden", nil)
	s.browser(t).must(http.StatusUnauthorized, http.MethodGet, hidden.URL+"/api/hidden", nil)
}
