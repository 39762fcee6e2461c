// Package control is the supervisor's socket: one line of JSON asks, one
// answers, for the same user only. README.md lists the operations.
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lineTimeout = 5 * time.Second
	lineLimit   = 16 << 10
	connections = 256
)

// Request is the one line of a client.
type Request struct {
	Op string `json:"op"`
	// Of "limit", "freeze", "police" and "link": whose.
	Sandbox string `json:"sandbox"`
	// Of "limit": what it may use; 0 is no limit.
	Memory int64   `json:"memory"` // bytes
	Pids   int     `json:"pids"`   // processes and threads
	CPUs   float64 `json:"cpus"`   // processors' time
	// Of "police": what may be reached, and where sandboxd dials its server.
	Hosts []string `json:"hosts"`
	Link  string   `json:"link"`
	// Of "link": what another sandbox is called, and which one that is, if it runs.
	Name   string `json:"name"`
	Target string `json:"target"`
}

// Handler does what a request asks. The file, if any, goes to the client and is
// closed then. hold, if any, is called after the answer was sent; the
// connection is closed when it returns.
type Handler func(Request) (answer any, file *os.File, hold func(io.ReadWriter))

// Failure is the answer to what could not be done.
type Failure struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

// Serve answers until the listener is closed.
func Serve(listener *net.UnixListener, handle Handler) {
	slots := make(chan struct{}, connections)
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // out of descriptors: it passes
			continue
		}
		slots <- struct{}{}
		go func() {
			defer func() { _ = conn.Close(); <-slots }()
			serve(conn, handle)
		}()
	}
}

func serve(conn *net.UnixConn, handle Handler) {
	if err := samePeer(conn); err != nil {
		return // a stranger gets no answer
	}
	_ = conn.SetDeadline(time.Now().Add(lineTimeout))
	request, err := read(conn)
	if err != nil {
		_ = write(conn, Failure{Error: err.Error()}, nil) // the client may have gone
		return
	}
	_ = conn.SetDeadline(time.Time{})
	answer, file, hold := handle(request)
	err = write(conn, answer, file)
	if file != nil {
		_ = file.Close() // the client has its own now
	}
	if hold != nil {
		if err != nil {
			hold(eof{})
			return
		}
		hold(conn)
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error)  { return 0, io.EOF }
func (eof) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func read(r io.Reader) (Request, error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, lineLimit), lineLimit).ReadSlice('\n')
	if err != nil {
		return Request{}, fmt.Errorf("no request of one line and at most %d bytes", lineLimit)
	}
	var request Request
	if err := json.Unmarshal(line, &request); err != nil {
		return Request{}, fmt.Errorf("the request is not a JSON object: %w", err)
	}
	return request, nil
}

func write(conn *net.UnixConn, answer any, file *os.File) error {
	line, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	_ = conn.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, _, err = conn.WriteMsgUnix(append(line, '\n'), rights, nil)
	_ = conn.SetWriteDeadline(time.Time{})
	return err
}

// samePeer refuses whoever is neither this user nor root.
func samePeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if uid := int(peer.Uid); uid != os.Geteuid() && uid != 0 {
		return fmt.Errorf("uid %d is not welcome", uid)
	}
	return nil
}
