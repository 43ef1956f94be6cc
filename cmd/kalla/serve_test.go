//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"kalla/internal/seal"
	"kalla/internal/testenv"
)

const password = "correct horse battery staple"

// guide starts the scheduler and the app as section 1 of the deployment guide
// has them, but for the ports, and returns the app and its environment.
func guide(t *testing.T, dir, database string, args ...string) (app *program, env []string, base string) {
	t.Helper()
	schedulerPort, appPort := freePort(t), freePort(t)
	scheduler := start(t, "kallad", dir, []string{"RUST_LOG=debug"}, "scheduler", "--http-port", schedulerPort)
	scheduler.says(scheduler.stderr, "scheduler started")
	env = []string{"DATABASE_URL=" + database, "WORKER_URL=http://localhost:" + schedulerPort, "ANTHROPIC_API_KEY=sk-ant-test"}
	app = start(t, "kalla", dir, env, append([]string{"serve", "--port", appPort}, args...)...)
	app.says(app.stderr, "app started")
	return app, env, "http://localhost:" + appPort
}

// setUp makes the first administrator at the link that the app prints.
func setUp(t *testing.T, app *program) *browser {
	t.Helper()
	link := app.says(app.stdout, "http")
	u, err := url.Parse(link)
	if err != nil || u.Path != "/setup" {
		t.Fatalf("it prints %s (%v)", link, err)
	}
	b := newBrowser(t, "http://"+u.Host)
	b.call(http.MethodPost, "/api/auth/setup", http.StatusOK, map[string]string{"token": u.Query().Get("token"), "email": "maria@example.com", "password": password}, nil)
	return b
}

// demoFiles writes the demo's files and returns their folder.
func demoFiles(t *testing.T, dir string) string {
	t.Helper()
	if code, out, errs := once(t, "kalla", dir, "", nil, "demo", "--rows", "500"); code != 0 {
		t.Fatalf("kalla demo: exit code %d: %s%s", code, out, errs)
	}
	return filepath.Join(dir, "kalla-demo")
}

// TestGuide: the guide's local setup, with PostgreSQL and a scheduler of its
// own, serves the predecessor's calls.
func TestGuide(t *testing.T) {
	dir := t.TempDir()
	files := demoFiles(t, dir)
	app, env, base := guide(t, dir, testenv.Postgres(t).Database(t))

	anyone := newBrowser(t, base)
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		anyone.call(http.MethodGet, path, http.StatusOK, nil, nil)
	}
	anyone.call(http.MethodGet, "/api/runs", http.StatusUnauthorized, nil, nil)
	b := setUp(t, app)

	side := func(alias, file, key string) map[string]any {
		uri := "file://" + filepath.Join(files, file)
		var done struct{ Success bool }
		b.call(http.MethodPost, "/api/sources", http.StatusOK, map[string]any{"alias": alias, "uri": uri, "source_type": "csv"}, &done)
		if !done.Success {
			t.Errorf("source %s was not registered", alias)
		}
		return map[string]any{"alias": alias, "type": "csv", "uri": uri, "primary_key": []string{key}}
	}
	b.call(http.MethodPost, "/api/recipes", http.StatusOK, map[string]any{
		"recipe_id": "r1", "name": "Invoices", "description": "by reference", "match_description": "same reference",
		"match_sql": "SELECT i.invoice_id, p.payment_id FROM invoices i JOIN payments p ON i.invoice_id = p.reference_number AND i.amount = p.paid_amount",
		"sources":   map[string]any{"left": side("invoices", "invoices.csv", "invoice_id"), "right": side("payments", "payments.csv", "payment_id")},
	}, nil)
	r := b.ended(b.start(map[string]any{"recipe_id": "r1"}))
	if r.Status != "completed" || r.Matched == 0 || r.RecipeID != "r1" {
		t.Errorf("the run ended as %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "kalla-data", "runs", r.RunID, "manifest.json")); err != nil {
		t.Error(err)
	}

	if code := app.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	port := base[strings.LastIndexByte(base, ':')+1:]
	app = start(t, "kalla", dir, env, "serve", "--port", port)
	app.says(app.stderr, "app started")
	var runs []runItem
	b.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if len(runs) != 1 || runs[0].RunID != r.RunID {
		t.Errorf("after the restart the runs are %+v", runs)
	}
	if strings.Contains(app.stdout.String(), "/setup") {
		t.Errorf("it offers to make an administrator again: %s", app.stdout)
	}
	for _, secret := range []string{"sk-ant-test", testenv.Postgres(t).Password, url.QueryEscape(testenv.Postgres(t).Password)} {
		if strings.Contains(app.stderr.String(), secret) {
			t.Errorf("its log holds %q", secret)
		}
	}

	// Who has lost the password gets another from whoever runs the app.
	stranger := newBrowser(t, base)
	signIn := func(with string, status int) {
		t.Helper()
		stranger.call(http.MethodPost, "/api/auth/sign-in", status, map[string]string{"email": "maria@example.com", "password": with}, nil)
	}
	signIn("something else entirely", http.StatusUnauthorized)
	code, out, errs := once(t, "kalla", dir, "", env, "user", "reset", "maria@example.com")
	if code != 0 {
		t.Fatalf("kalla user reset: exit code %d: %s", code, errs)
	}
	signIn(password, http.StatusUnauthorized)
	signIn(strings.TrimSpace(out), http.StatusOK)
	if code, _, errs := once(t, "kalla", dir, "another few words in a row\n", env, "user", "add", "eva@example.com", "--role", "approver", "--password-stdin"); code != 0 {
		t.Fatalf("kalla user add: exit code %d: %s", code, errs)
	}
	code, out, _ = once(t, "kalla", dir, "", env, "user", "list", "--format", "json")
	var users []struct{ Email, Role string }
	if err := json.Unmarshal([]byte(out), &users); code != 0 || err != nil || len(users) != 2 || users[0].Email != "eva@example.com" || users[0].Role != "approver" {
		t.Errorf("kalla user list: exit code %d: %s", code, out)
	}
}

