package server_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"kalla/internal/server/auth"
)

// access is who may call an operation, written down by hand: the least role,
// and the scope of a token. "public" is everybody, "worker" who has the worker's
// token, "signed" whoever was given the URL, "-" no token at all.
var access = map[string][2]string{
	"POST /api/runs":                                    {"preparer", "runs"},
	"GET /api/runs":                                     {"viewer", "read"},
	"GET /api/runs/{run_id}":                            {"viewer", "read"},
	"POST /api/runs/{run_id}/cancel":                    {"preparer", "runs"},
	"POST /api/runs/{run_id}/rerun":                     {"preparer", "runs"},
	"POST /api/runs/{run_id}/approve":                   {"approver", "-"},
	"GET /api/runs/{run_id}/approvals":                  {"viewer", "read"},
	"GET /api/runs/{run_id}/events":                     {"viewer", "read"},
	"GET /api/runs/{run_id}/records":                    {"viewer", "read"},
	"GET /api/runs/{run_id}/records/{side}/{key}":       {"viewer", "read"},
	"GET /api/runs/{run_id}/compare/{other_id}":         {"viewer", "read"},
	"GET /api/runs/{run_id}/compare/{other_id}/records": {"viewer", "read"},
	"GET /api/runs/{run_id}/charts/waterfall":           {"viewer", "read"},
	"GET /api/runs/{run_id}/charts/reasons":             {"viewer", "read"},
	"GET /api/runs/{run_id}/charts/differences":         {"viewer", "read"},
	"GET /api/runs/{run_id}/charts/ageing":              {"viewer", "read"},
	"GET /api/runs/{run_id}/charts/currencies":          {"viewer", "read"},
	"GET /api/runs/{run_id}/evidence/{file}":            {"viewer", "read"},
	"GET /api/runs/{run_id}/evidence/{table}/{part}":    {"viewer", "read"},
	"GET /api/runs/{run_id}/export":                     {"viewer", "read"},
	"GET /api/runs/{run_id}/verify":                     {"viewer", "read"},
	"POST /api/worker/progress":                         {"worker", "-"},
	"POST /api/worker/complete":                         {"worker", "-"},
	"POST /api/worker/error":                            {"worker", "-"},
	"GET /api/overview":                                 {"viewer", "read"},
	"GET /api/audit":                                    {"approver", "read"},
	"GET /api/audit/proof":                              {"approver", "read"},
	"GET /api/about":                                    {"viewer", "read"},
	"GET /api/source-types":                             {"viewer", "read"},
	"GET /api/sources":                                  {"viewer", "read"},
	"POST /api/sources":                                 {"preparer", "write"},
	"GET /api/sources/{alias}":                          {"viewer", "read"},
	"PUT /api/sources/{alias}":                          {"preparer", "write"},
	"DELETE /api/sources/{alias}":                       {"preparer", "write"},
	"GET /api/sources/{alias}/preview":                  {"viewer", "read"},
	"POST /api/sources/{alias}/load-scoped":             {"viewer", "read"},
	"POST /api/sources/{alias}/test":                    {"preparer", "write"},
	"POST /api/sources/test":                            {"preparer", "write"},
	"POST /api/demo":                                    {"preparer", "write"},
	"GET /api/recipes":                                  {"viewer", "read"},
	"POST /api/recipes":                                 {"preparer", "write"},
	"GET /api/recipes/{recipe_id}":                      {"viewer", "read"},
	"PUT /api/recipes/{recipe_id}":                      {"preparer", "write"},
	"DELETE /api/recipes/{recipe_id}":                   {"preparer", "write"},
	"GET /api/recipes/{recipe_id}/versions":             {"viewer", "read"},
	"GET /api/recipes/{recipe_id}/diff":                 {"viewer", "read"},
	"POST /api/recipes/validate":                        {"viewer", "read"},
	"POST /api/recipes/draft":                           {"preparer", "write"},
	"POST /api/recipes/trial":                           {"preparer", "write"},
	"GET /api/schema/recipe":                            {"public", ""},
	"POST /api/uploads/presign":                         {"preparer", "write"},
	"POST /api/uploads/preview":                         {"preparer", "write"},
	"POST /api/uploads/{id}/confirm":                    {"preparer", "write"},
	"POST /api/uploads/{id}/keep":                       {"preparer", "write"},
	"PUT /api/uploads/{id}/content":                     {"signed", "-"},
	"POST /api/chat":                                    {"viewer", "read"},
	"GET /api/chat/sessions":                            {"viewer", "read"},
	"POST /api/chat/sessions":                           {"viewer", "read"},
	"GET /api/chat/sessions/{id}":                       {"viewer", "read"},
	"PATCH /api/chat/sessions/{id}":                     {"viewer", "read"},
	"DELETE /api/chat/sessions/{id}":                    {"viewer", "read"},
	"GET /api/chat/sessions/{id}/events":                {"viewer", "read"},
	"POST /api/chat/sessions/{id}/stop":                 {"viewer", "read"},
	"POST /api/chat/sessions/{id}/actions":              {"viewer", "read"},
	"GET /api/auth":                                     {"public", ""},
	"POST /api/auth/sign-in":                            {"public", ""},
	"POST /api/auth/sign-out":                           {"public", ""},
	"POST /api/auth/setup":                              {"public", ""},
	"GET /api/auth/link":                                {"public", ""},
	"GET /api/auth/me":                                  {"viewer", "any"},
	"POST /api/auth/password":                           {"viewer", "-"},
	"GET /api/auth/sessions":                            {"viewer", "-"},
	"DELETE /api/auth/sessions":                         {"viewer", "-"},
	"DELETE /api/auth/sessions/{id}":                    {"viewer", "-"},
	"GET /api/tokens":                                   {"viewer", "-"},
	"POST /api/tokens":                                  {"viewer", "-"},
	"DELETE /api/tokens/{id}":                           {"viewer", "-"},
	"GET /api/users":                                    {"admin", "admin"},
	"POST /api/users":                                   {"admin", "admin"},
	"PATCH /api/users/{id}":                             {"admin", "admin"},
	"DELETE /api/users/{id}":                            {"admin", "admin"},
}

