package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/compute/callback"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/testenv"
)

const (
	token      = "0123456789abcdef0123456789abcdef"
	signingKey = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// logs is what a scheduler logs.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// scheduler starts one that may touch anything unless change says otherwise,
// and checks that nothing of it is left when the test ends.
func scheduler(t *testing.T, change func(*app.SchedulerConfig)) (*app.Scheduler, *logs) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	log := &logs{}
	dir := t.TempDir()
	cfg := app.SchedulerConfig{
		Host: "127.0.0.1", Loopback: true, Open: true, DataDir: filepath.Join(dir, "data"), TempDir: filepath.Join(dir, "temp"),
		MaxJobs: 2, Memory: 1 << 30, Threads: 2, Token: token, CallbackKey: signingKey,
		LookupEnv: func(string) (string, bool) { return "", false },
		Log:       slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := app.StartScheduler(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(leaks, testenv.IgnoreServices()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("its log:\n%s", log)
		}
	})
	return s, log
}

func client(t *testing.T, s *app.Scheduler) *job.Client {
	t.Helper()
	c, err := job.NewClient(s.URL(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// post sends a body to the scheduler and reads the answer into out.
func post(t *testing.T, s *app.Scheduler, path, body string, out any) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return resp.StatusCode
}

// call is one callback as a receiver got it.
type call struct {
	kind, key string
	body      map[string]any
}

// receiver takes callbacks, checks where they come from, and hands them on.
func receiver(t *testing.T) (base string, calls chan call) {
	t.Helper()
	verifier, err := callback.NewVerifier(token, signingKey)
	if err != nil {
		t.Fatal(err)
	}
	calls = make(chan call, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(r.Header, data)
		}
		c := call{kind: r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], key: r.Header.Get("Idempotency-Key")}
		if err == nil {
			err = json.Unmarshal(data, &c.body)
		}
		if err != nil {
			t.Errorf("a callback to %s: %v: %s", r.URL.Path, err, data)
		}
		calls <- c
	}))
	t.Cleanup(server.Close)
	return server.URL + "/api/worker", calls
}

// last returns all callbacks of a run up to its end.
func last(t *testing.T, calls chan call) []call {
	t.Helper()
	var out []call
	for limit := time.After(time.Minute); ; {
		select {
		case c := <-calls:
			if out = append(out, c); c.kind != "progress" {
				return out
			}
		case <-limit:
			t.Fatalf("no end is reported after %v", out)
		}
	}
}

// files writes invoices and payments: two match within a cent, one differs, one is an orphan.
func files(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"invoices.csv": "invoice_id,amount,customer\nA1,100.00,O'Brien\nA2,50.00,Ada\nA3,75.50,Ada\nA4,1.00,Bob\n",
		"payments.csv": "payment_id,reference,paid\nP1,A1,100.01\nP2,A2,50.00\nP3,A3,70.00\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func recipeIn(dir string) string {
	return fmt.Sprintf(`{"kalla":1,"recipe_id":"books","parameters":[{"name":"tolerance","type":"decimal","default":"0.02"}],
		"sources":{"left":{"alias":"invoices","uri":%s,"primary_key":["invoice_id"]},"right":{"alias":"payments","uri":%s,"primary_key":["payment_id"]}},
		"match":[{"name":"by reference","cardinality":"one_to_one","when":[{"left":"invoice_id","right":"reference"},{"left":"amount","right":"paid","within":"${tolerance}"}]}]}`,
		quoted(filepath.Join(dir, "invoices.csv")), quoted(filepath.Join(dir, "payments.csv")))
}

