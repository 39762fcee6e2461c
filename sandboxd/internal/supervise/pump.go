//go:build linux

package supervise

import (
	"errors"
	"os"
	"sync/atomic"
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
	mask    *Mask // nil for none
	ended   atomic.Bool
	drained chan struct{}
	done    chan struct{}
}

// StartPump reads pieces of at most size bytes. Each is handed to emit behind head
// bytes of room; emit may block, and ends the pump with false. With linger the
// pump reads on when the command has ended but its pipe is still open. What mask
// knows as a secret is not handed on.
func StartPump(
	file *os.File, head, size int, linger bool, mask *Mask, emit func([]byte) bool,
) *Pump {
	p := &Pump{
		file: file, emit: emit, buf: make([]byte, head+size), head: head, linger: linger, mask: mask,
		drained: make(chan struct{}), done: make(chan struct{}),
	}
	go p.run()
	return p
}

// Ended tells the pump that the command has ended.
func (p *Pump) Ended() {
	p.ended.Store(true)
	_ = p.file.SetReadDeadline(time.Now().Add(leftoverTime))
}

// Drained is closed when everything that the ended command wrote has been handed on.
func (p *Pump) Drained() <-chan struct{} { return p.drained }

// Done is closed when the pump has ended and its file is closed.
func (p *Pump) Done() <-chan struct{} { return p.done }

func (p *Pump) run() {
	drained := false
	rest := -1 // unknown: until the end
	for rest != 0 || p.linger {
		if rest == 0 {
			if !p.release() {
				break
			}
			close(p.drained)
			drained, rest = true, -1
		}
		limit := len(p.buf)
		if rest > 0 {
			limit = min(limit, p.head+rest)
		}
		waits := p.holds() && !p.ended.Load()
		if waits {
			_ = p.file.SetReadDeadline(time.Now().Add(idle))
		}
		n, err := p.file.Read(p.buf[p.head:limit])
		if waits {
			p.lift()
		}
		if n > 0 {
			if rest > 0 {
				rest -= n
			}
			if !p.hand(n) {
				break
			}
		}
		if waits && errors.Is(err, os.ErrDeadlineExceeded) && !p.ended.Load() {
			if available(p.file) > 0 {
				continue // it came in time, and we looked too late: it may be the rest of a secret
			}
			if !p.release() {
				break
			}
			continue
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
	p.release()
	_ = p.file.Close()
	if !drained {
		close(p.drained)
	}
	close(p.done)
}

// holds says whether the mask waits for more.
func (p *Pump) holds() bool { return p.mask != nil && len(p.mask.held) > 0 }

// lift takes a deadline of the mask's back; one that the command's end has set stays.
func (p *Pump) lift() {
	_ = p.file.SetReadDeadline(time.Time{})
	if p.ended.Load() {
		_ = p.file.SetReadDeadline(time.Now().Add(leftoverTime))
	}
}

// hand hands on n bytes that were read, as far as they may be shown.
func (p *Pump) hand(n int) bool {
	if p.mask == nil {
		return p.emit(p.buf[:p.head+n])
	}
	return p.show(p.mask.Feed(p.buf[p.head : p.head+n]))
}

// release hands on what the mask holds back.
func (p *Pump) release() bool { return !p.holds() || p.show(p.mask.Rest()) }

func (p *Pump) show(data []byte) bool {
	for len(data) > 0 {
		n := copy(p.buf[p.head:], data)
		if !p.emit(p.buf[:p.head+n]) {
			return false
		}
		data = data[n:]
	}
	return true
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
