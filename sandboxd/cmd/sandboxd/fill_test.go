//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func image(t *testing.T) string {
	t.Helper()
	source := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(source, "sub", "deep"), 0o750),
		os.WriteFile(filepath.Join(source, "sub", "tool"), []byte("#!"), 0o755), //nolint:gosec // a program
		os.Symlink("sub/tool", filepath.Join(source, "link")),
		os.Chmod(filepath.Join(source, "sub"), 0o2750), //nolint:gosec // what a folder needs
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return source
}

func TestFillCopiesATreeWithItsModesAndTimes(t *testing.T) {
	source, target := image(t), t.TempDir()
	if err := fill([]string{source, target}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub", "sub/deep", "sub/tool"} {
		want, _ := os.Stat(filepath.Join(source, name))
		got, err := os.Stat(filepath.Join(target, name))
		if err != nil || got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: %v, got %v, want %v", name, err, got, want)
		}
	}
	if link, err := os.Readlink(filepath.Join(target, "link")); err != nil || link != "sub/tool" {
		t.Errorf("link: %q %v", link, err)
	}
}

func TestFillLeavesAWorkspaceThatIsInUse(t *testing.T) {
	source, target := image(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(target, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill([]string{source, target}); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(target); len(entries) != 1 {
		t.Errorf("there are %v", entries)
	}
}

func TestFillWithoutASourceGivesTheFolderToItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give a folder away")
	}
	target := t.TempDir()
	if err := fill([]string{filepath.Join(target, "none"), target, "1234:5678"}); err != nil {
		t.Fatal(err)
	}
	uid, gid := ids(t, target)
	if uid != 1234 || gid != 5678 {
		t.Errorf("it belongs to %d:%d", uid, gid)
	}
}

func TestOwnerReadsNamesAndNumbers(t *testing.T) {
	for text, want := range map[string][2]int{"root": {0, 0}, "0:7": {0, 7}, "4321": {4321, 0}, "root:root": {0, 0}} {
		uid, gid, err := owner(text)
		if err != nil || [2]int{uid, gid} != want {
			t.Errorf("%s: %d:%d %v", text, uid, gid, err)
		}
	}
	if _, _, err := owner("no such user"); err == nil {
		t.Error("a user that does not exist has an id")
	}
}

func ids(t *testing.T, path string) (int, int) {
	t.Helper()
	var info syscall.Stat_t
	if err := syscall.Stat(path, &info); err != nil {
		t.Fatal(err)
	}
	return int(info.Uid), int(info.Gid)
}
