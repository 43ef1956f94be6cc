//go:build unix

package machine

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// DiskFree is how many bytes the user may still write to the disk of a folder that exists.
func DiskFree(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}

// DiskFull reports whether an error says that a disk or a quota is used up.
func DiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
