//go:build linux

// Package terminal serves terminal streams: shells that live on by name when nobody
// looks at them.
package terminal

import (
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/run"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	mostRunning = 32 // shells at once
	keptEnded   = 8  // ended ones whose end somebody may still ask for
	mostSize    = 10_000
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

// Request is what an OPEN says of a terminal. Without words in its command it is a shell.
type Request struct {
	wire.TerminalFields
	Command supervise.Command
	Credit  int64
	Seen    int64 // bytes of the shell's output that the server has, 0 for none
}

// Terminals knows the shells of a sandbox.
type Terminals struct {
	table    *supervise.Table
	commands *run.Commands
	mu       sync.Mutex
	all      []*shell // oldest first
}

// New returns an empty list of shells, which table is to start.
func New(table *supervise.Table, commands *run.Commands) *Terminals {
	return &Terminals{table: table, commands: commands}
}

// Serve attaches a stream to a shell, old or new, until either has ended.
func (t *Terminals) Serve(conn *wire.Conn, r Request) {
	a, opened, err := t.open(conn, r)
	if err != nil {
		conn.Refuse(wire.Fault(err))
		return
	}
	a.serve(opened)
}

func (t *Terminals) open(conn *wire.Conn, r Request) (*attachment, wire.OpenedMessage, error) {
	if err := r.check(); err != nil {
		return nil, wire.OpenedMessage{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.find(r)
	if err != nil {
		return nil, wire.OpenedMessage{}, err
	}
	old := s != nil
	if !old {
		if s, err = t.start(r); err != nil {
			return nil, wire.OpenedMessage{}, err
		}
	}
	a, opened := s.attach(conn, r)
	opened.Name, opened.Reattached = s.name, old
	return a, opened, nil
}

func (r Request) check() error {
	switch {
	case r.Rows < 1 || r.Rows > mostSize || r.Columns < 1 || r.Columns > mostSize:
		return wire.Fail("bad_request", "rows and columns are not from 1 to 10000")
	case r.Name != "" && !validName.MatchString(r.Name):
		return wire.Fail("bad_request", "that cannot be a terminal's name")
	case r.New && r.Attach:
		return wire.Fail("bad_request", "a new terminal has nothing to attach to")
	}
	return nil
}

// find returns the shell to attach to, nil to start one.
func (t *Terminals) find(r Request) (*shell, error) {
	var found *shell
	for _, s := range t.all {
		switch {
		case s.hasEnded() && !r.Attach:
		case r.Name != "" && s.name == r.Name:
			found = s // the last of that name
		case r.Name == "" && !s.hasEnded() && !s.isAttached():
			found = s
		}
	}
	switch {
	case r.New && r.Name != "" && found != nil:
		return nil, wire.Fail("terminal_exists", "there is a terminal of that name")
	case r.Attach && found == nil:
		return nil, wire.Fail("not_found", "no such terminal")
	case r.New, r.Name == "" && len(r.Command.Args) > 0:
		return nil, nil
	}
	return found, nil
}

func (t *Terminals) start(r Request) (*shell, error) {
	running := map[string]bool{}
	for _, s := range t.all {
		if !s.hasEnded() {
			running[s.name] = true
		}
	}
	if len(running) >= mostRunning {
		return nil, wire.Fail("too_many", "32 terminals run in the sandbox")
	}
	name := r.Name
	for n := 1; name == ""; n++ {
		if number := strconv.Itoa(n); !running[number] {
			name = number
		}
	}
	s, err := t.launch(name, r)
	if err != nil {
		return nil, err
	}
	// Of ended ones of that name nobody can ask any more.
	t.all = slices.DeleteFunc(t.all, func(each *shell) bool { return each.name == name })
	t.all = append(t.all, s)
	forget := t.commands.TrackAs(s.proc, s.args, "terminal", name)
	go func() {
		s.follow()
		forget()
		t.trim()
	}()
	return s, nil
}

// trim forgets the oldest of the many that have ended.
func (t *Terminals) trim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	spare := -keptEnded
	for _, s := range t.all {
		if s.hasEnded() {
			spare++
		}
	}
	t.all = slices.DeleteFunc(t.all, func(s *shell) bool {
		if spare <= 0 || !s.hasEnded() {
			return false
		}
		spare--
		return true
	})
}
