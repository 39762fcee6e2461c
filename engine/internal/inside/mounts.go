package inside

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mounted is a line of a mountinfo file (proc_pid_mountinfo(5)).
type mounted struct {
	device string // MAJOR:MINOR
	root   string // within the file system
	at     string
}

// sourceOf returns where in this process's root the file lies that is mounted at a path of
// another process's.
func sourceOf(pid int, path string) (string, error) {
	theirs, err := mountsOf(fmt.Sprint(pid))
	if err != nil {
		return "", err
	}
	ours, err := mountsOf("self")
	if err != nil {
		return "", err
	}
	for _, there := range theirs {
		if there.at == path {
			return within(there, ours)
		}
	}
	return "", fmt.Errorf("the container has no %s of its own", path)
}

// within returns the path of a mounted file in one of our mounts of the same file system.
func within(there mounted, ours []mounted) (string, error) {
	for _, here := range ours {
		if here.device != there.device {
			continue
		}
		rest, err := filepath.Rel(here.root, there.root)
		if err != nil || rest == ".." || strings.HasPrefix(rest, "../") {
			continue
		}
		path := filepath.Join(here.at, rest)
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("the file behind a container's %s is not to be found", there.at)
}

func mountsOf(process string) ([]mounted, error) {
	text, err := os.ReadFile("/proc/" + process + "/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []mounted
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 5 {
			continue
		}
		found = append(found, mounted{words[2], unescape(words[3]), unescape(words[4])})
	}
	return found, nil
}

// unescape undoes what the kernel does to blanks in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
