//go:build !linux

package cluster

import "syscall"

// childAttributes are for Linux, where alone Trino is started.
func childAttributes() *syscall.SysProcAttr { return nil }
