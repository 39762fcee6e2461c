//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fill copies what a folder of the image has into a workspace, which then belongs to the
// image's user (if one is given). A workspace that has something already is left as it is.
func fill(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return fmt.Errorf("%w: sandboxd fill SOURCE TARGET [USER[:GROUP]]", errUsage)
	}
	source, target := args[0], args[1]
	entries, err := os.ReadDir(target)
	if err != nil || len(entries) > 0 {
		return err
	}
	err = copyTree(source, target)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && !exists(source)) {
		return err
	}
	if len(args) == 2 || args[2] == "" {
		return nil
	}
	uid, gid, err := owner(args[2])
	if err != nil {
		return err
	}
	return os.Lchown(target, uid, gid)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// copyTree copies folders, files and links with owner, mode and time; target exists.
func copyTree(source, target string) error {
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(source, entry.Name()), filepath.Join(target, entry.Name())
		if err := copyOne(from, to, entry.Type()); err != nil {
			return err
		}
	}
	return keep(source, target)
}

func copyOne(from, to string, kind fs.FileMode) error {
	switch {
	case kind.IsDir():
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return copyTree(from, to)
	case kind.IsRegular():
		if err := copyFile(from, to); err != nil {
			return err
		}
	case kind&fs.ModeSymlink != 0:
		link, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(link, to); err != nil {
			return err
		}
	case kind&fs.ModeNamedPipe != 0:
		if err := syscall.Mkfifo(to, 0o600); err != nil {
			return err
		}
	default:
		return nil // a socket or a device: nothing in an image has a use for it
	}
	return keep(from, to)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// keep gives a copy the owner, mode and time of what it is a copy of.
func keep(from, to string) error {
	var info syscall.Stat_t
	if err := syscall.Lstat(from, &info); err != nil {
		return err
	}
	if err := os.Lchown(to, int(info.Uid), int(info.Gid)); err != nil {
		return err
	}
	if info.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		return nil // a link has no mode, and nobody asks for its time
	}
	if err := syscall.Chmod(to, info.Mode&0o7777); err != nil {
		return err
	}
	return syscall.UtimesNano(to, []syscall.Timespec{info.Atim, info.Mtim})
}

// owner reads USER[:GROUP], each a name or a number, as an image's configuration has it.
func owner(text string) (int, int, error) {
	name, group, grouped := strings.Cut(text, ":")
	uid, err := strconv.Atoi(name)
	gid := 0
	account, unknown := user.Lookup(name)
	if err == nil {
		account, unknown = user.LookupId(name)
	}
	switch {
	case unknown == nil:
		uid, _ = strconv.Atoi(account.Uid)
		gid, _ = strconv.Atoi(account.Gid)
	case err != nil:
		return 0, 0, unknown
	}
	if !grouped {
		return uid, gid, nil
	}
	if number, err := strconv.Atoi(group); err == nil {
		return uid, number, nil
	}
	found, err := user.LookupGroup(group)
	if err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(found.Gid)
	return uid, gid, err
}
