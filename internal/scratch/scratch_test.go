package scratch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"kalla/internal/scratch"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestSweep(t *testing.T) {
	parent := t.TempDir()
	mine, err := scratch.Make(filepath.Join(parent, "x-mine"+scratch.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves: a folder, and a lock that nobody holds.
	for _, name := range []string{"x-dead", "y-other"} {
		if err := os.MkdirAll(filepath.Join(parent, name+scratch.Suffix, "deep"), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(parent, name+scratch.Suffix+".lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lonely := filepath.Join(parent, "x-lonely"+scratch.Suffix+".lock")
	if err := os.WriteFile(lonely, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(lonely, old, old); err != nil {
		t.Fatal(err)
	}
	scratch.Sweep(parent, "x-")
	if got := names(t, parent); len(got) != 4 || got[0] != "x-mine"+scratch.Suffix || got[2] != "y-other"+scratch.Suffix {
		t.Fatalf("left are %v: want what is alive, and what has another prefix", got)
	}
	if err := mine.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, parent); len(got) != 2 {
		t.Errorf("after Remove: %v", got)
	}
	if err := mine.Remove(); err != nil {
		t.Errorf("a second Remove: %v", err)
	}
}

func TestKeep(t *testing.T) {
	parent := t.TempDir()
	d, err := scratch.Make(filepath.Join(parent, "a"+scratch.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scratch.Make(d.Path()); err == nil {
		t.Error("two hold one folder")
	}
	if err := os.Rename(d.Path(), filepath.Join(parent, "final")); err != nil {
		t.Fatal(err)
	}
	d.Keep()
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, parent); len(got) != 1 || got[0] != "final" {
		t.Errorf("left are %v", got)
	}
}