// TestBackup: what kalla up has stored goes into PostgreSQL and back, evidence
// and all, and PostgreSQL's own tools do as the guide has them.
func TestBackup(t *testing.T) {
	pg := testenv.Postgres(t)
	dir := t.TempDir()
	p, b := up(t, dir)
	first := b.ended(firstRun(b))
	if code, out, errs := once(t, "kalla", dir, "", nil, "backup", "one.tar", "--with-evidence"); code != 0 { // while it runs
		t.Fatalf("kalla backup: exit code %d: %s%s", code, out, errs)
	}
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
	key, err := os.ReadFile(filepath.Join(dir, "kalla-data", "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	secret := "KALLA_SECRET_KEY=" + strings.TrimSpace(string(key))

	// Into PostgreSQL, on another machine with the same key.
	elsewhere := t.TempDir()
	database := pg.Database(t)
	env := []string{"DATABASE_URL=" + database, secret}
	code, out, errs := once(t, "kalla", elsewhere, "", env, "restore", filepath.Join(dir, "one.tar"))
	if code != 0 || !strings.Contains(out, "1 recipe, 1 run, 1 user") || errs != "" {
		t.Fatalf("kalla restore: exit code %d: %s%s", code, out, errs)
	}
	if code, out, errs := once(t, "kalla", elsewhere, "", nil, "evidence", "verify", filepath.Join("kalla-data", "runs", first.RunID)); code != 0 {
		t.Errorf("the evidence does not verify: %s%s", out, errs)
	}
	if code, _, errs := once(t, "kalla", t.TempDir(), "", env, "restore", filepath.Join(dir, "one.tar")); code == 0 || !strings.Contains(errs, "not empty") {
		t.Errorf("a restore into a database that is not empty: exit code %d: %s", code, errs)
	}

	// The guide's own lines, against the same database: dumped, lost, put back.
	target := tool(t, database)
	dump := target("pg_dump", "--no-owner")
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "backup.sql"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	target("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", filepath.Join(dir, "backup.sql"))

	// The local user is the administrator of what is served now.
	schedulerPort, appPort := freePort(t), freePort(t)
	scheduler := start(t, "kallad", elsewhere, nil, "scheduler", "--http-port", schedulerPort)
	scheduler.says(scheduler.stderr, "scheduler started")
	app := start(t, "kalla", elsewhere, append(env, "WORKER_URL=http://localhost:"+schedulerPort,
		"KALLA_ADMIN_EMAIL=maria@example.com", "KALLA_ADMIN_PASSWORD="+password), "serve", "--port", appPort)
	app.says(app.stderr, "app started")
	served := newBrowser(t, "http://localhost:"+appPort)
	served.call(http.MethodPost, "/api/auth/sign-in", http.StatusOK, map[string]string{"email": "maria@example.com", "password": password}, nil)
	if r := served.ended(first.RunID); r.Matched != demoMatched {
		t.Errorf("the run is %+v", r)
	}
	// The sources open by the key that came along, and the recipe runs where its files are.
	if r := served.ended(served.start(map[string]any{"recipe_id": "invoices-payments"})); r.Status != "completed" || r.Matched != demoMatched {
		t.Errorf("a run of what was restored ended as %+v", r)
	}
	var proof struct{ Whole bool }
	served.call(http.MethodGet, "/api/audit/proof", http.StatusOK, nil, &proof)
	if !proof.Whole {
		t.Error("the audit log is broken")
	}
	if code, _, errs := once(t, "kalla", elsewhere, "", env, "backup", "two.tar"); code != 0 {
		t.Fatalf("kalla backup: exit code %d: %s", code, errs)
	}

	// And back into a file, without the key: all but the credentials is there.
	third := t.TempDir()
	code, out, errs = once(t, "kalla", third, "", nil, "restore", filepath.Join(elsewhere, "two.tar"))
	if code != 0 || !strings.Contains(out, "2 runs") || !strings.Contains(errs, "sealed with a key that is not there") {
		t.Fatalf("kalla restore: exit code %d: %s%s", code, out, errs)
	}
	_, last := up(t, third, "--no-demo")
	var runs []runItem
	last.call(http.MethodGet, "/api/runs", http.StatusOK, nil, &runs)
	if !slices.ContainsFunc(runs, func(r runItem) bool { return r.RunID == first.RunID }) {
		t.Errorf("the runs are %+v", runs)
	}
}

// tool runs one of PostgreSQL's own programs against a database.
func tool(t *testing.T, database string) func(name string, args ...string) []byte {
	t.Helper()
	return func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, append(args, "--dbname", database)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, &errs)
		}
		return out.Bytes()
	}
}

