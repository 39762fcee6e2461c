//go:build linux

package files

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// push unpacks a tar archive into a folder. Each file appears whole or not at all,
// and no member can leave the folder.
func push(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.MkdirAll(p.name, 0o755); err != nil {
		return err
	}
	root, err := p.sub()
	if err != nil {
		return err
	}
	defer root.Close()
	s.opened(nil)
	u := &unpacker{root: root, made: map[string]bool{".": true}}
	if err := u.unpack(tar.NewReader(s)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, s); err != nil { // what stands behind the archive
		return err
	}
	return writeLine(s, u.got)
}

type unpacker struct {
	root    *os.Root
	made    map[string]bool // folders known to be there
	folders []*tar.Header   // whose modes and times are set last
	got     Received
}

func (u *unpacker) unpack(tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.dress()
		}
		if err != nil {
			return err
		}
		name, err := memberName(h)
		if err == nil {
			err = u.add(name, h, tr)
		}
		if err != nil {
			return in(h.Name, err)
		}
	}
}

// memberName returns the clean path of a member, or refuses the archive.
func memberName(h *tar.Header) (string, error) {
	name := path.Clean(h.Name)
	if h.Name == "" || len(h.Name) > maxPath || strings.ContainsRune(h.Name, 0) || !filepath.IsLocal(name) {
		return "", wire.Fail("invalid_archive", "this name leads out of the folder")
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return "", wire.Fail("invalid_archive", "sparse files are not taken")
		}
	}
	return name, nil
}

func (u *unpacker) add(name string, h *tar.Header, content io.Reader) error {
	if name == "." {
		return nil // the folder itself keeps its mode
	}
	if h.Typeflag == tar.TypeDir {
		u.folders = append(u.folders, h)
		return u.folder(name)
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(name, h, content)
	case tar.TypeSymlink, tar.TypeLink:
		return u.link(name, h)
	}
	return wire.Fail("invalid_archive", "it is neither a file, a folder nor a link")
}

func (u *unpacker) folder(name string) error {
	if u.made[name] {
		return nil
	}
	if err := u.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	u.made[name] = true
	return nil
}

func (u *unpacker) file(name string, h *tar.Header, content io.Reader) error {
	old, err := u.root.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := newPending(u.root, name, old)
	if err != nil {
		return err
	}
	defer file.discard()
	n, err := file.fill(content)
	if err != nil {
		return err
	}
	file.mode = fs.FileMode(h.Mode) & fs.ModePerm
	if err := file.commit(h.ModTime); err != nil {
		return err
	}
	u.got.Files++
	u.got.Bytes += n
	return nil
}

// link makes a link beside its place and moves it there.
func (u *unpacker) link(name string, h *tar.Header) error {
	temp := aside(name)
	var err error
	if h.Typeflag == tar.TypeLink {
		err = u.root.Link(path.Clean(h.Linkname), temp)
	} else {
		err = u.root.Symlink(h.Linkname, temp)
	}
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		err = u.linkTime(temp, h.ModTime)
	}
	if err == nil {
		err = u.root.Rename(temp, name)
	}
	if err != nil {
		_ = u.root.Remove(temp)
		return err
	}
	u.got.Files++
	return nil
}

// linkTime sets the time of a link itself, not of what it leads to, which os.Root cannot.
func (u *unpacker) linkTime(name string, t time.Time) error {
	folder, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close()
	base, err := syscall.BytePtrFromString(path.Base(name))
	if err != nil {
		return err
	}
	when := syscall.NsecToTimespec(t.UnixNano())
	times := [2]syscall.Timespec{when, when}
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, folder.Fd(), uintptr(unsafe.Pointer(base)),
		uintptr(unsafe.Pointer(&times)), atSymlinkNoFollow, 0, 0)
	runtime.KeepAlive(folder)
	if errno != 0 {
		return errno
	}
	return nil
}

const atSymlinkNoFollow = 0x100

// dress sets the folders' modes and times, the innermost first: now nothing more
// is put into them.
func (u *unpacker) dress() error {
	for i := len(u.folders) - 1; i >= 0; i-- {
		h := u.folders[i]
		name := path.Clean(h.Name)
		if err := u.root.Chmod(name, fs.FileMode(h.Mode)&fs.ModePerm); err != nil {
			return in(h.Name, err)
		}
		if err := u.root.Chtimes(name, time.Time{}, h.ModTime); err != nil {
			return in(h.Name, err)
		}
	}
	return nil
}
