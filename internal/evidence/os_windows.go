package evidence

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes an exclusive lock that the system frees when the process ends, however it ends.
func tryLock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}

// removeLocked frees the lock and removes the file; Windows removes no open file.
func removeLocked(f *os.File) {
	name := f.Name()
	_ = f.Close()
	_ = os.Remove(name)
}

// syncPath makes a file durable. Windows flushes neither folders nor handles that are open for reading.
func syncPath(path string) error {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func isNoSpace(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
