package e2e_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kalla/internal/cli"
	"kalla/internal/testenv"
)

// wrongSecret stands where a password belongs, and must never be printed.
const wrongSecret = "s3cret-of-nobody"

// bad is one case of testdata/bad: what want.txt says.
type bad struct {
	exit         int
	args         []string
	says, silent []string
}

// TestBad runs what must not work through the command line: it ends with the
// right code and a message that says where the fault is, and leaves no evidence.
func TestBad(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("testdata", "bad", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 40 {
		t.Fatalf("only %d cases in testdata/bad", len(dirs))
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := readWant(t, filepath.Join(dir, "want.txt"))
			work := t.TempDir()
			if err := os.CopyFS(work, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"run", "recipe.yaml", "--out", "evidence"}, want.args...)
			if spoil := spoilers[name]; spoil != nil {
				args = append(args, spoil(t, work)...)
			}
			var stdout, stderr bytes.Buffer
			code := cli.Main(context.Background(), cli.Env{
				Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Dir: work,
				LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
			})
			printed := stdout.String() + stderr.String()
			if code != want.exit {
				t.Errorf("exit code %d, want %d", code, want.exit)
			}
			for _, s := range want.says {
				if !strings.Contains(printed, s) {
					t.Errorf("%q is not said", s)
				}
			}
			for _, s := range append(want.silent, "panic:", "goroutine ", "INTERNAL Error", "internal error") {
				if strings.Contains(printed, s) {
					t.Errorf("%q must not be printed", s)
				}
			}
			_, err := os.Stat(filepath.Join(work, "evidence"))
			if ran := want.exit == 0 || want.exit == 3; ran != (err == nil) {
				t.Errorf("the evidence folder: %v", err)
			}
			if t.Failed() {
				t.Logf("printed:\n%s", printed)
			}
		})
	}
}

// readWant reads lines such as "exit 4", "args --param a=b", "says left.csv" and "silent secret".
func readWant(t *testing.T, file string) bad {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := bad{exit: -1}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "exit":
			if out.exit, err = strconv.Atoi(value); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		case "args":
			out.args = strings.Fields(value)
		case "says":
			out.says = append(out.says, value)
		case "silent":
			out.silent = append(out.silent, value)
		default:
			t.Fatalf("%s: a line %q", file, line)
		}
	}
	return out
}

// spoilers make what cannot be kept as a file, and return arguments for the run.
var spoilers = map[string]func(t *testing.T, dir string) []string{
	"line-huge": func(t *testing.T, dir string) []string {
		line := "id,ref,amount,day\na," + strings.Repeat("R", 48<<20) + ",1.00,2026-01-01\n"
		write(t, filepath.Join(dir, "left.csv"), []byte(line))
		return nil
	},
	"gz-truncated": func(t *testing.T, dir string) []string {
		data := gzipped(t, read(t, filepath.Join(dir, "left.csv")))
		write(t, filepath.Join(dir, "left.csv.gz"), data[:len(data)/2])
		return nil
	},
	"parquet-truncated": func(t *testing.T, dir string) []string {
		file := filepath.Join(dir, "left.parquet")
		exec(t, openDuckDB(t), "COPY (SELECT * FROM range(1000)) TO "+quoteText(file)+" (FORMAT parquet)")
		data := read(t, file)
		write(t, file, data[:len(data)/2])
		return nil
	},
	"xlsx-no-sheet": func(t *testing.T, dir string) []string {
		c := golden{dir: dir, Left: []string{"text", "text", "decimal(9,2)", "date"}}
		c.writeXLSX(t, "left", filepath.Join(dir, "left.xlsx"))
		return nil
	},
	"postgres-password": func(t *testing.T, _ string) []string {
		u := databaseURL(t, testenv.Postgres(t).Database(t))
		u.User = url.UserPassword(u.User.Username(), wrongSecret)
		return leftURI(withQuery(t, u.String(), "table", "lefts"))
	},
	"postgres-down": func(t *testing.T, _ string) []string {
		return leftURI("postgres://kalla:" + wrongSecret + "@" + closedPort(t) + "/kalla?table=lefts&connect_timeout=2")
	},
	"postgres-table": func(t *testing.T, _ string) []string {
		return leftURI(withQuery(t, testenv.Postgres(t).Database(t), "table", "nowhere"))
	},
	"postgres-query": func(t *testing.T, _ string) []string {
		return leftURI(withQuery(t, testenv.Postgres(t).Database(t), "query", "SELECT * FROM nowhere"))
	},
	"postgres-write": func(t *testing.T, _ string) []string {
		u := testenv.Postgres(t).Database(t, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)")
		t.Cleanup(func() {
			var n int
			if err := testenv.Postgres(t).Open(t, u).QueryRow("SELECT count(*) FROM kept").Scan(&n); err != nil || n != 1 {
				t.Errorf("the source was changed: %d rows, %v", n, err)
			}
		})
		return leftURI(withQuery(t, u, "query", "WITH gone AS (DELETE FROM kept RETURNING id) SELECT id::text, 'R1' AS ref, 1.00 AS amount FROM gone"))
	},
	"mysql-password": func(t *testing.T, _ string) []string {
		u := databaseURL(t, testenv.MariaDB(t).Database(t))
		u.User = url.UserPassword(u.User.Username(), wrongSecret)
		return leftURI(withQuery(t, u.String(), "table", "lefts"))
	},
	"s3-missing": func(t *testing.T, _ string) []string {
		return leftURI(s3URI(t, testenv.S3(t).SecretKey))
	},
	"s3-secret": func(t *testing.T, _ string) []string {
		return leftURI(s3URI(t, wrongSecret))
	},
}

func leftURI(u string) []string { return []string{"--param", "left_uri=" + u} }

func s3URI(t *testing.T, secret string) string {
	t.Helper()
	s := testenv.S3(t)
	u := "s3://" + s.Bucket(t) + "/nowhere.csv"
	for _, kv := range [][2]string{{"endpoint", s.Endpoint}, {"key_id", s.AccessKey}, {"secret", secret}, {"region", s.Region}, {"url_style", "path"}} {
		u = withQuery(t, u, kv[0], kv[1])
	}
	return u
}

func databaseURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal("the test server's URL cannot be parsed") // the error would show its password
	}
	return u
}

// closedPort is a loopback address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
