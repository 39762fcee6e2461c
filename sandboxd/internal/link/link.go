// Package link keeps sandboxd connected: one control connection, a reserve of
// idle streams, heartbeats, redialling.
package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// ErrOrphaned says that there was no server for Config.Orphan.
var ErrOrphaned = errors.New("no server")

const (
	dialTimeout    = 10 * time.Second
	welcomeTimeout = 10 * time.Second
	firstBackoff   = 100 * time.Millisecond
	lastBackoff    = 2 * time.Second
	missedBeats    = 4
	maxSpare       = 64
)

// Config says where the server is and who dials.
type Config struct {
	Network string // "unix" or "tcp"
	Address string
	Token   string
	Version string
	Spare   int           // idle streams, unless the server says otherwise
	Orphan  time.Duration // without a server for so long, Run gives up
}

// Handler does the work of connections. Its methods run in goroutines of the link.
type Handler interface {
	// Connected is called for each new control connection, before any frame of it.
	Connected(s *Session)
	// Request answers one REQUEST; slow work belongs in a goroutine.
	Request(s *Session, r wire.RequestMessage)
	// Stream serves an opened stream until it is over and closes it.
	Stream(conn *wire.Conn, open wire.OpenMessage)
}

// Session is one control connection and everything that ends with it.
type Session struct {
	Control *wire.Conn
	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex
	streams map[*wire.Conn]bool // true once opened
}

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Finish tells the server that no more comes on the control connection, after the
// open streams have had limit to finish.
func (s *Session) Finish(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, stream := range s.opened() {
		select {
		case <-stream.Finished():
			continue
		case <-timer.C:
		}
		break
	}
	s.Control.FinishWriting()
}

func (s *Session) opened() []*wire.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*wire.Conn
	for c, opened := range s.streams {
		if opened {
			found = append(found, c)
		}
	}
	return found
}

// add enters a stream, or marks it as opened; false when the session is over.
func (s *Session) add(c *wire.Conn, opened bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		return false
	}
	s.streams[c] = opened
	return true
}

func (s *Session) remove(c *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, c)
}

// close closes every connection, which ends what they serve.
func (s *Session) close() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.streams {
		_ = c.Close()
	}
	s.streams = nil
	_ = s.Control.Close()
}

// Run keeps a session until ctx ends (nil) or there was no server for too long
// (ErrOrphaned).
func Run(ctx context.Context, c Config, h Handler) error {
	alone := time.Now()
	wait := firstBackoff
	for {
		met, err := c.session(ctx, h)
		if ctx.Err() != nil {
			return nil
		}
		if met {
			alone, wait = time.Now(), firstBackoff
			fmt.Fprintf(os.Stderr, "sandboxd: lost the server: %v\n", err)
		}
		left := c.Orphan - time.Since(alone)
		if left <= 0 {
			return fmt.Errorf("%w for %v: %w", ErrOrphaned, c.Orphan, err)
		}
		if !sleep(ctx, min(wait, left)) {
			return nil
		}
		wait = min(2*wait, lastBackoff)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dial opens a connection and says HELLO.
func (c Config) dial(ctx context.Context, kind string) (*wire.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, c.Network, c.Address)
	if err != nil {
		return nil, err
	}
	conn := wire.NewConn(raw)
	err = conn.WriteJSON(wire.Hello, wire.HelloMessage{
		Protocol: wire.Version, Kind: kind, Token: c.Token, Version: c.Version,
		OS: runtime.GOOS, Arch: runtime.GOARCH,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// session runs one control connection to its end. met says whether a server
// welcomed it.
func (c Config) session(ctx context.Context, h Handler) (met bool, err error) {
	control, err := c.dial(ctx, "control")
	if err != nil {
		return false, err
	}
	s := &Session{Control: control, streams: map[*wire.Conn]bool{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer s.close()
	// Reads do not know the context: closing the connection interrupts them.
	defer context.AfterFunc(ctx, s.close)()
	welcome, err := c.greet(control)
	if err != nil {
		return false, err
	}
	h.Connected(s)
	for range welcome.Spare {
		go c.reserve(s, h)
	}
	return true, s.control(h, time.Duration(welcome.HeartbeatMS)*time.Millisecond)
}

func (c Config) greet(control *wire.Conn) (wire.WelcomeMessage, error) {
	w := wire.WelcomeMessage{HeartbeatMS: 5000, Spare: c.Spare}
	control.SetReadDeadline(time.Now().Add(welcomeTimeout))
	f, err := control.Read()
	if err != nil {
		return w, err
	}
	if f.Type != wire.Welcome {
		return w, wire.Unexpected(f)
	}
	if err := f.JSON(&w); err != nil {
		return w, err
	}
	if w.Protocol != wire.Version {
		return w, fmt.Errorf("the server speaks version %d of the protocol", w.Protocol)
	}
	if w.HeartbeatMS < 1 || w.HeartbeatMS > 3_600_000 {
		return w, fmt.Errorf("a heartbeat of %d ms", w.HeartbeatMS)
	}
	w.Spare = max(1, min(w.Spare, maxSpare))
	return w, nil
}

// control reads the control connection until it ends or falls silent.
func (s *Session) control(h Handler, beat time.Duration) error {
	s.Control.SetReadDeadline(time.Now().Add(missedBeats * beat))
	for {
		f, err := s.Control.Read()
		if err != nil {
			return err
		}
		switch f.Type {
		case wire.Ping:
			s.Control.SetReadDeadline(time.Now().Add(missedBeats * beat))
			if err := s.Control.Write(wire.Pong, f.Payload); err != nil {
				return err
			}
		case wire.Request:
			var r wire.RequestMessage
			if err := f.JSON(&r); err != nil {
				return err
			}
			h.Request(s, r)
		default:
			return wire.Unexpected(f)
		}
	}
}

// reserve keeps one idle stream open; each that the server opens is replaced.
func (c Config) reserve(s *Session, h Handler) {
	wait := firstBackoff
	for s.ctx.Err() == nil {
		opened, err := c.idle(s, h)
		if opened {
			wait = firstBackoff
			continue
		}
		if s.ctx.Err() == nil && err != nil && !sleep(s.ctx, wait) {
			return
		}
		wait = min(2*wait, lastBackoff)
	}
}

// idle dials one stream and waits for its OPEN.
func (c Config) idle(s *Session, h Handler) (opened bool, err error) {
	conn, err := c.dial(s.ctx, "stream")
	if err != nil {
		return false, err
	}
	if !s.add(conn, false) {
		return false, conn.Close()
	}
	open, err := readOpen(conn)
	if err != nil {
		s.remove(conn)
		if f := wire.Fault(err); f != nil {
			go conn.Refuse(f)
			return false, err
		}
		_ = conn.Close()
		return false, err
	}
	if !s.add(conn, true) {
		return false, conn.Close()
	}
	go func() {
		defer s.remove(conn)
		h.Stream(conn, open)
	}()
	return true, nil
}

func readOpen(conn *wire.Conn) (wire.OpenMessage, error) {
	var open wire.OpenMessage
	f, err := conn.Read()
	if err != nil {
		return open, err
	}
	if f.Type != wire.Open {
		return open, wire.Unexpected(f)
	}
	return open, f.JSON(&open)
}
