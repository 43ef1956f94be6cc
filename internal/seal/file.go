package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"kalla"
)

// File reads the keys of a file, one a line, and makes the file with a new key
// if there is none. Only its owner may read it (0600). Several processes may do
// so at once: one makes the key, and all get it. The folder must exist.
func File(path string) (*Keys, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "making the key file", Where: path, Err: err,
				Hint: "let the program write there, or set KALLA_SECRET_KEY"}
		}
		text, err = read(path)
	}
	if err != nil {
		var e *kalla.Error
		if errors.As(err, &e) {
			return nil, err
		}
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the key file", Where: path, Err: err,
			Hint: "let the program read it, or set KALLA_SECRET_KEY"}
	}
	k, err := Parse(text)
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		e.Op, e.Where = "reading the key file", strings.TrimSpace(path+" "+e.Where)
		e.Hint = "restore it from a backup: without it the stored credentials cannot be read; or delete it to begin anew"
		return nil, e
	}
	return k, err
}

func read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "reading the key file", Where: path,
			Why: fmt.Sprintf("others than its owner may use it (mode %04o)", mode), Hint: "chmod 600 " + path}
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// create writes a new key beside the file, makes it durable, and links it to
// its place, which fails with fs.ErrExist if another process was quicker: no
// process ever reads half a key.
func create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(Generate() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
