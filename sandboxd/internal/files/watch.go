//go:build linux

package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const watched = syscall.IN_CREATE | syscall.IN_CLOSE_WRITE | syscall.IN_DELETE | syscall.IN_MOVED_FROM |
	syscall.IN_MOVED_TO | syscall.IN_ONLYDIR

// Change is a line of a watch. Overflow says that some were missed.
type Change struct {
	Event string `json:"event"` // created, changed, removed, overflow
	Path  string `json:"path"`
}

// watch sends a line for each change in a folder until the server resets the
// stream or the folder is gone.
func watch(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	root, err := p.sub()
	if err != nil {
		return err
	}
	defer root.Close()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return err
	}
	w := &watcher{
		s: s, root: root, deep: r.Recursive, file: os.NewFile(uintptr(fd), "inotify"), fd: fd,
		folders: map[int32]string{},
	}
	defer w.file.Close()
	if err := w.addParent(p); err != nil {
		return err
	}
	if err := w.add("."); err != nil {
		return err
	}
	go func() { // a read knows of no end but this one
		<-s.over
		_ = w.file.Close()
	}()
	s.opened(nil)
	return w.run()
}

type watcher struct {
	s       *stream
	root    *os.Root
	deep    bool
	file    *os.File
	fd      int
	folders map[int32]string // by the kernel's number
	parent  int32            // the number of the folder that the watched one is in
	base    string           // its name there
	lines   bytes.Buffer
	ended   bool // the folder itself is gone
}

// add watches a folder and, where that is wanted, those in it.
func (w *watcher) add(dir string) error {
	folder, err := w.root.Open(dir)
	if err != nil {
		return err
	}
	number, err := w.number(folder)
	if err != nil {
		return err
	}
	w.folders[number] = dir
	if !w.deep {
		return nil
	}
	return w.each(dir, func(name string, info fs.FileInfo) error {
		if info.IsDir() {
			return ignoreGone(w.add(name))
		}
		return nil
	})
}

// addParent watches where the folder itself is, for of its own end it would not be
// told as long as it is open. The workspace and / have no such place, and no end.
func (w *watcher) addParent(p place) error {
	if p.name == "." {
		return nil
	}
	folder, err := p.Open(path.Dir(p.name))
	if err != nil {
		return err
	}
	w.base = path.Base(p.name)
	w.parent, err = w.number(folder)
	return err
}

// number watches a folder, by its descriptor, and closes that: a path could have
// become another folder since.
func (w *watcher) number(folder *os.File) (int32, error) {
	defer folder.Close()
	number, err := syscall.InotifyAddWatch(w.fd, "/proc/self/fd/"+strconv.Itoa(int(folder.Fd())), watched)
	if errors.Is(err, syscall.ENOSPC) {
		return 0, wire.Fail("failed", "there are more folders than the kernel can watch")
	}
	return int32(number), err
}

func (w *watcher) each(dir string, visit func(string, fs.FileInfo) error) error {
	return ignoreGone(walkFolder(w.root, dir, false, visit))
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func (w *watcher) run() error {
	buf := make([]byte, 64<<10)
	for !w.ended {
		n, err := w.file.Read(buf)
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return wire.ErrClosed
			}
			return err
		}
		if err := w.take(buf[:n]); err != nil {
			return err
		}
		if _, err := w.lines.WriteTo(w.s); err != nil {
			return err
		}
	}
	return nil
}

// take reads the kernel's events: struct inotify_event, then the name with zeros.
func (w *watcher) take(b []byte) error {
	for len(b) >= syscall.SizeofInotifyEvent {
		number := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		end := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name := string(bytes.TrimRight(b[syscall.SizeofInotifyEvent:end], "\x00"))
		if err := w.event(number, mask, name); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

func (w *watcher) exists(name string) bool {
	_, err := w.root.Lstat(name)
	return err == nil
}

func (w *watcher) event(number int32, mask uint32, name string) error {
	if mask&syscall.IN_Q_OVERFLOW != 0 {
		return w.tell("overflow", ".")
	}
	if number == w.parent && name == w.base && mask&(syscall.IN_DELETE|syscall.IN_MOVED_FROM) != 0 {
		w.ended = true
		return w.tell("removed", ".")
	}
	dir, known := w.folders[number]
	if mask&syscall.IN_IGNORED != 0 {
		delete(w.folders, number)
	}
	if !known || name == "" {
		return nil
	}
	if strings.HasPrefix(name, asidePrefix) && strings.HasSuffix(name, asideSuffix) {
		return nil // of ours, and not what anybody waits for
	}
	full := path.Join(dir, name)
	if strings.HasPrefix(name, "#") && mask&syscall.IN_CLOSE_WRITE != 0 && !w.exists(full) {
		return nil // of a file that has no name, the kernel tells by a number
	}
	switch {
	case mask&(syscall.IN_DELETE|syscall.IN_MOVED_FROM) != 0:
		return w.tell("removed", full)
	case mask&syscall.IN_CLOSE_WRITE != 0:
		return w.tell("changed", full)
	}
	if err := w.tell("created", full); err != nil {
		return err
	}
	if mask&syscall.IN_ISDIR != 0 && w.deep {
		return w.newFolder(full)
	}
	return nil
}

// newFolder watches a folder that was just made, and tells of what came into it before.
func (w *watcher) newFolder(dir string) error {
	if err := ignoreGone(w.add(dir)); err != nil {
		return err
	}
	return w.each(dir, func(name string, info fs.FileInfo) error {
		if err := w.tell("created", name); err != nil || !info.IsDir() {
			return err
		}
		return w.newFolder(name)
	})
}

func (w *watcher) tell(event, path string) error {
	return writeLine(&w.lines, Change{event, path})
}
