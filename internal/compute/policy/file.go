package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"kalla"
)

// allowedDir resolves a folder of --allow-file-dir.
func allowedDir(dir string) (string, error) {
	fault := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "reading policy", Where: "--allow-file-dir " + dir, Why: why, Hint: hint}
	}
	if !filepath.IsAbs(dir) {
		return "", fault("the path is relative", "write it from the root")
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fault(cause(err), "create the folder, or name another")
	}
	if info, err := os.Stat(resolved); err != nil || !info.IsDir() {
		return "", fault("this is not a folder", "name the folder that the files are in")
	}
	return resolved, nil
}

// resolve returns where an absolute path leads: symlinks are followed as far as
// the path exists; the rest is taken as it is. Or it says why that is not known.
func resolve(path string) (resolved, why string) {
	if !filepath.IsAbs(path) {
		return "", "the path is relative"
	}
	rest := ""
	for existing := filepath.Clean(path); ; existing = filepath.Dir(existing) {
		_, err := os.Lstat(existing)
		switch {
		case err == nil:
			// It may be a symlink to nothing, where something may be tomorrow.
			if existing, err = filepath.EvalSymlinks(existing); err != nil {
				return "", "the path leads nowhere: " + cause(err)
			}
			return filepath.Join(existing, rest), ""
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR), filepath.Dir(existing) == existing:
			return "", "the path cannot be looked at: " + cause(err)
		}
		rest = filepath.Join(filepath.Base(existing), rest)
	}
}

// cause is the reason of a file system's error, without the path that is named already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// below reports whether a path is strictly inside a folder.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

// file checks a file or, of a pattern, what it matches now.
func (c check) file(path string, glob bool) error {
	if !filepath.IsAbs(path) {
		return c.refuse("the path is relative, and the scheduler's folder is not the client's", "write the path from the root")
	}
	if err := c.path(path); err != nil {
		return err
	}
	if !glob {
		return nil
	}
	found, err := filepath.Glob(path)
	if err != nil {
		return c.refuse("the pattern is malformed", "close every [ by a ]")
	}
	folders := map[string]string{} // where they lead
	for _, f := range found {
		info, err := os.Lstat(f)
		if err != nil || !info.Mode().IsRegular() {
			if err := c.path(f); err != nil {
				return err
			}
			continue
		}
		folder, ok := folders[filepath.Dir(f)]
		if !ok {
			var why string
			if folder, why = resolve(filepath.Dir(f)); why != "" {
				return c.refuse(why, "")
			}
			folders[filepath.Dir(f)] = folder
		}
		if err := c.leadsTo(f, filepath.Join(folder, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

// path checks one path by where it leads.
func (c check) path(path string) error {
	resolved, why := resolve(path)
	if why != "" {
		return c.refuse(why, "")
	}
	return c.leadsTo(path, resolved)
}

// leadsTo checks where a path leads.
func (c check) leadsTo(path, resolved string) error {
	if slices.ContainsFunc(c.private, func(p string) bool { return p == resolved || below(p, resolved) }) {
		return c.refuse("this belongs to the scheduler or to the operating system", "name another place")
	}
	if c.loopback || slices.ContainsFunc(c.dirs, func(dir string) bool { return below(dir, resolved) }) {
		return nil
	}
	why := "it is in no folder that is allowed"
	if resolved != filepath.Clean(path) {
		why = "it leads to a folder that is not allowed"
	}
	dir := filepath.Dir(path)
	if i := strings.IndexAny(path, "*?["); i >= 0 {
		dir = filepath.Dir(path[:i] + "x")
	}
	return c.refuse(why, "start the scheduler with --allow-file-dir "+dir)
}

// output checks a folder that is to be made.
func (c check) output(path string) error {
	if !filepath.IsAbs(path) {
		return c.refuse("the path is relative, and the scheduler's folder is not the client's", "write the path from the root")
	}
	// The operating system follows symlinks before it goes up, cleaning does not.
	if slices.Contains(strings.Split(filepath.ToSlash(path), "/"), "..") {
		return c.refuse("the path goes up by ..", "write it without")
	}
	return c.path(path)
}
