//go:build !unix

package testenv

import (
	"errors"
	"syscall"
)

func owned(string, string) (*syscall.SysProcAttr, error) {
	return nil, errors.New("services for tests are started on Unix systems only")
}
