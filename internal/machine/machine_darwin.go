package machine

import "golang.org/x/sys/unix"

func physicalMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

func containerMemory() int64 { return 0 }

// Resident is how much memory the process holds, in bytes, or 0 where that is unknown.
func Resident() int64 { return 0 }
