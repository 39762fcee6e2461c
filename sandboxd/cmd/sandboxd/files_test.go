//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/files"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// files begins an operation; more are pairs of a field's name and value.
func (s *server) files(op, path string, more ...any) *peer {
	s.t.Helper()
	f := fields{"kind": "files", "op": op, "path": path}
	for i := 0; i < len(more); i += 2 {
		f[more[i].(string)] = more[i+1]
	}
	return s.open(f)
}

// answered expects OPENED and returns all that comes behind it.
func (p *peer) answered() []byte {
	p.t.Helper()
	p.expect(wire.Opened, nil)
	b := p.received()
	p.closed()
	return b
}

// sent expects OPENED, sends bytes within the first credit, and returns the answer.
func (p *peer) sent(b []byte) files.Received {
	p.t.Helper()
	p.expect(wire.Opened, nil)
	for piece := range slices.Chunk(b, 50_000) {
		p.data(string(piece))
	}
	p.endInput()
	var got files.Received
	must(p.t, json.Unmarshal(p.received(), &got))
	p.closed()
	return got
}

// home returns a path in the folder that relative paths count from.
func (s *server) home(name string) string { return filepath.Join(s.daemon.Dir, name) }

func (s *server) put(name, content string) string {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.home(name)), 0o755))
	must(s.t, os.WriteFile(s.home(name), []byte(content), 0o644))
	return s.home(name)
}

// has fails the test if a file does not hold that, or if something was left beside it.
func (s *server) has(name, content string) {
	s.t.Helper()
	b, err := os.ReadFile(s.home(name))
	if err != nil || string(b) != content {
		s.t.Errorf("%s: %q %v, want %q", name, b, err, content)
	}
	eventually(s.t, "nothing is left", func() bool {
		rest, _ := filepath.Glob(filepath.Join(filepath.Dir(s.home(name)), ".orkee-*"))
		return len(rest) == 0
	})
}

// writes says whether the daemon has a file open that has no name yet, and something in it.
func (s *server) writes() bool {
	found, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.daemon.Process.Pid))
	for _, each := range found {
		target, _ := os.Readlink(each)
		info, err := os.Stat(each)
		if strings.HasPrefix(target, s.home("#")) && err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

func archive(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		content := []byte(nil)
		if h.Typeflag == tar.TypeReg {
			content = []byte("content of " + h.Name)
		}
		h.Size = int64(len(content))
		must(t, w.WriteHeader(&h))
		_, err := w.Write(content)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func TestFilesListTellsOfEachKind(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.put("a/file", "12345")
		must(t, os.Symlink("file", s.home("a/link")))
		must(t, syscall.Mkfifo(s.home("a/pipe"), 0o600))
		must(t, os.MkdirAll(s.home("a/sub/deep"), 0o750))
		lines := strings.Split(strings.TrimSpace(string(s.files("list", "a", "recursive", true).answered())), "\n")
		got := map[string]files.Entry{}
		for _, line := range lines {
			var e files.Entry
			must(t, json.Unmarshal([]byte(line), &e))
			got[e.Path] = e
		}
		if e := got["file"]; e.Type != "file" || e.Size != 5 || e.Mode != 0o644 || time.Since(time.Unix(int64(e.MTime), 0)) > time.Hour {
			t.Errorf("%+v", e)
		}
		if got["link"].Target != "file" || got["pipe"].Type != "other" || got["sub/deep"].Type != "directory" || len(got) != 5 {
			t.Errorf("%+v", got)
		}
	})
}

func TestFilesOfAFolderOfThousandsAreListedWhole(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		must(t, os.Mkdir(s.home("many"), 0o755))
		for i := range 3000 {
			must(t, os.WriteFile(s.home("many/"+strings.Repeat("n", 100)+string(rune('a'+i%26))+time.Duration(i).String()), nil, 0o644))
		}
		if n := bytes.Count(s.files("list", "many").answered(), []byte("\n")); n != 3000 {
			t.Error(n)
		}
	})
}

func TestFilesReadGivesAllOrAPart(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		large := strings.Repeat("0123456789", 300_000)
		s.put("large", large)
		if got := s.files("read", "large").answered(); string(got) != large {
			t.Errorf("%d bytes", len(got))
		}
		if got := s.files("read", "large", "offset", 5, "length", 10).answered(); string(got) != "5678901234" {
			t.Errorf("%q", got)
		}
		if got := s.files("read", "/proc/self/comm").answered(); len(got) == 0 {
			t.Error("a file of the kernel's, whose size is 0, is empty")
		}
	})
}

func TestFilesWriteReplacesWholeAndKeepsTheMode(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		must(t, os.Chmod(s.put("script", "old"), 0o751))
		must(t, os.Symlink("script", s.home("link")))
		got := s.files("write", "link").sent([]byte("new"))
		s.has("script", "new")
		info, err := os.Stat(s.home("script"))
		must(t, err)
		if got.Bytes != 3 || info.Mode().Perm() != 0o751 {
			t.Errorf("%+v %v", got, info.Mode())
		}
		s.files("write", "deep/er/x", "parents", true, "mode", 0o600).sent(nil)
		s.has("deep/er/x", "")
		if code := s.files("write", "script", "exclusive", true).resetCode(); code != "file_exists" {
			t.Error(code)
		}
	})
}

