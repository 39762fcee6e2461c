//go:build linux

package ports

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

func TestParseReadsTheKernelsLines(t *testing.T) {
	for line, want := range map[string]wire.Listener{
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000": {Port: 8080, Address: "127.0.0.1"},
		"   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000": {Port: 22, Address: "0.0.0.0"},
		"   2: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0:0": {
			Port: 3000, Address: "::1",
		},
	} {
		if got, ok := parse([]byte(line)); !ok || got != want {
			t.Errorf("%q: %v %v", line, got, ok)
		}
	}
}

func TestParseSkipsWhatIsNoListener(t *testing.T) {
	for _, line := range []string{
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt",
		"   0: 0100007F:1F90 0100007F:D431 01 00000000:00000000", // established
		"   0: 0100007F:0000 00000000:0000 0A", "   0: xyz:1F90 0:0 0A", "0: 0100007F 0:0 0A", "0: 01:1F90 0:0 0A", "",
	} {
		if got, ok := parse([]byte(line)); ok {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// listen opens a listener that ends with the test.
func listen(t *testing.T, address string) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no %s here: %v", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func TestWatchTellsAtOnceAndAfterEachChange(t *testing.T) {
	_, old := listen(t, "127.0.0.1:0")
	w := NewWatcher()
	told := make(chan []wire.Listener, 64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		w.Watch(done, func(l []wire.Listener) error { told <- l; return nil })
	}()
	// Other tests listen too, so only what belongs to this one is looked at.
	until := func(port int, there bool) {
		t.Helper()
		deadline := time.After(5 * time.Second)
		for {
			select {
			case l := <-told:
				found := slices.ContainsFunc(l, func(l wire.Listener) bool { return l.Port == port })
				if slices.ContainsFunc(l, func(l wire.Listener) bool { return l.Port == old }) {
					t.Fatal("what listened before is told of")
				}
				if found == there {
					return
				}
			case <-deadline:
				t.Fatalf("port %d: not told whether it is there: %v", port, there)
			}
		}
	}
	l, port := listen(t, "127.0.0.1:0")
	until(port, true)
	_ = l.Close()
	until(port, false)
	close(done)
	<-ended
}

func TestWatchEndsWhenNobodyHears(t *testing.T) {
	NewWatcher().Watch(make(chan struct{}), func([]wire.Listener) error { return errors.New("gone") })
}

func TestAPortBoundToOneAddressIsDialledThere(t *testing.T) {
	w := NewWatcher()
	_, port := listen(t, "127.0.0.9:0")
	found := w.Listening()
	w.latest.Store(&found)
	c, fault := w.dial(port)
	if fault != nil {
		t.Fatal(fault)
	}
	_ = c.Close()
}

func TestTheTablesSayWhatTheKernelSays(t *testing.T) {
	w := &Watcher{}
	var ports []int
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "127.0.0.7:0", "[::]:0", "[::1]:0"} {
		_, port := listen(t, address)
		ports = append(ports, port)
	}
	own := func(all []wire.Listener) []wire.Listener {
		return slices.DeleteFunc(all, func(l wire.Listener) bool { return !slices.Contains(ports, l.Port) })
	}
	tables := own(w.Listening())
	d, err := newDiag()
	if err != nil {
		t.Skipf("no sock_diag here: %v", err)
	}
	w.diag = d
	if kernel := own(w.Listening()); !slices.Equal(tables, kernel) || len(kernel) != len(ports) {
		t.Errorf("%v, the tables say %v", kernel, tables)
	}
	if w.diag == nil {
		t.Error("sock_diag was given up")
	}
	d.close()
	if again := own(w.Listening()); !slices.Equal(tables, again) {
		t.Errorf("without sock_diag: %v", again)
	}
}

func BenchmarkListening(b *testing.B) {
	w := NewWatcher()
	for b.Loop() {
		w.Listening()
	}
}

func BenchmarkTables(b *testing.B) {
	for b.Loop() {
		fromTables()
	}
}
