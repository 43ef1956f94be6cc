package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"kalla/internal/agent"
	"kalla/internal/job"
	"kalla/internal/mcp"
	"kalla/internal/server/auth"
)

// withToken sends a token along, as assistants do by their configuration.
type withToken struct {
	http.RoundTripper
	token string
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.RoundTripper.RoundTrip(r)
}

// tools is an assistant of somebody else's, connected over HTTP.
type tools struct {
	t *testing.T
	*sdk.ClientSession
	progress atomic.Int64
}

func (s *site) tools(t *testing.T, token string) (*tools, error) {
	t.Helper()
	c := &tools{t: t}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) { c.progress.Add(1) },
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	c.ClientSession, err = client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: s.URL + "/mcp", MaxRetries: -1, HTTPClient: &http.Client{Transport: withToken{transport, token}}}, nil)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// call calls a tool and reads its answer into out; it returns the text of an error.
func (c *tools) call(name string, input, out any) string {
	c.t.Helper()
	params := &sdk.CallToolParams{Name: name, Arguments: input}
	params.SetProgressToken(name)
	r, err := c.CallTool(c.t.Context(), params)
	check(c.t, err)
	text := r.Content[0].(*sdk.TextContent).Text
	if r.IsError {
		return text
	}
	if out != nil {
		check(c.t, json.Unmarshal([]byte(text), out))
	}
	return ""
}

func (c *tools) must(name string, input, out any) {
	c.t.Helper()
	if failed := c.call(name, input, out); failed != "" {
		c.t.Fatalf("%s: %s", name, failed)
	}
}

func (c *tools) names() map[string]bool {
	c.t.Helper()
	list, err := c.ListTools(c.t.Context(), nil)
	check(c.t, err)
	out := map[string]bool{}
	for _, t := range list.Tools {
		out[t.Name] = true
	}
	return out
}

