//go:build linux

package files

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const secret = "what is outside"

// workspace makes a folder with links that lead about, beside a file that is none of its.
func workspace(t testing.TB) (outside, home string) {
	t.Helper()
	top := t.TempDir()
	outside, home = filepath.Join(top, "outside"), filepath.Join(top, "home")
	for _, folder := range []string{outside, filepath.Join(home, "a", "b")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		filepath.Join(outside, "f"): secret, filepath.Join(home, "f"): "in", filepath.Join(home, "a", "f"): "in",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"up": "..", "out": "../outside", "abs": outside, "ok": "a/b", "round": "round", "deep": "a/../../outside/f",
	} {
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	return outside, home
}

// FuzzRelativePath: a relative path reaches nothing outside the workspace.
func FuzzRelativePath(f *testing.F) {
	_, home := workspace(f)
	for _, path := range []string{"f", "a/f", "../outside/f", "up/outside/f", "out/f", "abs/f", "deep", "round", "a//./../f", "\x00", ""} {
		f.Add(path, true)
	}
	f.Fuzz(func(t *testing.T, path string, follow bool) {
		if filepath.IsAbs(path) {
			return // taken as meant
		}
		p, err := Request{Home: home}.find(path, follow)
		if err != nil {
			return
		}
		defer p.Close()
		if read, err := p.ReadFile(p.name); err == nil && string(read) != "in" {
			t.Fatalf("%q gives %q", path, read)
		}
	})
}

func archive(f *testing.F, members ...tar.Header) []byte {
	f.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		h.Size = 0
		if h.Typeflag == tar.TypeReg {
			h.Size = 2
		}
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte("in")[:h.Size]); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// FuzzArchive: no archive changes anything outside the workspace, leaves a file that is
// half there, or takes more room than its bytes.
func FuzzArchive(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "new", Typeflag: tar.TypeReg}, tar.Header{Name: "d/", Typeflag: tar.TypeDir}))
	f.Add(archive(f, tar.Header{Name: "out/f", Typeflag: tar.TypeReg}))
	f.Add(archive(f, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../outside"}, tar.Header{Name: "l/f", Typeflag: tar.TypeReg}))
	f.Add(archive(f, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "../outside/f"}))
	f.Add(archive(f, tar.Header{Name: "../outside/f", Typeflag: tar.TypeReg}, tar.Header{Name: "p", Typeflag: tar.TypeFifo}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		outside, home := workspace(t)
		root, err := os.OpenRoot(home)
		if err != nil {
			t.Fatal(err)
		}
		u := &unpacker{root: root, made: map[string]bool{".": true}}
		_ = u.unpack(tar.NewReader(bytes.NewReader(raw)))
		_ = root.Close()
		if u.got.Bytes > int64(len(raw)) {
			t.Errorf("%d bytes out of %d", u.got.Bytes, len(raw))
		}
		untouched(t, outside)
		nothingHalf(t, home)
	})
}

func untouched(t *testing.T, outside string) {
	t.Helper()
	names, err := os.ReadDir(outside)
	if err != nil || len(names) != 1 {
		t.Fatalf("outside: %v %v", names, err)
	}
	read, err := os.ReadFile(filepath.Join(outside, "f"))
	info, failed := os.Stat(filepath.Join(outside, "f"))
	if err != nil || failed != nil || string(read) != secret || info.Mode().Perm() != 0o644 {
		t.Fatalf("outside: %q %v %v", read, info, err)
	}
}

func nothingHalf(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), ".orkee-") {
			t.Errorf("%s was left", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
