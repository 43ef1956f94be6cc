// Package scratch makes private folders that never outlive their process: a
// lock file beside each is held for as long as the process lives, so that what
// a killed process left is recognised, and removed, by the next.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Suffix ends the names of all scratch folders.
const Suffix = ".kalla-tmp"

const lockSuffix = ".lock"

// lonelyLock is the age at which a lock file without a folder is litter: a
// process takes its lock an instant before it makes its folder.
const lonelyLock = time.Minute

// Dir is a scratch folder. It is used by one goroutine.
type Dir struct {
	path string
	lock *os.File
}

// Make creates the folder path, whose name must end in Suffix and whose parent must exist.
func Make(path string) (*Dir, error) {
	if !strings.HasSuffix(path, Suffix) {
		return nil, fmt.Errorf("%s does not end in %s", path, Suffix)
	}
	lock, err := acquire(path + lockSuffix)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o750); err != nil {
		removeLocked(lock)
		return nil, err
	}
	return &Dir{path: path, lock: lock}, nil
}

// Path is where the folder is.
func (d *Dir) Path() string { return d.path }

// Remove removes the folder and all in it. After Keep, or a second time, it does nothing.
func (d *Dir) Remove() error {
	if d.lock == nil {
		return nil
	}
	err := os.RemoveAll(d.path)
	d.Keep()
	return err
}

// Keep gives the folder up: it has been moved elsewhere, and its lock goes.
func (d *Dir) Keep() {
	if d.lock != nil {
		removeLocked(d.lock)
		d.lock = nil
	}
}

// Sweep removes what killed processes left in a folder, of the names that begin
// with prefix. It is best effort: litter only takes space.
func Sweep(parent, prefix string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(parent, name)
		switch {
		case !strings.HasPrefix(name, prefix):
		case strings.HasSuffix(name, Suffix) && e.IsDir():
			lock, err := acquire(path + lockSuffix)
			if err != nil {
				continue // its process is alive
			}
			_ = os.RemoveAll(path)
			removeLocked(lock)
		case strings.HasSuffix(name, Suffix+lockSuffix):
			info, err := e.Info()
			if err != nil || time.Since(info.ModTime()) < lonelyLock {
				continue
			}
			if _, err := os.Stat(strings.TrimSuffix(path, lockSuffix)); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if lock, err := acquire(path); err == nil {
				removeLocked(lock)
			}
		}
	}
}

// acquire creates the lock file and takes its lock without waiting.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another process holds %s: %w", filepath.Base(path), err)
	}
	// Another process may have removed the file as litter between the two calls;
	// a lock on a file without a name protects nothing.
	held, err := f.Stat()
	if err == nil {
		var named os.FileInfo
		if named, err = os.Stat(path); err == nil && !os.SameFile(held, named) {
			err = fmt.Errorf("%s was replaced", filepath.Base(path))
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
