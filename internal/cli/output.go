package cli

import (
	"io"

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

// failure is the error of writing, if any.
func (s *stickyWriter) failure() error {
	if s.err == nil {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: "writing the result", Err: s.err}
}
