package app

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"kalla"
	"kalla/internal/scratch"
	"kalla/internal/seal"
	"kalla/internal/state"
)

// A backup is a tar archive: the files of the data folder, if they are part of
// it, and then stateEntry, what state.Store.Backup writes. An archive without
// that is none.
const stateEntry = "state.kalla"

// backedUpDirs are the folders of the data folder whose files are part of a backup.
var backedUpDirs = []string{"runs", "uploads", demoDir}

// BackedUp says what a backup holds.
type BackedUp struct {
	Bytes int64 // of the archive
	Files int64 // of the data folder
}

// Backup writes what is stored, and the files of a data folder (absolute;
// empty: none), to a new file. It appears whole or not at all. Errors are *kalla.Error.
func Backup(ctx context.Context, store *state.Store, dir, file string) (_ *BackedUp, err error) {
	const op = "writing the backup"
	fail := func(err error) (*BackedUp, error) {
		if _, ok := errors.AsType[*kalla.Error](err); ok {
			return nil, err
		}
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: file, Err: err, Hint: "name another file, where there is room and this user may write"}
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.New("the file is there already")
		}
		return fail(err)
	}
	temp, err := scratch.Make(file + scratch.Suffix)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = temp.Remove() }()
	// What is stored is written first: it refers to no file that is made later.
	stored := filepath.Join(temp.Path(), stateEntry)
	if err := create(stored, func(f *os.File) error { return store.Backup(ctx, f) }); err != nil {
		return fail(err)
	}
	done := &BackedUp{}
	whole := filepath.Join(temp.Path(), "backup")
	err = create(whole, func(f *os.File) error {
		w := tar.NewWriter(f)
		if dir != "" {
			for _, d := range backedUpDirs {
				n, err := archiveDir(ctx, w, dir, d)
				if err != nil {
					return err
				}
				done.Files += n
			}
		}
		if err := archiveFile(w, stored, stateEntry); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			done.Bytes = info.Size()
		}
		return err
	})
	if err == nil {
		err = os.Link(whole, file)
	}
	if err != nil {
		return fail(err)
	}
	return done, nil
}

// create writes a new file that only this user may read, to the disk.
func create(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// archiveDir adds the regular files of a folder but for those in the making, which are hidden.
func archiveDir(ctx context.Context, w *tar.Writer, root, dir string) (files int64, err error) {
	err = filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if errors.Is(err, fs.ErrNotExist) { // never made, or gone in the meantime
				return nil
			}
			return err
		case ctx.Err() != nil:
			return &kalla.Error{Code: kalla.CodeCanceled, Op: "writing the backup", Where: path, Err: ctx.Err()}
		case strings.HasPrefix(d.Name(), ".") || strings.Contains(d.Name(), scratch.Suffix):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if err := archiveFile(w, path, filepath.ToSlash(name)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		files++
		return nil
	})
	return files, err
}

func archiveFile(w *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := &tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime().UTC(), Format: tar.FormatPAX}
	if err := w.WriteHeader(head); err != nil {
		return err
	}
	_, err = io.CopyN(w, f, info.Size()) // it may grow meanwhile
	return err
}

// Restored says what a backup held.
type Restored struct {
	state.Restored
	Files int64 // of the data folder
}

// Restore reads a backup into an empty database and puts its files into the
// data folder, where none of them may be yet. When it fails, it leaves neither.
// Errors are *kalla.Error.
func Restore(ctx context.Context, database string, keys *seal.Keys, dir, file string) (_ *Restored, err error) {
	const op = "restoring the backup"
	fail := func(err error) (*Restored, error) {
		if _, ok := errors.AsType[*kalla.Error](err); ok {
			return nil, err
		}
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: file, Err: err, Hint: "name a file that kalla backup wrote, and a data folder with room"}
	}
	f, err := os.Open(file)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	store, err := state.Open(ctx, database, state.Options{Keys: keys})
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				_ = os.Remove(path) // folders stay: they are empty
			}
		}
	}()
	for r := tar.NewReader(f); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fail(errors.New("it is no backup, or breaks off: there is no " + stateEntry + " in it"))
		}
		if err != nil {
			return fail(err)
		}
		if head.Name == stateEntry {
			done, err := store.Restore(ctx, r)
			if err != nil {
				return fail(err)
			}
			return &Restored{Restored: *done, Files: int64(len(made))}, nil
		}
		if ctx.Err() != nil {
			return fail(&kalla.Error{Code: kalla.CodeCanceled, Op: op, Where: file, Err: ctx.Err()})
		}
		if !restorable(head) {
			return fail(errors.New("it holds " + head.Name + ", which belongs to no backup"))
		}
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fail(err)
		}
		if err := create(path, func(to *os.File) error { made = append(made, path); _, err := io.Copy(to, r); return err }); err != nil {
			return fail(err)
		}
	}
}

// restorable reports whether an entry is a file of one of the folders that are backed up.
func restorable(head *tar.Header) bool {
	top, rest, _ := strings.Cut(head.Name, "/")
	for _, dir := range backedUpDirs {
		if top == dir && rest != "" && head.Typeflag == tar.TypeReg && filepath.IsLocal(filepath.FromSlash(head.Name)) && path.Clean(head.Name) == head.Name {
			return true
		}
	}
	return false
}