// TestJobs runs a job in each form to its end, and follows it by callbacks.
func TestJobs(t *testing.T) {
	s, log := scheduler(t, nil)
	base, calls := receiver(t)
	dir := files(t)
	query := fmt.Sprintf(`"match_sql":"SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.reference AND tolerance_match(l.amount, r.paid, 0.02)",
		"sources":[{"alias":"left_src","uri":%s,"filters":[{"column":"customer","op":"in","value":["O'Brien","Ada"]},{"column":"amount","op":"gte","value":50.00}]},{"alias":"right_src","uri":%s}],
		"primary_keys":{"left_src":["invoice_id"],"right_src":["payment_id"]}`, quoted(filepath.Join(dir, "invoices.csv")), quoted(filepath.Join(dir, "payments.csv")))
	for _, c := range []struct {
		run, body                         string
		matched, unmatchedLeft, unmatched float64
	}{
		{"query/1 ?", query, 2, 1, 1},
		{"recipe", `"recipe":` + recipeIn(dir), 2, 2, 1},
		{"yaml", `"recipe":` + quoted(recipeIn(dir)) + `,"parameters":{"tolerance":"10"}`, 3, 1, 0},
	} {
		t.Run(c.run, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "evidence")
			body := fmt.Sprintf(`{"run_id":%s,"callback_url":%s,"output_path":%s,%s}`, quoted(c.run), quoted(base), quoted(out), c.body)
			for range 2 { // the same again changes nothing
				var accepted job.Accepted
				if status := post(t, s, "/api/jobs", body, &accepted); status != http.StatusAccepted || accepted != (job.Accepted{RunID: c.run, Status: "accepted"}) {
					t.Fatalf("status %d: %+v", status, accepted)
				}
			}
			got := last(t, calls)
			end := got[len(got)-1]
			if end.kind != "complete" || end.body["run_id"] != c.run {
				t.Fatalf("the end is %+v", end)
			}
			counts := []any{end.body["matched_count"], end.body["unmatched_left_count"], end.body["unmatched_right_count"]}
			if !slices.Equal(counts, []any{c.matched, c.unmatchedLeft, c.unmatched}) {
				t.Errorf("counts %v", counts)
			}
			paths := end.body["output_paths"].(map[string]any)
			for _, name := range []string{"matched", "unmatched_left", "unmatched_right", "summary", "manifest"} {
				path, _ := paths[name].(string)
				if _, err := os.Stat(path); err != nil || filepath.Dir(path) != out {
					t.Errorf("%s is at %s: %v", name, path, err)
				}
			}
			stages := map[any]int{"staging": 1, "matching": 2, "evidence": 3}
			stage := 0
			for _, p := range got[:len(got)-1] {
				if next := stages[p.body["stage"]]; p.kind != "progress" || next < stage {
					t.Errorf("progress %+v after stage %d", p, stage)
				} else {
					stage = next
				}
			}
			j, err := client(t, s).Get(t.Context(), c.run)
			if err != nil || j.State != job.Completed || j.Progress != 1 || j.Engine != "duckdb" || j.Summary == nil || j.Summary.Evidence != out {
				t.Errorf("the job is %+v (%v)", j, err)
			}
		})
	}
	select {
	case c := <-calls:
		t.Errorf("one more callback: %+v", c)
	default:
	}
	if !strings.Contains(log.String(), "run_id=recipe") {
		t.Error("no line of the log names the run")
	}
}

