//go:build linux

package terminal

import (
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	pieceSize  = 32 << 10               // of output, at most
	nudge      = 100 * time.Millisecond // that a full-screen program has another size
	usualTerm  = "xterm-256color"       // what nearly every terminal is like
	shellNames = "bash sh"              // where SHELL says nothing
)

// shell is one command with a terminal of its own.
type shell struct {
	name   string
	args   []string
	proc   *supervise.Process
	screen *screen
	over   chan struct{} // it has ended, and its output is on the screen

	mu      sync.Mutex
	size    supervise.Size
	current *attachment
}

// launch starts the command of a request, or the first shell that there is.
func (t *Terminals) launch(name string, r Request) (*shell, error) {
	size := supervise.Size{Rows: uint16(r.Rows), Columns: uint16(r.Columns)}
	command := r.Command
	command.Terminal, command.Stdin = &size, false
	command.Env = withLocale(withTerm(command.Env))
	proc, args, err := t.startFirst(command)
	if err != nil {
		return nil, err
	}
	return &shell{
		name: name, args: args, proc: proc, size: size,
		screen: newScreen(), over: make(chan struct{}),
	}, nil
}

func (t *Terminals) startFirst(command supervise.Command) (*supervise.Process, []string, error) {
	if len(command.Args) > 0 {
		proc, err := t.table.Start(command)
		return proc, command.Args, err
	}
	names := strings.Fields(shellNames)
	if wanted := lookEnv(command.Env, "SHELL"); wanted != "" {
		names = slices.Insert(names, 0, wanted)
	}
	env := slices.Clone(command.Env)
	for _, name := range names {
		command.Args, command.Env = []string{name}, env
		proc, err := t.table.Start(command)
		if err == nil {
			return proc, command.Args, nil
		}
		if code := wire.Fault(err).Code; code != "command_not_found" && code != "permission_denied" {
			return nil, nil, err
		}
	}
	return nil, nil, wire.Fail("command_not_found", "the image has no shell")
}

// follow puts the shell's output on its screen, until it has ended.
func (s *shell) follow() {
	out := supervise.StartPump(s.proc.Terminal, 0, pieceSize, false, nil, func(b []byte) bool {
		s.screen.write(b)
		return true
	})
	<-s.proc.Done()
	out.Ended()
	<-out.Done()
	s.screen.finish()
	close(s.over)
}

func (s *shell) hasEnded() bool {
	select {
	case <-s.proc.Done():
		return true
	default:
		return false
	}
}

func (s *shell) isAttached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil
}

// attach makes a stream the one that the shell speaks to; the one before is told.
func (s *shell) attach(conn *wire.Conn, r Request) (*attachment, wire.OpenedMessage) {
	a := &attachment{shell: s, conn: conn, credit: wire.NewCredit(r.Credit), lost: make(chan struct{})}
	a.inbox = wire.NewInbox(wire.DefaultWindow, func(n int) { _ = conn.WriteCredit(n) })
	replay, position, alternate := s.screen.take(a, r.Seen)
	a.replay = replay
	s.mu.Lock()
	before := s.current
	s.current = a
	s.mu.Unlock()
	if before != nil {
		before.replace()
	}
	size := supervise.Size{Rows: uint16(r.Rows), Columns: uint16(r.Columns)}
	if alternate && len(replay) > 0 {
		s.repaint(size)
	} else {
		s.resize(size)
	}
	return a, wire.OpenedMessage{
		Credit: wire.DefaultWindow, Pid: s.proc.Pid, Position: position, Replay: int64(len(replay)),
	}
}

func (s *shell) resize(size supervise.Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	s.proc.Resize(size)
}

// repaint has a full-screen program draw everything anew: it gets another size for a
// moment, since the same one would be no news to it.
func (s *shell) repaint(size supervise.Size) {
	other := size
	if other.Rows > 1 {
		other.Rows--
	} else {
		other.Rows++
	}
	s.resize(other)
	time.AfterFunc(nudge, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.size == other { // else it was resized meanwhile
			s.size = size
			s.proc.Resize(size)
		}
	})
}

// detach notes that a stream is over.
func (s *shell) detach(a *attachment) {
	s.screen.leave(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == a {
		s.current = nil
	}
}

// withTerm leaves out a TERM that the image does not know, which programs would refuse.
func withTerm(env []string) []string {
	term := lookEnv(env, "TERM")
	if term != "" && (isDescribed(term) || !isDescribed(usualTerm)) {
		return env
	}
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		return strings.HasPrefix(pair, "TERM=")
	})
	return append(env, "TERM="+usualTerm)
}

// withLocale says that the terminal speaks UTF-8, where nothing says what it speaks.
func withLocale(env []string) []string {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if lookEnv(env, key) != "" {
			return env
		}
	}
	for _, dir := range []string{"C.utf8", "C.UTF-8"} {
		if _, err := os.Stat("/usr/lib/locale/" + dir); err == nil {
			return append(slices.Clone(env), "LANG=C.UTF-8")
		}
	}
	return env
}

func isDescribed(term string) bool {
	if strings.ContainsAny(term, "/\x00") {
		return false
	}
	for _, dir := range []string{"/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo"} {
		if _, err := os.Stat(path.Join(dir, term[:1], term)); err == nil {
			return true
		}
	}
	return false
}

func lookEnv(env []string, key string) string {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, key+"="); ok {
			return value
		}
	}
	return ""
}
