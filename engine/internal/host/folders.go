package host

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// BusyError means that another supervisor has the state.
type BusyError struct{ Holder string }

func (e *BusyError) Error() string {
	return "another supervisor runs this engine already: " + e.Holder
}

// Holder is what the lock's file says of who has it.
type Holder struct {
	PID       int    `json:"pid"`
	SocketDir string `json:"socket_dir"`
}

// lock takes the one supervisor's lock; it lasts as long as the file is open.
func lock(config *settings.Config) (*os.File, error) {
	file, err := os.OpenFile(config.LockFile(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(config.LockFile()) // only to say who
		_ = file.Close()
		return nil, &BusyError{string(holder)}
	}
	text, err := json.Marshal(Holder{os.Getpid(), config.SocketDir})
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt(text, 0)
	}
	return file, err
}

// folders makes what must exist, for this user only.
func folders(config *settings.Config) error {
	dirs := []string{config.StateDir, config.SocketDir}
	if config.RegistryDir != "" {
		dirs = append(dirs, config.RegistryDir)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	info, err := os.Lstat(config.SocketDir)
	if err != nil {
		return err
	}
	var status unix.Stat_t
	if err := unix.Lstat(config.SocketDir, &status); err != nil {
		return err
	}
	if !info.IsDir() || int(status.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of this user", config.SocketDir)
	}
	return os.Chmod(config.SocketDir, 0o700) //nolint:gosec // a folder needs x
}

// listen makes a socket for this user only, in place of a stale one.
func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// addresses returns the host's own, which containers must not reach.
func addresses() []string {
	found := []string{}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return found
	}
	for _, each := range all {
		if network, ok := each.(*net.IPNet); ok && !network.IP.IsLoopback() && network.IP.To4() != nil {
			found = append(found, network.IP.String())
		}
	}
	return found
}

// enginePID finds the engine among the children of the namespaces' first process.
func enginePID(first int) int {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", first))
	if err != nil {
		return 0
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, pid := range fields(text) {
			if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && string(name) == "dagger-engine\n" {
				return pid
			}
		}
	}
	return 0
}
