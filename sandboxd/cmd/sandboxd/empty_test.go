//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEmptyRemovesWhatIsInTheFoldersAndFollowsNoLink(t *testing.T) {
	outside := t.TempDir()
	kept := filepath.Join(outside, "kept")
	if err := os.WriteFile(kept, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := empty([]string{folder}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Fatalf("left %v, error %v", left, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Fatalf("what a link points to was removed: %v", err)
	}
}
