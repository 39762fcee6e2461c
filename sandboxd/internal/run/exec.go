//go:build linux

// Package run serves exec streams: one command, its input, output and end.
package run

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	pieceSize    = 64 << 10        // of output, at most
	cancelGrace  = 1 * time.Second // HUP to KILL, when nobody wants the command any more
	timeoutGrace = 2 * time.Second // TERM to KILL, after the timeout
)

// Request is a command together with what its OPEN said about the stream.
type Request struct {
	Command supervise.Command
	Credit  int64
	Timeout time.Duration // 0: none
}

type stream struct {
	conn     *wire.Conn
	proc     *supervise.Process
	credit   *wire.Credit
	inbox    *wire.Inbox // nil without stdin
	timedOut atomic.Bool
	finished atomic.Bool // EXIT was sent: what still comes is of no interest
	lost     chan struct{}
}

// Serve runs one command on an opened connection and returns when the stream is
// over. The connection is closed then; the command has ended or is being ended.
func (c *Commands) Serve(conn *wire.Conn, r Request) {
	proc, err := c.table.Start(r.Command)
	if err != nil {
		conn.Refuse(err.(*wire.Failure))
		return
	}
	defer c.Track(proc, r.Command.Args, "exec")()
	s := &stream{conn: conn, proc: proc, credit: wire.NewCredit(r.Credit), lost: make(chan struct{})}
	opened := wire.OpenedMessage{Pid: proc.Pid}
	if r.Command.Stdin {
		opened.Credit = wire.DefaultWindow
		s.inbox = wire.NewInbox(wire.DefaultWindow, func(n int) { _ = conn.WriteCredit(n) })
	}
	// Should this write fail, reading fails too and ends the command.
	_ = conn.WriteJSON(wire.Opened, opened)
	var reading sync.WaitGroup
	reading.Go(s.read)
	if s.inbox != nil {
		go s.feed()
	}
	if r.Timeout > 0 {
		timer := time.AfterFunc(r.Timeout, s.timeout)
		defer timer.Stop()
	}
	s.follow()
	conn.FinishWriting()
	reading.Wait()
	conn.DrainAndClose()
}

// follow waits for the command's end and its output, then sends EXIT.
func (s *stream) follow() {
	out := s.pump(wire.Stdout)
	err := s.pump(wire.Stderr)
	select {
	case <-s.proc.Done():
	case <-s.lost:
		s.cancel()
		return
	}
	out.Ended()
	err.Ended()
	for _, p := range []*supervise.Pump{out, err} {
		select {
		case <-p.Done():
		case <-s.lost:
			s.cancel()
			return
		}
	}
	s.close()
	s.tellExit()
}

// tellExit sends the last frame.
func (s *stream) tellExit() {
	code, signal, took := s.proc.Exit()
	s.finished.Store(true)
	_ = s.conn.WriteJSON(wire.Exit, wire.ExitMessage{
		ExitCode: code, Signal: signal, TimedOut: s.timedOut.Load(), DurationMS: took.Milliseconds(), Limit: s.proc.Limit(),
	})
}

func (s *stream) pump(channel byte) *supervise.Pump {
	file := s.proc.Stdout
	if channel == wire.Stderr {
		file = s.proc.Stderr
	}
	return supervise.StartPump(file, wire.DataHead, pieceSize, false, s.proc.Mask(), func(b []byte) bool {
		return s.credit.SendData(s.conn, channel, b) == nil
	})
}

// cancel ends a command that nobody listens to any more.
func (s *stream) cancel() {
	s.close()
	s.proc.CloseFiles()
	s.proc.SignalThenKill(syscall.SIGHUP, cancelGrace)
}

// close ends whatever waits for the server.
func (s *stream) close() {
	s.credit.Close()
	if s.inbox != nil {
		s.inbox.Close()
		_ = s.proc.Stdin.Close()
	}
}

func (s *stream) timeout() {
	select {
	case <-s.proc.Done():
	default:
		s.timedOut.Store(true)
		s.proc.SignalThenKill(syscall.SIGTERM, timeoutGrace)
	}
}

// feed writes what comes for stdin. A command that closed its stdin loses the
// rest, as it would at a shell, and the server gets its credit back all the same.
func (s *stream) feed() {
	defer s.proc.Stdin.Close()
	closed := false
	for {
		b, ok := s.inbox.Next()
		if !ok {
			return
		}
		if !closed {
			_, err := s.proc.Stdin.Write(b)
			closed = err != nil
		}
		s.inbox.Consumed(len(b))
	}
}

// read takes the server's frames until the connection ends, then closes lost.
func (s *stream) read() {
	defer close(s.lost)
	for {
		f, err := s.conn.Read()
		if err == nil && !s.finished.Load() {
			err = s.handle(f)
		}
		if err != nil {
			if !s.finished.Load() {
				s.conn.Report(err)
			}
			return
		}
	}
}

func (s *stream) handle(f wire.Frame) error {
	switch f.Type {
	case wire.AddCred:
		return s.credit.Add(f.Credit())
	case wire.Data:
		if s.inbox == nil {
			return wire.ErrFlow
		}
		return s.inbox.Push(f)
	case wire.End:
		if s.inbox == nil {
			return nil // there is nothing to close
		}
		return s.inbox.End()
	case wire.Signal:
		return s.signal(f)
	case wire.Resize:
		return nil
	case wire.Reset:
		return wire.ErrClosed
	}
	return wire.Unexpected(f)
}

func (s *stream) signal(f wire.Frame) error {
	var m wire.SignalMessage
	if err := f.JSON(&m); err != nil {
		return err
	}
	sig, err := supervise.ParseSignal(m.Signal)
	if err != nil {
		return err
	}
	s.proc.Signal(sig)
	return nil
}
