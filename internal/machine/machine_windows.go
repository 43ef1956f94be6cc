package machine

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"
)

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// memoryStatus is MEMORYSTATUSEX of the Windows API.
type memoryStatus struct {
	Length               uint32
	MemoryLoad           uint32
	TotalPhys            uint64
	AvailPhys            uint64
	TotalPageFile        uint64
	AvailPageFile        uint64
	TotalVirtual         uint64
	AvailVirtual         uint64
	AvailExtendedVirtual uint64
}

func physicalMemory() int64 {
	var status memoryStatus
	status.Length = uint32(unsafe.Sizeof(status))
	if ok, _, _ := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return int64(status.TotalPhys)
}

func containerMemory() int64 { return 0 }

// Resident is how much memory the process holds, in bytes, or 0 where that is unknown.
func Resident() int64 { return 0 }

// DiskFree is how many bytes the user may still write to the disk of a folder that exists.
func DiskFree(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return int64(free), nil
}

// DiskFull reports whether an error says that a disk or a quota is used up.
func DiskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }
