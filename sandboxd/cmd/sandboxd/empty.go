//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
)

// empty removes all that is in the folders, but not the folders themselves:
// they are the mount points of workspaces, which Dagger cannot delete by name.
// It is run in a container of its own, after the sandbox has ended.
func empty(folders []string) error {
	var failed []error
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			failed = append(failed, err)
		}
		for _, entry := range entries {
			failed = append(failed, os.RemoveAll(filepath.Join(folder, entry.Name())))
		}
	}
	return errors.Join(failed...)
}
