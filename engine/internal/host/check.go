package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// Report says what keeps the engine from running here, and what it would do without.
type Report struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
	Packages []string `json:"packages"` // Debian's names of what is missing
}

// tools are the programs needed, with their Debian packages.
var tools = []struct{ program, pkg string }{
	{"runc", "runc"}, {"iptables", "iptables"}, {"dnsmasq", "dnsmasq-base"},
}

var userTools = []struct{ program, pkg string }{{"newuidmap", "uidmap"}, {"newgidmap", "uidmap"}}

var optional = []struct{ program, pkg, without string }{
	{"slirp4netns", "slirp4netns", "containers have no network"},
	{"git", "git", "the engine can't read Git repositories"},
	{"docker-registry", "docker-registry", "there is no mirror for images built here"},
}

// Check looks for all that the engine needs. binDir may be empty.
func Check(binDir string) Report {
	report := Report{Problems: []string{}, Warnings: []string{}, Packages: []string{}}
	need := tools
	if os.Geteuid() != 0 {
		need = append(need, userTools...)
	}
	for _, tool := range need {
		if !report.has(tool.program, tool.pkg) {
			report.Problems = append(report.Problems, tool.program+" is not installed")
		}
	}
	for _, tool := range optional {
		if !report.has(tool.program, tool.pkg) {
			report.Warnings = append(report.Warnings, tool.program+" is not installed: "+tool.without)
		}
	}
	if _, err := findCNI(""); err != nil {
		report.Problems = append(report.Problems, err.Error())
		report.Packages = append(report.Packages, "containernetworking-plugins")
	}
	if binDir != "" {
		for _, name := range settings.Programs {
			if _, err := os.Stat(filepath.Join(binDir, name)); err != nil {
				report.Problems = append(report.Problems, name+" is not in "+binDir)
			}
		}
	}
	if _, err := identify(); err != nil {
		report.Problems = append(report.Problems, err.Error())
	}
	if err := probe(); err != nil {
		report.Problems = append(report.Problems, err.Error())
	}
	report.OK = len(report.Problems) == 0
	return report
}

func (r *Report) has(program, pkg string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	for _, each := range r.Packages {
		if each == pkg {
			return false
		}
	}
	r.Packages = append(r.Packages, pkg)
	return false
}

// findCNI returns the folder of the distribution's CNI plugins.
func findCNI(given string) (string, error) {
	candidates := []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni", "/usr/local/lib/cni"}
	if given != "" {
		candidates = []string{given}
	}
	for _, dir := range candidates {
		complete := true
		for _, plugin := range []string{"bridge", "firewall", "host-local", "loopback"} {
			_, err := os.Stat(filepath.Join(dir, plugin))
			complete = complete && err == nil
		}
		if complete {
			return filepath.EvalSymlinks(dir)
		}
	}
	return "", fmt.Errorf("the CNI plugins bridge, firewall, host-local and loopback are not in %s",
		strings.Join(candidates, ", "))
}

// probe makes the namespaces and a mount in them, in a child: many switches of
// kernels and distributions forbid it, and trying finds them all.
func probe() error {
	cmd := exec.Command("/proc/self/exe", "probe")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	reason := strings.TrimSpace(string(output))
	if reason == "" {
		reason = err.Error()
	}
	if text, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && text[0] == '1' {
		reason += " (AppArmor restricts them: kernel.apparmor_restrict_unprivileged_userns)"
	}
	return fmt.Errorf("namespaces can't be used on this system: %s", reason)
}

// Probe is the child of probe.
func Probe() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	return nil
}