// TestAccess calls every operation of the document as everybody. Who is let
// through is told by the status: 401 and 403 are refusals, anything else is not.
func TestAccess(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	doc := want[struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Permission string `json:"x-permission"`
		}
	}](t, s.callAs("", http.MethodGet, "/openapi.json", nil), http.StatusOK)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}

	roles := []string{"viewer", "preparer", "approver", "admin"}
	scopes := []auth.Scope{auth.ScopeRead, auth.ScopeWrite, auth.ScopeRuns, auth.ScopeAdmin}
	browsers, tokens := map[string]*http.Client{}, map[string]map[auth.Scope]string{}
	for _, role := range roles {
		email := role + "@example.com"
		s.mustCreateUser(email, role)
		browsers[role], tokens[role] = s.signIn(email), map[auth.Scope]string{}
		for _, scope := range scopes {
			tokens[role][scope] = s.newToken(browsers[role], scope)
		}
	}
	// let reports whether a caller gets past the door. What would end the session is asked with one of its own.
	let := func(c *http.Client, token, method, path string) bool {
		r := s.request(method, path, nil)
		if method != http.MethodGet && method != http.MethodDelete {
			r = s.request(method, path, []byte(`{}`))
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := c.Do(r)
		check(t, err)
		defer resp.Body.Close()
		return resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden
	}
	nobody := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(nobody.CloseIdleConnections)

	seen := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			seen[name] = true
			rule, ok := access[name]
			if !ok {
				t.Errorf("%s (%s) is not in the table of who may call it", name, op.Permission)
				continue
			}
			if name == "DELETE /api/auth/sessions" || name == "POST /api/auth/sign-in" || name == "POST /api/auth/setup" || name == "POST /api/auth/sign-out" {
				continue // they end or begin what the others need; package auth tests them
			}
			at := regexp.MustCompile(`\{side\}`).ReplaceAllString(path, "left")
			at = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(at, "none")
			at = strings.Replace(at, "/runs/none/events", "/runs/none/events", 1)
			public := rule[0] == "public"
			if got := let(nobody, "", strings.ToUpper(method), at); got != public {
				t.Errorf("%s by nobody: %v", name, got)
			}
			for i, role := range roles {
				least := slices.Index(roles, rule[0])
				may := public || least >= 0 && i >= least
				if got := let(browsers[role], "", strings.ToUpper(method), at); got != may {
					t.Errorf("%s by %s: %v", name, role, got)
				}
				for _, scope := range scopes {
					with := public || may && (rule[1] == "any" || rule[1] == string(scope))
					if got := let(nobody, tokens[role][scope], strings.ToUpper(method), at); got != with {
						t.Errorf("%s by %s with a token for %s: %v", name, role, scope, got)
					}
				}
			}
			if got := let(nobody, workerToken, strings.ToUpper(method), at); got != (public || rule[0] == "worker") {
				t.Errorf("%s by a worker: %v", name, got)
			}
		}
	}
	for _, name := range []string{"POST /api/runs", "GET /api/audit", "POST /api/worker/complete", "GET /api/users"} {
		if !seen[name] {
			t.Errorf("%s is not in the document", name)
		}
	}
}

