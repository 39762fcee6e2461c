//go:build linux

package files

import (
	"encoding/json"
	"io"
	"net"
	"sync"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// frameSize is the most that one DATA frame carries: as much as the server
// receives at once.
const frameSize = 128<<10 - wire.DataHead

// stream is one operation's connection: an io.Writer towards the server, an
// io.Reader from it.
type stream struct {
	conn   *wire.Conn
	credit *wire.Credit
	inbox  *wire.Inbox // nil where the server sends nothing
	held   []byte      // the payload that is being read
	rest   []byte      // what was not read of it

	ending sync.Once
	over   chan struct{} // the server resets, or is gone
}

func newStream(conn *wire.Conn, credit int64, takes bool) *stream {
	s := &stream{conn: conn, credit: wire.NewCredit(credit), over: make(chan struct{})}
	if takes {
		s.inbox = wire.NewInbox(inWindow, func(n int) { _ = conn.WriteCredit(n) })
	}
	return s
}

// opened accepts the operation.
func (s *stream) opened(entry *Entry) {
	m := struct {
		Credit int    `json:"credit"`
		Entry  *Entry `json:"entry,omitempty"`
	}{Entry: entry}
	if s.inbox != nil {
		m.Credit = inWindow
	}
	_ = s.conn.WriteJSON(wire.Opened, m)
}

// finish says how the operation ended; nothing is sent after that.
func (s *stream) finish(err error) {
	select {
	case <-s.over: // nobody listens
	default:
		if err == nil {
			_ = s.conn.WriteEnd(wire.Stdout)
		} else {
			_ = s.conn.WriteReset(failure(err))
		}
	}
	s.abort()
	s.conn.FinishWriting()
}

func (s *stream) abort() {
	s.ending.Do(func() {
		// First, so that Read, woken by the rest, does not take the break for the end.
		close(s.over)
		s.credit.Close()
		if s.inbox != nil {
			s.inbox.Close()
		}
	})
}

// read takes the server's frames until the connection ends.
func (s *stream) read() {
	for {
		f, err := s.conn.Read()
		if err == nil {
			err = s.handle(f)
		}
		if err != nil {
			select {
			case <-s.over:
			default:
				s.conn.Report(err)
			}
			s.abort()
			return
		}
	}
}

func (s *stream) handle(f wire.Frame) error {
	switch {
	case f.Type == wire.AddCred:
		return s.credit.Add(f.Credit())
	case f.Type == wire.Reset:
		return wire.ErrClosed
	case f.Type == wire.Data && s.inbox != nil:
		return s.inbox.Push(f)
	case f.Type == wire.End && s.inbox != nil:
		return s.inbox.End()
	}
	return wire.Unexpected(f)
}

// Write sends bytes, waiting for credit.
func (s *stream) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		n := s.credit.Take(2, 1+min(len(b)-sent, frameSize))
		if n == 0 {
			return sent, wire.ErrClosed
		}
		var head [wire.DataHead]byte
		wire.PutHeader(head[:], wire.Data, n)
		head[wire.HeaderSize] = wire.Stdout
		if err := s.conn.WriteBatch(net.Buffers{head[:], b[sent : sent+n-1]}); err != nil {
			return sent, err
		}
		sent += n - 1
	}
	return sent, nil
}

// writeLine sends a value as a line of JSON.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Read returns what the server sent: io.EOF at its END, wire.ErrClosed when the
// stream broke before.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.held != nil {
			s.inbox.Consumed(len(s.held) - 1)
			wire.Free(s.held)
			s.held = nil
		}
		payload, ok := s.inbox.NextPayload()
		if !ok {
			select {
			case <-s.over:
				return 0, wire.ErrClosed
			default:
				return 0, io.EOF
			}
		}
		s.rest, s.held = payload[1:], payload
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