func TestFilesBrokenOffLeaveTheOldOne(t *testing.T) {
	for _, op := range []string{"write", "push"} {
		for _, how := range []string{"reset", "loss", "kill"} {
			t.Run(op+" "+how, func(t *testing.T) {
				onBothLinks(t, func(t *testing.T, s *server) {
					s.put("x", "old")
					path, begin := "x", []byte("new")
					if op == "push" {
						path, begin = ".", archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "x"})[:515]
					}
					p := s.files(op, path)
					p.expect(wire.Opened, nil)
					p.data(string(begin))
					eventually(t, "it is being written", s.writes)
					switch how {
					case "reset":
						p.reset()
					case "loss":
						_ = p.c.Close()
					case "kill":
						must(t, s.daemon.Process.Kill())
						receive(t, s.exited)
					}
					s.has("x", "old")
				})
			})
		}
	}
}

func TestFilesRefusalsHaveACode(t *testing.T) {
	cases := []struct {
		code, op, path string
		more           []any
	}{
		{"bad_request", "dance", "x", nil},
		{"file_not_found", "stat", "none", nil},
		{"file_not_found", "read", "none", nil},
		{"file_not_found", "pull", "none", nil},
		{"file_not_found", "list", "none", nil},
		{"file_not_found", "remove", "none", nil},
		{"file_not_found", "rename", "none", []any{"to", "x"}},
		{"file_not_found", "write", "none/x", nil},
		{"is_a_directory", "read", "dir", nil},
		{"is_a_directory", "write", "dir", nil},
		{"invalid_path", "read", "pipe", nil},
		{"invalid_path", "write", "pipe", nil},
		{"invalid_path", "pull", "pipe", nil},
		{"not_a_directory", "read", "file/x", nil},
		{"not_a_directory", "watch", "file", nil},
		{"directory_not_empty", "remove", "dir", nil},
		{"file_exists", "mkdir", "dir", nil},
		{"file_exists", "rename", "file", []any{"to", "dir"}},
		{"invalid_path", "remove", ".", []any{"recursive", true}},
		{"invalid_path", "read", "../x", nil},
		{"invalid_path", "read", "dir/../../x", nil},
		{"invalid_path", "read", "out/passwd", nil},
		{"invalid_path", "write", "out/x", nil},
		{"invalid_path", "write", "up", nil},
		{"invalid_path", "read", "circle", nil},
		{"invalid_path", "read", strings.Repeat("x", 5000), nil},
		{"invalid_path", "read", strings.Repeat("x", 300), nil},
		{"invalid_path", "read", "a\x00b", nil},
		{"invalid_path", "push", "out", nil},
		{"invalid_path", "rename", "file", []any{"to", "../x"}},
	}
	onBothLinks(t, func(t *testing.T, s *server) {
		s.put("file", "")
		s.put("dir/x", "")
		must(t, syscall.Mkfifo(s.home("pipe"), 0o600))
		for link, target := range map[string]string{"out": "/etc", "up": "../x", "circle": "circle"} {
			must(t, os.Symlink(target, s.home(link)))
		}
		for _, c := range cases {
			if code := s.files(c.op, c.path, c.more...).resetCode(); code != c.code {
				t.Errorf("%s %.50q: %s, want %s", c.op, c.path, code, c.code)
			}
		}
		s.has("dir/x", "")
	})
}

func TestFilesAbsolutePathsAreTakenAsMeant(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		other := t.TempDir()
		must(t, os.Symlink(other, s.home("out")))
		s.files("write", s.home("out")+"/x").sent([]byte("there"))
		b, err := os.ReadFile(other + "/x")
		if string(b) != "there" {
			t.Error(err)
		}
		s.files("rename", other+"/x", "to", "here").answered()
		s.has("here", "there")
	})
}

func TestFilesChangesOfNames(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.put("a", "a")
		s.put("b", "b")
		s.files("mkdir", "d/e", "parents", true).answered()
		s.files("rename", "a", "to", "d/e/a").answered()
		s.files("rename", "b", "to", "d/e/a", "overwrite", true).answered()
		s.has("d/e/a", "b")
		s.files("remove", "d", "recursive", true).answered()
		if _, err := os.Lstat(s.home("d")); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

func TestFilesPushKeepsModesTimesAndLinks(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		at := time.Unix(1_600_000_000, 123456789)
		got := s.files("push", "in").sent(archive(t,
			tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o555, ModTime: at, Format: tar.FormatPAX},
			tar.Header{Typeflag: tar.TypeReg, Name: "d/x", Mode: 0o4711, ModTime: at, Format: tar.FormatPAX},
			tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "/elsewhere", ModTime: at, Format: tar.FormatPAX},
		))
		s.has("in/d/x", "content of d/x")
		for name, mode := range map[string]fs.FileMode{
			"in/d": fs.ModeDir | 0o555, "in/d/x": 0o711, "in/l": fs.ModeSymlink | 0o777,
		} {
			info, err := os.Lstat(s.home(name))
			must(t, err)
			if info.Mode() != mode || !info.ModTime().Equal(at) {
				t.Errorf("%s: %v %v", name, info.Mode(), info.ModTime())
			}
		}
		target, _ := os.Readlink(s.home("in/l"))
		if target != "/elsewhere" || got.Files != 2 || got.Bytes != 14 {
			t.Errorf("%s %+v", target, got)
		}
	})
}

