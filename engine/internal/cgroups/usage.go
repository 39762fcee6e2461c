package cgroups

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Usage is what the kernel has counted of a group. Breach is the limit that was
// run into, Memory or Pids, empty as long as none was: a share of processor time is
// kept to, never broken.
type Usage struct {
	Breach    string  `json:"breach,omitempty"`
	Memory    int64   `json:"memory,omitempty"`      // bytes, page cache included
	Peak      int64   `json:"memory_peak,omitempty"` // bytes
	Throttled float64 `json:"throttled,omitempty"`   // seconds that commands were held back
}

// Usage reads the kernel's counters.
func (g *Group) Usage() Usage {
	var u Usage
	if folder, ok := g.folders[Pids]; ok && readKey(folder, "pids.events", "max") > 0 {
		u.Breach = Pids
	}
	if folder, ok := g.folders[Memory]; ok {
		names := []string{"memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"}
		if g.tree.version == 2 {
			names = []string{"memory.current", "memory.peak", "memory.events"}
		}
		u.Memory, _ = readInt(folder, names[0])
		u.Peak, _ = readInt(folder, names[1]) // version 2 has it since Linux 5.19
		if readKey(folder, names[2], "oom_kill") > 0 {
			u.Breach = Memory
		}
	}
	if folder, ok := g.folders[CPU]; ok {
		// Counted in whole periods: the kernel's own sum of times leaves out what waits on
		// its way back to the program (measured on Linux 6.18).
		u.Throttled = float64(readKey(folder, "cpu.stat", "nr_throttled")) * period / 1e6
	}
	return u
}

func readInt(folder, name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// readKey reads one of a file's lines `KEY NUMBER`; 0 if there is none.
func readKey(folder, name, key string) int64 {
	text, _ := os.ReadFile(filepath.Join(folder, name))
	for line := range strings.Lines(string(text)) {
		if found, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && found == key {
			number, _ := strconv.ParseInt(value, 10, 64)
			return number
		}
	}
	return 0
}
