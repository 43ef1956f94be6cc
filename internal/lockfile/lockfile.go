// Package lockfile takes a folder for one process: a lock that the system frees
// when the process ends, however it ends, on a file that says who has it.
package lockfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Held is the error of a lock that another process has.
type Held struct{ By string } // what Take wrote for that one; empty where it has not written yet

// Error says who has it.
func (h *Held) Error() string {
	if h.By == "" {
		return "another process has it"
	}
	return h.By + " has it"
}

// File is a lock that is held. Closing it frees it.
type File struct{ f *os.File }

// Take locks the file at path, which it makes if need be, without waiting, and
// notes in it which process has it. The error holds a *Held if another one does.
func Take(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 1<<10))
		_ = f.Close()
		return nil, errors.Join(&Held{By: strings.TrimSpace(string(holder))}, err)
	}
	host, _ := os.Hostname()
	l := &File{f}
	if err := l.Note(fmt.Sprintf("process %d on %s", os.Getpid(), host)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return l, nil
}

// Note writes what others are told about whoever has the lock.
func (l *File) Note(who string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt([]byte(who+"\n"), 0)
	return err
}

// Close frees the lock. The file stays: another process may be about to take it.
func (l *File) Close() error { return l.f.Close() }