// TestFailedJob: a job that cannot read its source says so, without the password, everywhere.
func TestFailedJob(t *testing.T) {
	const hush = "hush-hush"
	s, log := scheduler(t, nil)
	base, calls := receiver(t)
	pg := testenv.Postgres(t)
	u, err := url.Parse(pg.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), hush)
	u.RawQuery = "table=nowhere"
	dir := files(t)
	recipe := strings.Replace(recipeIn(dir), quoted(filepath.Join(dir, "invoices.csv")), quoted(u.String()), 1)
	var accepted job.Accepted
	post(t, s, "/api/jobs", fmt.Sprintf(`{"run_id":"r1","attempt":3,"callback_url":%s,"output_path":%s,"recipe":%s}`, quoted(base), quoted(filepath.Join(dir, "out")), recipe), &accepted)
	got := last(t, calls)
	end := got[len(got)-1]
	if end.kind != "error" || end.body["code"] != "source" || end.body["attempt"] != 3.0 || end.body["stage"] != "staging" {
		t.Errorf("the end is %+v", end)
	}
	j, err := client(t, s).Get(t.Context(), "r1")
	if err != nil || j.State != job.Failed || j.Error == nil || j.Error.Message == "" {
		t.Errorf("the job is %+v (%v)", j, err)
	}
	for _, text := range []string{fmt.Sprint(got), fmt.Sprintf("%+v %+v", j, j.Error), log.String()} {
		if strings.Contains(text, hush) {
			t.Errorf("the password is in %s", text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); !os.IsNotExist(err) {
		t.Errorf("it left evidence: %v", err)
	}
}

// TestCancelJob: cancelling stops the engine soon, whatever it does, and leaves nothing.
func TestCancelJob(t *testing.T) {
	s, _ := scheduler(t, nil)
	base, calls := receiver(t)
	dir := t.TempDir()
	// All amounts are the same: the pass has a billion pairs to think of.
	var left, right bytes.Buffer
	left.WriteString("id,amount\n")
	right.WriteString("ref,paid\n")
	for i := range 30_000 {
		fmt.Fprintf(&left, "L%d,1.00\n", i)
		fmt.Fprintf(&right, "R%d,1.00\n", i)
	}
	for name, data := range map[string]*bytes.Buffer{"left.csv": &left, "right.csv": &right} {
		if err := os.WriteFile(filepath.Join(dir, name), data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, s)
	_, err := c.Submit(t.Context(), job.Request{
		RunID: "long", CallbackURL: base, OutputPath: filepath.Join(dir, "out"),
		MatchSQL:    "SELECT l.id, r.ref FROM left_src l JOIN right_src r ON l.amount = r.paid AND similarity(l.id, r.ref) > 0.99",
		Sources:     []job.Source{{Alias: "left_src", URI: filepath.Join(dir, "left.csv")}, {Alias: "right_src", URI: filepath.Join(dir, "right.csv")}},
		PrimaryKeys: map[string][]string{"left_src": {"id"}, "right_src": {"ref"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var cancelled time.Time
	j, err := c.Wait(t.Context(), "long", func(j job.Job) {
		if j.Stage == kalla.StageMatching && cancelled.IsZero() {
			if _, err := c.Cancel(t.Context(), "long"); err != nil {
				t.Error(err)
			}
			cancelled = time.Now()
		}
	})
	if err != nil || j.State != job.Cancelled {
		t.Fatalf("the job is %+v, %+v (%v)", j, j.Error, err)
	}
	if took := time.Since(cancelled); took > 10*time.Second { // a second on an idle machine
		t.Errorf("it took %v to stop", took)
	}
	if got := last(t, calls); got[len(got)-1].body["code"] != "cancelled" {
		t.Errorf("the end is %+v", got[len(got)-1])
	}
	if _, err := c.Cancel(t.Context(), "long"); err != nil {
		t.Errorf("cancelling again: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("it left %v (%v)", entries, err)
	}
}

// TestBucket: evidence goes to a bucket with credentials that only the
// scheduler knows, and the job's bodies do not hold.
func TestBucket(t *testing.T) {
	store := testenv.S3(t)
	bucket := store.Bucket(t)
	secrets := map[string]string{"KALLA_SECRET_ID": store.AccessKey, "KALLA_SECRET_KEY": store.SecretKey}
	s, log := scheduler(t, func(cfg *app.SchedulerConfig) {
		cfg.LookupEnv = func(name string) (string, bool) { v, ok := secrets[name]; return v, ok }
		cfg.Extensions = testenv.DuckDBExtensions(t)
	})
	options := "?endpoint=" + strings.TrimPrefix(store.Endpoint, "http://") + "&use_ssl=false&url_style=path&region=" + store.Region + "&key_id=${KALLA_SECRET_ID}&secret=${KALLA_SECRET_KEY}"
	store.Put(t, bucket, "in/payments.csv", []byte("payment_id,reference,paid\nP1,A1,100.01\nP2,A2,50.00\nP3,A3,70.00\n"))
	dir := files(t)
	recipe := strings.Replace(recipeIn(dir), quoted(filepath.Join(dir, "payments.csv")), quoted("s3://"+bucket+"/in/payments.csv"+options), 1)
	c := client(t, s)
	if _, err := c.Submit(t.Context(), job.Request{RunID: "b1", OutputPath: "s3://" + bucket + "/runs/b1" + options, Recipe: json.RawMessage(recipe)}); err != nil {
		t.Fatal(err)
	}
	j, err := c.Wait(t.Context(), "b1", nil)
	if err != nil || j.State != job.Completed || j.Summary.Matches != 2 || j.Summary.Evidence != "s3://"+bucket+"/runs/b1" {
		t.Fatalf("the job is %+v, %+v (%v)", j, j.Error, err)
	}
	if manifest := store.Get(t, bucket, "runs/b1/manifest.json"); !bytes.Contains(manifest, []byte(`"b1"`)) {
		t.Errorf("the manifest is %s", manifest)
	}
	for _, text := range []string{fmt.Sprintf("%+v", j), log.String()} {
		if strings.Contains(text, store.SecretKey) {
			t.Errorf("the secret is in %s", text)
		}
	}
}

// TestRestricted: a scheduler that is open to others touches what it was told
// to, on every way in, and gives nothing of its environment away.
func TestRestricted(t *testing.T) {
	allowed, elsewhere := files(t), files(t)
	s, _ := scheduler(t, func(cfg *app.SchedulerConfig) { cfg.Open, cfg.FileDirs = false, []string{allowed} })
	out := quoted(filepath.Join(allowed, "out"))
	for _, c := range []struct{ name, path, body, location string }{
		{"source", "/api/jobs", `{"run_id":"r","output_path":` + out + `,"recipe":` + recipeIn(elsewhere) + `}`, "body.recipe.sources.left.uri"},
		{"output", "/api/jobs", `{"run_id":"r","output_path":` + quoted(filepath.Join(elsewhere, "out")) + `,"recipe":` + recipeIn(allowed) + `}`, "body.output_path"},
		{"callback", "/api/jobs", `{"run_id":"r","callback_url":"http://169.254.169.254/","output_path":` + out + `,"recipe":` + recipeIn(allowed) + `}`, "body.callback_url"},
		{"preview", "/api/preview", `{"uri":` + quoted(filepath.Join(elsewhere, "invoices.csv")) + `}`, "body.uri"},
		{"climbing", "/api/preview", `{"uri":` + quoted(allowed+"/../"+filepath.Base(elsewhere)+"/invoices.csv") + `}`, "body.uri"},
		{"host", "/api/preview", `{"uri":"postgres://db/books?table=t"}`, "body.uri"},
		{"environment", "/api/preview", `{"uri":"https://${PATH}/a.csv"}`, "body.uri"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p problem.Problem
			status := post(t, s, c.path, c.body, &p)
			if status != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Location != c.location {
				t.Errorf("status %d: %+v", status, p)
			}
			if strings.Contains(fmt.Sprint(p), os.Getenv("PATH")) {
				t.Errorf("the environment is given away: %+v", p)
			}
		})
	}
	var v job.Validation
	if status := post(t, s, "/api/validate", `{"recipe":`+recipeIn(elsewhere)+`}`, &v); status != http.StatusOK || v.Valid || len(v.Faults) < 2 || v.Faults[0].Path != "sources.left.uri" {
		t.Errorf("validation: status %d: %+v", status, v)
	}
	var preview job.Preview
	if status := post(t, s, "/api/preview", `{"uri":`+quoted(filepath.Join(allowed, "invoices.csv"))+`}`, &preview); status != http.StatusOK {
		t.Errorf("what is allowed: status %d", status)
	}
}

// TestPreview looks at a file and at a table: columns with types that a recipe
// could name, rows as text, and the count of all that pass the filters.
func TestPreview(t *testing.T) {
	s, _ := scheduler(t, func(cfg *app.SchedulerConfig) { cfg.Extensions = testenv.DuckDBExtensions(t) })
	pg := testenv.Postgres(t)
	table := pg.Database(t, "CREATE TABLE invoices (invoice_id text PRIMARY KEY, amount numeric(12,2), issued date)",
		"INSERT INTO invoices SELECT 'A' || i, i / 100.0, CASE WHEN i > 5 THEN date '2026-11-01' + i END FROM generate_series(1, 40) i")
	sep := "?"
	if strings.Contains(table, "?") {
		sep = "&"
	}
	file := filepath.Join(t.TempDir(), "days.csv")
	if err := os.WriteFile(file, []byte("id;day\n1;01.11.2026\n2;02.11.2026\n3;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(values ...string) (row []*string) {
		for _, v := range values {
			if v == "NULL" {
				row = append(row, nil)
				continue
			}
			row = append(row, &v)
		}
		return row
	}
	three, forty := int64(3), int64(36)
	for _, c := range []struct {
		name, body string
		want       job.Preview
	}{
		{"file", `{"uri":` + quoted(file) + `,"options":{"delimiter":";"},"types":{"day":"date %d.%m.%Y","id":"decimal(9,0)"}}`, job.Preview{
			Columns:     []job.Column{{Name: "id", DataType: "decimal(9,0)", Nullable: true}, {Name: "day", DataType: "date", Nullable: true}},
			Rows:        [][]*string{text("1", "2026-11-01"), text("2", "2026-11-02"), text("3", "NULL")},
			TotalRows:   &three,
			PreviewRows: 3,
		}},
		{"table", `{"uri":` + quoted(table+sep+"table=invoices") + `,"limit":2,"filters":[{"column":"amount","op":"gte","value":0.05}]}`, job.Preview{
			Columns: []job.Column{{Name: "invoice_id", DataType: "text", Nullable: true}, {Name: "amount", DataType: "decimal(12,2)", Nullable: true}, {Name: "issued", DataType: "date", Nullable: true}},
			Rows:    [][]*string{text("A5", "0.05", "NULL"), text("A6", "0.06", "2026-11-07")}, TotalRows: &forty, PreviewRows: 2,
		}},
		{"no count", `{"uri":` + quoted(file) + `,"options":{"delimiter":";"},"limit":1,"count":false,"types":{"id":"text","day":"text"}}`, job.Preview{
			Columns: []job.Column{{Name: "id", DataType: "text", Nullable: true}, {Name: "day", DataType: "text", Nullable: true}},
			Rows:    [][]*string{text("1", "01.11.2026")}, PreviewRows: 1,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got job.Preview
			if status := post(t, s, "/api/preview", c.body, &got); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(c.want)
			if !bytes.Equal(g, w) {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
	var profiled job.Preview
	post(t, s, "/api/preview", `{"uri":`+quoted(table+sep+"table=invoices")+`,"profile":true}`, &profiled)
	if len(profiled.Profile) != 3 || profiled.Profile[2].Nulls != 5 || profiled.Profile[0].Distinct != 40 || *profiled.Profile[1].Max != "0.40" || *profiled.TotalRows != 40 {
		t.Errorf("the profile is %+v", profiled.Profile)
	}
	for _, c := range []struct{ body, says string }{
		{`{"uri":"/nowhere/gone.csv"}`, "there is no such file"},
		{`{"uri":"days.csv"}`, "body.uri"},
		{`{"uri":` + quoted(file) + `,"types":{"day":"money"}}`, "body.types.day"},
		{`{"uri":` + quoted(file) + `,"filters":[{"column":"id","op":"between","value":[1]}]}`, "body.filters[0]"},
	} {
		var p problem.Problem
		if status := post(t, s, "/api/preview", c.body, &p); status != http.StatusUnprocessableEntity || !strings.Contains(fmt.Sprint(p), c.says) {
			t.Errorf("%s: status %d: %+v", c.body, status, p)
		}
	}
}

// TestValidate: a recipe that fits its sources is explained, with its steps and
// size; of one that does not every fault is named, and none of it is an error.
func TestValidate(t *testing.T) {
	s, _ := scheduler(t, nil)
	dir := files(t)
	var good job.Validation
	if status := post(t, s, "/api/validate", `{"recipe":`+recipeIn(dir)+`}`, &good); status != http.StatusOK || !good.Valid {
		t.Fatalf("status %d: %+v", status, good)
	}
	if len(good.Passes) < 3 || len(good.Steps) < 3 || good.Steps[0].SQL == "" || len(good.Left) != 3 || good.Right[2] != (job.Column{Name: "paid", DataType: "decimal(18,2)", Nullable: true}) {
		t.Errorf("it is explained as %+v", good)
	}
	if e := good.Estimate; e == nil || e.LeftRows != 4 || e.RightRows != 3 || e.Bytes <= 0 || e.Engine != "duckdb" || e.Why == "" {
		t.Errorf("it is estimated as %+v", e)
	}
	for _, c := range []struct {
		body  string
		paths []string
	}{
		{`{"recipe":` + strings.NewReplacer(`"right":"paid"`, `"right":"payed"`, `"left":"invoice_id"`, `"left":"id"`).Replace(recipeIn(dir)) + `}`, []string{"match[0].when[0].left", "match[0].when[1].right"}},
		{`{"recipe":{"kalla":1},"sources":false}`, []string{"recipe_id", "sources", "match"}},
		{`{"recipe":` + recipeIn(dir) + `,"parameters":{"tolerance":"much","more":"1"}}`, []string{"parameters.more"}},
		{`{"recipe":"kalla: ["}`, []string{""}},
	} {
		var v job.Validation
		if status := post(t, s, "/api/validate", c.body, &v); status != http.StatusOK || v.Valid {
			t.Errorf("%s: status %d: %+v", c.body, status, v)
		}
		for _, path := range c.paths {
			if !slices.ContainsFunc(v.Faults, func(f kalla.Fault) bool { return f.Path == path && f.Problem != "" }) {
				t.Errorf("%s: no fault of %q in %+v", c.body, path, v.Faults)
			}
		}
	}
	var p problem.Problem
	gone := strings.Replace(recipeIn(dir), "invoices.csv", "gone.csv", 1)
	if status := post(t, s, "/api/validate", `{"recipe":`+gone+`}`, &p); status != http.StatusUnprocessableEntity || p.Code != kalla.CodeSource || !strings.Contains(p.Detail, "gone.csv") {
		t.Errorf("status %d: %+v", status, p)
	}
}
