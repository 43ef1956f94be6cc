package duckdb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/machine"
)

func TestSessionLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: dir, Memory: 64 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Exec(t.Context(), "CREATE TABLE t AS SELECT hash(range) AS a, hash(range + 1) AS b FROM range(6000000)"); err != nil {
		t.Fatal(err) // 96 MB in 64
	}
	spilled, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(spilled) == 0 {
		t.Errorf("nothing was spilled below %s: %v", dir, err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
	if p := s.Progress(); p != -1 {
		t.Errorf("progress of a closed session is %v", p)
	}
}

func TestMemoryLimit(t *testing.T) {
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: t.TempDir(), Memory: 32 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Exec(t.Context(), "CREATE TABLE t AS SELECT list(hash(range)) AS l FROM range(20000000)")
	if kalla.CodeOf(err) != kalla.CodeLimit {
		t.Errorf("got %v, want an error of class limit", err)
	}
}

func TestSeal(t *testing.T) {
	s := open(t)
	inside, outside := t.TempDir(), write(t, "secret.csv", "a\n1\n")
	if err := s.Seal(t.Context(), inside); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Exec(t.Context(), "COPY (SELECT 1 AS a) TO '"+filepath.Join(inside, "x.parquet")+"'"); err != nil {
		t.Errorf("the allowed folder cannot be written: %v", err)
	}
	for _, query := range []string{
		"SELECT * FROM read_csv('" + outside + "')",
		"COPY (SELECT 1) TO '" + outside + "x'",
		"ATTACH '" + outside + "' AS x",
		"SET enable_external_access = true",
		"SET memory_limit = '1GB'",
		"SET allowed_configs = ['memory_limit']",
		"RESET allowed_configs",
		"SET lock_configuration = false",
		"SET allowed_directories = ['/']",
		"SET temp_directory = '/'",
		"SET TimeZone = 'CET'",
		"INSTALL httpfs",
	} {
		if _, err := s.Exec(t.Context(), query); err == nil {
			t.Errorf("%s is possible in a sealed session", query)
		}
	}
}

// TestThreadsNow: what is asked for holds from the next statement on, in a sealed session too.
func TestThreadsNow(t *testing.T) {
	threads := 3
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: t.TempDir(), Threads: 2, ThreadsNow: func() int { return threads }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check := func(want int) {
		t.Helper()
		var got int
		if err := engine.QueryRow(t.Context(), s, "SELECT value::INT FROM duckdb_settings() WHERE name = 'threads'", &got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%d threads, want %d", got, want)
		}
	}
	check(3)
	threads = 0
	check(1)
	if err := s.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	threads = 4
	check(4)
}

func TestOwnMemoryLimit(t *testing.T) {
	s := open(t)
	var limit string
	if err := engine.QueryRow(t.Context(), s, "SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'", &limit); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%.1f GiB", float64(machine.Memory())*0.8*0.85/(1<<30))
	if limit != want {
		t.Errorf("limit is %s, want 85 %% of 80 %% of the machine: %s", limit, want)
	}
}

func TestOpenFault(t *testing.T) {
	_, err := duckdb.Open(t.Context(), engine.Limits{TempDir: filepath.Join(t.TempDir(), "missing")})
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("got %v", err)
	}
}

func TestProgress(t *testing.T) {
	s := open(t)
	var events []kalla.Progress
	in := input(t, write(t, "f.csv", "a,b\n1,2\n3,4\n"), nil)
	if _, err := s.Stage(t.Context(), []engine.Input{in}, func(p kalla.Progress) { events = append(events, p) }); err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	want := kalla.Progress{Stage: kalla.StageStaging, Step: "reading payments", Fraction: 1, Source: "payments", Rows: 2}
	if last != want {
		t.Errorf("last event is %+v, want %+v", last, want)
	}
}

func BenchmarkOpen(b *testing.B) {
	for range b.N {
		s, err := duckdb.Open(b.Context(), engine.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Without the extension a source says what is missing and how to get it.
func TestMissingExtension(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	s := openWith(t, t.TempDir())
	if _, err := s.Exec(t.Context(), "SET custom_extension_repository = '"+filepath.Join(t.TempDir(), "none")+"'"); err != nil {
		t.Fatal(err)
	}
	e := stageErr(t, s, input(t, write(t, "f.xlsx", "x"), nil), kalla.CodeEngine)
	if !strings.Contains(e.Op, "extension excel") || !strings.Contains(e.Hint, "KALLA_DUCKDB_EXTENSIONS") {
		t.Errorf("error is %v (%s)", e, e.Hint)
	}
}

func TestStageCancelled(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Stage(ctx, []engine.Input{input(t, write(t, "f.csv", "a\n1\n"), nil)}, nil)
	if kalla.CodeOf(err) != kalla.CodeCanceled {
		t.Errorf("got %v, want a cancelled error", err)
	}
}
