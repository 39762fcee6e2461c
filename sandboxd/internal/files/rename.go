//go:build linux

package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

func rename(s *stream, r Request) error {
	from, err := r.find(r.Path, false)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := r.find(r.To, false)
	if err != nil {
		return err
	}
	defer to.Close()
	if from.name == "." || to.name == "." {
		return wire.Fail("invalid_path", "it is a whole tree")
	}
	if _, err := from.Lstat(from.name); err != nil {
		return err
	}
	if _, err := to.Lstat(to.name); err == nil && !r.Overwrite {
		return wire.Fail("file_exists", "the new name is taken")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.Parents {
		if err := to.MkdirAll(path.Dir(to.name), 0o755); err != nil {
			return err
		}
	}
	if err := move(from, to); err != nil {
		return err
	}
	s.opened(nil)
	return nil
}

// move renames from one place to another, whose folders may differ: so by the
// descriptors of the parents.
func move(from, to place) error {
	source, err := from.Open(path.Dir(from.name))
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := to.Open(path.Dir(to.name))
	if err != nil {
		return err
	}
	defer target.Close()
	err = syscall.Renameat(
		int(source.Fd()), path.Base(from.name), int(target.Fd()), path.Base(to.name),
	)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from.name, New: to.name, Err: err}
	}
	return nil
}
