//go:build unix

package scratch

import (
	"os"
	"syscall"
)

// tryLock takes an exclusive lock that the system frees when the process ends, however it ends.
func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// removeLocked removes a file whose lock is held, then frees the lock: the
// other order would let another process take a file that is about to go.
func removeLocked(f *os.File) {
	_ = os.Remove(f.Name())
	_ = f.Close()
}
