package evidence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/testenv"
)

// TestMain lets the test binary play a run that is killed.
func TestMain(m *testing.M) {
	if out := os.Getenv("EVIDENCE_TEST_HANG"); out != "" {
		w, err := evidence.Begin(context.Background(), at(out), "hangs")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_ = os.WriteFile(w.Path(evidence.MatchedFile), []byte("half"), 0o600)
		fmt.Println("begun")
		time.Sleep(time.Minute)
	}
	testenv.Main(m)
}

func entries(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func code(err error) kalla.Code {
	if err == nil {
		return ""
	}
	return kalla.CodeOf(err)
}

func TestPublishIsOneStep(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "runs", "r1")
	w, err := evidence.Begin(context.Background(), at(out), "r1")
	must(t, err)
	defer w.Abort()
	must(t, os.WriteFile(w.Path(evidence.MatchedFile), []byte("abc"), 0o600))
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the folder is there before it is published: %v", err)
	}
	m := fixtureManifest()
	m.Summary.Evidence = "runs/r1"
	m.Files = map[string]evidence.File{evidence.MatchedFile: {Rows: 1}}
	must(t, w.Publish(context.Background(), m))
	if got := entries(t, filepath.Dir(out)); got != "r1" {
		t.Errorf("beside the folder: %s", got)
	}
	if got, want := entries(t, out), "manifest.json matched.parquet summary.json"; got != want {
		t.Errorf("the folder holds %s, want %s", got, want)
	}
	read, err := evidence.Load(context.Background(), at(out))
	must(t, err)
	want := evidence.File{SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Bytes: 3, Rows: 1}
	if got := read.Files[evidence.MatchedFile]; got.SHA256 != want.SHA256 || got.Bytes != want.Bytes || got.Rows != want.Rows {
		t.Errorf("manifest says %+v, want %+v", got, want)
	}
	if read.Files[evidence.SummaryFile].Bytes == 0 || read.Summary.Evidence != "" {
		t.Errorf("summary: %+v, evidence %q", read.Files[evidence.SummaryFile], read.Summary.Evidence)
	}
	w.Abort()
	if _, err := evidence.Load(context.Background(), at(out)); err != nil {
		t.Errorf("Abort after Publish took the folder away: %v", err)
	}
}

func TestPublishRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]evidence.File
		want  string
	}{
		{"a file that the manifest does not name", nil, "wrote a file that the manifest does not name"},
		{"a file that is not there", map[string]evidence.File{evidence.MatchedFile: {}, evidence.BreaksFile: {}}, "breaks.parquet: no such file"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		w, err := evidence.Begin(context.Background(), at(out), "r")
		must(t, err)
		must(t, os.WriteFile(w.Path(evidence.MatchedFile), []byte("abc"), 0o600))
		if err := w.Publish(context.Background(), evidence.Manifest{Files: c.files}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		w.Abort()
		if got := entries(t, filepath.Dir(out)); got != "" {
			t.Errorf("%s left %s", c.name, got)
		}
	}
}

func TestPublishCancelled(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	w, err := evidence.Begin(context.Background(), at(out), "r")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Publish(ctx, evidence.Manifest{}); code(err) != kalla.CodeCanceled {
		t.Errorf("got %v", err)
	}
	w.Abort()
	if got := entries(t, filepath.Dir(out)); got != "" {
		t.Errorf("left %s", got)
	}
}

func TestBeginNeverOverwrites(t *testing.T) {
	parent := t.TempDir()
	full, empty, file := filepath.Join(parent, "full"), filepath.Join(parent, "empty"), filepath.Join(parent, "file")
	must(t, os.MkdirAll(filepath.Join(full, "x"), 0o700))
	must(t, os.Mkdir(empty, 0o700))
	must(t, os.WriteFile(file, nil, 0o600))
	for path, want := range map[string]string{full: "exists and is not empty", file: "a file of that name exists"} {
		if _, err := evidence.Begin(context.Background(), at(path), "r"); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}

	w, err := evidence.Begin(context.Background(), at(empty), "r")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(empty, "arrived meanwhile"), nil, 0o600))
	if err := w.Publish(context.Background(), evidence.Manifest{}); code(err) != kalla.CodeUsage {
		t.Errorf("publishing over a folder that was filled meanwhile: %v", err)
	}
	w.Abort()
	must(t, os.Remove(filepath.Join(empty, "arrived meanwhile")))
	w, err = evidence.Begin(context.Background(), at(empty), "r")
	must(t, err)
	must(t, w.Publish(context.Background(), evidence.Manifest{}))
}

// TestKilledRun: what a killed run leaves is not evidence, stays while the run
// lives, and goes when the next run begins.
func TestKilledRun(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "killed")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EVIDENCE_TEST_HANG="+out)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "begun\n" {
		t.Fatalf("the run says %q", line)
	}
	begin := func() {
		t.Helper()
		w, err := evidence.Begin(context.Background(), at(filepath.Join(parent, "next")), "next")
		must(t, err)
		w.Abort()
	}
	litter := entries(t, parent)
	if strings.Count(litter, ".kalla-tmp") != 2 {
		t.Errorf("a live run has %q, want a hidden folder and its lock", litter)
	}
	begin()
	if got := entries(t, parent); got != litter {
		t.Errorf("beside a live run: %q, want %q", got, litter)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if got := entries(t, parent); got != litter {
		t.Errorf("after the kill: %q, want %q", got, litter)
	}
	if _, err := evidence.Load(context.Background(), at(out)); code(err) != kalla.CodeEvidence {
		t.Errorf("a killed run is taken for evidence: %v", err)
	}
	begin()
	if got := entries(t, parent); got != "" {
		t.Errorf("after the next run: %q", got)
	}
}
