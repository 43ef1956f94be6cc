package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestGroupMemory(t *testing.T) {
	tree := t.TempDir()
	for file, limit := range map[string]string{
		"a/memory.max":                       "1000\n",
		"a/b/memory.max":                     "max\n",
		"a/c/memory.max":                     "500\n",
		"memory/memory.limit_in_bytes":       "9223372036854771712\n",
		"memory/job/memory.limit_in_bytes":   "700\n",
		"memory/job/x/memory.limit_in_bytes": "800\n",
	} {
		path := filepath.Join(tree, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(limit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, groups string
		want         int64
	}{
		{"version 2, the group above has it", "0::/a/b\n", 1000},
		{"version 2, its own is less", "0::/a/c\n", 500},
		{"version 2, none", "0::/\n", 0},
		{"version 1, the group above is less", "8:pids:/job/x\n4:memory:/job/x\n", 700},
		{"version 1 with others", "4:cpu,memory:/job\n", 700},
		{"both", "4:memory:/job\n0::/a/c\n", 500},
		{"version 1 inside a container, whose own path is not there", "4:memory:/docker/123\n", 9223372036854771712},
		{"not understood", "memory\n", 0},
	} {
		if got := groupMemory([]byte(c.groups), tree); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	if m := Memory(); m < 256<<20 || m > physicalMemory() {
		t.Errorf("memory is %d of %d", m, physicalMemory())
	}
	if r := Resident(); r < 1<<20 || r > Memory() {
		t.Errorf("resident are %d", r)
	}
	if n := CPUs(); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d processors", n)
	}
	dir := t.TempDir()
	before, err := DiskFree(dir)
	if err != nil || before <= 0 {
		t.Errorf("free are %d: %v", before, err)
	}
	if _, err := DiskFree(filepath.Join(dir, "missing")); err == nil {
		t.Error("a folder that is not there has room")
	}
}
