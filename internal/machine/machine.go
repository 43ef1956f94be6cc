// Package machine tells what the machine, or the container that the process
// runs in, has to give: memory, processors, disk.
package machine

import "runtime"

// Memory is how much memory the process may use, in bytes: that of the machine,
// or the limit of its container where that is less. 0 means unknown.
func Memory() int64 {
	physical, limit := physicalMemory(), containerMemory()
	switch {
	case physical == 0:
		return limit
	case limit == 0:
		return physical
	}
	return min(physical, limit)
}

// Container is the memory that the container of the process may use, in bytes, or 0 where that is not limited.
func Container() int64 { return containerMemory() }

// CPUs is how many processors the process may use at once, at least 1. The
// runtime knows the limit of a container and rounds it up.
func CPUs() int { return runtime.GOMAXPROCS(0) }
