//go:build linux

package supervise

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// Command is what to start.
type Command struct {
	Args  []string
	Env   []string // complete
	Dir   string   // absolute
	Stdin bool     // a pipe instead of /dev/null

	Terminal *Size // a terminal of its own instead of pipes, nil for none
}

// Process is a command that was started; it leads a process group of its own, and with
// a terminal a session too.
type Process struct {
	Pid    int
	Stdin  *os.File // nil without Command.Stdin
	Stdout *os.File
	Stderr *os.File

	Terminal *os.File // with Command.Terminal, and then the only one
	peer     *os.File // the command's end, held while it runs

	table    *Table
	started  time.Time
	ended    time.Time
	status   syscall.WaitStatus
	limit    string // the broken one, if one was when it ended
	groupEnd bool   // no member was left when the leader was reaped
	done     chan struct{}
}

// Start starts a command. Its error is a *wire.Failure.
func (t *Table) Start(c Command) (*Process, error) {
	path, err := lookUp(c)
	if err != nil {
		return nil, err
	}
	p := &Process{table: t, done: make(chan struct{})}
	theirs, err := p.files(c)
	if c.Terminal == nil {
		defer closeAll(theirs)
	}
	if err != nil {
		p.CloseFiles()
		return nil, wire.Fail("failed", err.Error())
	}
	attr := &syscall.ProcAttr{
		Dir: c.Dir,
		Env: c.Env,
		// Pdeathsig: nothing may go on unseen, should sandboxd be killed.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if c.Terminal != nil {
		// A session of its own, which the terminal on descriptor 0 controls.
		attr.Sys = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	}
	for i := range 3 {
		attr.Files = append(attr.Files, uintptr(theirs[i]))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		p.CloseFiles()
		if t.broken != "" {
			return nil, wire.Fail("limit", t.broken)
		}
		return nil, errStopping
	}
	p.started = time.Now()
	p.Pid, err = syscall.ForkExec(path, c.Args, attr)
	if err != nil {
		p.CloseFiles()
		return nil, startFailure(c, path, err)
	}
	t.procs[p.Pid] = p
	return p, nil
}

// Mask returns a mask for one of the process's outputs; nil if there is nothing to hide.
func (p *Process) Mask() *Mask {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.table.secrets.Mask()
}

// files fills in this end's files and returns the command's three descriptors.
func (p *Process) files(c Command) ([]int, error) {
	if c.Terminal == nil {
		return p.pipes(c.Stdin)
	}
	peer, err := p.terminal(*c.Terminal)
	return []int{peer, peer, peer}, err
}

// pipes fills in this end's files and returns the command's three descriptors.
func (p *Process) pipes(stdin bool) ([]int, error) {
	var theirs []int
	if stdin {
		read, write, err := pipe()
		if err != nil {
			return theirs, err
		}
		theirs, p.Stdin = append(theirs, read), ownEnd(write)
	} else {
		null, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return theirs, os.NewSyscallError("open "+os.DevNull, err)
		}
		theirs = append(theirs, null)
	}
	for _, file := range []**os.File{&p.Stdout, &p.Stderr} {
		read, write, err := pipe()
		if err != nil {
			return theirs, err
		}
		theirs, *file = append(theirs, write), ownEnd(read)
	}
	return theirs, nil
}

func pipe() (read, write int, err error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return 0, 0, os.NewSyscallError("pipe2", err)
	}
	return fds[0], fds[1], nil
}

// ownEnd makes our end of a pipe one that deadlines and Close can interrupt. The
// command's end stays blocking, as programs expect.
func ownEnd(fd int) *os.File {
	_ = syscall.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pipe")
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}

func startFailure(c Command, path string, err error) error {
	name := c.Args[0]
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		// The file was there a moment ago: its interpreter or loader is not.
		return wire.Fail("command_not_found", fmt.Sprintf("the interpreter of %s is missing", path))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return wire.Fail("permission_denied", fmt.Sprintf("%s may not be executed", name))
	case errors.Is(err, syscall.ENOEXEC):
		return wire.Fail("failed", fmt.Sprintf("%s is not a program that this machine can run", name))
	case errors.Is(err, syscall.E2BIG):
		return wire.Fail("failed", "the arguments and the environment are too long")
	}
	return wire.Fail("failed", fmt.Sprintf("%s did not start: %v", name, err))
}

// end is called by the reaper, once.
func (p *Process) end(status syscall.WaitStatus) {
	p.status, p.ended, p.limit = status, time.Now(), p.table.broken
	p.groupEnd = errors.Is(syscall.Kill(-p.Pid, 0), syscall.ESRCH)
	if p.peer != nil {
		_ = p.peer.Close() // now the output has an end
	}
	close(p.done)
}

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit returns exit code, signal name (or nil) and duration of an ended command.
func (p *Process) Exit() (code int, signal *string, duration time.Duration) {
	duration = p.ended.Sub(p.started)
	if p.status.Signaled() {
		name := signalName(p.status.Signal())
		return 128 + int(p.status.Signal()), &name, duration
	}
	return p.status.ExitStatus(), nil, duration
}

// Limit returns the limit that was broken before an ended command ended, "" if none was.
func (p *Process) Limit() string { return p.limit }

// Signal signals the process group, also what the leader left behind in it.
func (p *Process) Signal(s syscall.Signal) {
	// Under the reaper's lock, so that the pid cannot be someone else's by now.
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if !p.groupEnd {
		p.groupEnd = errors.Is(syscall.Kill(-p.Pid, s), syscall.ESRCH)
	}
}

// SignalThenKill signals the group now and kills what is left of it later.
func (p *Process) SignalThenKill(s syscall.Signal, after time.Duration) {
	p.Signal(s)
	time.AfterFunc(after, func() { p.Signal(syscall.SIGKILL) })
}

// CloseFiles closes this end of the pipes.
func (p *Process) CloseFiles() {
	for _, f := range []*os.File{p.Stdin, p.Stdout, p.Stderr, p.Terminal, p.peer} {
		if f != nil {
			_ = f.Close()
		}
	}
}
