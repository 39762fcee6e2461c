// Package reap runs children in a process that is the first of its pid
// namespace, where orphans are to be waited for too. os/exec's own Wait can't
// be used there: it and the orphans' reaper would take each other's results.
package reap

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Reaper waits for every child of the process.
type Reaper struct {
	mu      sync.Mutex // held while a child starts, so that its end finds it in the table
	waiting map[int]chan unix.WaitStatus
}

// New starts to reap; it goes on until the process ends.
func New() *Reaper {
	r := &Reaper{waiting: map[int]chan unix.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			r.collect()
		}
	}()
	return r
}

func (r *Reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if done, ok := r.waiting[pid]; ok {
			done <- status
			delete(r.waiting, pid)
		}
	}
}

// Child is a started process.
type Child struct {
	PID  int
	Done <-chan unix.WaitStatus // gives the one status when the process has ended
}

// Start starts cmd, whose streams must be files.
func (r *Reaper) Start(cmd *exec.Cmd) (Child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return Child{}, err
	}
	done := make(chan unix.WaitStatus, 1)
	r.waiting[cmd.Process.Pid] = done
	return Child{cmd.Process.Pid, done}, nil
}

// Run starts cmd and waits for its end; it returns the exit code, -1 after a signal.
func (r *Reaper) Run(cmd *exec.Cmd) (int, error) {
	child, err := r.Start(cmd)
	if err != nil {
		return -1, err
	}
	status := <-child.Done
	if !status.Exited() {
		return -1, nil
	}
	return status.ExitStatus(), nil
}
