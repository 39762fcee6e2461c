package cgroups

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const mountinfo = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/x /cg/memory rw,relatime shared:9 - cgroup cgroup rw,memory
39 31 0:36 / /cg/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /cg/unified rw,relatime - cgroup2 cgroup2 rw
`

func TestMountsAreFoundByController(t *testing.T) {
	want := map[string]mount{
		CPU: {"/cg/cpu", "/"}, Memory: {"/cg/memory", "/docker/x"}, Pids: {"/cg/pids", "/"},
		unified: {"/cg/unified", "/"},
	}
	if got := parseMounts(mountinfo); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOurOwnCgroupIsTriedFirstThenWhatIsAboveIt(t *testing.T) {
	own := parseOwn("4:memory:/docker/x/a/b\n2:cpu,cpuacct:/user\n0::/\n")
	at := parseMounts(mountinfo)
	for controller, want := range map[string][]string{
		Memory:  {"/cg/memory/a/b", "/cg/memory/a", "/cg/memory"},
		CPU:     {"/cg/cpu/user", "/cg/cpu"},
		unified: {"/cg/unified"},
	} {
		if got := at[controller].candidates(own[controller]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", controller, got, want)
		}
	}
	// What is mounted is not above us: the view of a container.
	if got := (mount{"/cg", "/other"}).candidates("/mine"); !reflect.DeepEqual(got, []string{"/cg"}) {
		t.Errorf("got %v", got)
	}
}

// fake makes a tree of plain files as version 1 or 2 has them.
func fake(t *testing.T, version int) *Tree {
	t.Helper()
	tree := &Tree{version: version, bases: map[string]string{}}
	base := t.TempDir()
	for _, controller := range controllers {
		tree.bases[controller] = base
	}
	return tree
}

func put(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLimitsAreWrittenAsEachVersionHasThem(t *testing.T) {
	limits := Limits{Memory: 256 << 20, Pids: 100, CPUs: 1.5}
	for version, want := range map[int]map[string]string{
		1: {
			"memory.limit_in_bytes": "268435456", "memory.memsw.limit_in_bytes": "268435456",
			"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "30000", "pids.max": "125",
		},
		2: {"memory.max": "268435456", "memory.swap.max": "0", "cpu.max": "30000 20000", "pids.max": "125"},
	} {
		tree := fake(t, version)
		folder := filepath.Join(tree.bases[CPU], "s")
		put(t, folder, map[string]string{"cgroup.procs": "", "pids.current": "9\n"})
		for name := range want {
			put(t, folder, map[string]string{name: ""})
		}
		group, err := tree.Make("s", limits)
		if err != nil {
			t.Fatal(err)
		}
		if err := group.Add([]int{7}); err != nil {
			t.Fatal(err)
		}
		if err := group.LimitPids(limits.Pids); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if got := get(t, folder, name); got != text {
				t.Errorf("version %d: %s is %q, want %q", version, name, got, text)
			}
		}
		if got := get(t, folder, "cgroup.procs"); got != "7" {
			t.Errorf("version %d: processes %q", version, got)
		}
	}
}

func TestUsageIsReadAsEachVersionHasIt(t *testing.T) {
	files := map[int]map[string]string{
		1: {
			"memory.usage_in_bytes": "5\n", "memory.max_usage_in_bytes": "9\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
			"cpu.stat":           "nr_periods 10\nnr_throttled 5\nthrottled_time 1\n", "pids.events": "max 0\n",
		},
		2: {
			"memory.current": "5\n", "memory.peak": "9\n", "memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n",
			"cpu.stat": "usage_usec 7\nnr_throttled 5\nthrottled_usec 1\n", "pids.events": "max 0\n",
		},
	}
	want := Usage{Breach: Memory, Memory: 5, Peak: 9, Throttled: 0.1}
	for version, each := range files {
		folder := t.TempDir()
		put(t, folder, each)
		group := &Group{tree: fake(t, version), folders: map[string]string{Memory: folder, CPU: folder, Pids: folder}}
		if got := group.Usage(); got != want {
			t.Errorf("version %d: %+v, want %+v", version, got, want)
		}
		put(t, folder, map[string]string{"pids.events": "max 3\n", "memory.oom_control": "oom_kill 0\n", "memory.events": "oom_kill 0\n"})
		if got := group.Usage().Breach; got != Pids {
			t.Errorf("version %d: breach %q", version, got)
		}
	}
}

// TestARealTreeKeepsToItsLimits needs root and cgroups that can be written.
func TestARealTreeKeepsToItsLimits(t *testing.T) {
	tree, err := Find("orkee-test")
	if os.Geteuid() != 0 || err != nil {
		t.Skipf("no cgroups here: %v", err)
	}
	defer tree.Close()
	group, err := tree.Make(strings.Repeat("a", 32), Limits{Memory: 64 << 20, Pids: 20, CPUs: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "read x; head -c 200000000 /dev/zero | tail | wc -c")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := group.Add([]int{cmd.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	if err := group.LimitPids(20); err != nil {
		t.Fatal(err)
	}
	_ = input.Close()
	_ = cmd.Wait() // however it ended
	if usage := group.Usage(); len(group.Kinds()) == 3 && usage.Breach != Memory {
		t.Errorf("kinds %v, usage %+v", group.Kinds(), usage)
	}
	for deadline := time.Now().Add(5 * time.Second); !group.Remove(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cgroup was not removed")
		}
	}
}

func TestNoContainerMeansNoMembers(t *testing.T) {
	if found, err := Members(strings.Repeat("0", 32), 0); err == nil {
		t.Errorf("found %v", found)
	}
}
