//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"kalla/internal/agent"
	"kalla/internal/mcp"
)

// assistant is a client of tools, as other programs are.
type assistant struct {
	t *testing.T
	*sdk.ClientSession

	mu       sync.Mutex
	progress []float64
}

// connect starts a session over a transport.
func connect(t *testing.T, transport sdk.Transport) *assistant {
	t.Helper()
	a := &assistant{t: t}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.progress = append(a.progress, r.Params.Progress)
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if a.ClientSession, err = client.Connect(ctx, transport, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// mcpProgram starts kalla mcp and connects to it.
func mcpProgram(t *testing.T, dir string, env []string, args ...string) (*assistant, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"mcp"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(append(clean(), "KALLA_TEST_MAIN=kalla", "KALLA_TEMP_DIR="+t.TempDir()), env...)
	cmd.Stderr = os.Stderr
	return connect(t, &sdk.CommandTransport{Command: cmd}), cmd
}

// call calls a tool and reads what it answers into out, which may be nil. It returns the text of an error.
func (a *assistant) call(tool string, input, out any) (failed string) {
	a.t.Helper()
	params := &sdk.CallToolParams{Name: tool, Arguments: input}
	params.SetProgressToken(tool)
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	r, err := a.CallTool(ctx, params)
	if err != nil {
		a.t.Fatalf("%s: %v", tool, err)
	}
	text := r.Content[0].(*sdk.TextContent).Text
	if r.IsError {
		return text
	}
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			a.t.Fatalf("%s: %v: %s", tool, err, text)
		}
	}
	return ""
}

// must calls a tool that does not fail.
func (a *assistant) must(tool string, input, out any) {
	a.t.Helper()
	if failed := a.call(tool, input, out); failed != "" {
		a.t.Fatalf("%s: %s", tool, failed)
	}
}

