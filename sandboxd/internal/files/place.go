//go:build linux

package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	maxPath  = 4096
	maxLinks = 40
)

// place is a file under a folder that it cannot leave, whatever links there are.
type place struct {
	*os.Root
	name string // "." for the folder itself
}

// find returns the place of a path: below the workspace if it is relative, else
// below /. With follow, a link at its end is replaced by what it points to.
func (r Request) find(path string, follow bool) (place, error) {
	if len(path) > maxPath || strings.ContainsRune(path, 0) {
		return place{}, wire.Fail("invalid_path", "it is too long or holds a NUL")
	}
	if filepath.IsAbs(path) {
		return fromTop(path, follow)
	}
	name := filepath.Clean(path)
	if !filepath.IsLocal(name) {
		return place{}, wire.Fail("invalid_path", "it leads out of the workspace")
	}
	root, err := os.OpenRoot(r.Home)
	if err != nil {
		return place{}, err
	}
	p := place{root, name}
	if follow {
		if err := p.follow(r.Home); err != nil {
			_ = root.Close()
			return place{}, err
		}
	}
	return p, nil
}

// fromTop finds an absolute path. Its links are followed first, for os.Root would
// refuse those that are absolute.
func fromTop(path string, follow bool) (place, error) {
	path = filepath.Clean(path)
	folder, last := filepath.Split(path)
	if follow {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folder, last = filepath.Split(real)
		}
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	root, err := os.OpenRoot("/")
	if err != nil {
		return place{}, err
	}
	name := strings.TrimPrefix(filepath.Join(folder, last), "/")
	if name == "" {
		name = "."
	}
	return place{root, name}, nil
}

func (p *place) follow(home string) error {
	for range maxLinks {
		info, err := p.Lstat(p.name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return nil // whoever uses it will see why
		}
		target, err := p.Readlink(p.name)
		if err != nil {
			return err
		}
		if filepath.IsAbs(target) {
			if target, err = filepath.Rel(home, target); err != nil {
				return err
			}
		} else {
			target = filepath.Join(filepath.Dir(p.name), target)
		}
		if !filepath.IsLocal(target) {
			return wire.Fail("invalid_path", "it is a link that leads out of the workspace")
		}
		p.name = target
	}
	return wire.Fail("invalid_path", "it is a link in a circle")
}

// sub returns the folder at the place as one that cannot be left in turn.
func (p place) sub() (*os.Root, error) {
	info, err := p.Stat(p.name)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, err
	}
	return p.OpenRoot(p.name)
}
