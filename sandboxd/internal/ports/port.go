//go:build linux

// Package ports serves port streams and looks at which ports are listened on.
package ports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	pieceSize   = 64 << 10
	dialTimeout = 5 * time.Second
	deliverTime = 10 * time.Second
)

// Serve connects a stream with a port of the container and returns when it is over.
func (w *Watcher) Serve(conn *wire.Conn, open wire.OpenMessage) {
	target, fault := w.dial(open.Port)
	if fault != nil {
		conn.Refuse(fault)
		return
	}
	if open.Raw {
		serveRaw(conn, target)
		return
	}
	serveFrames(conn, target, open.Credit)
}

func serveFrames(conn *wire.Conn, target *net.TCPConn, credit int64) {
	s := &stream{conn: conn, target: target, credit: wire.NewCredit(credit)}
	s.inbox = wire.NewInbox(wire.DefaultWindow, func(n int) { _ = conn.WriteCredit(n) })
	_ = conn.WriteJSON(wire.Opened, wire.OpenedMessage{Credit: wire.DefaultWindow})
	var reading, copying sync.WaitGroup
	reading.Go(s.read)
	copying.Go(s.outward)
	copying.Go(s.inward)
	copying.Wait()
	_ = target.Close()
	conn.FinishWriting()
	reading.Wait()
	conn.DrainAndClose()
}

func (w *Watcher) dial(port int) (*net.TCPConn, *wire.Failure) {
	if port < 1 || port > 65535 {
		return nil, wire.Fail("bad_request", fmt.Sprintf("there is no port %d", port))
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	var fault *wire.Failure
	// A server that is bound to one address only is looked for there last.
	for _, host := range append([]string{"127.0.0.1", "::1"}, w.boundTo(port)...) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return c.(*net.TCPConn), nil
		}
		var timeout net.Error
		switch {
		case fault != nil: // what IPv4 said is of more use
		case errors.As(err, &timeout) && timeout.Timeout():
			fault = wire.Fail("timeout", fmt.Sprintf("port %d does not answer", port))
		case errors.Is(err, syscall.ECONNREFUSED):
			fault = wire.Fail("connection_refused", fmt.Sprintf("nothing listens on port %d", port))
		default:
			fault = wire.Fail("failed", fmt.Sprintf("port %d: %v", port, err))
		}
	}
	return nil, fault
}

type stream struct {
	conn   *wire.Conn
	target *net.TCPConn
	credit *wire.Credit
	inbox  *wire.Inbox
	sent   atomic.Bool // END went out
	broken sync.Once
}

// abort ends both directions at once.
func (s *stream) abort() {
	s.broken.Do(func() {
		// Linger 0: the program at the port sees a broken connection, not a clean end. First
		// of all: who waits at the inbox takes its close for an end, and would pass that on.
		_ = s.target.SetLinger(0)
		_ = s.target.Close()
		s.credit.Close()
		s.inbox.Close()
	})
}

// outward copies from the port to the server.
func (s *stream) outward() {
	buf := make([]byte, wire.DataHead+pieceSize)
	for {
		n, err := s.target.Read(buf[wire.DataHead:])
		if n > 0 && s.credit.SendData(s.conn, wire.Stdin, buf[:wire.DataHead+n]) != nil {
			s.abort()
			return
		}
		if errors.Is(err, io.EOF) && !s.inbox.Ended() && wasReset(s.target) {
			err = syscall.ECONNRESET
		}
		if errors.Is(err, io.EOF) {
			s.sent.Store(true)
			_ = s.conn.WriteEnd(wire.Stdin)
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return // aborted
		}
		if err != nil {
			_ = s.conn.WriteReset(wire.Fail("connection_reset", "the program in the sandbox broke the connection"))
			s.abort()
			return
		}
	}
}

// wasReset tells a broken connection from an ended one, after a read that saw an end: a
// write under way may have taken the error away. With both directions ended a clean end
// looks the same, so this is for the first.
func wasReset(c net.Conn) bool {
	const tcpClose = 7
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	state := 0
	err = raw.Control(func(fd uintptr) {
		// The first byte of struct tcp_info, which is all that is asked for.
		state, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	})
	// One that is closed here was broken off by the other direction, to which the reset was told.
	return err != nil || state&0xff == tcpClose
}

// inward copies from the server to the port. A program that reads no more loses
// the rest, but may still be answering.
func (s *stream) inward() {
	closed := false
	for {
		b, ok := s.inbox.Next()
		if !ok {
			_ = s.target.CloseWrite()
			return
		}
		if !closed {
			_, err := s.target.Write(b)
			closed = err != nil
		}
		s.inbox.Consumed(len(b))
	}
}

// read takes the server's frames until the connection ends.
func (s *stream) read() {
	for {
		f, err := s.conn.Read()
		if err == nil {
			err = s.handle(f)
		}
		if err == nil {
			continue
		}
		if s.sent.Load() && s.inbox.Ended() {
			// Both ends were sent, so this is no loss; what was received is still delivered.
			_ = s.target.SetWriteDeadline(time.Now().Add(deliverTime))
			return
		}
		s.conn.Report(err)
		s.abort()
		return
	}
}

func (s *stream) handle(f wire.Frame) error {
	switch f.Type {
	case wire.AddCred:
		return s.credit.Add(f.Credit())
	case wire.Data:
		return s.inbox.Push(f)
	case wire.End:
		return s.inbox.End()
	case wire.Reset:
		return wire.ErrClosed
	}
	return wire.Unexpected(f)
}
