//go:build linux

package limits

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/usage"
)

// sleeper is a process of the test's own that may be stopped.
func sleeper(t *testing.T) usage.Process {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return find(t, cmd.Process.Pid)
}

func find(t *testing.T, pid int) usage.Process {
	t.Helper()
	for _, p := range usage.Scan().List {
		if p.Pid == pid {
			return p
		}
	}
	t.Fatalf("no process %d", pid)
	return usage.Process{}
}

// untilStopped waits for a process to stand still: a signal takes its time.
func untilStopped(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); find(t, pid).State != 'T'; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("state %c, want it stopped", find(t, pid).State)
		}
	}
}

func TestWhoUsedMoreThanItsShareIsStoppedUntilItIsMadeGood(t *testing.T) {
	var told time.Duration
	th := newThrottle(0.5, func(d time.Duration) { told += d })
	p := sleeper(t)
	th.take(usage.Processes{List: []usage.Process{p}})
	p.CPU += 300 * time.Millisecond
	th.take(usage.Processes{List: []usage.Process{p}})
	untilStopped(t, p.Pid)
	if len(th.held) != 1 {
		t.Fatalf("%d held", len(th.held))
	}
	th.at = th.at.Add(-time.Second) // half a second's share later
	th.take(usage.Processes{List: []usage.Process{find(t, p.Pid)}})
	th.take(usage.Processes{List: []usage.Process{p}})
	if state := find(t, p.Pid).State; state == 'T' || len(th.held) != 0 || told <= 0 {
		t.Errorf("state %c, %d held, told %v", state, len(th.held), told)
	}
}

func TestWhatSomebodyElseStoppedStaysStopped(t *testing.T) {
	th := newThrottle(1, func(time.Duration) {})
	p := sleeper(t)
	if err := syscall.Kill(p.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	untilStopped(t, p.Pid)
	th.hold([]usage.Process{find(t, p.Pid)})
	th.release()
	if state := find(t, p.Pid).State; state != 'T' {
		t.Errorf("state %c, want it stopped", state)
	}
}