// TestMCP: another assistant uploads two files, drafts, tests, saves and runs a
// recipe, and explains a record, with a token; it may do what the token may.
func TestMCP(t *testing.T) {
	noLeaks(t)
	sched := scheduler(t)
	s := newSite(t, options{scheduler: sched.URL()})
	s.call(http.MethodGet, "/api/about", nil) // signs in
	c, err := s.tools(t, s.token)
	check(t, err)
	if names := c.names(); len(names) != 14 || !names[agent.ToolRunFull] || !names[mcp.GetRun] {
		t.Errorf("an administrator has the tools %v", names)
	}

	invoices, payments := demoFiles(t, 400)
	for alias, file := range map[string]string{"invoices": invoices, "payments": payments} {
		var place agent.Place
		c.must(agent.ToolRequestUpload, map[string]any{"filename": alias + ".csv"}, &place)
		content, err := os.ReadFile(file)
		check(t, err)
		r := s.request(http.MethodPut, place.URL, content)
		r.Header.Set("Content-Type", "application/octet-stream")
		resp, err := http.DefaultClient.Do(r)
		check(t, err)
		resp.Body.Close()
		c.must(agent.ToolRequestUpload, map[string]any{"upload_id": place.UploadID, "alias": alias}, nil)
	}
	pair := map[string]any{"left": map[string]any{"source": "invoices"}, "right": map[string]any{"source": "payments"}, "recipe_id": "by-mcp"}
	var drafted agent.Drafted
	c.must(agent.ToolBuildRecipe, pair, &drafted)
	var tried agent.Tried
	c.must(agent.ToolRunSample, map[string]any{"document": drafted.Document}, &tried)
	c.must(agent.ToolSaveRecipe, map[string]any{"document": drafted.Document, "message": "by another assistant"}, nil)
	var run agent.Run
	c.must(agent.ToolRunFull, map[string]any{"recipe_id": "by-mcp"}, &run)
	if run.Status != "completed" || run.Summary == nil || run.Summary.Pairs != tried.Summary.Pairs || run.Summary.Pairs == 0 {
		t.Fatalf("the run ended as %+v, the back-test as %+v", run, tried.Summary)
	}
	if seen := s.run(run.RunID); seen.RecipeID != "by-mcp" || !strings.HasPrefix(seen.CreatedBy, adminEmail) {
		t.Errorf("the app knows the run as %+v", seen)
	}
	if c.progress.Load() == 0 {
		t.Error("nothing was told of its progress")
	}
	again := agent.Run{}
	if c.must(mcp.GetRun, map[string]any{"run_id": run.RunID}, &again); again.Status != "completed" {
		t.Errorf("later it is %+v", again)
	}

	s.maskedTools(t, payments)

	// What a token may not do is neither listed nor done, and it is said why.
	s.mustCreateUser("viewer@example.com", "viewer")
	viewer := s.signIn("viewer@example.com")
	for who, x := range map[string]struct{ token, why string }{
		"a viewer":               {s.newToken(viewer, auth.ScopeRead, auth.ScopeRuns, auth.ScopeWrite), "takes the role preparer"},
		"a token that only read": {s.newToken(s.browser, auth.ScopeRead), "with the scope runs"},
	} {
		c, err := s.tools(t, x.token)
		check(t, err)
		names := c.names()
		if names[agent.ToolRunFull] || names[agent.ToolSaveRecipe] || names[agent.ToolInferRules] || !names[agent.ToolListSources] || !names[agent.ToolExplainRecord] {
			t.Errorf("%s has the tools %v", who, names)
		}
		if failed := c.call(agent.ToolRunFull, map[string]any{"recipe_id": "by-mcp"}, nil); !strings.Contains(failed, x.why) {
			t.Errorf("%s runs: %q", who, failed)
		}
		if failed := c.call(agent.ToolInferRules, pair, nil); failed == "" {
			t.Errorf("%s drafts", who)
		}
		var list agent.SourceList
		if c.must(agent.ToolListSources, nil, &list); len(list.Sources) != 2 {
			t.Errorf("%s sees %+v", who, list)
		}
	}
	if runs := want[[]any](t, s.call(http.MethodGet, "/api/runs", nil), http.StatusOK); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

// maskedTools: a client that asks for it sees no value of a record, and works with the tokens that it sees instead.
func (s *site) maskedTools(t *testing.T, payments string) {
	t.Helper()
	content, err := os.ReadFile(payments)
	check(t, err)
	values := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		for field := range strings.SplitSeq(strings.TrimSpace(line), ",") {
			if len(field) > 4 && strings.ContainsAny(field, "0123456789") {
				values[field] = true
			}
		}
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: s.URL + "/mcp?values=masked", MaxRetries: -1, HTTPClient: &http.Client{Transport: withToken{transport, s.token}},
	}, nil)
	check(t, err)
	defer session.Close()
	c := &tools{ClientSession: session, t: t}
	var preview agent.SourceData
	c.must(agent.ToolPreview, map[string]any{"source": "payments"}, &preview)
	for _, row := range preview.Rows {
		for _, value := range row {
			if value != nil && values[*value] {
				t.Errorf("a masked preview shows %s", *value)
			}
		}
	}
	key := slices.IndexFunc(preview.Columns, func(c job.Column) bool { return c.Name == "payment_id" })
	if key < 0 || len(preview.Rows) < 3 {
		t.Fatalf("the preview has %d rows and no payment_id: %v", len(preview.Rows), preview.Columns)
	}
	token := *preview.Rows[2][key]
	var scoped agent.SourceData
	c.must(agent.ToolLoadScoped, map[string]any{"source": "payments", "conditions": []any{map[string]any{"column": "payment_id", "op": "eq", "value": token}}}, &scoped)
	if len(scoped.Rows) != 1 || *scoped.Rows[0][key] != token {
		t.Errorf("the record of %s is %v", token, scoped.Rows)
	}
	if failed := c.call(agent.ToolExplainRecord, map[string]any{"recipe_id": "by-mcp", "side": "right", "key": token}, nil); failed != "" {
		t.Errorf("the record of %s is not explained: %s", token, failed)
	}
}

// TestMCPRefused: who does not prove who they are gets no tools, nor does a token that may not read.
func TestMCPRefused(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	s.call(http.MethodGet, "/api/about", nil)
	hello := map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
	for token, status := range map[string]int{"": 401, "kalla_wrong": 401, workerToken: 401, s.newToken(s.browser, auth.ScopeRuns): 403} {
		got := s.callAs(token, http.MethodPost, "/mcp", hello, "Accept", "application/json, text/event-stream")
		if want[problem](t, got, status); status == 401 && got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("the answer does not ask for a token: %v", got.header)
		}
	}
	if _, err := s.tools(t, "kalla_wrong"); err == nil {
		t.Error("a wrong token is good")
	}
	// A page of another site cannot make a browser call tools.
	r := s.request(http.MethodPost, "/mcp", []byte(`{}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := s.browser.Do(r)
	check(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site is answered %s", resp.Status)
	}
	if got := s.call(http.MethodGet, "/mcp", nil); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d, allowed %q", got.status, got.header.Get("Allow"))
	}
}
