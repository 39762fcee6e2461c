package assemble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// root builds the engine's own root folder under base, on a tmpfs.
type root struct {
	base  string
	owner int // who root in the container namespace is, seen from here
}

// folders hold the distribution's programs; a link is copied as a link.
var folders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu"}

// etc is what programs of the engine read there. Nothing else of /etc, and
// nothing of /home, /var, /srv or /tmp can be seen by the engine.
var etc = []string{
	"alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf",
	"iproute2", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf",
	"os-release", "pki", "protocols", "resolv.conf", "services", "ssl", "ethertypes",
}

var devices = []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun"}

// owned are the folders in which the engine, dnsmasq and the CNI plugins write.
var owned = []string{
	"etc", "run", "run/orkee", "run/orkee/cni", "run/orkee/home", "tmp", "var/lib", "var/cache",
	"var/log", "var/tmp", "root", "run/orkee/ca-certificates",
}

// mountpoint returns a folder to build the root on that hides none of sources.
func mountpoint(sources []string) (string, error) {
	for _, candidate := range []string{"/mnt", "/media", "/srv", "/opt", "/boot", "/home", "/run", "/tmp"} {
		info, err := os.Lstat(candidate)
		if err != nil || !info.IsDir() {
			continue
		}
		free := true
		for _, source := range sources {
			free = free && !strings.HasPrefix(source+"/", candidate+"/")
		}
		if free {
			return candidate, nil
		}
	}
	return "", errors.New("no folder is free to mount the engine's root on")
}

// build makes the whole tree.
func (r root) build(config *settings.Config, cni string) error {
	if err := unix.Mount("tmpfs", r.base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=128m"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", r.base, err)
	}
	for _, step := range []func() error{
		r.system, r.etc, r.devices, r.folders,
		func() error { return r.engine(config, cni) },
		r.handOver,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r root) system() error {
	for _, path := range folders {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err == nil {
				err = os.Symlink(target, filepath.Join(r.base, path))
			}
			if err != nil {
				return err
			}
		default:
			if err := r.bind(path, path, unix.MS_REC, true); err != nil {
				return err
			}
		}
	}
	// The kernel lets a user namespace mount its own proc and sysfs only where
	// it sees them whole already, so both come along.
	return errors.Join(r.bind("/proc", "/proc", unix.MS_REC, false), r.bind("/sys", "/sys", unix.MS_REC, false))
}

