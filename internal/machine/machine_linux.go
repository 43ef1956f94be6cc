package machine

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Where Linux shows the control groups: those of the process, and their trees.
const (
	ownGroups = "/proc/self/cgroup"
	groupTree = "/sys/fs/cgroup"
)

func physicalMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

func containerMemory() int64 {
	groups, err := os.ReadFile(ownGroups)
	if err != nil {
		return 0
	}
	return groupMemory(groups, groupTree)
}

// groupMemory is the least limit of the control groups that a process is in and
// of those above them, 0 without one. Groups is its /proc/PID/cgroup. Inside a
// container the tree often begins at the container's own group, so that the
// path of the group is not there: then the root holds the limit.
func groupMemory(groups []byte, tree string) int64 {
	least := int64(0)
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := tree, "memory.max" // version 2
		if fields[1] != "" {
			if !hasField(fields[1], "memory") {
				continue
			}
			root, file = filepath.Join(tree, "memory"), "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if n := limitIn(filepath.Join(root, group, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

func hasField(list, name string) bool {
	for field := range strings.SplitSeq(list, ",") {
		if field == name {
			return true
		}
	}
	return false
}

// limitIn reads a limit in bytes, 0 where there is none ("max").
func limitIn(file string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Resident is how much memory the process holds, in bytes, or 0 where that is unknown.
func Resident() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
