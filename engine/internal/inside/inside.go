// Package inside is the first process of the engine's namespaces. It sets up
// what needs their privileges, starts the engine, answers the supervisor's
// requests and reaps orphans. When it ends the kernel ends everything in here.
package inside

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
	"github.com/orkee/orkee-jupyter/engine/internal/reap"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

const (
	linkFD   = 3
	engineFD = 4

	readyTimeout = 50 * time.Second
	stopGrace    = 8 * time.Second
	unlockWait   = 5 * time.Second

	registryPause = 500 * time.Millisecond // until an image mirror that ended is started again
)

type inside struct {
	host     *link.Conn
	reaper   *reap.Reaper
	config   *settings.Config
	engine   reap.Child
	registry string
	names    names
	stopping chan struct{}
}

// Main runs until the engine has ended, and returns the exit code.
func Main() (int, error) {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return 1, err
	}
	unix.CloseOnExec(linkFD)
	unix.CloseOnExec(engineFD)
	host, err := link.Open(os.NewFile(linkFD, "link"))
	if err != nil {
		return 1, err
	}
	// A handler, not "ignore", which the children would inherit.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	in := &inside{host: host, reaper: reap.New(), stopping: make(chan struct{}, 1)}
	in.names.found, in.names.ruled = map[name]named{}, map[container]bool{}
	code, err := in.run()
	if err != nil {
		_ = host.Send(link.Message{Kind: "failed", Error: err.Error()}, nil) // the log has it too
	}
	return code, err
}

func (in *inside) run() (int, error) {
	begin, _, err := in.host.Receive()
	if err != nil || begin.Kind != "begin" || begin.Config == nil {
		return 1, fmt.Errorf("no word from the supervisor: %v", err)
	}
	in.config = begin.Config
	if err := in.setUp(begin); err != nil {
		return 1, err
	}
	in.registry = in.startRegistry()
	ready, err := in.startEngine()
	if err != nil {
		return 1, err
	}
	go in.serve()
	select {
	case status := <-in.engine.Done:
		return 1, fmt.Errorf("the engine ended while starting: %s", describe(status))
	case <-time.After(readyTimeout):
		return 1, fmt.Errorf("the engine was not ready after %s", readyTimeout)
	case err := <-ready:
		if err != nil {
			return 1, err
		}
	case <-in.stopping:
		return in.stop(), nil
	}
	if err := in.host.Send(link.Message{Kind: "ready", Registry: in.registry}, nil); err != nil {
		return 1, err
	}
	select {
	case status := <-in.engine.Done:
		return 1, fmt.Errorf("the engine ended: %s", describe(status))
	case <-in.stopping:
		return in.stop(), nil
	}
}

// stop asks the engine to end and does not wait longer than the grace: an
// open session would hold it back for minutes.
func (in *inside) stop() int {
	_ = unix.Kill(in.engine.PID, unix.SIGTERM) // it may have ended by itself
	select {
	case <-in.engine.Done:
	case <-time.After(stopGrace):
		fmt.Fprintf(os.Stderr, "orkee-engine: the engine did not stop in %s, killing it\n", stopGrace)
	}
	return 0
}

func (in *inside) startRegistry() string {
	if in.config.RegistryDir == "" {
		return "none: not configured"
	}
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		return "none: docker-registry is not installed"
	}
	if err := writeFile(settings.RegistryYAML, settings.RenderRegistry()); err != nil {
		return "none: " + err.Error()
	}
	start := func() (reap.Child, error) {
		cmd := exec.Command(program, "serve", settings.RegistryYAML)
		cmd.Stderr = os.Stderr
		return in.reaper.Start(cmd)
	}
	child, err := start()
	if err != nil {
		return "none: " + err.Error()
	}
	go keepUp(child, start)
	return settings.RegistryHost
}

// keepUp starts a child again whenever it has ended: without the mirror no image of this
// machine's could be had for as long as the engine lives.
func keepUp(child reap.Child, start func() (reap.Child, error)) {
	for {
		fmt.Fprintln(os.Stderr, "orkee-engine: the registry ended:", describe(<-child.Done))
		time.Sleep(registryPause)
		again, err := start()
		if err != nil {
			fmt.Fprintln(os.Stderr, "orkee-engine: the registry:", err)
			return
		}
		child = again
	}
}

// startEngine starts the engine and returns a channel that tells when it serves.
func (in *inside) startEngine() (<-chan error, error) {
	for path, text := range map[string]string{
		settings.EngineTOML: settings.RenderEngine(in.registry == settings.RegistryHost),
		settings.EngineJSON: settings.RenderLog(),
	} {
		if err := writeFile(path, text); err != nil {
			return nil, err
		}
	}
	if err := waitUnlocked(settings.StateDir+"/dagger/dagger-engine.lock", unlockWait); err != nil {
		return nil, err
	}
	ready, err := awaitReady()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", "exec-engine",
		"--config", settings.EngineTOML,
		"--network-name", in.config.NetworkName, "--network-cidr", in.config.NetworkCIDR,
		"--oci-cni-binary-dir", settings.CNIDir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+settings.NotifySocket)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	listener := os.NewFile(engineFD, "engine.sock")
	cmd.ExtraFiles = []*os.File{listener}
	in.engine, err = in.reaper.Start(cmd)
	_ = listener.Close() // the engine's now
	return ready, err
}

// ExecEngine becomes the engine. Socket activation wants the pid of the very
// process in its environment, which is known only here.
func ExecEngine(args []string) error {
	env := append(os.Environ(), "LISTEN_FDS=1", "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	return syscall.Exec(settings.BinDir+"/dagger-engine", append([]string{"dagger-engine"}, args...), env)
}

// awaitReady listens for the engine's "READY=1".
func awaitReady() (<-chan error, error) {
	socket, err := listenNotify()
	if err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go func() {
		defer socket.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil || containsLine(string(buffer[:n]), "READY=1") {
				ready <- err
				return
			}
		}
	}()
	return ready, nil
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return "exit code " + strconv.Itoa(status.ExitStatus())
}
