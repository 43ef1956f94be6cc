package app_test

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/seal"
	"kalla/internal/state"
)

// backup is a backup of a database with one user, and of the files of a folder.
func backup(t *testing.T, files map[string]string) (archive []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store, err := app.OpenState(t.Context(), app.StateFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.CreateUser(t.Context(), state.User{Email: "maria@example.com", Role: state.Admin}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "backup.tar")
	if _, err := app.Backup(t.Context(), store, dir, file); err != nil {
		t.Fatal(err)
	}
	if archive, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "kalla-tmp") {
			t.Errorf("the backup left %s", e.Name())
		}
	}
	return archive
}

// restore reads an archive into a new database and folder.
func restore(t *testing.T, dir string, archive []byte) (*app.Restored, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.tar")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return app.Restore(t.Context(), filepath.Join(t.TempDir(), "kalla.db"), keys, dir, file)
}

// contents are the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBackupHoldsWhatIsDone: finished evidence and uploads are in a backup;
// what is being made, and what the app keeps to itself, is not.
func TestBackupHoldsWhatIsDone(t *testing.T) {
	archive := backup(t, map[string]string{
		"runs/1/manifest.json": "{}", "uploads/2/a b.csv": "id\n1\n", "demo/invoices.csv": "id\n",
		"runs/.1.kalla-tmp/matched.parquet": "half", "scheduler/kallad.db": "jobs", "secret.key": "hush", "kalla.log": "log",
	})
	if bytes.Contains(archive, []byte("hush")) {
		t.Error("the secret key is in the backup")
	}
	dir := t.TempDir()
	done, err := restore(t, dir, archive)
	if err != nil {
		t.Fatal(err)
	}
	got := contents(t, dir)
	if len(got) != 3 || got["runs/1/manifest.json"] != "{}" || got["uploads/2/a b.csv"] != "id\n1\n" || got["demo/invoices.csv"] != "id\n" {
		t.Errorf("restored are %v", got)
	}
	if done.Files != 3 || done.Rows["users"] != 1 {
		t.Errorf("it says %+v", done)
	}
}

// TestRestoreRefuses: whatever is wrong with an archive, or in its way, the
// folder is afterwards what it was before.
func TestRestoreRefuses(t *testing.T) {
	whole := backup(t, map[string]string{"runs/1/manifest.json": "{}"})
	with := func(head tar.Header, body string) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		head.Size, head.Mode = int64(len(body)), 0o600
		if err := w.WriteHeader(&head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // not closed: the rest follows
			t.Fatal(err)
		}
		return append(out.Bytes(), whole...)
	}
	damaged := bytes.Clone(whole)
	damaged[bytes.Index(damaged, []byte("state.kalla"))+1024] ^= 1
	for _, c := range []struct {
		name    string
		archive []byte
		says    string
	}{
		{"goes up", with(tar.Header{Name: "runs/../../evil", Typeflag: tar.TypeReg}, "x"), "belongs to no backup"},
		{"from the root", with(tar.Header{Name: "/runs/evil", Typeflag: tar.TypeReg}, "x"), "belongs to no backup"},
		{"beside the folders", with(tar.Header{Name: "secret.key", Typeflag: tar.TypeReg}, "x"), "belongs to no backup"},
		{"a symlink", with(tar.Header{Name: "runs/link", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, ""), "belongs to no backup"},
		{"a file twice", with(tar.Header{Name: "runs/1/manifest.json", Typeflag: tar.TypeReg}, "x"), "exists"},
		{"a file that is there", with(tar.Header{Name: "runs/there", Typeflag: tar.TypeReg}, "x"), "exists"},
		{"breaks off in a file", whole[:700], ""},
		{"breaks off before what is stored", append(bytes.Clone(whole[:1024]), make([]byte, 1024)...), "it is no backup, or breaks off"},
		{"breaks off in what is stored", whole[:2048], ""},
		{"a bit is another", damaged, ""},
		{"no archive", []byte("PGDMP, and then some more of what is no archive"), ""},
		{"nothing", nil, "it is no backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "data")
			if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "runs", "there"), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := restore(t, dir, c.archive)
			if kalla.CodeOf(err) != kalla.CodeUsage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v", err)
			}
			if got := contents(t, root); len(got) != 1 || got["data/runs/there"] != "mine" {
				t.Errorf("the folder holds %v", got)
			}
		})
	}
}
