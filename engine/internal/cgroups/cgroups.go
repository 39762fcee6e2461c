// Package cgroups holds containers to limits from outside: a cgroup of our own for
// each, made before its command starts. It needs root of the host; in the engine's
// user namespace nobody can make or leave one.
package cgroups

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// The limits there are, and the controllers that enforce them.
const (
	Memory = "memory"
	Pids   = "pids"
	CPU    = "cpu"
)

var controllers = []string{Memory, Pids, CPU}

const (
	// period is what a share of processor time counts in. The kernel's usual 100 ms
	// would let sandboxd wait as long as the commands that have used up their share.
	period = 20_000 // microseconds
	// allowance is for the threads that sandboxd and dagger-init may still start.
	allowance = 16
)

// Tree makes cgroups below one folder of ours in each hierarchy.
type Tree struct {
	version int               // 1 or 2
	bases   map[string]string // by controller; with version 2 all the same
	freezer string            // where frozen containers have their cgroups; "" without
	unified mount             // of version 2, also beside version 1
	mu      sync.Mutex
}

// Limits are what a container is held to; 0 is no limit.
type Limits struct {
	Memory int64   // bytes
	Pids   int     // processes and threads
	CPUs   float64 // processors' time
}

// Find returns the tree for an engine, made where it was not there; name is the
// engine's own. What an earlier engine of the name left is removed. The error says
// why there is none.
func Find(name string) (*Tree, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	return find(name, parseMounts(string(mounts)), parseOwn(string(own)))
}

func find(name string, mounts map[string]mount, own map[string]string) (*Tree, error) {
	tree := &Tree{version: 1, bases: map[string]string{}}
	var failed error
	for _, controller := range controllers {
		at, ok := mounts[controller]
		if !ok {
			continue
		}
		base, err := makeBelow(at.candidates(own[controller]), name)
		if err != nil {
			failed = err
			continue
		}
		tree.bases[controller] = base
	}
	if at, ok := mounts[unified]; ok && len(tree.bases) == 0 {
		tree.version = 2
		failed = tree.findUnified(name, at.candidates(own[unified]))
	}
	if len(tree.bases) == 0 {
		if failed == nil {
			failed = errors.New("no cgroup hierarchy with memory, pids or cpu is mounted")
		}
		return nil, failed
	}
	if at, ok := mounts[unified]; ok {
		tree.findFreezer(name, at, own[unified])
	}
	tree.sweep()
	return tree, nil
}

// findUnified looks, from our own cgroup upwards, for one that gives its children
// the controllers. One with processes in it can't, except for the topmost.
func (t *Tree) findUnified(name string, candidates []string) error {
	failed := errors.New("no cgroup has the controllers for its children")
	best := 0
	for _, parent := range candidates {
		enable(parent)
		given := enabled(parent)
		if len(given) <= best {
			continue
		}
		base, err := makeBelow([]string{parent}, name)
		if err != nil {
			failed = err
			continue
		}
		enable(base)
		if given = enabled(base); len(given) <= best {
			_ = os.Remove(base) // of no use
			continue
		}
		t.drop()
		best = len(given)
		for _, controller := range given {
			t.bases[controller] = base
		}
	}
	if best == 0 {
		return failed
	}
	return nil
}

func enable(folder string) {
	for _, controller := range controllers {
		_ = write(folder, "cgroup.subtree_control", "+"+controller) // enabled tells what came of it
	}
}

func enabled(folder string) []string {
	text, _ := os.ReadFile(filepath.Join(folder, "cgroup.subtree_control"))
	var found []string
	for _, word := range strings.Fields(string(text)) {
		for _, controller := range controllers {
			if word == controller {
				found = append(found, word)
			}
		}
	}
	return found
}

// makeBelow makes a folder in the first of the parents that takes it: nearest to our
// own cgroup, so that the limits which hold for us hold for the containers too.
func makeBelow(parents []string, name string) (string, error) {
	failed := errors.New("no cgroup of ours was found")
	for _, parent := range parents {
		base := filepath.Join(parent, name)
		err := os.Mkdir(base, 0o755)
		if err == nil || errors.Is(err, os.ErrExist) {
			if err = unix.Access(base, unix.W_OK); err == nil {
				return base, nil
			}
		}
		failed = err
	}
	return "", failed
}

// sweep removes the cgroups whose containers have ended with an earlier engine.
func (t *Tree) sweep() {
	for _, base := range t.folders() {
		entries, _ := os.ReadDir(base)
		for _, entry := range entries {
			if entry.IsDir() {
				_ = os.Remove(filepath.Join(base, entry.Name())) // one in use stays
			}
		}
	}
}

