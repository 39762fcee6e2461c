//go:build linux

// Package usage says what the container's programs use: processor time, memory,
// processes, network, and room in the workspace. It asks /proc, and no other.
package usage

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc: the kernel's USER_HZ is 100 everywhere.
const tick = 10 * time.Millisecond

var pageSize = int64(os.Getpagesize())

// Process is one below sandboxd.
type Process struct {
	Pid     int
	Parent  int
	State   byte          // as in /proc: 'R', 'S', 'T', 'Z' …
	Threads int           // 1 or more
	CPU     time.Duration // its own, and that of its children that have ended
	Started uint64        // ticks since the machine's start: with Pid it names one process
	RSS     int64         // bytes, shared ones counted in each
}

// Processes are the processes below sandboxd, parents before their children, and
// what those used that it has buried.
type Processes struct {
	List   []Process
	buried time.Duration
}

// Scan lists the processes below this one.
func Scan() Processes {
	children := map[int][]Process{}
	var found Processes
	self := os.Getpid()
	buffer := make([]byte, 1024)
	for _, pid := range pids() {
		p, waited, ok := read(pid, buffer)
		switch {
		case !ok: // it has just ended
		case pid == self:
			found.buried = waited
		default:
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	found.List = children[self]
	for i := 0; i < len(found.List); i++ {
		found.List = append(found.List, children[found.List[i].Pid]...)
	}
	return found
}

// Count returns how many processes the pid namespace has, sandboxd and what is beside
// it included: cheaper than Scan, for a look ahead.
func Count() int { return len(pids()) }

func pids() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var found []int
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if pid, err := strconv.Atoi(name); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// read reads /proc/PID/stat; waited is the time of the children that have ended.
func read(pid int, buffer []byte) (p Process, waited time.Duration, ok bool) {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, 0, false
	}
	defer file.Close()
	n, err := file.Read(buffer)
	if err != nil {
		return p, 0, false
	}
	return parse(pid, buffer[:n])
}

func parse(pid int, stat []byte) (p Process, waited time.Duration, ok bool) {
	// The name in parentheses may hold anything, so count from its end.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return p, 0, false
	}
	number := func(at int) int64 {
		n, _ := strconv.ParseInt(string(fields[at-3]), 10, 64) // at as proc(5) counts
		return n
	}
	waited = time.Duration(number(16)+number(17)) * tick
	return Process{
		Pid: pid, Parent: int(number(4)), State: fields[0][0], Threads: int(max(1, number(20))),
		CPU: time.Duration(number(14)+number(15))*tick + waited, Started: uint64(number(22)),
		RSS: number(24) * pageSize,
	}, waited, true
}

// CPU returns the processor time that all of them have used so far.
func (p Processes) CPU() time.Duration {
	total := p.buried
	for _, each := range p.List {
		total += each.CPU
	}
	return total
}

// Threads counts processes and threads.
func (p Processes) Threads() int {
	total := 0
	for _, each := range p.List {
		total += each.Threads
	}
	return total
}

// RSS adds up the memory of all, what they share more than once: never less than they use.
func (p Processes) RSS() int64 {
	var total int64
	for _, each := range p.List {
		total += each.RSS
	}
	return total
}

// Memory adds up the memory of all, of what they share each its part.
func (p Processes) Memory() int64 {
	var total int64
	for _, each := range p.List {
		if each.RSS > 0 {
			total += proportional(each)
		}
	}
	return total
}

// proportional returns the share of a process, or all that it has where the kernel does
// not tell: of another user's.
func proportional(p Process) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid) + "/smaps_rollup")
	if err != nil {
		return p.RSS
	}
	_, rest, ok := bytes.Cut(text, []byte("\nPss:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return p.RSS
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return p.RSS
	}
	return kib * 1024
}
