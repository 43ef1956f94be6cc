package cluster

import "syscall"

// childAttributes have a process end with this one, however that ends, and keep
// an interrupt at the terminal from it, which is for this one to act on.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
