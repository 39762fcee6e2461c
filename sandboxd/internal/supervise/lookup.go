//go:build linux

package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	xOK       = 1
	atFdcwd   = -0x64
	atEaccess = 0x200
)

// lookUp checks a command and finds its file, in the PATH of its own environment.
func lookUp(c Command) (string, error) {
	if err := checkStrings(c); err != nil {
		return "", err
	}
	if err := checkDir(c.Dir); err != nil {
		return "", err
	}
	name := c.Args[0]
	if strings.Contains(name, "/") {
		path := within(c.Dir, name)
		if fault := executable(path, name); fault != nil {
			return "", fault
		}
		return path, nil
	}
	found := error(wire.Fail("command_not_found", "no such command: "+clip(name)))
	for _, dir := range filepath.SplitList(lookEnv(c.Env, "PATH")) {
		path := within(c.Dir, dir) + "/" + name
		fault := executable(path, name)
		if fault == nil {
			return path, nil
		}
		if fault.Code == "permission_denied" {
			found = fault // as a shell does: look on, but say that there was one
		}
	}
	return "", found
}

func checkStrings(c Command) error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return wire.Fail("bad_request", "the command is empty")
	}
	for _, s := range append(append([]string{c.Dir}, c.Args...), c.Env...) {
		if strings.ContainsRune(s, 0) {
			return wire.Fail("bad_request", "a NUL character in the command, its environment or its folder")
		}
	}
	return nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return wire.Fail("bad_cwd", fmt.Sprintf("the folder %s cannot be used: %v", clip(dir), errors.Unwrap(err)))
	case err != nil:
		return wire.Fail("bad_cwd", "no such folder: "+clip(dir))
	case !info.IsDir():
		return wire.Fail("bad_cwd", "not a folder: "+clip(dir))
	case syscall.Faccessat(atFdcwd, dir, xOK, atEaccess) != nil:
		return wire.Fail("bad_cwd", "the folder may not be entered: "+clip(dir))
	}
	return nil
}

// executable returns nil for a file that may be executed.
func executable(path, name string) *wire.Failure {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return wire.Fail("permission_denied", clip(name)+" may not be reached")
	case err != nil:
		return wire.Fail("command_not_found", "no such command: "+clip(name))
	case info.IsDir():
		return wire.Fail("permission_denied", clip(name)+" is a folder")
	case syscall.Faccessat(atFdcwd, path, xOK, atEaccess) != nil:
		return wire.Fail("permission_denied", clip(name)+" may not be executed")
	}
	return nil
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return dir + "/" + path // not cleaned: ".." behind a symbolic link means what the kernel says
}

// clip keeps a message short whatever was asked for.
func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
