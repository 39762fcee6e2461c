//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const testToken = "token-of-the-test"

// server plays the server's part towards one sandboxd.
type server struct {
	t        testing.TB
	network  string
	listener net.Listener
	daemon   *exec.Cmd
	exited   chan struct{}
	mark     string // in the environment of everything below sandboxd
	controls chan *peer
	streams  chan *peer
	control  *peer
	window   int64
	beat     int
	nextID   int64
	held     []*peer // or the collector would close what a test no longer looks at
}

// peer is one connection of sandboxd's, seen from the server.
type peer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

type option func(*server, *[]string)

func withBeat(ms int) option { return func(s *server, _ *[]string) { s.beat = ms } }

func withOrphan(d time.Duration) option {
	return func(_ *server, args *[]string) { *args = append(*args, "-orphan", d.String()) }
}

// onBothLinks runs a test over a unix socket and over TCP.
func onBothLinks(t *testing.T, test func(t *testing.T, s *server), options ...option) {
	t.Helper()
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			test(t, begin(t, network, options...))
		})
	}
}

// begin starts sandboxd and waits for its control connection. When the test ends,
// nothing of it may be left.
func begin(t testing.TB, network string, options ...option) *server {
	t.Helper()
	watchdog := time.AfterFunc(180*time.Second, func() { panic("hangs: " + t.Name()) })
	t.Cleanup(func() { watchdog.Stop() })
	s := &server{
		t: t, network: network, exited: make(chan struct{}), mark: "TEST_MARK=" + rand.Text(),
		controls: make(chan *peer, 16), streams: make(chan *peer, 256), window: wire.DefaultWindow, beat: 60_000,
	}
	address, flag := "127.0.0.1:0", "-address"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "sbd") // t.TempDir may be too long for a socket
		must(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		address, flag = filepath.Join(dir, "s"), "-socket"
	}
	var err error
	s.listener, err = net.Listen(network, address)
	must(t, err)
	args := []string{"as-daemon", flag, s.listener.Addr().String(), "-orphan", "20s"}
	for _, o := range options {
		o(s, &args)
	}
	go s.accept()
	s.daemon = exec.Command(self(), args...)
	s.daemon.Env = append(os.Environ(), "ORKEE_TOKEN="+testToken, "ORKEE_SECRET=x", "OTEL_X=y", "TRACEPARENT=z", s.mark)
	s.daemon.Stderr = os.Stderr
	s.daemon.Dir = t.TempDir()
	must(t, s.daemon.Start())
	go func() { _ = s.daemon.Wait(); close(s.exited) }()
	t.Cleanup(s.end)
	s.meet()
	return s
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		p := &peer{s.t, c, bufio.NewReader(c)}
		s.held = append(s.held, p)
		f, err := p.tryRead()
		var hello wire.HelloMessage
		if errors.Is(err, io.EOF) {
			continue // given up by sandboxd while dialling
		}
		if err != nil || f.Type != wire.Hello || f.JSON(&hello) != nil || hello.Token != testToken {
			s.t.Errorf("bad HELLO: %v %v", f, err)
			continue
		}
		if hello.Kind == "control" {
			s.controls <- p
		} else {
			s.streams <- p
		}
	}
}

// meet welcomes the next control connection.
func (s *server) meet() {
	s.t.Helper()
	s.control = receive(s.t, s.controls)
	s.drop() // dialled for the connection before: streams come after the WELCOME only
	s.control.send(wire.Welcome, wire.WelcomeMessage{Protocol: 1, HeartbeatMS: s.beat, Spare: 2})
}

// lose closes everything as a server that died would.
func (s *server) lose() {
	_ = s.control.c.Close()
	s.drop()
}

func (s *server) drop() {
	for {
		select {
		case p := <-s.streams:
			_ = p.c.Close()
		default:
			return
		}
	}
}

func (s *server) end() {
	_ = s.daemon.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(15 * time.Second):
		s.t.Error("sandboxd did not end at TERM")
		_ = s.daemon.Process.Kill()
	}
	_ = s.listener.Close()
	eventually(s.t, "everything below sandboxd has ended", func() bool { return len(s.survivors()) == 0 })
	for _, pid := range s.survivors() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// survivors lists the processes that carry the mark.
func (s *server) survivors() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err == nil && bytes.Contains(env, []byte(s.mark)) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// open takes an idle stream.
func (s *server) open(fields map[string]any) *peer {
	s.t.Helper()
	p := receive(s.t, s.streams)
	if _, ok := fields["credit"]; !ok {
		fields["credit"] = s.window
	}
	p.send(wire.Open, fields)
	return p
}

// exec opens an exec stream and returns it with the command's pid.
func (s *server) exec(command []string, more ...map[string]any) (*peer, int) {
	s.t.Helper()
	fields := map[string]any{"kind": "exec", "command": command}
	for _, m := range more {
		for k, v := range m {
			fields[k] = v
		}
	}
	p := s.open(fields)
	var opened wire.OpenedMessage
	p.expect(wire.Opened, &opened)
	return p, opened.Pid
}

