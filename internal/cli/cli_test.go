package cli_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kalla/internal/cli"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world runs one command in a folder.
type world struct {
	dir      string
	env      map[string]string
	stdin    string
	terminal bool // stdout
	bars     bool // stderr is a terminal
	width    int
}

type outcome struct {
	code           int
	stdout, stderr string
}

func (w world) run(ctx context.Context, args ...string) outcome {
	return w.runAs(ctx, cli.Main, args...)
}

func (w world) runAs(ctx context.Context, program func(context.Context, cli.Env) int, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := program(ctx, cli.Env{
		Args: args, Stdin: strings.NewReader(w.stdin), Stdout: &stdout, Stderr: &stderr, Dir: w.dir, Now: time.Now,
		LookupEnv:      func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		StdoutTerminal: w.terminal, StderrTerminal: w.bars, Width: w.width,
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// TestScripts runs every command as people would. In the scripts, kalla and
// kallad are the command lines inside this process, and code N checks their exit code.
func TestScripts(t *testing.T) {
	program := func(name string, main func(context.Context, cli.Env) int) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			env := map[string]string{}
			for _, name := range []string{"NO_COLOR", "KALLA_MEMORY", "KALLA_THREADS", "KALLA_EVIDENCE_DIR", "KALLA_LOG", "RUST_LOG", "KALLA_WORKER_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "DATABASE_URL", "WORKER_URL", "KALLA_SECRET_KEY"} {
				if v := ts.Getenv(name); v != "" {
					env[name] = v
				}
			}
			got := world{dir: ts.MkAbs("."), env: env, stdin: ts.Getenv("STDIN")}.runAs(context.Background(), main, args...)
			fmt.Fprint(ts.Stdout(), got.stdout)
			fmt.Fprint(ts.Stderr(), got.stderr)
			ts.Setenv("CODE", strconv.Itoa(got.code))
			if (got.code != 0) != neg {
				ts.Fatalf("%s %s: exit code %d\n%s%s", name, strings.Join(args, " "), got.code, got.stdout, got.stderr)
			}
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"kalla":  program("kalla", cli.Main),
			"kallad": program("kallad", cli.Daemon),
			"code": func(ts *testscript.TestScript, neg bool, args []string) {
				if len(args) != 1 || neg {
					ts.Fatalf("usage: code N")
				}
				if got := ts.Getenv("CODE"); got != args[0] {
					ts.Fatalf("exit code %s, want %s", got, args[0])
				}
			},
		},
	})
}

// TestReport holds the report against golden files: plain, and as a terminal gets it.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		golden string
		world  world
	}{
		{"plain.golden", world{}},
		{"narrow.golden", world{width: 72}},
		{"colour.golden", world{terminal: true, width: 100, env: map[string]string{"TERM": "xterm-256color"}}},
		{"plain.golden", world{terminal: true, env: map[string]string{"NO_COLOR": "1"}}},
		{"plain.golden", world{terminal: true, env: map[string]string{"TERM": "dumb"}}},
	} {
		c.world.dir = "testdata"
		got := c.world.run(context.Background(), "evidence", "show", "evidence")
		if got.code != 0 || got.stderr != "" {
			t.Fatalf("%s: exit code %d: %s", c.golden, got.code, got.stderr)
		}
		path := filepath.Join("testdata", c.golden)
		if *update {
			if err := os.WriteFile(path, []byte(got.stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.stdout != string(want) {
			t.Errorf("%s (%+v): got\n%s\nwant\n%s", c.golden, c.world, got.stdout, want)
		}
		for line := range strings.SplitSeq(got.stdout, "\n") {
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: trailing space in %q", c.golden, line)
			}
		}
	}
}

// TestBars: a terminal gets one bar a stage, each ticked off at the end, or a
// last bar that stopped where the run failed.
func TestBars(t *testing.T) {
	dir := t.TempDir()
	w := world{dir: dir, bars: true, width: 80}
	got := w.run(context.Background(), "demo", "--rows", "100")
	if got.code != 0 {
		t.Fatal(got.stderr)
	}
	for _, stage := range []string{"staging", "matching", "evidence"} {
		if !strings.Contains(got.stderr, stage) {
			t.Errorf("no bar for %s", stage)
		}
	}
	// The last screen that was drawn shows all three, done.
	screen := got.stderr[strings.LastIndex(got.stderr, "  staging"):]
	if strings.Count(screen, "✓") != 3 {
		t.Errorf("the bars end as\n%s", screen)
	}
	if strings.Contains(got.stdout, "✓ 0") || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("bars or colours on stdout:\n%s", got.stdout)
	}
	got = w.run(context.Background(), "run", filepath.Join("kalla-demo", "recipe.yaml"), "--left", "nowhere.csv")
	if got.code != 4 || !strings.Contains(got.stderr, "nowhere.csv") {
		t.Errorf("a failing run: exit code %d\n%s", got.code, got.stderr)
	}
}

// TestCancelled: an ended context ends a command with 130 and leaves nothing.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	w := world{dir: dir}
	if got := w.run(context.Background(), "demo", "--rows", "1000"); got.code != 0 {
		t.Fatal(got.stderr)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, args := range [][]string{
		{"run", "kalla-demo/recipe.yaml", "--out", "out"},
		{"demo", "--dir", "other"},
		{"source", "profile", "kalla-demo/invoices.csv"},
	} {
		got := w.run(ctx, args...)
		if got.code != 130 || !strings.HasPrefix(got.stderr[strings.Index(got.stderr, "error:"):], "error: cancelled") {
			t.Errorf("%v: exit code %d\n%s", args, got.code, got.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); !os.IsNotExist(err) {
		t.Errorf("the cancelled run left evidence: %v", err)
	}
}
