package inside

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

const cgroups = settings.Base + "/cgroup"

// slirpDNS is where slirp4netns forwards questions to the host's resolver.
const slirpDNS = "10.0.2.3"

// setUp does what has to be done once, inside, before the engine starts.
func (in *inside) setUp(begin link.Message) error {
	if err := unix.Sethostname([]byte("orkee-engine")); err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := resolver(begin.Network); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if err := in.keepApart(); err != nil {
		return err
	}
	// Link-local addresses are the cloud's metadata services, never a container's business.
	return in.block(append([]string{"169.254.0.0/16"}, begin.Hosts...))
}

func mounts() error {
	unix.Umask(0o022)
	steps := []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		// The pid namespace's own processes.
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		// The host's sysfs names the host's interfaces; the engine would sample
		// those, find nothing and die. cgroups stay the host's, to be read.
		{"/sys/fs/cgroup", cgroups, "", unix.MS_BIND | unix.MS_REC, ""},
		{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{cgroups, "/sys/fs/cgroup", "", unix.MS_BIND | unix.MS_REC, ""},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"},
		{"shm", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=1777,size=64m"},
	}
	if err := os.Mkdir(cgroups, 0o755); err != nil {
		return err
	}
	for _, step := range steps {
		if err := unix.Mount(step.source, step.target, step.kind, step.flags, step.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", step.source, step.target, err)
		}
	}
	// What a killed engine left: temporary files, and the names of network
	// namespaces that ended with it.
	if err := empty("/tmp"); err != nil {
		return err
	}
	if err := empty(settings.StateDir + "/dagger/net/cni"); err != nil {
		return err
	}
	return os.Chmod("/tmp", 0o777|os.ModeSticky)
}

// empty removes what is in a folder, if there is one.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// resolver gives the engine a resolv.conf of its own. It binds over that, and
// over dnsmasq-resolv.conf, itself; both must exist, since /etc is read-only
// to it in spirit: nothing else is written there.
func resolver(network string) error {
	text := "# no network\n"
	if network == "slirp4netns" {
		text = "nameserver " + slirpDNS + "\n"
	}
	own := settings.Base + "/resolv.conf"
	if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
		return err
	}
	for _, path := range []string{"/etc/resolv.conf", "/etc/dnsmasq-resolv.conf"} {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				return err
			}
		}
	}
	return unix.Mount(own, "/etc/resolv.conf", "", unix.MS_BIND, "")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// block refuses containers the way to addresses. CNI's firewall plugin makes
// its chain the first of FORWARD and accepts there all that comes from a
// container; CNI-ADMIN is the chain that it asks before.
func (in *inside) block(addresses []string) error {
	for _, address := range addresses {
		if !isIPv4(address) {
			continue // the namespace has no IPv6 way out
		}
		if err := in.refuse("-d", address); err != nil {
			return err
		}
	}
	return nil
}

// keepApart refuses what one container sends to another by way of the gateway: on the bridge
// itself their ports are isolated, but a program may write any frame that it likes.
func (in *inside) keepApart() error {
	return in.refuse("-s", in.config.NetworkCIDR, "-d", in.config.NetworkCIDR)
}

// refuse refuses to forward what matches, from now on.
func (in *inside) refuse(match ...string) error {
	_, _ = in.iptables("-N", "CNI-ADMIN") // it may be there already
	rule := append(append([]string{"CNI-ADMIN"}, match...), "-j", "REJECT")
	if code, err := in.iptables(append([]string{"-C"}, rule...)...); err == nil && code == 0 {
		return nil
	}
	code, err := in.iptables(append([]string{"-A"}, rule...)...)
	if err != nil {
		return fmt.Errorf("iptables: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("iptables could not refuse %v (exit code %d)", match, code)
	}
	return nil
}

func (in *inside) iptables(args ...string) (int, error) {
	return in.reaper.Run(exec.Command("iptables", append([]string{"-w", "5"}, args...)...))
}

func listenNotify() (*net.UnixConn, error) {
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: settings.NotifySocket, Net: "unixgram"})
}

func containsLine(text, line string) bool {
	for _, each := range strings.Split(text, "\n") {
		if each == line {
			return true
		}
	}
	return false
}

// waitUnlocked waits until no dying engine of before holds the state.
func waitUnlocked(path string, limit time.Duration) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil // closing the file gives the lock back
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another engine uses this state: %w", err)
		}
	}
}
