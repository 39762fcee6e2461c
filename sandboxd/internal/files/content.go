//go:build linux

package files

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// pieceSize is what one read of or write to a file takes.
const pieceSize = 256 << 10

// Received is what a write or a push answers with, as a line of JSON.
type Received struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// openFile opens a regular file; a pipe or device could block or never end.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err == nil && !info.Mode().IsRegular() {
		err = wire.Fail("invalid_path", "it is neither a file nor a folder")
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func read(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	f, info, err := openFile(p.Root, p.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.Offset < 0 || r.Length < 0 {
		return wire.Fail("bad_request", "offset or length is out of bounds")
	}
	if _, err := f.Seek(r.Offset, io.SeekStart); err != nil {
		return err
	}
	s.opened(entryOf(p.Root, p.name, path.Base(p.name), info))
	var from io.Reader = struct{ io.Reader }{f} // without its WriteTo, which copies 32 KiB at a time
	if r.Length > 0 {
		from = io.LimitReader(from, r.Length)
	}
	_, err = io.CopyBuffer(s, from, make([]byte, pieceSize))
	return err
}

func write(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.name == "." {
		return syscall.EISDIR
	}
	old, err := p.Lstat(p.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case r.Exclusive:
		return fs.ErrExist
	}
	if r.Parents {
		if err := p.MkdirAll(path.Dir(p.name), 0o755); err != nil {
			return err
		}
	}
	file, err := newPending(p.Root, p.name, old)
	if err != nil {
		return err
	}
	defer file.discard()
	s.opened(nil)
	n, err := file.fill(s)
	if err != nil {
		return err
	}
	if r.Mode != nil {
		file.mode = r.mode(0)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.commit(time.Time{}); err != nil {
		return err
	}
	return writeLine(s, Received{Files: 1, Bytes: n})
}

// pending is a new file that will replace another one. Until it does it has no name, where
// the file system allows that, else one beside the other's.
type pending struct {
	*os.File
	root  *os.Root
	name  string // of what it becomes
	temp  string
	named bool // temp is there
	mode  fs.FileMode
	old   fs.FileInfo // what it replaces, or nil
	done  bool
}

// newPending begins a file. What it replaces has to be a file or a link, whose
// owner and mode are kept.
func newPending(root *os.Root, name string, old fs.FileInfo) (*pending, error) {
	p := &pending{root: root, name: name, temp: aside(name), mode: 0o644}
	if old != nil {
		switch {
		case old.IsDir():
			return nil, syscall.EISDIR
		case old.Mode().IsRegular():
			p.mode, p.old = old.Mode().Perm(), old
		case old.Mode()&fs.ModeSymlink == 0:
			return nil, wire.Fail("invalid_path", "it is neither a file nor a folder")
		}
	}
	var err error
	if p.File, err = nameless(root, path.Dir(name)); err == nil {
		return p, nil
	}
	p.File, err = root.OpenFile(p.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	p.named = true
	return p, nil
}

// aside returns a free name beside a file.
func aside(name string) string {
	return path.Join(path.Dir(name), asidePrefix+rand.Text()+asideSuffix)
}

const asidePrefix, asideSuffix = ".orkee-", ".part"

func (p *pending) fill(from io.Reader) (int64, error) {
	// Without its ReadFrom, which copies 32 KiB at a time.
	return io.CopyBuffer(struct{ io.Writer }{p.File}, from, make([]byte, pieceSize))
}

// commit puts the file in its place, all of it at once.
func (p *pending) commit(mtime time.Time) error {
	if p.old != nil {
		if owner, ok := p.old.Sys().(*syscall.Stat_t); ok {
			_ = p.Chown(int(owner.Uid), int(owner.Gid)) // where that is allowed
		}
	}
	if err := p.Chmod(p.mode); err != nil {
		return err
	}
	if !p.named {
		if err := bestow(p.File, p.root, p.temp); err != nil {
			return err
		}
		p.named = true
	}
	if err := p.Close(); err != nil {
		return err
	}
	if !mtime.IsZero() {
		if err := p.root.Chtimes(p.temp, mtime, mtime); err != nil {
			return err
		}
	}
	if err := p.root.Rename(p.temp, p.name); err != nil {
		return err
	}
	p.done = true
	return nil
}

// discard removes what was not committed.
func (p *pending) discard() {
	if !p.done {
		_ = p.Close()
		if p.named {
			_ = p.root.Remove(p.temp)
		}
	}
}
