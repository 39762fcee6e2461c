//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// program listens where the test says and serves each connection.
func program(t *testing.T, address string, serve func(c *net.TCPConn)) int {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no %s here: %v", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
	_ = c.Close()
}

func (s *server) port(port int) *peer {
	s.t.Helper()
	p := s.open(fields{"kind": "port", "port": port})
	p.expect(wire.Opened, nil)
	return p
}

// received reads DATA to END, giving credit back.
func (p *peer) received() []byte {
	p.t.Helper()
	var got []byte
	for {
		f := p.read()
		switch f.Type {
		case wire.Data:
			got = append(got, f.Bytes()...)
			p.credit(len(f.Payload))
		case wire.AddCred:
		case wire.End:
			return got
		default:
			p.t.Fatalf("%s %.200s", f.Type, f.Payload)
		}
	}
}

func TestPortReachesServersOfBothLoopbacks(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			port := program(t, address, echo)
			onBothLinks(t, func(t *testing.T, s *server) {
				p := s.port(port)
				p.data("hello")
				p.endInput()
				if got := p.received(); string(got) != "hello" {
					t.Errorf("%q", got)
				}
				p.closed()
			})
		})
	}
}

func TestPortIsWholeBothWays(t *testing.T) {
	sent := make([]byte, 12<<20)
	_, _ = rand.Read(sent)
	onBothLinks(t, func(t *testing.T, s *server) {
		p := s.port(program(t, "127.0.0.1:0", echo))
		allowed := make(chan int, 1024)
		allowed <- wire.DefaultWindow
		go sendAll(p, sent, allowed)
		var got []byte
		for f := p.read(); f.Type != wire.End; f = p.read() {
			if f.Type == wire.AddCred {
				allowed <- f.Credit()
				continue
			}
			got = append(got, f.Bytes()...)
			p.credit(len(f.Payload))
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back of %d", len(got), len(sent))
		}
	})
}

func TestPortThatTheProgramClosesFirstStillCarriesInput(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		heard := make(chan string, 1)
		p := s.port(program(t, "127.0.0.1:0", func(c *net.TCPConn) {
			_, _ = c.Write([]byte("bye"))
			_ = c.CloseWrite()
			b, _ := io.ReadAll(c)
			heard <- string(b)
			_ = c.Close()
		}))
		if got := p.received(); string(got) != "bye" {
			t.Errorf("%q", got)
		}
		p.data("still here")
		p.endInput()
		_ = p.c.Close() // both ends were sent: this is no loss
		if got := receive(t, heard); got != "still here" {
			t.Errorf("%q", got)
		}
	})
}

func TestPortSaysWhatIsWrong(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		unused := silentPort(t)
		for port, code := range map[int]string{unused: "connection_refused", 0: "bad_request", 65536: "bad_request"} {
			if got := s.open(fields{"kind": "port", "port": port}).resetCode(); got != code {
				t.Errorf("%d: %s", port, got)
			}
		}
	})
}

func TestPortBrokenByTheProgramIsReset(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p := s.port(program(t, "127.0.0.1:0", func(c *net.TCPConn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_ = c.SetLinger(0)
			_ = c.Close()
		}))
		p.data("x")
		if got := p.resetCode(); got != "connection_reset" {
			t.Error(got)
		}
	})
}

func TestPortResetOrLostBreaksTheProgramsConnection(t *testing.T) {
	ends := map[string]func(p *peer){"reset": (*peer).reset, "lost": func(p *peer) { _ = p.c.Close() }}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			onBothLinks(t, func(t *testing.T, s *server) {
				broken := make(chan error, 1)
				p := s.port(program(t, "127.0.0.1:0", func(c *net.TCPConn) {
					_, err := io.Copy(io.Discard, c)
					broken <- err
				}))
				end(p)
				if err := receive(t, broken); err == nil {
					t.Error("a clean end")
				}
			})
		})
	}
}

func TestPortHoldsAFastProgramBack(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		port := program(t, "127.0.0.1:0", func(c *net.TCPConn) { flood(c, 200<<20) })
		p := s.open(fields{"kind": "port", "port": port, "credit": 100_000})
		p.expect(wire.Opened, nil)
		for left := 100_000; left > 0; {
			left -= len(p.read().Payload)
		}
		steady(t, s)
		p.reset()
	})
}

func TestPortHoldsTheServerBackWhenTheProgramIsSlow(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		over := make(chan struct{})
		defer close(over)
		p := s.port(program(t, "127.0.0.1:0", func(c *net.TCPConn) {
			_ = c.SetReadBuffer(64 << 10)
			<-over
			_ = c.Close()
		}))
		given := 0
		for range 200 { // far beyond what the kernel's buffers take
			_ = p.c.SetReadDeadline(time.Now().Add(time.Second))
			p.data(string(make([]byte, 200_000)))
			if given += 200_001; given+200_001 <= wire.DefaultWindow {
				continue
			}
			f, err := p.tryRead()
			if err != nil {
				return // no more credit: held back
			}
			if f.Type != wire.AddCred {
				t.Fatalf("%s %.200s", f.Type, f.Payload)
			}
			given -= f.Credit()
		}
		t.Error("never held back")
	})
}

// raw opens a port without frames and returns the bare connection.
func (s *server) raw(port int) net.Conn {
	s.t.Helper()
	p := s.open(fields{"kind": "port", "port": port, "raw": true})
	var opened wire.OpenedMessage
	p.expect(wire.Opened, &opened)
	if !opened.Raw || opened.Credit != 0 {
		s.t.Fatalf("%+v", opened)
	}
	return p.c
}

func TestRawPortCarriesBareBytesAndHalfCloses(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		c := s.raw(program(t, "127.0.0.1:0", echo)).(interface {
			net.Conn
			CloseWrite() error
		})
		sent := make([]byte, 12<<20)
		_, _ = rand.Read(sent)
		go func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		}()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
		}
	})
}

func TestRawPortThatBreaksBreaksTheConnection(t *testing.T) {
	s := begin(t, "tcp")
	c := s.raw(program(t, "127.0.0.1:0", func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
		_ = c.Close()
	}))
	_, err := c.Write([]byte("x"))
	must(t, err)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a broken connection looks like a clean end: %v", err)
	}
}

// silentPort returns a port that nobody listens on, nor can while the test runs.
func silentPort(t *testing.T) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	return name.(*syscall.SockaddrInet4).Port
}

func TestRawPortThatNobodyListensOnIsRefused(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		port := silentPort(t)
		p := s.open(fields{"kind": "port", "port": port, "raw": true})
		if code := p.resetCode(); code != "connection_refused" {
			t.Error(code)
		}
	})
}

func TestPortsAreToldOnEachControlConnection(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		port := program(t, "127.0.0.1:0", echo)
		for {
			var notice wire.PortsNotice
			f := s.control.read()
			if f.Type != wire.Notice || f.JSON(&notice) != nil || notice.Event != "ports" {
				continue
			}
			for _, l := range notice.Listening {
				if l.Port == port && l.Address == "127.0.0.1" {
					return
				}
			}
		}
	})
}