// TestServeOverTLS: with a certificate the app serves browsers and its scheduler over https.
func TestServeOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	database := testenv.Postgres(t).Database(t)
	port := freePort(t)
	env := []string{"DATABASE_URL=" + database, "WORKER_URL=http://localhost:1", "KALLA_WORKER_TOKEN=0123456789abcdef0123456789abcdef",
		"KALLA_ADMIN_EMAIL=maria@example.com", "KALLA_ADMIN_PASSWORD=" + password}
	app := start(t, "kalla", dir, env, "serve", "--port", port, "--tls-cert", cert, "--tls-key", key, "--public-url", "https://localhost:"+port)
	app.says(app.stderr, "app started")
	b := newBrowser(t, "https://localhost:"+port)
	b.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer b.http.CloseIdleConnections()
	resp := b.send(http.MethodPost, "/api/auth/sign-in", map[string]string{"email": "maria@example.com", "password": password})
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
	if c := resp.Cookies(); len(c) != 1 || !c[0].Secure || !strings.HasPrefix(c[0].Name, "__Host-") {
		t.Errorf("the cookies are %v", c)
	}
	if code := app.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// certificate writes one of localhost.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, data := range map[string][]byte{cert: certPEM, key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

// TestBucket: evidence and uploads are in a bucket that the app and its
// scheduler reach with credentials of their own.
func TestBucket(t *testing.T) {
	s3 := testenv.S3(t)
	dir := t.TempDir()
	files := demoFiles(t, dir)
	storage := "s3://" + s3.Bucket(t) + "/kalla?endpoint=" + s3.Endpoint
	keys := []string{"AWS_ACCESS_KEY_ID=" + s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3.SecretKey, "AWS_REGION=" + s3.Region,
		"KALLA_DUCKDB_EXTENSIONS=" + testenv.DuckDBExtensions(t)}
	schedulerPort, appPort := freePort(t), freePort(t)
	scheduler := start(t, "kallad", dir, keys, "scheduler", "--http-port", schedulerPort,
		"--allow-env", "AWS_ACCESS_KEY_ID", "--allow-env", "AWS_SECRET_ACCESS_KEY", "--allow-env", "AWS_REGION")
	scheduler.says(scheduler.stderr, "scheduler started")
	app := start(t, "kalla", dir, append(keys, "DATABASE_URL="+testenv.Postgres(t).Database(t), "WORKER_URL=http://localhost:"+schedulerPort),
		"serve", "--port", appPort, "--storage", storage)
	app.says(app.stderr, "app started")
	b := setUp(t, app)

	resp := b.send(http.MethodGet, "/", nil)
	resp.Body.Close()
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self' "+s3.Endpoint+";") {
		t.Errorf("pages may send uploads to: %s", csp)
	}
	r := b.ended(b.start(map[string]any{"recipe": map[string]string{"document": inPlace(t, files)}}))
	if r.Status != "completed" || r.Matched == 0 {
		t.Fatalf("the run ended as %+v", r)
	}
	var records struct {
		Total int64       `json:"total"`
		Rows  [][]*string `json:"rows"`
	}
	b.call(http.MethodGet, "/api/runs/"+r.RunID+"/records?side=left&limit=5", http.StatusOK, nil, &records)
	if records.Total != r.Left || len(records.Rows) != 5 {
		t.Errorf("%d records, %d rows, of %d", records.Total, len(records.Rows), r.Left)
	}
	var proof struct {
		Findings []json.RawMessage `json:"findings"`
		Checks   []json.RawMessage `json:"checks"`
	}
	b.call(http.MethodGet, "/api/runs/"+r.RunID+"/verify", http.StatusOK, nil, &proof)
	if len(proof.Findings) > 0 || len(proof.Checks) == 0 {
		t.Errorf("the evidence: %s", proof.Findings)
	}
	for _, out := range []string{app.stderr.String(), scheduler.stderr.String()} {
		if strings.Contains(out, s3.SecretKey) {
			t.Error("a log holds the secret key of the bucket")
		}
	}
}

