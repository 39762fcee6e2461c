// Command runc-shim stands where the engine looks for runc: it takes out of a
// container's config.json what needs a writable cgroup tree, keeps the container
// apart from others on the bridge, then becomes the distribution's runc. It runs for every container, so it does no more.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/orkee/orkee-jupyter/engine/internal/bundle"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runc-shim:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if dir, makes := bundle.Dir(args); makes {
		if err := bundle.Edit(dir); err != nil {
			return err
		}
		if err := bundle.Isolate(); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc", "--rootless=true"}, args...), os.Environ())
}
