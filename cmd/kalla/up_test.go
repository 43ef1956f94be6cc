//go:build unix

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kalla/internal/seal"
)

// up starts kalla up on a free port and signs a browser in by its link.
func up(t *testing.T, dir string, args ...string) (*program, *browser) {
	t.Helper()
	return upWith(t, dir, nil, args...)
}

func upWith(t *testing.T, dir string, env []string, args ...string) (*program, *browser) {
	t.Helper()
	p := start(t, "kalla", dir, env, append([]string{"up", "--port", "0"}, args...)...)
	link := p.says(p.stdout, "http://localhost:")
	base, path, _ := strings.Cut(link, "/api/")
	b := newBrowser(t, base)
	b.call(http.MethodGet, "/api/"+path, http.StatusSeeOther, nil, nil)
	return p, b
}

// What the demo's recipe comes to: as kalla demo says, beside the truth.
const (
	demoMatched = 10472
	demoLeft    = 1040
	demoRight   = 880
)

// TestUp: from nothing to a reconciliation whose records are seen, exported and
// proved, with nothing but the program; and the same again after a restart.
func TestUp(t *testing.T) {
	dir := t.TempDir()
	p, b := up(t, dir)
	id := b.start(map[string]any{"recipe_id": "invoices-payments", "parameters": map[string]string{"tolerance": "0.02"}})
	states := b.follow(id)
	if len(states) < 3 || states[0] != "pending" || states[len(states)-1] != "completed" {
		t.Errorf("it went through %v", states)
	}
	r := b.ended(id)
	if r.Matched != demoMatched || r.Left != demoLeft || r.Right != demoRight || r.CreatedBy != "local@localhost" {
		t.Errorf("it ended as %+v", r)
	}
	var records struct {
		Total int64       `json:"total"`
		Rows  [][]*string `json:"rows"`
	}
	b.call(http.MethodGet, "/api/runs/"+id+"/records?side=left&limit=10", http.StatusOK, nil, &records)
	if records.Total != demoLeft || len(records.Rows) != 10 {
		t.Errorf("%d records, %d rows", records.Total, len(records.Rows))
	}
	workbook := b.call(http.MethodGet, "/api/runs/"+id+"/export?format=xlsx", http.StatusOK, nil, nil)
	if _, err := zip.NewReader(bytes.NewReader(workbook), int64(len(workbook))); err != nil {
		t.Errorf("the workbook: %v", err)
	}
	if code, out, errs := once(t, "kalla", dir, "", nil, "evidence", "verify", filepath.Join("kalla-data", "runs", id)); code != 0 {
		t.Errorf("the evidence does not verify: %s%s", out, errs)
	}
	var runs []runItem
	b.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if len(runs) != 2 || runs[0].RunID != id || runs[1].CreatedBy != "system" {
		t.Errorf("the runs are %+v", runs)
	}
	first := b.ended(runs[1].RunID)
	if first.Status != "completed" || first.Matched != demoMatched {
		t.Errorf("the first run ended as %+v", first)
	}

	// One link is for one browser, and what the app keeps is for one user.
	link := strings.TrimPrefix(p.says(p.stdout, "http://localhost:"), b.base)
	resp := newBrowser(t, b.base).send(http.MethodGet, link, nil)
	resp.Body.Close()
	if resp.Header.Get("Location") != "/sign-in?error=link_expired" {
		t.Errorf("the link again: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	for _, name := range []string{".", "kalla.db", "kalla.db-wal", "secret.key", "kalla.log", "kalla.lock", "scheduler"} {
		info, err := os.Stat(filepath.Join(dir, "kalla-data", name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v (%v)", name, info.Mode(), err)
		}
	}
	secret, err := os.ReadFile(filepath.Join(dir, "kalla-data", "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	// Neither the key nor the passwords are a source.
	for _, uri := range []string{"secret.key?format=csv", "kalla.log?format=csv"} {
		id := b.start(map[string]any{"recipe": stolen(filepath.Join(dir, "kalla-data", uri))})
		if r := b.ended(id); r.Status != "failed" || !strings.Contains(r.Error, "belongs to the scheduler") || strings.Contains(r.Error, strings.TrimSpace(string(secret))) {
			t.Errorf("a run over %s ended as %+v", uri, r)
		}
	}
	if r := b.ended(b.start(map[string]any{"recipe": stolen("sqlite://" + filepath.Join(dir, "kalla-data", "kalla.db") + "?table=users")})); r.Status != "failed" || !strings.Contains(r.Error, "belongs to the scheduler") {
		t.Errorf("a run over the users ended as %+v", r)
	}

	started := time.Now()
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %v to stop with nothing to do", took)
	}

	_, again := up(t, dir)
	again.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if len(runs) != 5 || runs[3].RunID != id {
		t.Errorf("after the restart the runs are %+v", runs)
	}
	b.base = again.base // whoever was signed in still is
	var me struct{ Email string }
	b.call(http.MethodGet, "/api/auth/me", http.StatusOK, nil, &me)
	if me.Email != "local@localhost" {
		t.Errorf("the browser is that of %q", me.Email)
	}
}

// stolen is a recipe over a file that it should not get at.
func stolen(uri string) map[string]any {
	side := map[string]any{"alias": "a", "uri": uri, "primary_key": []string{"id"}}
	other := map[string]any{"alias": "b", "uri": uri, "primary_key": []string{"id"}}
	return map[string]any{"kalla": 1, "recipe_id": "stolen", "sources": map[string]any{"left": side, "right": other},
		"match": []any{map[string]any{"name": "same", "cardinality": "one_to_one", "when": []any{map[string]any{"left": "id", "right": "id"}}}}}
}

// TestUpRefuses: who has the folder or the port is said, and a port that is taken is no obstacle.
func TestUpRefuses(t *testing.T) {
	dir := t.TempDir()
	_, b := up(t, dir, "--no-demo")
	code, _, errs := once(t, "kalla", dir, "", nil, "up", "--port", "0")
	if code == 0 || !strings.Contains(errs, "at "+b.base) || !strings.Contains(errs, "--data") {
		t.Errorf("a second one on the folder: exit code %d: %s", code, errs)
	}
	code, _, errs = once(t, "kalla", dir, "", nil, "restore", "any.tar")
	if code == 0 || !strings.Contains(errs, "at "+b.base) {
		t.Errorf("a restore below it: exit code %d: %s", code, errs)
	}
	var runs []runItem
	b.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if len(runs) != 0 {
		t.Errorf("--no-demo began with %+v", runs)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	p := start(t, "kalla", dir, nil, "up", "--no-demo", "--port", fmt.Sprint(port), "--data", "other")
	if said := p.says(p.stderr, "kalla: port "); !strings.HasPrefix(said, fmt.Sprintf("kalla: port %d is taken, so it is ", port)) {
		t.Errorf("it says %q", said)
	}
	if link := p.says(p.stdout, "http://localhost:"); strings.HasPrefix(link, fmt.Sprintf("http://localhost:%d/", port)) {
		t.Errorf("its link is %s", link)
	}
}

// TestKeys: credentials move to a new key by a start with both, and open by it alone afterwards.
func TestKeys(t *testing.T) {
	dir := t.TempDir()
	before, after := seal.Generate(), seal.Generate()
	for _, keys := range []string{before, after + "," + before, after} {
		p, b := upWith(t, dir, []string{"KALLA_SECRET_KEY=" + keys})
		if r := b.ended(b.start(map[string]any{"recipe_id": "invoices-payments"})); r.Status != "completed" {
			t.Fatalf("the run ended as %+v", r)
		}
		if code := p.end(os.Interrupt); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	_, b := upWith(t, dir, []string{"KALLA_SECRET_KEY=" + before})
	resp := b.send(http.MethodPost, "/api/runs", map[string]any{"recipe_id": "invoices-payments"})
	resp.Body.Close()
	if resp.StatusCode < 400 {
		t.Errorf("the old key still opens them: %s", resp.Status)
	}
	log, err := os.ReadFile(filepath.Join(dir, "kalla-data", "kalla.log"))
	if err != nil {
		t.Fatal(err)
	}
	for want, n := range map[string]int{"credentials sealed with the new key": 1, "sealed with another key": 1} {
		if got := strings.Count(string(log), want); got != n {
			t.Errorf("the log says %q %d times", want, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "kalla-data", "secret.key")); !os.IsNotExist(err) {
		t.Errorf("a key file was made beside the key that is set: %v", err)
	}
}

// TestUpKilled: whenever kalla up is killed during a run, the next start brings
// the run to its one end, and the evidence is whole.
func TestUpKilled(t *testing.T) {
	const kills = 20
	dir := t.TempDir()
	body := map[string]any{"recipe": map[string]string{"document": inPlace(t, demoFiles(t, t.TempDir()))}}
	p, b := up(t, dir, "--no-demo")
	want := b.ended(b.start(body))
	if want.Status != "completed" || want.Matched == 0 {
		t.Fatalf("the first run ended as %+v", want)
	}
	ids := []string{want.RunID}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		ids = append(ids, b.start(body))
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // what a run takes, about
		p.end(syscall.SIGKILL)
		p, b = up(t, dir, "--no-demo")
	}
	for _, id := range ids {
		if r := b.ended(id); r.Status != "completed" || r.Matched != want.Matched || r.Left != want.Left || r.Right != want.Right {
			t.Errorf("run %s ended as %+v", id, r)
		}
		states := b.follow(id)
		if n := len(slices.DeleteFunc(states, func(s string) bool { return s != "completed" })); n != 1 {
			t.Errorf("run %s completed %d times", id, n)
		}
		var proof struct {
			Findings []json.RawMessage `json:"findings"`
			Checks   []json.RawMessage `json:"checks"`
		}
		b.call(http.MethodGet, "/api/runs/"+id+"/verify", http.StatusOK, nil, &proof)
		if len(proof.Findings) > 0 || len(proof.Checks) == 0 {
			t.Errorf("the evidence of run %s: %s", id, proof.Findings)
		}
	}
	if code := p.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "kalla-data", "runs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(ids, e.Name()) {
			t.Errorf("runs holds %s", e.Name())
		}
	}
}

// inPlace is the demo's recipe with the paths of its files.
func inPlace(t *testing.T, files string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, "recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "uri: ", "uri: "+files+string(filepath.Separator))
}

func firstRun(b *browser) string {
	b.t.Helper()
	var runs []runItem
	b.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if len(runs) == 0 {
		b.t.Fatal("there is no run")
	}
	return runs[len(runs)-1].RunID
}
