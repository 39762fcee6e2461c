package cgroups

import (
	"path/filepath"
	"strings"
)

// unified stands for the one hierarchy of version 2.
const unified = ""

// mount is where a hierarchy is mounted, and which of its folders is seen there.
type mount struct{ point, root string }

// parseMounts returns the cgroup mounts of a mountinfo file by controller.
func parseMounts(text string) map[string]mount {
	found := map[string]mount{}
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(head), strings.Fields(tail)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		at := mount{point: left[4], root: left[3]}
		switch right[0] {
		case "cgroup2":
			found[unified] = at
		case "cgroup":
			for _, option := range strings.Split(right[2], ",") {
				for _, controller := range controllers {
					if option == controller {
						found[controller] = at
					}
				}
			}
		}
	}
	return found
}

// parseOwn returns the paths of /proc/PID/cgroup by controller.
func parseOwn(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			found[controller] = parts[2]
		}
	}
	return found
}

// candidates returns the folders of our own cgroup and of all above it, nearest first.
func (m mount) candidates(own string) []string {
	inside, err := filepath.Rel(m.root, own)
	if err != nil || strings.HasPrefix(inside, "..") {
		inside = "." // what is mounted is not above us: a container's view
	}
	var found []string
	for {
		found = append(found, filepath.Join(m.point, inside))
		if inside == "." {
			return found
		}
		inside = filepath.Dir(inside)
	}
}