// call makes a request and returns the reply's result; an error's code fails the test
// unless it is the one wanted.
func (s *server) call(method string, params any, wantCode string) map[string]any {
	s.t.Helper()
	s.nextID++
	s.control.send(wire.Request, map[string]any{"id": s.nextID, "method": method, "params": params})
	var reply struct {
		ID     int64
		Result map[string]any
		Error  wire.Failure
	}
	s.control.expect(wire.Reply, &reply)
	if reply.ID != s.nextID || reply.Error.Code != wantCode {
		s.t.Fatalf("%s: reply %+v, want code %q", method, reply, wantCode)
	}
	return reply.Result
}

func (s *server) start(command []string) {
	s.t.Helper()
	s.call("start", map[string]any{"command": command, "env": map[string]string{}, "cwd": nil}, "")
}

func (p *peer) write(t wire.Type, payload []byte) {
	b := make([]byte, wire.HeaderSize)
	wire.PutHeader(b, t, len(payload))
	_, _ = p.c.Write(append(b, payload...)) // sandboxd may have gone already
}

func (p *peer) send(t wire.Type, v any) {
	p.t.Helper()
	b, err := json.Marshal(v)
	must(p.t, err)
	p.write(t, b)
}

func (p *peer) data(b string) { p.write(wire.Data, append([]byte{0}, b...)) }
func (p *peer) endInput()     { p.write(wire.End, []byte{0}) }
func (p *peer) reset()        { p.send(wire.Reset, wire.Fail("cancelled", "")) }

func (p *peer) credit(n int) {
	p.write(wire.AddCred, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

func (p *peer) tryRead() (wire.Frame, error) {
	head := make([]byte, wire.HeaderSize)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return wire.Frame{}, err
	}
	b := make([]byte, wire.HeaderSize+int(head[1])<<16+int(head[2])<<8+int(head[3]))
	copy(b, head)
	if _, err := io.ReadFull(p.r, b[wire.HeaderSize:]); err != nil {
		return wire.Frame{}, err
	}
	f, _, err := wire.Decode(b, wire.Daemon)
	return f, err
}

func (p *peer) read() wire.Frame {
	p.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(20 * time.Second))
	f, err := p.tryRead()
	if err != nil {
		p.t.Fatalf("reading a frame: %v", err)
	}
	return f
}

func (p *peer) expect(t wire.Type, into any) {
	p.t.Helper()
	f := p.read()
	for isPorts(f) {
		f = p.read()
	}
	if f.Type != t {
		p.t.Fatalf("%s %.200s, want %s", f.Type, f.Payload, t)
	}
	if into != nil {
		must(p.t, f.JSON(into))
	}
}

// closed fails the test if anything but the connection's end comes.
func (p *peer) closed() {
	p.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(20 * time.Second))
	f, err := p.tryRead()
	for err == nil && isPorts(f) {
		f, err = p.tryRead()
	}
	if err == nil {
		p.t.Fatalf("%s %.200s, want the end", f.Type, f.Payload)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.t.Fatal("not closed")
	}
}

// isPorts tells a notice of ports or usage, which may come at any time.
func isPorts(f wire.Frame) bool {
	return f.Type == wire.Notice && (bytes.Contains(f.Payload, []byte(`"event":"ports"`)) ||
		bytes.Contains(f.Payload, []byte(`"event":"stats"`)))
}

// resetCode expects a RESET, the end behind it, and returns its code.
func (p *peer) resetCode() string {
	p.t.Helper()
	var f wire.Failure
	p.expect(wire.Reset, &f)
	p.closed()
	return f.Code
}

// output reads an exec stream to its EXIT, giving credit back.
func (p *peer) output() (stdout, stderr []byte, exit wire.ExitMessage) {
	p.t.Helper()
	for {
		f := p.read()
		switch f.Type {
		case wire.Data:
			if f.Channel() == wire.Stdout {
				stdout = append(stdout, f.Bytes()...)
			} else {
				stderr = append(stderr, f.Bytes()...)
			}
			p.credit(len(f.Payload))
		case wire.AddCred:
		case wire.Exit:
			must(p.t, f.JSON(&exit))
			p.closed()
			return stdout, stderr, exit
		default:
			p.t.Fatalf("%s %.200s", f.Type, f.Payload)
		}
	}
}

// logged reads log entries until both channels ended, giving credit back.
func (p *peer) logged(after int64) (stdout, stderr []byte, last int64) {
	p.t.Helper()
	last = after
	for ends := 0; ends < 2; {
		f := p.read()
		switch f.Type {
		case wire.Log:
			seq, channel, b := entry(f)
			if seq != last+1 {
				p.t.Fatalf("seq %d after %d", seq, last)
			}
			last = seq
			if channel == wire.Stdout {
				stdout = append(stdout, b...)
			} else {
				stderr = append(stderr, b...)
			}
			p.credit(len(f.Payload))
		case wire.End:
			ends++
		default:
			p.t.Fatalf("%s %.200s", f.Type, f.Payload)
		}
	}
	return stdout, stderr, last
}

func entry(f wire.Frame) (seq int64, channel byte, b []byte) {
	return int64(binary.BigEndian.Uint64(f.Payload)), f.Payload[16], f.Payload[wire.LogHeader:]
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Errorf("not within 10 s: %s", what)
			return
		}
	}
}

// gone reports whether a process has ended, reaped or not.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
