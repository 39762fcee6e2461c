//go:build linux

package files

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// codes says what the kernel's errors are called on the wire, the first that fits.
var codes = []struct {
	err  error
	code string
}{
	{syscall.ENOTEMPTY, "directory_not_empty"}, // is an fs.ErrExist too
	{syscall.ENOTDIR, "not_a_directory"},
	{syscall.EISDIR, "is_a_directory"},
	{fs.ErrNotExist, "file_not_found"},
	{fs.ErrExist, "file_exists"},
	{fs.ErrPermission, "permission_denied"},
	{syscall.EROFS, "permission_denied"},
	{syscall.ENOSPC, "disk_full"},
	{syscall.EDQUOT, "disk_full"},
	{syscall.ENAMETOOLONG, "invalid_path"},
	{syscall.ELOOP, "invalid_path"},
	{syscall.EINVAL, "invalid_path"},
	{syscall.EXDEV, "invalid_path"},
	{tar.ErrHeader, "invalid_archive"},
	{tar.ErrFieldTooLong, "invalid_archive"},
	{io.ErrUnexpectedEOF, "invalid_archive"},
}

// failure says for the wire what went wrong.
func failure(err error) *wire.Failure {
	var f *wire.Failure
	if errors.As(err, &f) {
		return f
	}
	message := reason(err)
	for _, known := range codes {
		if errors.Is(err, known.err) {
			return wire.Fail(known.code, message)
		}
	}
	if escapes(err) {
		return wire.Fail("invalid_path", "it leads out of the folder")
	}
	return wire.Fail("failed", message)
}

// reason leaves the paths out of an error: the asker knows what was asked for.
func reason(err error) string {
	var path *fs.PathError
	for errors.As(err, &path) { // os.Root may have one in another
		err = path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err.Error()
	}
	return err.Error()
}

// escapes reports whether os.Root refused a path; its error has no name.
func escapes(err error) bool { return reason(err) == "path escapes from parent" }

// in names the member of an archive, or of a folder, that something went wrong with.
func in(name string, err error) error {
	if err == nil || errors.Is(err, wire.ErrClosed) {
		return err
	}
	f := failure(err)
	return wire.Fail(f.Code, name+": "+f.Message)
}
