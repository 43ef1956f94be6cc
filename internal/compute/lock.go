package compute

import (
	"errors"
	"path/filepath"

	"kalla"
	"kalla/internal/lockfile"
)

// lockDir takes the data folder for this process.
func lockDir(dir string) (*lockfile.File, error) {
	path := filepath.Join(dir, "kallad.lock")
	lock, err := lockfile.Take(path)
	held, isHeld := errors.AsType[*lockfile.Held](err)
	switch {
	case err == nil:
		return lock, nil
	case !isHeld:
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: path, Err: err, Hint: "name a folder with --data-dir that this user may write to"}
	}
	why := "another scheduler is using the data folder"
	if held.By != "" {
		why += " (" + held.By + ")"
	}
	return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: dir, Why: why, Hint: "stop it, or name another folder with --data-dir", Err: err}
}
