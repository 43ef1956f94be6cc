package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// SmallDisk runs a test with a folder on a disk of its own, of that many bytes,
// in memory. A process that is not root's runs the test again in a user
// namespace, where it may mount.
func SmallDisk(t *testing.T, size int64, test func(t *testing.T, dir string)) {
	t.Helper()
	if os.Getuid() != 0 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("in a user namespace (root needs none): %v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting the small disk: %v", err)
		}
	}()
	test(t, dir)
}
