//go:build linux

package files

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// batch is how many names of a folder are held at once.
const batch = 512

// Entry is what is known of a file. Path is relative to what was asked for.
type Entry struct {
	Path   string  `json:"path"`
	Type   string  `json:"type"` // file, directory, symlink, other
	Size   int64   `json:"size"`
	Mode   uint32  `json:"mode"`  // permission bits
	MTime  float64 `json:"mtime"` // seconds since 1970
	Target string  `json:"target,omitempty"`
}

func entryOf(root *os.Root, name, shown string, info fs.FileInfo) *Entry {
	e := &Entry{
		Path: shown, Type: "other", Size: info.Size(), Mode: uint32(info.Mode().Perm()),
		MTime: float64(info.ModTime().UnixNano()) / 1e9,
	}
	switch {
	case info.Mode().IsRegular():
		e.Type = "file"
	case info.IsDir():
		e.Type = "directory"
	case info.Mode()&fs.ModeSymlink != 0:
		e.Type = "symlink"
		e.Target, _ = root.Readlink(name)
	}
	return e
}

func stat(s *stream, r Request) error {
	p, err := r.find(r.Path, r.Follow)
	if err != nil {
		return err
	}
	defer p.Close()
	info, err := p.Lstat(p.name)
	if err != nil {
		return err
	}
	s.opened(entryOf(p.Root, p.name, path.Base(p.name), info))
	return nil
}

// list sends a line for each entry of a folder, none for anything else.
func list(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	info, err := p.Lstat(p.name)
	if err != nil {
		return err
	}
	s.opened(entryOf(p.Root, p.name, path.Base(p.name), info))
	if !info.IsDir() {
		return nil
	}
	root, err := p.sub()
	if err != nil {
		return err
	}
	defer root.Close()
	out := bufio.NewWriterSize(s, frameSize)
	err = walk(root, r.Recursive, func(name string, info fs.FileInfo) error {
		return writeLine(out, entryOf(root, name, name, info))
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// walk visits what is in a folder: each folder before what is in it. What vanishes
// meanwhile or may not be read is left out, except for the folder itself.
func walk(root *os.Root, deep bool, visit func(name string, info fs.FileInfo) error) error {
	return walkFolder(root, ".", deep, visit)
}

func walkFolder(root *os.Root, dir string, deep bool, visit func(string, fs.FileInfo) error) error {
	folder, err := root.Open(dir)
	if err != nil {
		return skippable(err, dir)
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(batch)
		for _, base := range names {
			if err := visitOne(root, path.Join(dir, base), deep, visit); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return skippable(err, dir)
		}
	}
}

func visitOne(root *os.Root, name string, deep bool, visit func(string, fs.FileInfo) error) error {
	info, err := root.Lstat(name)
	if err != nil {
		return skippable(err, name)
	}
	if err := visit(name, info); err != nil {
		return err
	}
	if info.IsDir() && deep {
		return walkFolder(root, name, deep, visit)
	}
	return nil
}

// skippable returns nil for what a walk goes on after.
func skippable(err error, name string) error {
	if name != "." && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return nil
	}
	return in(name, err)
}

func remove(s *stream, r Request) error {
	p, err := r.find(r.Path, false)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.name == "." {
		return wire.Fail("invalid_path", "it is the whole workspace")
	}
	if _, err := p.Lstat(p.name); err != nil {
		return err
	}
	if r.Recursive {
		err = p.RemoveAll(p.name)
	} else {
		err = p.Remove(p.name)
	}
	if err == nil {
		s.opened(nil)
	}
	return err
}

func mkdir(s *stream, r Request) error {
	p, err := r.find(r.Path, false)
	if err != nil {
		return err
	}
	defer p.Close()
	if r.Parents {
		err = p.MkdirAll(p.name, r.mode(0o755))
	} else {
		err = p.Mkdir(p.name, r.mode(0o755))
	}
	if err == nil {
		s.opened(nil)
	}
	return err
}

func (r Request) mode(otherwise fs.FileMode) fs.FileMode {
	if r.Mode == nil {
		return otherwise
	}
	return fs.FileMode(*r.Mode) & fs.ModePerm
}
