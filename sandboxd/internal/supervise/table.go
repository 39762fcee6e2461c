//go:build linux

// Package supervise starts commands, follows them to their end, reaps what they
// leave behind and ends everything on request.
package supervise

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const prSetChildSubreaper = 36

// Table knows every process that sandboxd started. It is the one place that
// starts and waits, so neither os/exec nor os.Process is used beside it: a
// reaper of orphans would steal their exit statuses.
type Table struct {
	mu       sync.Mutex
	procs    map[int]*Process
	stopping bool
	broken   string        // the limit that was broken
	secrets  *Secrets      // what outputs must not show
	empty    chan struct{} // closed and replaced whenever no child is left
}

// NewTable makes this process the parent of orphans below it and begins to reap.
func NewTable() (*Table, error) {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return nil, os.NewSyscallError("prctl", errno)
	}
	t := &Table{procs: map[int]*Process{}, empty: make(chan struct{})}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			t.reap()
		}
	}()
	return t, nil
}

// Hide has the outputs of all processes that are started from now on masked.
func (t *Table) Hide(secrets *Secrets) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets = secrets
}

// reap collects every ended child: ours are told, orphans are only buried.
func (t *Table) reap() {
	// Held throughout: a command may end before Start has entered it.
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil: // ECHILD: nothing is left
			close(t.empty)
			t.empty = make(chan struct{})
			return
		case pid == 0:
			return
		}
		if p := t.procs[pid]; p != nil {
			delete(t.procs, pid)
			p.end(status)
		}
	}
}

// hasChildren reports whether any child is left, and a channel that is closed
// when the last one has been reaped.
func (t *Table) hasChildren() (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var info [128]byte // a siginfo_t, of no interest
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, 0, 0, uintptr(unsafe.Pointer(&info)),
		syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT, 0, 0)
	return errno != syscall.ECHILD, t.empty
}

// StopAll sends TERM to every process below this one, KILL after the grace, and
// returns when none is left (or, should one be unkillable, 5 s after that).
// No command starts from then on.
func (t *Table) StopAll(grace time.Duration) {
	t.mu.Lock()
	t.stopping = true
	t.mu.Unlock()
	if grace > 0 {
		for _, target := range targets(descendants()) {
			_ = syscall.Kill(target, syscall.SIGTERM)
			_ = syscall.Kill(target, syscall.SIGCONT) // a stopped one cannot obey
		}
		if t.waitEmpty(grace) {
			return
		}
	}
	// Repeated, since a dying parent may just have forked.
	for range 100 {
		killAll()
		if t.waitEmpty(50 * time.Millisecond) {
			return
		}
	}
}

// killAll kills until a look finds nobody new: whoever forks all the time is faster than
// one round, but not than many. A group's signal reaches its newest members too.
func killAll() {
	seen := map[int]bool{}
	for fresh := true; fresh; {
		fresh = false
		members := descendants()
		for _, each := range members {
			fresh = fresh || !seen[each.pid]
			seen[each.pid] = true
		}
		for _, target := range targets(members) {
			_ = syscall.Kill(target, syscall.SIGKILL)
		}
	}
}

func (t *Table) waitEmpty(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		some, empty := t.hasChildren()
		if !some {
			return true
		}
		select {
		case <-empty:
		case <-timer.C:
			some, _ := t.hasChildren()
			return !some
		}
	}
}

// member is a process and the process group that it is in.
type member struct{ pid, group int }

// targets lists what to signal so that every member gets a signal once: groups,
// as negative numbers. A group's signal also reaches a child that is forked in
// this very moment, which a list of pids would miss.
func targets(members []member) []int {
	own := syscall.Getpgrp()
	var found []int
	seen := map[int]bool{}
	for _, each := range members {
		target := -each.group
		if each.group == own || each.group <= 1 {
			target = each.pid
		}
		if !seen[target] {
			seen[target] = true
			found = append(found, target)
		}
	}
	return found
}

// descendants lists the processes below this one, parents before children.
func descendants() []member {
	children := map[int][]member{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything, so count from its end.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 3 || fields[0] == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		group, _ := strconv.Atoi(fields[2])
		children[parent] = append(children[parent], member{pid, group})
	}
	found := children[os.Getpid()]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

// Break notes that a limit was broken: all end for it, and nothing starts any more.
func (t *Table) Break(limit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopping, t.broken = true, limit
}

var errStopping = wire.Fail("stopping", "the sandbox is being stopped")