func (a *assistant) tools() map[string]*sdk.Tool {
	a.t.Helper()
	list, err := a.ListTools(a.t.Context(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	out := map[string]*sdk.Tool{}
	for _, t := range list.Tools {
		out[t.Name] = t
	}
	return out
}

// scope names a source in the input of a tool.
func scope(alias string) map[string]any { return map[string]any{"source": alias} }

// TestMCPFolder: from two files to a run whose records are explained, without an app.
func TestMCPFolder(t *testing.T) {
	home := t.TempDir()
	dir := demoFiles(t, home)
	a, cmd := mcpProgram(t, home, nil, "--dir", "kalla-demo")
	tools := a.tools()
	for _, name := range []string{agent.ToolListSources, agent.ToolPreview, agent.ToolProfile, agent.ToolInferRules, agent.ToolBuildRecipe, agent.ToolValidateRecipe,
		agent.ToolRunSample, agent.ToolSaveRecipe, agent.ToolRunFull, agent.ToolExplainRecord, mcp.GetRun} {
		tool, writes := tools[name], name == agent.ToolSaveRecipe || name == agent.ToolRunFull
		if tool == nil || tool.Annotations == nil || tool.Annotations.ReadOnlyHint == writes || tool.Title == "" || tool.Description == "" {
			t.Errorf("the tool %s is %+v", name, tool)
		}
	}
	if tools[agent.ToolRequestUpload] != nil {
		t.Error("a folder takes uploads")
	}
	if text := a.InitializeResult().Instructions; !strings.Contains(text, "list_sources") {
		t.Errorf("the instructions are %q", text)
	}

	var list agent.SourceList
	a.must(agent.ToolListSources, nil, &list)
	aliases := map[string]int{}
	for _, s := range list.Sources {
		aliases[s.Alias] = len(s.Columns)
	}
	if len(list.Sources) != 3 || aliases["invoices"] == 0 || aliases["payments"] == 0 {
		t.Fatalf("the sources are %+v", list.Sources)
	}
	var data agent.SourceData
	a.must(agent.ToolPreview, map[string]any{"source": "invoices", "limit": 3}, &data)
	if rows := lines(t, filepath.Join(dir, "invoices.csv")) - 1; len(data.Rows) != 3 || data.Total == nil || *data.Total != rows {
		t.Errorf("the preview has %d rows of %v, not of %d", len(data.Rows), data.Total, rows)
	}
	var profile agent.SourceProfile
	a.must(agent.ToolProfile, scope("payments"), &profile)
	if len(profile.Columns) != aliases["payments"] || profile.Columns[0].Distinct == 0 {
		t.Errorf("the profile is %+v", profile)
	}

	var drafted agent.Drafted
	pair := map[string]any{"left": scope("invoices"), "right": scope("payments"), "recipe_id": "by-mcp", "name": "By MCP"}
	a.must(agent.ToolBuildRecipe, pair, &drafted)
	if strings.Contains(drafted.Document, dir) || !strings.Contains(drafted.Document, "uri: invoices.csv") || len(drafted.Rules) == 0 {
		t.Errorf("the draft is %s", drafted.Document)
	}
	document := map[string]any{"document": drafted.Document}
	var checked agent.Checked
	if a.must(agent.ToolValidateRecipe, document, &checked); !checked.Valid || len(checked.Left) == 0 || len(checked.Sentences) == 0 {
		t.Errorf("the draft is not valid: %+v", checked)
	}
	checked = agent.Checked{}
	a.must(agent.ToolValidateRecipe, map[string]any{"document": strings.ReplaceAll(drafted.Document, "reference_number", "no_such_column")}, &checked)
	if checked.Valid || len(checked.Faults) == 0 {
		t.Errorf("a wrong column is no fault: %+v", checked)
	}
	var tried agent.Tried
	a.must(agent.ToolRunSample, document, &tried)

	if failed := a.call(agent.ToolRunFull, map[string]any{"recipe_id": "by-mcp"}, nil); !strings.Contains(failed, "save_recipe") {
		t.Errorf("a run of what was not saved: %q", failed)
	}
	var saved agent.Saved
	a.must(agent.ToolSaveRecipe, document, &saved)
	a.must(agent.ToolSaveRecipe, document, &saved)
	if text, err := os.ReadFile(filepath.Join(dir, "by-mcp.yaml")); err != nil || string(text) != drafted.Document {
		t.Errorf("it saved %s (%v)", text, err)
	}
	var run agent.Run
	a.must(agent.ToolRunFull, map[string]any{"recipe_id": "by-mcp"}, &run)
	if run.Status != "completed" || run.Summary == nil {
		t.Fatalf("the run ended as %+v", run)
	}
	if run.Summary.Pairs != tried.Summary.Pairs || run.Summary.Pairs == 0 {
		t.Errorf("the run matched %d pairs, the back-test %d", run.Summary.Pairs, tried.Summary.Pairs)
	}
	a.mu.Lock()
	if !slices.IsSorted(a.progress) || slices.Contains(a.progress, 1.5) {
		t.Errorf("the progress was %v", a.progress)
	}
	a.mu.Unlock()
	// The command line comes to the same, and proves what the tool left.
	code, out, errs := once(t, "kalla", dir, "", nil, "run", "by-mcp.yaml", "--format", "json")
	var summary struct{ Pairs int64 }
	if err := json.Unmarshal([]byte(out), &summary); code != 0 || err != nil || summary.Pairs != run.Summary.Pairs {
		t.Errorf("kalla run: exit code %d, %d pairs (%v): %s", code, summary.Pairs, err, errs)
	}
	if code, out, errs := once(t, "kalla", dir, "", nil, "evidence", "verify", filepath.Join("kalla-data", "runs", run.RunID)); code != 0 {
		t.Errorf("the evidence does not verify: %s%s", out, errs)
	}
	var explained struct {
		RunID string `json:"run_id"`
		Key   string `json:"key"`
	}
	key := firstKey(t, filepath.Join(dir, "invoices.csv"))
	a.must(agent.ToolExplainRecord, map[string]any{"recipe_id": "by-mcp", "side": "left", "key": key}, &explained)
	if explained.Key != key {
		t.Errorf("the record is %+v", explained)
	}
	var again agent.Run
	if a.must(mcp.GetRun, map[string]any{"run_id": run.RunID}, &again); again.Status != "completed" || again.RecipeID != "by-mcp" {
		t.Errorf("the run is %+v", again)
	}

	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with exit code %d", code)
	}
}

// TestMCPFolderLimits: nothing outside of the folder is read, inputs that are
// wrong are told, a call that is cancelled ends, and --read-only leaves out what writes.
func TestMCPFolderLimits(t *testing.T) {
	home := t.TempDir()
	dir := demoFiles(t, home)
	secret := filepath.Join(home, "secret.csv")
	if err := os.WriteFile(secret, []byte("id,word\n1,swordfish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	a, _ := mcpProgram(t, home, []string{"ANTHROPIC_API_KEY=sk-never-shown", "KALLA_SECRET_WORD=x"}, "--dir", dir, "--read-only")
	if tools := a.tools(); tools[agent.ToolRunFull] != nil || tools[agent.ToolSaveRecipe] != nil || tools[agent.ToolRunSample] == nil {
		t.Errorf("it has %d tools", len(tools))
	}
	if failed := a.call(agent.ToolPreview, scope("link"), nil); !strings.Contains(failed, "list_sources") {
		t.Errorf("a link out of the folder: %q", failed)
	}
	for _, uri := range []string{secret, "../secret.csv", "link.csv", "https://example.com/a.csv", "postgres://localhost/db?table=t", "${ANTHROPIC_API_KEY}", "/proc/self/environ?format=csv"} {
		document := "kalla: 1\nrecipe_id: stolen\nsources:\n  left: {alias: a, uri: '" + uri + "', primary_key: [id]}\n  right: {alias: b, uri: invoices.csv, primary_key: [invoice_id]}\n" +
			"match:\n  - {name: same, cardinality: one_to_one, when: [{left: id, right: invoice_id}]}\n"
		for _, tool := range []string{agent.ToolValidateRecipe, agent.ToolRunSample} {
			var checked agent.Checked
			failed := a.call(tool, map[string]any{"document": document}, &checked)
			if failed == "" && (tool == agent.ToolRunSample || checked.Valid) || strings.Contains(failed, "swordfish") || strings.Contains(failed, "sk-never-shown") {
				t.Errorf("%s of %s: %q, %+v", tool, uri, failed, checked)
			}
		}
	}
	for _, input := range []any{map[string]any{}, map[string]any{"source": 1}, map[string]any{"source": "invoices", "colour": "red"}, map[string]any{"source": "no_such"}} {
		if failed := a.call(agent.ToolPreview, input, nil); !strings.Contains(failed, "Hint: ") {
			t.Errorf("%v: %q", input, failed)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := a.CallTool(ctx, &sdk.CallToolParams{Name: agent.ToolInferRules, Arguments: map[string]any{"left": scope("invoices"), "right": scope("payments")}}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was cancelled: %v", err)
	}
	a.must(agent.ToolListSources, nil, nil)
}

// TestMCPRefuses: what is missing is said before anything is served.
func TestMCPRefuses(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"no kalla up runs":         {},
		"there is no such folder":  {"--dir", "none"},
		"give one of the two":      {"--dir", ".", "--server", "http://localhost:1"},
		"KALLA_TOKEN":              {"--server", "http://localhost:1"},
		"with the scope read only": {"--server", "http://localhost:1", "--read-only"},
	} {
		if code, out, errs := once(t, "kalla", dir, "", nil, append([]string{"mcp"}, args...)...); code != 2 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, errs)
		}
	}
	if code, _, errs := once(t, "kalla", dir, "", []string{"KALLA_TOKEN=kalla_x"}, "mcp", "--server", "http://127.0.0.1:1"); code != 4 || !strings.Contains(errs, "cannot be reached") {
		t.Errorf("no app: exit code %d: %s", code, errs)
	}
}

// lines counts the lines of a file.
func lines(t *testing.T, file string) int64 {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var n int64
	for s := bufio.NewScanner(f); s.Scan(); n++ {
	}
	return n
}

// firstKey is the first column of the first record of a CSV file.
func firstKey(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _ := strings.Cut(strings.Split(string(text), "\n")[1], ",")
	return key
}

// TestMCPUp: kalla mcp finds the app of this machine by its data folder, and
// needs no token for it; nothing is left of that when the app has stopped.
func TestMCPUp(t *testing.T) {
	dir := t.TempDir()
	p, b := up(t, dir)
	a, cmd := mcpProgram(t, dir, nil)
	if tools := a.tools(); tools[agent.ToolRunFull] == nil || tools[agent.ToolRequestUpload] == nil {
		t.Errorf("it has %d tools", len(tools))
	}
	var list agent.SourceList
	if a.must(agent.ToolListSources, nil, &list); len(list.Sources) == 0 {
		t.Error("there are no sources")
	}
	var run agent.Run
	a.must(agent.ToolRunFull, map[string]any{"recipe_id": "invoices-payments"}, &run)
	if r := b.ended(run.RunID); r.Status != "completed" || r.Matched != demoMatched || r.CreatedBy != "local@localhost" {
		t.Errorf("the run ended as %+v", r)
	}
	if err := a.Close(); err != nil || cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("it ended with exit code %d (%v)", cmd.ProcessState.ExitCode(), err)
	}

	access := filepath.Join(dir, "kalla-data", "local.access")
	info, err := os.Stat(access)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the access is %v (%v)", info, err)
	}
	text, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	if r := b.ended(b.start(map[string]any{"recipe": stolen(access + "?format=csv")})); r.Status != "failed" || !strings.Contains(r.Error, "belongs to the scheduler") {
		t.Errorf("a run over the access ended as %+v", r)
	}
	_, token, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if code, _, errs := once(t, "kalla", t.TempDir(), "", []string{"KALLA_TOKEN=" + token[:len(token)-1] + "x"}, "mcp", "--server", b.base); code != 2 || !strings.Contains(errs, "not accepted") || strings.Contains(errs, token[:20]) {
		t.Errorf("a wrong token: exit code %d: %s", code, errs)
	}
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(access); !os.IsNotExist(err) {
		t.Errorf("the access stays: %v", err)
	}
	again, _ := up(t, dir)
	if code, _, errs := once(t, "kalla", dir, "", []string{"KALLA_TOKEN=" + token}, "mcp"); code != 2 || !strings.Contains(errs, "not accepted") {
		t.Errorf("the access of before: exit code %d: %s", code, errs)
	}
	again.end(os.Interrupt)
}
