package cli

import (
	"errors"
	"io"
	"syscall"

	"kalla"
)

// stickyWriter remembers the first error, so that printing needs no checks.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return len(p), nil
	}
	if _, err := s.w.Write(p); err != nil {
		s.err = err
	}
	return len(p), nil
}

// failure is the error of writing, if any. A reader that went away (kalla … |
// head) is not one.
func (s *stickyWriter) failure() error {
	if s.err == nil || errors.Is(s.err, syscall.EPIPE) {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: "writing the result", Err: s.err}
}
