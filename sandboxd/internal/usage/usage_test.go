//go:build linux

package usage

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseTakesANameWithAnythingInIt(t *testing.T) {
	stat := "7 (a ) b (c) T 3 7 7 0 -1 0 1 2 3 4 150 50 20 10 20 0 5 0 900 1000 25 18446744073709551615 1"
	p, waited, ok := parse(7, []byte(stat))
	want := Process{
		Pid: 7, Parent: 3, State: 'T', Threads: 5, CPU: 2300 * time.Millisecond, Started: 900, RSS: 25 * pageSize,
	}
	if !ok || p != want || waited != 300*time.Millisecond {
		t.Errorf("%+v, waited %v, want %+v", p, waited, want)
	}
	if _, _, ok := parse(7, []byte("7 (cut) S 3")); ok {
		t.Error("a cut line was taken")
	}
}

func TestNetworkLeavesOutTheLoopback(t *testing.T) {
	text := "Inter-|   Receive\n face |bytes packets\n" +
		"    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n" +
		"  eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n"
	if rx, tx := parseNetwork([]byte(text)); rx != 15 || tx != 27 {
		t.Errorf("received %d, sent %d", rx, tx)
	}
}

func TestMeasureCountsAFileOnceAndSaysWhenItStops(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(folder, "b")); err != nil {
		t.Fatal(err)
	}
	size, whole := measure(folder, 100, time.Second)
	if size < 1<<20 || size > 3<<19 || !whole {
		t.Errorf("%d bytes, whole: %v", size, whole)
	}
	if _, whole := measure(folder, 2, time.Second); whole {
		t.Error("it stopped and does not say so")
	}
	if size, whole := measure(filepath.Join(folder, "none"), 2, time.Second); size != 0 || !whole {
		t.Errorf("of a missing folder %d, %v", size, whole)
	}
}

func TestAProcessThatHasEndedStaysCounted(t *testing.T) {
	before := Processes{
		List:   []Process{{Pid: 2, CPU: time.Second, Threads: 1, RSS: 10}, {Pid: 3, CPU: 2 * time.Second, Threads: 4, RSS: 5}},
		buried: time.Second,
	}
	if before.CPU() != 4*time.Second || before.Threads() != 5 || before.RSS() != 15 {
		t.Errorf("%v, %d threads, %d bytes", before.CPU(), before.Threads(), before.RSS())
	}
}