// folders returns the tree's own folders.
func (t *Tree) folders() []string {
	found := slices.Collect(maps.Values(t.bases))
	if t.freezer != "" {
		found = append(found, t.freezer)
	}
	return found
}

// drop removes the tree's own folders, which are empty then.
func (t *Tree) drop() {
	for _, base := range t.bases {
		_ = os.Remove(base)
	}
	t.bases = map[string]string{}
}

// Close removes the tree's folders, as far as they are empty.
func (t *Tree) Close() {
	t.sweep()
	for _, base := range t.folders() {
		_ = os.Remove(base) // with a container that still ends it stays, for the next sweep
	}
}

// String says which cgroups these are and what they can limit.
func (t *Tree) String() string {
	var can []string
	for _, controller := range controllers {
		if _, ok := t.bases[controller]; ok {
			can = append(can, controller)
		}
	}
	if t.freezer != "" {
		can = append(can, "freezer")
	}
	return fmt.Sprintf("v%d: %s", t.version, strings.Join(can, " "))
}

// Group is the cgroup of one container.
type Group struct {
	tree    *Tree
	folders map[string]string // by controller
	kinds   []string
}

// Make makes the cgroup of a container and sets its limits. It has no process yet.
// Kinds tells which limits it can enforce; without any there is no group.
func (t *Tree) Make(name string, limits Limits) (*Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &Group{tree: t, folders: map[string]string{}}
	for kind, wanted := range map[string]bool{
		Memory: limits.Memory > 0, Pids: limits.Pids > 0, CPU: limits.CPUs > 0,
	} {
		base, ok := t.bases[kind]
		if !ok || !wanted {
			continue
		}
		folder := filepath.Join(base, name)
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			g.Remove()
			return nil, err
		}
		g.folders[kind] = folder
	}
	for _, kind := range controllers {
		if _, ok := g.folders[kind]; !ok {
			continue
		}
		if err := g.set(kind, limits); err != nil {
			g.Remove()
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		g.kinds = append(g.kinds, kind)
	}
	return g, nil
}

// Kinds returns which limits the group enforces.
func (g *Group) Kinds() []string { return g.kinds }

func (g *Group) set(kind string, limits Limits) error {
	folder := g.folders[kind]
	switch {
	case kind == Memory && g.tree.version == 1:
		if err := write(folder, "memory.limit_in_bytes", strconv.FormatInt(limits.Memory, 10)); err != nil {
			return err
		}
		// Memory and swap together; a kernel without swap accounting has no such file.
		_ = write(folder, "memory.memsw.limit_in_bytes", strconv.FormatInt(limits.Memory, 10))
		return nil
	case kind == Memory:
		if err := write(folder, "memory.max", strconv.FormatInt(limits.Memory, 10)); err != nil {
			return err
		}
		_ = write(folder, "memory.swap.max", "0") // likewise
		return nil
	case kind == Pids:
		return nil // once it is known how many threads the container's own programs have
	case g.tree.version == 1:
		if err := write(folder, "cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
			return err
		}
		return write(folder, "cpu.cfs_quota_us", strconv.Itoa(quota(limits.CPUs)))
	}
	return write(folder, "cpu.max", fmt.Sprintf("%d %d", quota(limits.CPUs), period))
}

func quota(cpus float64) int { return max(1000, int(cpus*period)) }

// Add puts processes into the group; what they start is in it as well.
func (g *Group) Add(pids []int) error {
	for _, folder := range g.distinct() {
		for _, pid := range pids {
			err := write(folder, "cgroup.procs", strconv.Itoa(pid))
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has just ended
				return err
			}
		}
	}
	return nil
}

// LimitPids limits the processes and threads to so many beyond those that are in the
// group now, which are the container's own.
func (g *Group) LimitPids(limit int) error {
	folder, ok := g.folders[Pids]
	if !ok {
		return nil
	}
	now, err := readInt(folder, "pids.current")
	if err != nil {
		return err
	}
	return write(folder, "pids.max", strconv.FormatInt(now+int64(limit)+allowance, 10))
}

func (g *Group) distinct() []string {
	var found []string
	seen := map[string]bool{}
	for _, kind := range g.kinds {
		if folder := g.folders[kind]; !seen[folder] {
			seen[folder] = true
			found = append(found, folder)
		}
	}
	return found
}

// Remove removes the group; false as long as processes are in it.
func (g *Group) Remove() bool {
	gone := true
	for kind, folder := range g.folders {
		if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			gone = false
			continue
		}
		delete(g.folders, kind)
	}
	return gone
}

func write(folder, name, text string) error {
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return err
}
