//go:build linux

package files

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// pull sends a tar archive: of a folder its first member is ./ and the others are
// relative to it; of a file it is that one, by its base name.
func pull(s *stream, r Request) error {
	p, err := r.find(r.Path, true)
	if err != nil {
		return err
	}
	defer p.Close()
	info, err := p.Lstat(p.name)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(s, frameSize)
	a := &packer{tw: tar.NewWriter(out), piece: make([]byte, pieceSize)}
	if !info.IsDir() {
		f, _, err := openFile(p.Root, p.name) // before OPENED: may it be read at all?
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	s.opened(entryOf(p.Root, p.name, path.Base(p.name), info))
	if err := a.pack(p, info); err != nil {
		return err
	}
	if err := a.tw.Close(); err != nil {
		return err
	}
	return out.Flush()
}

type packer struct {
	tw    *tar.Writer
	piece []byte
}

func (a *packer) pack(p place, info fs.FileInfo) error {
	if !info.IsDir() {
		return a.add(p.Root, p.name, path.Base(p.name), info)
	}
	root, err := p.sub()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := a.tw.WriteHeader(header("./", info, tar.TypeDir)); err != nil {
		return err
	}
	return walk(root, true, func(name string, info fs.FileInfo) error {
		return in(name, a.add(root, name, name, info))
	})
}

func header(name string, info fs.FileInfo, kind byte) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(),
		Format: tar.FormatPAX,
	}
}

// add packs one file; pipes, sockets and devices are left out.
func (a *packer) add(root *os.Root, name, shown string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return a.tw.WriteHeader(header(shown+"/", info, tar.TypeDir))
	case info.Mode()&fs.ModeSymlink != 0:
		h := header(shown, info, tar.TypeSymlink)
		var err error
		if h.Linkname, err = root.Readlink(name); err != nil {
			return skippable(err, name)
		}
		return a.tw.WriteHeader(h)
	case info.Mode().IsRegular():
		return a.addFile(root, name, shown)
	}
	return nil
}

func (a *packer) addFile(root *os.Root, name, shown string) error {
	f, info, err := openFile(root, name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) { // one that is left out would not be missed
			return err
		}
		return skippable(err, name)
	}
	defer f.Close()
	h := header(shown, info, tar.TypeReg)
	h.Size = info.Size()
	if err := a.tw.WriteHeader(h); err != nil {
		return err
	}
	// A file that grows is sent as long as it was; one that shrinks ends in zeros.
	n, err := io.CopyBuffer(a.tw, io.LimitReader(f, h.Size), a.piece)
	if err == nil && n < h.Size {
		_, err = io.CopyN(a.tw, zeros{}, h.Size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
