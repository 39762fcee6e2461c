//go:build linux

package supervise

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

const (
	tiocGptPeer = 0x5441 // not in package syscall
	iutf8       = 0x4000
)

// Size is the size of a terminal in characters.
type Size struct{ Rows, Columns uint16 }

// terminal makes a pseudo-terminal and returns the descriptor of the command's end. We
// hold that open while the command runs: one that closes its own, or goes over to
// /dev/tty for a while, must not look like one that has gone.
func (p *Process) terminal(size Size) (int, error) {
	master, err := openMaster()
	if err != nil {
		return -1, err
	}
	p.Terminal = os.NewFile(uintptr(master), "terminal")
	var unlock int32
	if err := ioctl(master, syscall.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock))); err != nil {
		return -1, err
	}
	// Asked of our end, so that no path in the container can stand for it.
	peer, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(master), tiocGptPeer,
		syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC)
	if errno != 0 {
		return -1, os.NewSyscallError("open a terminal", errno)
	}
	// So that erasing a character in a line erases all of its bytes.
	var modes syscall.Termios
	if ioctl(int(peer), syscall.TCGETS, uintptr(unsafe.Pointer(&modes))) == nil {
		modes.Iflag |= iutf8
		_ = ioctl(int(peer), syscall.TCSETS, uintptr(unsafe.Pointer(&modes)))
	}
	p.peer = os.NewFile(peer, "terminal")
	return int(peer), setSize(master, size)
}

func openMaster() (int, error) {
	const flags = syscall.O_RDWR | syscall.O_NOCTTY | syscall.O_CLOEXEC | syscall.O_NONBLOCK
	var err error
	for _, path := range []string{"/dev/ptmx", "/dev/pts/ptmx"} {
		var fd int
		if fd, err = syscall.Open(path, flags, 0); err == nil {
			return fd, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return -1, os.NewSyscallError("open /dev/ptmx", err)
}

// Resize sets the size of the command's terminal; a change of it is a WINCH to whatever
// has the foreground.
func (p *Process) Resize(size Size) {
	if raw, err := p.Terminal.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = setSize(int(fd), size) })
	}
}

func setSize(fd int, size Size) error {
	window := [4]uint16{size.Rows, size.Columns, 0, 0}
	return ioctl(fd, syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&window)))
}

func ioctl(fd int, request, argument uintptr) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, argument); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}
