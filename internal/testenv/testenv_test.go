package testenv_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kalla/internal/testenv"
)

// helperEnv makes the test binary start every service, print their process
// ids, and then end in the way that the variable names.
const helperEnv = "KALLA_TESTENV_HELPER"

func TestMain(m *testing.M) { testenv.Main(m) }

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	pg := testenv.Postgres(t)
	seen := map[string]bool{}
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			u := pg.Database(t, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1), (2)")
			if seen[u] {
				t.Fatalf("%s was given twice", redact(t, u))
			}
			seen[u] = true
			var n int
			if err := pg.Open(t, u).QueryRow("SELECT sum(n) FROM t").Scan(&n); err != nil || n != 3 {
				t.Errorf("sum = %d, %v; want 3", n, err)
			}
		})
	}
	for u := range seen {
		if err := pg.Open(t, u).Ping(); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("a database outlived its test: %v", err)
		}
	}
}

func TestPostgresChecksPasswords(t *testing.T) {
	t.Parallel()
	pg := testenv.Postgres(t)
	u, err := url.Parse(pg.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "wrong")
	if err := pg.Open(t, u.String()).Ping(); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestMariaDBGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	m := testenv.MariaDB(t)
	u := m.Database(t, "CREATE TABLE t (n decimal(9,2))", "INSERT INTO t VALUES (1.10), (2.20)")
	var n string
	if err := m.Open(t, u).QueryRow("SELECT sum(n) FROM t").Scan(&n); err != nil || n != "3.30" {
		t.Errorf("sum = %s, %v; want 3.30", n, err)
	}
	if other := m.Database(t); other == u {
		t.Errorf("%s was given twice", redact(t, u))
	}
}

func TestS3KeepsObjectsAndChecksSignatures(t *testing.T) {
	t.Parallel()
	s := testenv.S3(t)
	bucket := s.Bucket(t)
	for _, key := range []string{"a.csv", "folder/sub/b.csv", "with space, + and ü=1.csv"} {
		want := []byte("id,amount\n1,2.50\n" + key)
		s.Put(t, bucket, key, want)
		if got := s.Get(t, bucket, key); !bytes.Equal(got, want) {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	t.Run("forged", func(t *testing.T) {
		forged := *s
		forged.SecretKey = "not the key"
		probe := &recorder{TB: t}
		probe.run(func() { forged.Get(probe, bucket, "a.csv") })
		if !strings.Contains(probe.failure, "403") {
			t.Errorf("a forged signature gave %q, want 403", probe.failure)
		}
	})
}

func TestDuckDBExtensions(t *testing.T) {
	t.Parallel()
	dir := testenv.DuckDBExtensions(t)
	for _, name := range []string{"postgres_scanner", "mysql_scanner", "sqlite_scanner", "httpfs", "azure", "excel", "encodings"} {
		if info, err := os.Stat(filepath.Join(dir, name+".duckdb_extension")); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExtensionsAreForTheEngine holds that the script fetches, and the tests
// look for, the version of DuckDB that go.mod links: 1.5.5 is v2.10505.x there.
func TestExtensionsAreForTheEngine(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`duckdb-go/v2 v2\.(\d)(\d\d)(\d\d)\.`).FindSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod does not name duckdb-go")
	}
	version := string(m[1])
	for _, part := range m[2:] {
		version += "." + strings.TrimPrefix(string(part), "0")
	}
	script, err := os.ReadFile("../../scripts/duckdb-extensions.sh")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(script, []byte("\nversion="+version+" ")) {
		t.Errorf("scripts/duckdb-extensions.sh does not fetch version %s", version)
	}
	if testenv.DuckDBVersion != version {
		t.Errorf("DuckDBVersion = %s, want %s", testenv.DuckDBVersion, version)
	}
}

// TestMissingProgramFails holds the rule that no test is skipped for want of a service.
func TestMissingProgramFails(t *testing.T) {
	t.Setenv("KALLA_DUCKDB_EXTENSIONS", t.TempDir())
	probe := &recorder{TB: t}
	probe.run(func() { testenv.DuckDBExtensions(probe) })
	if !strings.Contains(probe.failure, "scripts/duckdb-extensions.sh") {
		t.Errorf("failure = %q, want what to run", probe.failure)
	}
}

// TestNothingIsLeftBehind ends a test process in every way there is and looks
// for its services and their data.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"main", "exit", "kill"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			temp, err := os.MkdirTemp("", "kalla-testenv-") //nolint:usetesting // t.TempDir cannot be entered by another account
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(temp)
			if err := os.Chmod(temp, 0o777); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$", "-test.count=1")
			cmd.Env = append(os.Environ(), helperEnv+"="+end, "TMPDIR="+temp, "KALLA_TEST_DATABASE_URL=")
			out, err := cmd.CombinedOutput()
			if (err == nil) != (end == "main") {
				t.Fatalf("the helper ended with %v:\n%s", err, out)
			}
			if !bytes.Contains(out, []byte("services are up")) {
				t.Fatalf("the services did not start:\n%s", out)
			}
			// Main waits for the end; without it the end follows on its own.
			var patience time.Duration
			if end != "main" {
				patience = 20 * time.Second
			}
			var left string
			for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				if left = leftBehind(t, temp); left == "" {
					return
				}
				if time.Now().After(deadline) {
					break
				}
			}
			t.Errorf("left behind:\n%s", left)
		})
	}
}

func TestHelper(t *testing.T) {
	end := os.Getenv(helperEnv)
	if end == "" {
		return // not a test of its own: see TestNothingIsLeftBehind
	}
	defer goleak.VerifyNone(t, testenv.IgnoreServices())
	testenv.Postgres(t)
	testenv.MariaDB(t)
	testenv.S3(t)
	fmt.Println("services are up")
	switch end {
	case "exit":
		os.Exit(3)
	case "kill":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

// leftBehind lists processes that name the folder on their command line, and what is in it.
func leftBehind(t *testing.T, folder string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-eo", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, folder) {
			left = append(left, strings.TrimSpace(line))
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, filepath.Join(folder, e.Name()))
	}
	return strings.Join(left, "\n")
}

func redact(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Redacted()
}

// recorder is a testing.TB whose fatal failure is looked at instead of failing the test.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatal(args ...any) { r.fail(fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }

func (r *recorder) fail(failure string) {
	r.failure = failure
	panic(r)
}

func (r *recorder) run(f func()) {
	defer func() {
		if x := recover(); x != nil && x != any(r) {
			panic(x)
		}
	}()
	f()
}

// TestTrinoIsSharedAndAdmitsNobodyElse also holds that two processes get one cluster.
func TestTrinoIsSharedAndAdmitsNobodyElse(t *testing.T) {
	t.Parallel()
	c := testenv.Trino(t, 2)
	resp, err := http.Post(c.URL+"/v1/statement", "text/plain", strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without the secret: %s", resp.Status)
	}
}
