//go:build linux

package run

import (
	"sync"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// Detach runs a command that goes on when the stream is over, and attaches the
// stream to it.
func (c *Commands) Detach(conn *wire.Conn, r Request) {
	e, err := c.detach(r.Command)
	if err != nil {
		conn.Refuse(wire.Fault(err))
		return
	}
	attach(conn, e, r.Credit)
}

// Attach connects a stream with a detached command: its kept output, then what
// comes, then its end.
func (c *Commands) Attach(conn *wire.Conn, pid int, credit int64) {
	e := c.find(pid)
	switch {
	case e == nil:
		conn.Refuse(errNotFound)
	case e.ring == nil:
		conn.Refuse(wire.Fail("not_detached", "its output goes to the one who started it"))
	default:
		attach(conn, e, credit)
	}
}

func attach(conn *wire.Conn, e *entry, credit int64) {
	s := &stream{
		conn: conn, proc: e.proc, credit: wire.NewCredit(credit), lost: make(chan struct{}),
	}
	_ = conn.WriteJSON(wire.Opened, wire.OpenedMessage{Pid: e.proc.Pid})
	reader := e.ring.reader()
	var reading sync.WaitGroup
	reading.Go(func() {
		s.read()
		s.credit.Close()
		reader.close()
	})
	if s.copy(reader) {
		<-e.over
		s.tellExit()
	}
	conn.FinishWriting()
	reading.Wait()
	conn.DrainAndClose()
}

// copy sends what a reader gives; false when the stream ended first.
func (s *stream) copy(reader *reader) bool {
	buf := make([]byte, wire.DataHead+ringPiece)
	for {
		channel, n, lost, ok := reader.next(buf[wire.DataHead:])
		if lost > 0 && s.conn.WriteJSON(wire.Dropped, wire.DroppedMessage{Bytes: lost}) != nil {
			return false
		}
		if !ok {
			break
		}
		if s.credit.SendData(s.conn, channel, buf[:wire.DataHead+n]) != nil {
			return false
		}
	}
	select {
	case <-s.lost:
		return false
	default:
		return true
	}
}
