package assemble

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

const networkTimeout = 5 * time.Second

// startNetwork gives the namespace of pid a way out by slirp4netns and returns
// "slirp4netns", or "none: reason". A host without one still runs containers.
// lost is called should it end before this process does.
func startNetwork(pid int, lost func(error)) string {
	program, err := find("slirp4netns")
	if err != nil {
		return "none: slirp4netns is not installed"
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return "none: " + strings.TrimPrefix(err.Error(), "open ")
	}
	_ = tun.Close() // it was opened to see whether it can be
	if err := slirp(program, pid, lost); err != nil {
		return "none: " + err.Error()
	}
	return "slirp4netns"
}

// slirp starts the program and waits until the interface is up. The read end of
// a pipe that nobody writes to ends it with this process, however that dies.
func slirp(program string, pid int, lost func(error)) error {
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyRead.Close()
	defer readyWrite.Close()
	exitRead, exitWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer exitRead.Close()
	cmd := exec.Command(program, "--configure", "--mtu=65520", "--disable-host-loopback",
		"--enable-sandbox", "--enable-seccomp", "--ready-fd=3", "--exit-fd=4",
		fmt.Sprintf("--userns-path=/proc/%d/ns/user", pid), "--netns-type=path",
		fmt.Sprintf("/proc/%d/ns/net", pid), "tap0")
	cmd.Env = []string{"PATH=" + settings.SearchPath}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{readyWrite, exitRead}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	held = exitWrite
	_ = readyWrite.Close() // the child's now
	_ = readyRead.SetReadDeadline(time.Now().Add(networkTimeout))
	if _, err := bufio.NewReader(readyRead).ReadByte(); err != nil {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // same
		return fmt.Errorf("slirp4netns did not come up: %w", err)
	}
	go func() { lost(cmd.Wait()) }()
	return nil
}

// held keeps the write end of slirp4netns' exit pipe from being collected.
var held *os.File

func find(name string) (string, error) {
	for _, dir := range strings.Split(settings.SearchPath, ":") {
		path := dir + "/" + name
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
