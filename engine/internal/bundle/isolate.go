package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ports are where the kernel says of each port of a bridge whether it is isolated.
const ports = "/sys/class/net/*/brport/isolated"

// Isolate keeps the containers on the bridge apart: from an isolated port frames go to the
// bridge itself and to ports that are not isolated, of which there are none. It runs before
// each container's first program, whose own port is there then.
func Isolate() error { return isolate(ports) }

func isolate(pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range found {
		err := os.WriteFile(path, []byte("1"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // its container has just ended
			return fmt.Errorf("the container could not be kept apart from others: %w", err)
		}
	}
	return nil
}
