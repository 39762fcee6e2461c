//go:build linux

package daemon

import (
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/link"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/logbuf"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// mainCommand is the sandbox's own command, whose output is the log.
type mainCommand struct {
	proc    *supervise.Process
	log     *logbuf.Buffer
	replied chan struct{} // the reply to start was sent
	read    chan struct{} // it has ended and its output is in the log
	lastSeq int64         // set before read is closed

	mu   sync.Mutex
	told *link.Session // the one that knows of the exit
}

func (d *Daemon) startMain(c supervise.Command) (*mainCommand, error) {
	proc, err := d.table.Start(c)
	if err != nil {
		return nil, err
	}
	m := &mainCommand{proc: proc, log: d.log, replied: make(chan struct{}), read: make(chan struct{})}
	out := m.pump(wire.Stdout)
	errs := m.pump(wire.Stderr)
	go func() {
		<-proc.Done()
		out.Ended()
		errs.Ended()
		<-out.Drained()
		<-errs.Drained()
		m.lastSeq = m.log.LastSeq()
		close(m.read)
	}()
	return m, nil
}

// pump logs one pipe, also what a grandchild writes after the command's end.
func (m *mainCommand) pump(channel byte) *supervise.Pump {
	file := m.proc.Stdout
	if channel == wire.Stderr {
		file = m.proc.Stderr
	}
	p := supervise.StartPump(file, 0, wire.MaxLogBytes, true, m.proc.Mask(), func(b []byte) bool {
		m.log.Append(time.Now().UnixMicro(), channel, b)
		return true
	})
	go func() {
		<-p.Done()
		m.log.End(channel)
	}()
	return p
}

// announce tells a session of the exit, when it has come.
func (m *mainCommand) announce(s *link.Session) {
	for _, wait := range []<-chan struct{}{m.replied, m.read} {
		select {
		case <-wait:
		case <-s.Done():
			return
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == s {
		return
	}
	m.told = s
	code, signal, took := m.proc.Exit()
	_ = s.Control.WriteJSON(wire.Notice, wire.ExitNotice{
		Event: "exit", ExitCode: code, Signal: signal, DurationMS: took.Milliseconds(), LastSeq: m.lastSeq, Limit: m.proc.Limit(),
	})
}

// flush waits until the server was sent the rest of the log and the exit, but not
// for ever: it may have given no credit.
func (m *mainCommand) flush(s *link.Session, limit time.Duration) {
	m.log.WaitSent(limit)
	select {
	case <-m.read:
		m.announce(s)
	case <-time.After(limit):
	}
}
