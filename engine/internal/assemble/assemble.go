// Package assemble is the supervisor's middle process. It has a mount
// namespace of its own (an ordinary user's: also a user namespace, in which the
// user is root and the lent ids are 1 to 65536). It builds the engine's root
// folder, starts the process that will be the first of the engine's
// namespaces, and slirp4netns beside it; it ends when that process ends.
package assemble

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// Files handed down: the link to the host's process, the engine's listening
// socket and, for a user, the pipe that tells that the ids are mapped.
const (
	linkFD   = 3
	engineFD = 4
	mappedFD = 5
)

// PlanVariable is where the host's process puts the plan.
const PlanVariable = "ORKEE_ENGINE_PLAN"

// Plan is what the host's process decided.
type Plan struct {
	Config *settings.Config
	CNI    string
	// BaseID is the first id, seen from this process, of the engine's range.
	BaseID int
	// Remove are folders to remove, instead of running an engine.
	Remove []string
}

// Wait holds until the ids are mapped, then starts the program again: only an
// execution as a mapped root gets the namespace's capabilities.
func Wait() error {
	pipe := os.NewFile(mappedFD, "mapped")
	if n, err := pipe.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("the ids were not mapped: %w", err)
	}
	return syscall.Exec("/proc/self/exe", []string{"orkee-engine", "assemble"}, os.Environ())
}

// Main builds, starts and waits. It returns the exit code.
func Main() (int, error) {
	_ = os.WriteFile("/proc/self/comm", []byte("orkee-engine"), 0) // looks only: it was started as "exe"
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return 1, err
	}
	var plan Plan
	if err := json.Unmarshal([]byte(os.Getenv(PlanVariable)), &plan); err != nil {
		return 1, err
	}
	if plan.Remove != nil {
		return remove(plan.Remove)
	}
	for _, fd := range []int{linkFD, engineFD} {
		unix.CloseOnExec(fd)
	}
	inner := os.NewFile(linkFD, "link")
	engine := os.NewFile(engineFD, "engine.sock")
	host, err := link.Open(dup(inner))
	if err != nil {
		return 1, err
	}
	code, err := run(&plan, host, inner, engine)
	if err != nil {
		_ = host.Send(link.Message{Kind: "failed", Error: err.Error()}, nil) // the log has it too
	}
	return code, err
}

func run(plan *Plan, host *link.Conn, inner, engine *os.File) (int, error) {
	if err := prepare(plan); err != nil {
		return 1, err
	}
	child, err := start(plan.BaseID, inner, engine)
	if err != nil {
		return 1, fmt.Errorf("start the engine's first process: %w", err)
	}
	_ = inner.Close()  // the child's now: its end must be seen as such
	_ = engine.Close() // likewise
	if err := host.Send(link.Message{Kind: "init", PID: child.Pid}, nil); err != nil {
		return 1, err
	}
	network := startNetwork(child.Pid, func(err error) {
		reason := fmt.Sprintf("none: slirp4netns ended: %v", err)
		_ = host.Send(link.Message{Kind: "network-lost", Network: reason}, nil) // or all is ending
	})
	if err := host.Send(link.Message{Kind: "network", Network: network}, nil); err != nil {
		return 1, err
	}
	state, err := child.Wait()
	runtime.KeepAlive(host)
	if err != nil {
		return 1, err
	}
	if state.ExitCode() < 0 {
		return 1, nil
	}
	return state.ExitCode(), nil
}

func remove(paths []string) (int, error) {
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return 1, err
		}
	}
	return 0, nil
}

// prepare makes the mounts private and the new root the root.
func prepare(plan *Plan) error {
	// A keyring of our own: containers must not possess the user's keys.
	// It is this thread's, and the children are started by this thread.
	_, _, errno := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
	if errno != 0 && errno != unix.ENOSYS {
		return fmt.Errorf("keyring: %w", errno)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	config := plan.Config
	sources := []string{plan.CNI}
	for _, path := range []*string{&config.BinDir, &config.StateDir, &config.RegistryDir} {
		if *path == "" {
			continue
		}
		real, err := filepath.EvalSymlinks(*path)
		if err != nil {
			return err
		}
		*path = real
		sources = append(sources, real)
	}
	base, err := mountpoint(sources)
	if err != nil {
		return err
	}
	unix.Umask(0o022)
	tree := root{base: base, owner: plan.BaseID}
	if err := tree.build(config, plan.CNI); err != nil {
		return err
	}
	return tree.enter()
}

// start clones the first process of the engine's namespaces, whose root is the
// first id of the engine's range: neither the user nor root of the host.
func start(base int, inner, engine *os.File) (*os.Process, error) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: base, Size: 65536}}
	return os.StartProcess(settings.BinDir+"/orkee-engine", []string{"orkee-engine", "inside"}, &os.ProcAttr{
		Dir:   "/",
		Env:   environment(),
		Files: []*os.File{nil, os.Stdout, os.Stderr, inner, engine},
		Sys: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
				unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			UidMappings:                ids,
			GidMappings:                ids,
			GidMappingsEnableSetgroups: true,
			Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
			Pdeathsig:                  syscall.SIGKILL,
		},
	})
}

// environment is all that the engine inherits. A proxy goes by its lower-case
// names only: the engine would hand the upper-case ones, and with them maybe
// a password, to every container.
func environment() []string {
	env := []string{
		"PATH=" + settings.SearchPath, "HOME=" + settings.HomeDir, "DO_NOT_TRACK=1", "LANG=C.UTF-8",
		"SSL_CERT_DIR=/etc/ssl/certs:/etc/pki/tls/certs:" + settings.CADir,
	}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, given := range []string{name, map[string]string{
			"http_proxy": "HTTP_PROXY", "https_proxy": "HTTPS_PROXY", "no_proxy": "NO_PROXY",
		}[name]} {
			if value := os.Getenv(given); value != "" {
				env = append(env, name+"="+value)
				break
			}
		}
	}
	return env
}

func dup(file *os.File) *os.File {
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil // link.Open then fails
	}
	return os.NewFile(uintptr(fd), file.Name()+strconv.Itoa(fd))
}
