//go:build linux

package terminal

import (
	"sync"
	"sync/atomic"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// attachment is a stream that a shell speaks to.
type attachment struct {
	shell    *shell
	conn     *wire.Conn
	credit   *wire.Credit
	inbox    *wire.Inbox
	replay   []byte
	replaced atomic.Bool
	finished atomic.Bool   // the last frame was sent: what still comes is of no interest
	lost     chan struct{} // the server has gone, or reset the stream
}

func (a *attachment) serve(opened wire.OpenedMessage) {
	// Should this write fail, reading fails too.
	_ = a.conn.WriteJSON(wire.Opened, opened)
	var reading sync.WaitGroup
	reading.Go(a.read)
	go a.feed()
	whole := a.copy()
	switch {
	case a.replaced.Load():
		a.finished.Store(true)
		_ = a.conn.WriteReset(wire.Fail("replaced", "somebody else attached to the terminal"))
	case whole:
		<-a.shell.over
		code, signal, took := a.shell.proc.Exit()
		a.finished.Store(true)
		_ = a.conn.WriteJSON(wire.Exit, wire.ExitMessage{
			ExitCode: code, Signal: signal, DurationMS: took.Milliseconds(), Limit: a.shell.proc.Limit(),
		})
	}
	a.endInput()
	a.shell.detach(a)
	a.conn.FinishWriting()
	reading.Wait()
	a.conn.DrainAndClose()
}

// copy sends what is on the screen and what comes, to the shell's end; false where the
// stream ended first.
func (a *attachment) copy() bool {
	if a.credit.SendData(a.conn, wire.Stdout, append(make([]byte, wire.DataHead), a.replay...)) != nil {
		return false
	}
	a.replay = nil
	buf := make([]byte, wire.DataHead+pieceSize)
	for {
		n, mine := a.shell.screen.next(a, buf[wire.DataHead:])
		if !mine {
			break
		}
		if n == 0 {
			return true
		}
		if a.credit.SendData(a.conn, wire.Stdout, buf[:wire.DataHead+n]) != nil {
			return false
		}
	}
	select {
	case <-a.lost:
	default:
		a.replaced.Store(true)
	}
	return false
}

// replace ends the stream for another one's sake.
func (a *attachment) replace() {
	a.replaced.Store(true)
	a.credit.Close()
	a.endInput()
}

// endInput lets what was typed so far reach the shell, though the stream is over.
func (a *attachment) endInput() { _ = a.inbox.End() }

// feed writes what was typed. What an ended shell does not read is thrown away.
func (a *attachment) feed() {
	closed := false
	for {
		b, ok := a.inbox.Next()
		if !ok {
			return
		}
		if !closed {
			_, err := a.shell.proc.Terminal.Write(b)
			closed = err != nil
		}
		a.inbox.Consumed(len(b))
	}
}

// read takes the server's frames until the connection ends.
func (a *attachment) read() {
	for {
		f, err := a.conn.Read()
		if err == nil && !a.finished.Load() {
			err = a.handle(f)
		}
		if err != nil {
			if !a.finished.Load() {
				a.conn.Report(err)
			}
			break
		}
	}
	close(a.lost)
	a.credit.Close()
	a.endInput()
	a.shell.screen.leave(a)
}

func (a *attachment) handle(f wire.Frame) error {
	switch f.Type {
	case wire.AddCred:
		return a.credit.Add(f.Credit())
	case wire.Data:
		if a.replaced.Load() || a.shell.hasEnded() {
			return nil // nobody reads it any more
		}
		return a.inbox.Push(f)
	case wire.End:
		return nil // a terminal has no end of input but a character
	case wire.Signal:
		var m wire.SignalMessage
		if err := f.JSON(&m); err != nil {
			return err
		}
		sig, err := supervise.ParseSignal(m.Signal)
		if err != nil {
			return err
		}
		a.shell.proc.Signal(sig)
		return nil
	case wire.Resize:
		var m wire.ResizeMessage
		if err := f.JSON(&m); err != nil {
			return err
		}
		if m.Rows < 1 || m.Rows > mostSize || m.Columns < 1 || m.Columns > mostSize {
			return wire.Fail("bad_request", "rows and columns are not from 1 to 10000")
		}
		a.shell.resize(supervise.Size{Rows: uint16(m.Rows), Columns: uint16(m.Columns)})
		return nil
	case wire.Reset:
		return wire.ErrClosed
	}
	return wire.Unexpected(f)
}
