//go:build linux

package run

import (
	"slices"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	keptEnded   = 32   // ended detached commands that can still be attached to
	mostListed  = 256  // commands of one list
	longestWord = 200  // bytes of a listed command's word
	mostWords   = 16   // words of a listed command
	mostRunning = 1024 // detached commands at once
)

// Commands knows the commands that were started here: who may be listed, attached
// to and signalled.
type Commands struct {
	table *supervise.Table
	mu    sync.Mutex
	all   []*entry // oldest first
}

type entry struct {
	proc    *supervise.Process
	args    []string
	kind    string // "main", "exec", "detached" …
	name    string // of a terminal
	started time.Time
	ring    *ring         // nil unless detached
	over    chan struct{} // of a detached one: it has ended and its output is in the ring
}

// NewCommands returns a list of the commands that table starts.
func NewCommands(table *supervise.Table) *Commands { return &Commands{table: table} }

// Track lists a running command until forget is called.
func (c *Commands) Track(proc *supervise.Process, args []string, kind string) (forget func()) {
	return c.TrackAs(proc, args, kind, "")
}

// TrackAs lists a running command that has a name until forget is called.
func (c *Commands) TrackAs(proc *supervise.Process, args []string, kind, name string) (forget func()) {
	e := c.add(&entry{proc: proc, args: args, kind: kind, name: name, started: time.Now()})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = slices.DeleteFunc(c.all, func(each *entry) bool { return each == e })
	}
}

func (c *Commands) add(e *entry) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A pid may come again: the ended command that had it can no longer be named.
	c.all = slices.DeleteFunc(c.all, func(each *entry) bool { return each.proc.Pid == e.proc.Pid })
	c.all = append(c.all, e)
	return e
}

// detach starts a command that nobody needs to listen to.
func (c *Commands) detach(command supervise.Command) (*entry, error) {
	if c.detached() >= mostRunning {
		return nil, wire.Fail("failed", "too many detached commands run")
	}
	command.Stdin = false
	proc, err := c.table.Start(command)
	if err != nil {
		return nil, err
	}
	e := &entry{
		proc: proc, args: command.Args, kind: "detached", started: time.Now(),
		ring: newRing(), over: make(chan struct{}),
	}
	c.add(e)
	out, errs := e.pump(wire.Stdout), e.pump(wire.Stderr)
	go func() {
		<-proc.Done()
		out.Ended()
		errs.Ended()
		<-out.Drained()
		<-errs.Drained()
		e.ring.end()
		close(e.over)
		c.trim()
	}()
	return e, nil
}

func (e *entry) pump(channel byte) *supervise.Pump {
	file := e.proc.Stdout
	if channel == wire.Stderr {
		file = e.proc.Stderr
	}
	return supervise.StartPump(file, 0, ringPiece, true, e.proc.Mask(), func(b []byte) bool {
		e.ring.append(channel, b)
		return true
	})
}

func (c *Commands) detached() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.all {
		if e.ring != nil && !e.hasEnded() {
			n++
		}
	}
	return n
}

// trim forgets the oldest of the many that have ended.
func (c *Commands) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	spare := -keptEnded
	for _, e := range c.all {
		if e.ring != nil && e.hasEnded() {
			spare++
		}
	}
	c.all = slices.DeleteFunc(c.all, func(e *entry) bool {
		if spare <= 0 || e.ring == nil || !e.hasEnded() {
			return false
		}
		spare--
		return true
	})
}

// hasEnded says whether a command has; a detached one not before its output is kept, for
// whoever hears of the end may ask for that next.
func (e *entry) hasEnded() bool {
	ended := e.proc.Done()
	if e.over != nil {
		ended = e.over
	}
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

func (c *Commands) find(pid int) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.all {
		if e.proc.Pid == pid {
			return e
		}
	}
	return nil
}

// Signal signals the process group of a listed command.
func (c *Commands) Signal(pid int, sig syscall.Signal) error {
	e := c.find(pid)
	if e == nil {
		return errNotFound
	}
	if e.hasEnded() {
		return wire.Fail("not_found", "that command has ended")
	}
	e.proc.Signal(sig)
	return nil
}

// List returns what runs, and what ran detached and ended last; oldest first.
func (c *Commands) List() []wire.ProcessInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := []wire.ProcessInfo{}
	for _, e := range c.all[max(0, len(c.all)-mostListed):] {
		info := wire.ProcessInfo{
			Pid: e.proc.Pid, Command: shorten(e.args), Kind: e.kind, Name: e.name,
			StartedMS: e.started.UnixMilli(), Running: !e.hasEnded(),
		}
		if !info.Running {
			code, signal, took := e.proc.Exit()
			info.ExitCode, info.Signal, info.DurationMS = code, signal, took.Milliseconds()
		}
		found = append(found, info)
	}
	return found
}

// shorten bounds what a list says of a command: it goes into one frame.
func shorten(args []string) []string {
	short := []string{}
	for i, arg := range args {
		if i == mostWords {
			return append(short, "…")
		}
		short = append(short, clip(arg))
	}
	return short
}

func clip(s string) string {
	if len(s) <= longestWord {
		return s
	}
	end := longestWord
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

var errNotFound = wire.Fail("not_found", "no such command was started here")
