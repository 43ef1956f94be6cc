//go:build unix

package evidence

import (
	"errors"
	"os"
	"syscall"
)

// syncPath makes a file or the entries of a folder durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some network file systems cannot flush folders
		return err
	}
	return nil
}
