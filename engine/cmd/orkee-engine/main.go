// Command orkee-engine runs the Dagger engine in namespaces of its own, as root
// or as an ordinary user. See ../../README.md.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/orkee/orkee-jupyter/engine/internal/assemble"
	"github.com/orkee/orkee-jupyter/engine/internal/host"
	"github.com/orkee/orkee-jupyter/engine/internal/inside"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// busy is the exit code when another supervisor runs (EX_TEMPFAIL).
const busy = 75

const usage = `usage:
  orkee-engine run --config FILE     run the engine until it is told to stop
  orkee-engine check [--bin DIR]     say as JSON what is missing on this machine
  orkee-engine purge --config FILE [--images]
                                     remove the state of an engine that does not run,
                                     and the images built on this machine too
`

// The children's parent-death signal is tied to the thread that starts them,
// so that must be one that lives as long as the process.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch os.Args[1] {
	case "run", "purge", "check": // what the user types: in a login's PATH /usr/sbin may be missing
		_ = os.Setenv("PATH", settings.SearchPath) // fails for a name with "=" only
	}
	code, err := command(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "orkee-engine:", err)
	}
	os.Exit(code)
}

func command(name string, args []string) (int, error) {
	switch name {
	case "run", "purge":
		return configured(name, args)
	case "check":
		flags := flag.NewFlagSet(name, flag.ExitOnError)
		bin := flags.String("bin", "", "folder of the engine's programs")
		_ = flags.Parse(args) // exits on an error
		return 0, json.NewEncoder(os.Stdout).Encode(host.Check(*bin))
	case "assemble-mapped":
		return 1, assemble.Wait()
	case "assemble":
		return assemble.Main()
	case "inside":
		return inside.Main()
	case "exec-engine":
		return 1, inside.ExecEngine(args)
	case "probe":
		return exit(host.Probe())
	}
	fmt.Fprint(os.Stderr, usage)
	return 2, nil
}

func configured(name string, args []string) (int, error) {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	path := flags.String("config", "", "configuration file (JSON)")
	images := flags.Bool("images", false, "with purge: remove the mirror's images too")
	_ = flags.Parse(args) // exits on an error
	config, err := settings.Load(*path)
	if err != nil {
		return 2, err
	}
	if name == "purge" {
		err = host.Purge(config, *images)
	} else {
		err = host.Run(config)
	}
	var other *host.BusyError
	if errors.As(err, &other) {
		return busy, err
	}
	return exit(err)
}

func exit(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}