// TestProduction: with tokens and a scheduler that may touch the app's folders
// only, what people upload is reconciled, and nothing else of the machine is.
func TestProduction(t *testing.T) {
	dir := t.TempDir()
	files := demoFiles(t, dir)
	data := filepath.Join(dir, "data")
	for _, sub := range []string{"runs", "uploads"} {
		if err := os.MkdirAll(filepath.Join(data, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const token = "KALLA_WORKER_TOKEN=0123456789abcdef0123456789abcdef"
	schedulerPort, appPort := freePort(t), freePort(t)
	scheduler := start(t, "kallad", dir, []string{token}, "scheduler", "--http-port", schedulerPort, "--data-dir", "scheduler",
		"--allow-file-dir", filepath.Join(data, "runs"), "--allow-file-dir", filepath.Join(data, "uploads"))
	scheduler.says(scheduler.stderr, "scheduler started")
	app := start(t, "kalla", dir, []string{token, "DATABASE_URL=" + testenv.Postgres(t).Database(t), "WORKER_URL=http://localhost:" + schedulerPort,
		"KALLA_SECRET_KEY=" + seal.Generate(), "KALLA_PUBLIC_URL=http://localhost:" + appPort, "KALLA_ADMIN_EMAIL=maria@example.com", "KALLA_ADMIN_PASSWORD=" + password},
		"serve", "--port", appPort, "--data-dir", data)
	app.says(app.stderr, "app started")
	if app.stdout.String() != "" {
		t.Errorf("it prints %s", app.stdout)
	}
	b := newBrowser(t, "http://localhost:"+appPort)
	b.call(http.MethodPost, "/api/auth/sign-in", http.StatusOK, map[string]string{"email": "maria@example.com", "password": password}, nil)
	b.call(http.MethodPost, "/api/worker/complete", http.StatusUnauthorized, map[string]any{"run_id": "any"}, nil)

	for alias, file := range map[string]string{"invoices": "invoices.csv", "payments": "payments.csv"} {
		text, err := os.ReadFile(filepath.Join(files, file))
		if err != nil {
			t.Fatal(err)
		}
		var place struct {
			UploadID     string `json:"upload_id"`
			PresignedURL string `json:"presigned_url"`
			S3URI        string `json:"s3_uri"`
		}
		b.call(http.MethodPost, "/api/uploads/presign", http.StatusOK, map[string]string{"filename": file, "session_id": "s"}, &place)
		at, err := url.Parse(b.base + "/")
		if err == nil {
			at, err = at.Parse(place.PresignedURL)
		}
		if err != nil {
			t.Fatal(err)
		}
		put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, at.String(), bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		put.Header.Set("Sec-Fetch-Site", "same-origin")
		resp, err := b.http.Do(put)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("PUT %s: %s", at.Path, resp.Status)
		}
		b.call(http.MethodPost, "/api/uploads/"+place.UploadID+"/confirm", http.StatusOK, map[string]string{"s3_uri": place.S3URI, "filename": file}, nil)
		b.call(http.MethodPost, "/api/uploads/"+place.UploadID+"/keep", http.StatusOK, map[string]string{"alias": alias}, nil)
	}
	text, err := os.ReadFile(filepath.Join(files, "recipe.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	document := strings.NewReplacer("uri: invoices.csv", "source: invoices", "uri: payments.csv", "source: payments").Replace(string(text))
	b.call(http.MethodPost, "/api/recipes", http.StatusOK, map[string]string{"document": document}, nil)
	if r := b.ended(b.start(map[string]any{"recipe_id": "invoices-payments"})); r.Status != "completed" || r.Matched == 0 {
		t.Errorf("the run over uploads ended as %+v", r)
	}
	if r := b.ended(b.start(map[string]any{"recipe": stolen(filepath.Join(files, "invoices.csv"))})); r.Status != "failed" || !strings.Contains(r.Error, "in no folder that is allowed") {
		t.Errorf("a run over another file ended as %+v", r)
	}
}
