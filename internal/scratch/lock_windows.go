package scratch

import (
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