func (r root) etc() error {
	for _, name := range etc {
		path := filepath.Join("/etc", name)
		if _, err := os.Stat(path); err != nil {
			continue // not on this system, or a link to nowhere
		}
		if err := r.bind(path, path, 0, true); err != nil {
			return err
		}
	}
	files := map[string]string{
		"hosts":    "127.0.0.1 localhost\n::1 localhost\n",
		"hostname": "orkee-engine\n",
		"passwd":   "root:x:0:0:root:" + settings.HomeDir + ":/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"group":    "root:x:0:\ntty:x:5:\ndip:x:30:\nnogroup:x:65534:\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.base, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r root) devices() error {
	for _, name := range devices {
		path := filepath.Join("/dev", name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := r.bind(path, path, 0, false); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(r.base, "dev", name)); err != nil {
			return err
		}
	}
	return errors.Join(r.mkdir("dev/pts"), r.mkdir("dev/shm"))
}

func (r root) folders() error {
	for _, name := range owned {
		if err := r.mkdir(name); err != nil {
			return err
		}
	}
	return os.Symlink("/run", filepath.Join(r.base, "var/run"))
}

// engine binds what the engine runs and where it keeps its state.
func (r root) engine(config *settings.Config, cni string) error {
	programs, err := keepPrograms(config)
	if err != nil {
		return err
	}
	if err := r.bind(programs, settings.BinDir, 0, true); err != nil {
		return err
	}
	state := filepath.Join(config.StateDir, "dagger")
	scratch := filepath.Join(config.StateDir, "tmp")
	for path, target := range map[string]string{state: settings.StateDir + "/dagger", scratch: "/tmp"} {
		if err := r.lend(path); err != nil {
			return err
		}
		if err := r.bind(path, target, 0, false); err != nil {
			return err
		}
	}
	if config.RegistryDir != "" {
		if err := r.lendAll(config.RegistryDir); err != nil {
			return err
		}
		if err := r.bind(config.RegistryDir, settings.RegistryDir, 0, false); err != nil {
			return err
		}
	}
	if err := r.authorities(config.CADir); err != nil {
		return err
	}
	return r.plugins(cni)
}

// keepPrograms makes a folder of hard links to the programs and returns it. An
// install replaces the programs under a running engine, and what was replaced can
// be mounted into a container no more: a link keeps it for as long as it is run.
func keepPrograms(config *settings.Config) (string, error) {
	folder := filepath.Join(config.StateDir, "programs")
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for _, name := range settings.Programs {
		source := filepath.Join(config.BinDir, name)
		// A home's files may be for their owner alone; the engine is somebody else.
		if info, err := os.Stat(source); err != nil {
			return "", err
		} else if info.Mode()&0o005 != 0o005 {
			if err := os.Chmod(source, info.Mode()|0o555); err != nil {
				return "", err
			}
		}
		if err := linkOrCopy(source, filepath.Join(folder, name)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

func linkOrCopy(source, target string) error {
	path, err := filepath.EvalSymlinks(source)
	if err != nil {
		return err
	}
	if os.Link(path, target) == nil {
		return nil
	}
	in, err := os.Open(path) // on another disk
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// authorities copies the user's own certificates, which the engine trusts and
// installs in containers. It costs each container's start half a second, so the
// distribution's folder of them is not taken.
func (r root) authorities(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.base, settings.CADir, entry.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// plugins makes the folder of CNI plugins: the distribution's and our dnsname.
func (r root) plugins(cni string) error {
	if err := r.bind(cni, settings.CNIDist, 0, true); err != nil {
		return err
	}
	entries, err := os.ReadDir(cni)
	if err != nil {
		return err
	}
	links := map[string]string{"dnsname": settings.BinDir + "/dnsname"}
	for _, entry := range entries {
		if entry.Name() != "dnsname" {
			links[entry.Name()] = settings.CNIDist + "/" + entry.Name()
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(r.base, settings.CNIDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// lend makes a folder and gives it to the engine's root.
func (r root) lend(path string) error {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return err
	}
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return err
	}
	switch int(info.Uid) {
	case r.owner:
		return nil
	case os.Geteuid():
		return os.Chown(path, r.owner, r.owner)
	}
	return fmt.Errorf("%s belongs to another range of ids; remove it with `orkee engine purge`", path)
}

func (r root) handOver() error {
	for _, name := range owned {
		if name == "tmp" {
			continue // the bound folder was lent already
		}
		if err := os.Chown(filepath.Join(r.base, name), r.owner, r.owner); err != nil {
			return err
		}
	}
	return nil
}

func (r root) mkdir(name string) error { return os.MkdirAll(filepath.Join(r.base, name), 0o755) }

// bind mounts source at target inside the new root, making the target first.
func (r root) bind(source, target string, flags uintptr, readonly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	at := filepath.Join(r.base, target)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(at, 0o755)
	} else {
		err = os.WriteFile(at, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, at, "", unix.MS_BIND|flags, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if readonly {
		attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		err := unix.MountSetattr(-1, at, unix.AT_RECURSIVE, &attributes)
		if err != nil && err != unix.ENOSYS { // before Linux 5.12: ownership alone protects
			return fmt.Errorf("make %s read-only: %w", source, err)
		}
	}
	return nil
}

// enter makes base the root of this mount namespace and lets go of the old one.
func (r root) enter() error {
	old := filepath.Join(r.base, "old")
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(r.base, old); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return os.Remove("/old")
}

// lendAll gives the engine's root a whole tree, also what was put into it on
// the host since. Links are not followed.
func (r root) lendAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var info unix.Stat_t
		if err := unix.Lstat(path, &info); err != nil || int(info.Uid) == r.owner {
			return err
		}
		return os.Lchown(path, r.owner, r.owner)
	})
}
