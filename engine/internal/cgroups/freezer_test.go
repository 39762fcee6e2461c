package cgroups

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestWithoutVersionTwoNothingIsFrozen(t *testing.T) {
	if _, err := fake(t, 1).Freeze("s", 0); !errors.Is(err, ErrNoFreezer) {
		t.Errorf("%v", err)
	}
}

func TestDescendantsAreFoundWhereverTheyPutThemselves(t *testing.T) {
	parents := map[int]int{1: 0, 5: 1, 6: 5, 7: 6, 8: 1}
	for pid, want := range map[int]bool{5: true, 6: true, 7: true, 8: false, 1: false} {
		if got := descends(pid, []int{5}, parents); got != want {
			t.Errorf("%d: %t", pid, got)
		}
	}
	if descends(2, []int{5}, map[int]int{2: 3, 3: 2}) {
		t.Error("a ring has no ancestor")
	}
}

// TestARealProcessStandsStillAndGoesOn needs root and a version 2 hierarchy.
func TestARealProcessStandsStillAndGoesOn(t *testing.T) {
	tree, err := Find("orkee-test-freezer")
	if os.Geteuid() != 0 || err != nil || tree.freezer == "" {
		t.Skipf("no freezer here: %v", err)
	}
	defer tree.Close()
	cmd := exec.Command("sh", "-c", "while echo on; do sleep 0.01; done")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }() // killed: no news
	lines := make(chan string, 1000)
	go func() {
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	<-lines
	before, err := tree.cgroupOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	f := &Frozen{folder: filepath.Join(tree.freezer, "s"+frozenName), origins: map[int]string{}}
	put(t, f.folder, nil)
	if err := write(f.folder, "cgroup.freeze", "1"); err != nil {
		t.Fatal(err)
	}
	if moved, err := f.take(tree, []int{cmd.Process.Pid}); !moved || err != nil {
		t.Fatal(moved, err)
	}
	for deadline := time.Now().Add(settleLimit); !f.still(); time.Sleep(settleStep) {
		if time.Now().After(deadline) {
			t.Fatal("it does not stand still")
		}
	}
	if state, _ := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cgroup"); len(state) == 0 {
		t.Error("it has ended")
	}
	time.Sleep(200 * time.Millisecond) // what it had written is read by then
	for len(lines) > 0 {
		<-lines
	}
	select {
	case <-lines:
		t.Error("it went on")
	case <-time.After(200 * time.Millisecond):
	}
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lines:
	case <-time.After(10 * time.Second):
		t.Fatal("it did not go on")
	}
	if after, err := tree.cgroupOf(cmd.Process.Pid); err != nil || after != before {
		t.Errorf("it is in %s, not in %s: %v", after, before, err)
	}
	if _, err := os.Stat(f.folder); !errors.Is(err, os.ErrNotExist) {
		t.Error("the cgroup is still there")
	}
}

// TestOneThatHasEndedIsNotWaitedFor: its parent may stand still before it has taken note.
func TestOneThatHasEndedIsNotWaitedFor(t *testing.T) {
	tree, err := Find("orkee-test-freezer")
	if os.Geteuid() != 0 || err != nil || tree.freezer == "" {
		t.Skipf("no freezer here: %v", err)
	}
	defer tree.Close()
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // only now is it taken note of
	for deadline := time.Now().Add(settleLimit); !ended(cmd.Process.Pid); time.Sleep(settleStep) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	f := &Frozen{folder: filepath.Join(tree.freezer, "z"+frozenName), origins: map[int]string{}}
	put(t, f.folder, nil)
	if moved, err := f.take(tree, []int{cmd.Process.Pid}); moved || err != nil {
		t.Error(moved, err)
	}
	if err := f.Thaw(); err != nil {
		t.Error(err)
	}
}
