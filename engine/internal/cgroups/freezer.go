package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Freezing is version 2's alone, which is mounted beside version 1 too: what version 1
// has frozen can't even be killed, and would outlive us.

const (
	// settleLimit is how long the processes of a container may take to stand still, or to
	// be let go: one that waits for a disk stands still when the disk has answered.
	settleLimit = 5 * time.Second
	settleStep  = 2 * time.Millisecond
	frozenName  = "-frozen" // after the sandbox's id
)

// ErrNoFreezer says that there is no cgroup to freeze processes with.
var ErrNoFreezer = errors.New("no cgroup hierarchy of version 2 can be written")

// Frozen are the processes of one container, standing still in a cgroup of their own.
type Frozen struct {
	folder  string
	origins map[int]string // the folder of the cgroup that a process came from
	home    string         // one of those, for what was born on the way
}

// findFreezer looks for a place for the cgroups of frozen containers.
func (t *Tree) findFreezer(name string, at mount, own string) {
	t.unified = at
	base := ""
	if t.version == 2 {
		for _, folder := range t.bases {
			base = folder // all the same
		}
	} else {
		base, _ = makeBelow(at.candidates(own), name) // there may be none
	}
	if base != "" && unix.Access(filepath.Join(base, "cgroup.freeze"), unix.W_OK) == nil {
		t.freezer = base
	}
}

// Freeze has the processes of a sandbox's container stand still, but for the container's
// init and its sandboxd, whose link goes on. They keep to their limits: from their cgroup
// they are only lent.
func (t *Tree) Freeze(sandbox string, firstUID int) (*Frozen, error) {
	if t.freezer == "" {
		return nil, ErrNoFreezer
	}
	f := &Frozen{folder: filepath.Join(t.freezer, sandbox+frozenName), origins: map[int]string{}}
	if err := os.Mkdir(f.folder, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, errors.New("it is frozen already")
		}
		return nil, err
	}
	if err := f.freeze(t, sandbox, firstUID); err != nil {
		return nil, errors.Join(err, f.Thaw())
	}
	return f, nil
}

func (f *Frozen) freeze(t *Tree, sandbox string, firstUID int) error {
	if err := write(f.folder, "cgroup.freeze", "1"); err != nil {
		return err
	}
	deadline := time.Now().Add(settleLimit)
	// What was not moved yet may start more; what was moved starts nothing.
	for moved := true; moved; {
		pids, err := guests(sandbox, firstUID)
		if err != nil {
			return err
		}
		if moved, err = f.take(t, pids); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("its processes start others faster than they can be frozen")
		}
	}
	for !f.still() {
		if time.Now().After(deadline) {
			return fmt.Errorf("its processes did not stand still in %s", settleLimit)
		}
		time.Sleep(settleStep)
	}
	return nil
}

// take moves the processes that are not in the cgroup yet, and says whether any could have
// started others since.
func (f *Frozen) take(t *Tree, pids []int) (bool, error) {
	moved := false
	for _, pid := range pids {
		origin, err := t.cgroupOf(pid)
		if err != nil || origin == f.folder {
			continue // it has ended, or was born here
		}
		err = write(f.folder, "cgroup.procs", strconv.Itoa(pid))
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return moved, err
		}
		f.origins[pid], f.home = origin, origin
		// One that has ended stays where it was until its parent takes note, which may stand still.
		moved = moved || !ended(pid)
	}
	return moved, nil
}

// still says whether all that is in the cgroup stands still.
func (f *Frozen) still() bool {
	return len(f.pids()) == 0 || readKey(f.folder, "cgroup.events", "frozen") == 1
}

// Thaw lets the processes go on, where they came from, and removes the cgroup. Of
// processes that were killed meanwhile there is nothing left to thaw.
func (f *Frozen) Thaw() error {
	var failed error
	deadline := time.Now().Add(settleLimit)
	for {
		for _, pid := range f.pids() {
			if err := f.release(pid); err != nil && !errors.Is(err, unix.ESRCH) {
				failed = err
			}
		}
		err := os.Remove(f.folder)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			// Better without its limits than standing still for ever.
			return errors.Join(failed, err, write(f.folder, "cgroup.freeze", "0"))
		}
		time.Sleep(settleStep)
	}
}

func (f *Frozen) release(pid int) error {
	origin, known := f.origins[pid]
	if !known {
		origin = f.home
	}
	return write(origin, "cgroup.procs", strconv.Itoa(pid))
}

func (f *Frozen) pids() []int {
	text, _ := os.ReadFile(filepath.Join(f.folder, "cgroup.procs"))
	var found []int
	for _, word := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// cgroupOf returns the folder of a process's cgroup of version 2.
func (t *Tree) cgroupOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	own, ok := parseOwn(string(text))[unified]
	if !ok {
		return "", ErrNoFreezer
	}
	return t.unified.candidates(own)[0], nil
}

// guests returns what runs in a container beside its init and its sandboxd: all that
// descends from them, in whatever namespaces it has put itself.
func guests(sandbox string, firstUID int) ([]int, error) {
	members, err := Members(sandbox, firstUID)
	if err != nil {
		return nil, err
	}
	hosts := hostsAmong(members)
	parents := map[int]int{}
	for _, pid := range processes() {
		parents[pid] = parentOf(pid)
	}
	var found []int
	for pid := range parents {
		if !slices.Contains(hosts, pid) && descends(pid, members, parents) {
			found = append(found, pid)
		}
	}
	return found, nil
}

func descends(pid int, members []int, parents map[int]int) bool {
	for range len(parents) {
		if slices.Contains(members, pid) {
			return true
		}
		parent, ok := parents[pid]
		if !ok || parent == 0 {
			return false
		}
		pid = parent
	}
	return false
}

// hostsAmong returns the container's init and its sandboxd: of the programs of that name
// the first, for a command may give itself any.
func hostsAmong(members []int) []int {
	var hosts []int
	daemonPID, lowest := 0, 0
	for _, pid := range members {
		inside := insidePID(pid)
		if inside == 1 {
			hosts = append(hosts, pid)
			continue
		}
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && string(name) == daemon && inside > 0 && (lowest == 0 || inside < lowest) {
			daemonPID, lowest = pid, inside
		}
	}
	if daemonPID != 0 {
		hosts = append(hosts, daemonPID)
	}
	return hosts
}

// insidePID returns a process's number in its own pid namespace; 0 if it has ended.
func insidePID(pid int) int {
	words := strings.Fields(statusLine(pid, "NSpid:"))
	if len(words) == 0 {
		return 0
	}
	number, _ := strconv.Atoi(words[len(words)-1])
	return number
}

// ended says whether a process's first thread has ended; moving it moves the other threads.
func ended(pid int) bool {
	state := strings.TrimSpace(statusLine(pid, "State:"))
	return state == "" || state[0] == 'Z' || state[0] == 'X'
}

func parentOf(pid int) int {
	number, _ := strconv.Atoi(strings.TrimSpace(statusLine(pid, "PPid:")))
	return number
}

// statusLine returns what /proc/PID/status says after a word; "" if there is nothing.
func statusLine(pid int, word string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			return rest
		}
	}
	return ""
}
