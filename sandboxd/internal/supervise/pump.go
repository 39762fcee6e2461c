//go:build linux

package supervise

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// leftoverTime is how long a grandchild that keeps a pipe open is waited for.
const leftoverTime = 250 * time.Millisecond

// Pump reads a pipe of a command and hands on what comes, as it comes.
type Pump struct {
	file    *os.File
	emit    func([]byte) bool
	buf     []byte
	head    int
	linger  bool
	drained chan struct{}
	done    chan struct{}
}

// StartPump reads pieces of at most size bytes. Each is handed to emit behind head
// bytes of room; emit may block, and ends the pump with false. With linger the
// pump reads on when the command has ended but its pipe is still open.
func StartPump(file *os.File, head, size int, linger bool, emit func([]byte) bool) *Pump {
	p := &Pump{
		file: file, emit: emit, buf: make([]byte, head+size), head: head, linger: linger,
		drained: make(chan struct{}), done: make(chan struct{}),
	}
	go p.run()
	return p
}

// Ended tells the pump that the command has ended.
func (p *Pump) Ended() { _ = p.file.SetReadDeadline(time.Now().Add(leftoverTime)) }

// Drained is closed when everything that the ended command wrote has been handed on.
func (p *Pump) Drained() <-chan struct{} { return p.drained }

// Done is closed when the pump has ended and its file is closed.
func (p *Pump) Done() <-chan struct{} { return p.done }

func (p *Pump) run() {
	drained := false
	rest := -1 // unknown: until the end
	for rest != 0 || p.linger {
		if rest == 0 {
			close(p.drained)
			drained, rest = true, -1
		}
		limit := len(p.buf)
		if rest > 0 {
			limit = min(limit, p.head+rest)
		}
		n, err := p.file.Read(p.buf[p.head:limit])
		if n > 0 {
			if rest > 0 {
				rest -= n
			}
			if !p.emit(p.buf[:p.head+n]) {
				break
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// What is in the pipe now was perhaps written by the command itself, held
			// back by a slow reader; what comes later was not.
			_ = p.file.SetReadDeadline(time.Time{})
			rest = available(p.file)
		} else if err != nil {
			break
		}
	}
	_ = p.file.Close()
	if !drained {
		close(p.drained)
	}
	close(p.done)
}

// available returns the number of bytes waiting in a pipe.
func available(f *os.File) int {
	var n int32
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n)
}
