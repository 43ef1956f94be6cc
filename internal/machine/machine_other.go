//go:build !linux && !darwin && !windows

package machine

func physicalMemory() int64 { return 0 }

func containerMemory() int64 { return 0 }

// Resident is how much memory the process holds, in bytes, or 0 where that is unknown.
func Resident() int64 { return 0 }
