//go:build linux

package files

import (
	"os"
	"path"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

const (
	tmpfile       = 0x400000 | syscall.O_DIRECTORY // O_TMPFILE, which syscall has not
	atFdcwd       = ^uintptr(99)                   // -100
	symlinkFollow = 0x400
)

// nameless begins a file that has no name yet, so that nothing of it is left when the
// container is killed. It fails where the file system knows no such files, or no name could
// be given to one.
func nameless(root *os.Root, folder string) (*os.File, error) {
	dir, err := root.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := syscall.Openat(int(dir.Fd()), ".", tmpfile|syscall.O_WRONLY|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), folder)
	if err := syscall.Access(inProc(file), 0); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// bestow gives a nameless file its first name, which must be free.
func bestow(file *os.File, root *os.Root, name string) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := syscall.BytePtrFromString(inProc(file))
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(path.Base(name))
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, atFdcwd, uintptr(unsafe.Pointer(from)),
		dir.Fd(), uintptr(unsafe.Pointer(to)), symlinkFollow, 0)
	runtime.KeepAlive(file)
	if errno != 0 {
		return errno
	}
	return nil
}

func inProc(file *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(file.Fd())) }