func (s *site) mustCreateUser(email, role string) {
	s.t.Helper()
	got := s.call(http.MethodPost, "/api/users", map[string]string{"email": email, "role": role, "password": password})
	if got.status != http.StatusCreated {
		s.t.Fatalf("%d %s", got.status, got.body)
	}
}

// TestWeb: files of the app in the best form that a client takes, pages of its
// own for every other path, and problems for what is no operation.
func TestWeb(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{web: fstest.MapFS{
		"index.html":            {Data: []byte("<html>the app</html>")},
		"assets/app-1a2b.js":    {Data: []byte("plain")},
		"assets/app-1a2b.js.gz": {Data: []byte("zipped")},
		"assets/app-1a2b.js.br": {Data: []byte("brotli")},
	}})
	get := func(path, encoding string) answered {
		return s.callAs("", http.MethodGet, path, nil, "Accept-Encoding", encoding)
	}
	for _, path := range []string{"/", "/runs/1", "/index.html", "/sign-in"} {
		got := get(path, "br")
		if got.status != http.StatusOK || string(got.body) != "<html>the app</html>" || got.header.Get("Cache-Control") != "no-cache" || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s %v", path, got.status, got.body, got.header)
		}
	}
	for encoding, body := range map[string]string{"br, gzip": "brotli", "gzip;q=1.0, br;q=0": "zipped", "identity": "plain"} {
		got := get("/assets/app-1a2b.js", encoding)
		if string(got.body) != body || !strings.Contains(got.header.Get("Cache-Control"), "immutable") || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %s %v", encoding, got.body, got.header)
		}
		again := s.callAs("", http.MethodGet, "/assets/app-1a2b.js", nil, "Accept-Encoding", encoding, "If-None-Match", got.header.Get("Etag"))
		if again.status != http.StatusNotModified {
			t.Errorf("%s again: %d", encoding, again.status)
		}
	}
	if got := get("/assets/app-old.js", ""); got.status != http.StatusNotFound {
		t.Errorf("an asset of another version: %d", got.status)
	}
	for path, status := range map[string]int{"/api/nothing": 404, "/api/../etc": 404, "/healthz": 200, "/metrics": 200} {
		got := get(path, "")
		if got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if status == 404 && (got.header.Get("Content-Type") != "application/problem+json" || !json.Valid(got.body)) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if got := s.callAs("", http.MethodPut, "/api/runs", map[string]any{}); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT /api/runs: %d, allowed %q", got.status, got.header.Get("Allow"))
	}
}

// TestStartFaults: what a run cannot be started with is said at once, all of it.
func TestStartFaults(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	yaml := data(t, 10)
	for name, x := range map[string]struct {
		body     map[string]any
		status   int
		location string
	}{
		"nothing":    {map[string]any{}, 400, ""},
		"both":       {map[string]any{"recipe_id": "x", "recipe": inline(yaml)}, 400, ""},
		"unknown":    {map[string]any{"recipe_id": "no-such"}, 404, ""},
		"parameter":  {map[string]any{"recipe": inline(yaml), "parameters": map[string]string{"tolerance": "much"}}, 422, "body.recipe"},
		"syntax":     {map[string]any{"recipe": inline("kalla: [")}, 422, "body.recipe"},
		"target":     {map[string]any{"recipe": inline(yaml), "target": "all"}, 422, "body.target"},
		"engine":     {map[string]any{"recipe": inline(yaml), "engine": "abacus"}, 422, "body.engine"},
		"alias":      {map[string]any{"recipe": inline(yaml), "resolved_sources": []any{map[string]any{"alias": "refunds", "uri": "/x.csv"}}}, 422, "body.resolved_sources[0].alias"},
		"filter":     {map[string]any{"recipe": inline(yaml), "resolved_sources": []any{map[string]any{"alias": "payments", "uri": "/x.csv", "filters": []any{map[string]any{"column": "a", "op": "eq"}}}}}, 422, "body.resolved_sources[0].filters[0].value"},
		"registered": {map[string]any{"recipe": inline(regexp.MustCompile(`uri: \S+invoices.csv`).ReplaceAllString(yaml, "source: unknown"))}, 422, "body.recipe.sources.left.source"},
	} {
		got := s.call(http.MethodPost, "/api/runs", x.body)
		p := want[problem](t, got, x.status)
		if x.location != "" && (len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, x.location)) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if runs := want[[]any](t, s.call(http.MethodGet, "/api/runs", nil), http.StatusOK); len(runs) != 0 {
		t.Errorf("%v", runs)
	}
}