func TestFilesPushRefusesWhatLeadsOut(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	hostile := map[string][]tar.Header{
		"dots":          {file("../x")},
		"inner dots":    {file("a/../../x")},
		"absolute":      {file("/tmp/orkee-escaped")},
		"link":          {link("l", ".."), file("l/x")},
		"absolute link": {link("l", "/tmp"), file("l/orkee-escaped")},
		"links":         {link("a", "."), link("a/b", ".."), file("a/b/x")},
		"hard link":     {{Typeflag: tar.TypeLink, Name: "h", Linkname: "../x"}},
		"device":        {{Typeflag: tar.TypeChar, Name: "d", Devmajor: 1, Devminor: 3}},
		"pipe":          {{Typeflag: tar.TypeFifo, Name: "p"}},
	}
	onBothLinks(t, func(t *testing.T, s *server) {
		s.put("x", "old")
		for name, members := range hostile {
			p := s.files("push", "in")
			p.expect(wire.Opened, nil)
			p.data(string(archive(t, members...)))
			p.endInput()
			var f wire.Failure
			p.expect(wire.Reset, &f)
			if f.Code != "invalid_archive" && f.Code != "invalid_path" {
				t.Errorf("%s: %+v", name, f)
			}
			s.has("x", "old")
		}
		if _, err := os.Lstat("/tmp/orkee-escaped"); err == nil {
			t.Error("it escaped")
		}
	})
}

func TestFilesPushOfACutArchiveFails(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		whole := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "x"})
		for _, b := range [][]byte{whole[:515], whole[:100], []byte("no archive at all"), bytes.Repeat([]byte("x"), 1024)} {
			p := s.files("push", ".")
			p.expect(wire.Opened, nil)
			p.data(string(b))
			p.endInput()
			if code := p.resetCode(); code != "invalid_archive" {
				t.Error(code)
			}
		}
	})
}

func TestFilesPullGivesATar(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		must(t, os.Chmod(s.put("d/sub/x", "hello"), 0o750))
		must(t, os.Symlink("sub/x", s.home("d/l")))
		must(t, syscall.Mkfifo(s.home("d/pipe"), 0o600))
		r := tar.NewReader(bytes.NewReader(s.files("pull", "d").answered()))
		got := map[string]string{}
		for h, err := r.Next(); err == nil; h, err = r.Next() {
			b, _ := io.ReadAll(r)
			got[h.Name] = h.Linkname + string(b)
		}
		want := map[string]string{"./": "", "sub/": "", "sub/x": "hello", "l": "sub/x"}
		if len(got) != len(want) || got["sub/x"] != "hello" || got["l"] != "sub/x" {
			t.Errorf("%q", got)
		}
		one := tar.NewReader(bytes.NewReader(s.files("pull", "d/l").answered()))
		if h, err := one.Next(); err != nil || h.Name != "x" || h.Mode != 0o750 {
			t.Errorf("%+v %v", h, err)
		}
	})
}

func TestFilesWatchTellsOfChanges(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.put("w/sub/x", "")
		p := s.files("watch", "w", "recursive", true)
		p.expect(wire.Opened, nil)
		told := func(event, path string) {
			t.Helper()
			for f := p.read(); ; f = p.read() {
				if bytes.Contains(f.Bytes(), []byte(event+`","path":"`+path+`"}`)) {
					return
				}
			}
		}
		s.put("w/sub/y", "1")
		told("changed", "sub/y")
		must(t, os.Remove(s.home("w/sub/x")))
		told("removed", "sub/x")
		s.put("w/new/er/z", "1")
		told("ed", "new/er/z")
		s.put("w/new/er/later", "1")
		told("created", "new/er/later")
		s.files("write", "w/whole").sent([]byte("1"))
		for f := p.read(); !bytes.Contains(f.Bytes(), []byte(`"path":"whole"`)); f = p.read() {
			if bytes.Contains(f.Bytes(), []byte(`"path":"#`)) || bytes.Contains(f.Bytes(), []byte(".part")) {
				t.Errorf("told of what has no name: %s", f.Bytes())
			}
		}
		s.put("w/#1", "1")
		told("changed", "#1")
		must(t, os.RemoveAll(s.home("w")))
		told("removed", ".")
		p.expect(wire.End, nil)
		p.closed()
	})
}
