//go:build linux

package ports

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	// MaxListeners bounds a notice; a program may listen on thousands of ports.
	MaxListeners = 256
	shortest     = 200 * time.Millisecond
	longest      = 800 * time.Millisecond
	share        = 100 // of the time, one part in so many is spent on looking
	stateListen  = "0A"
)

var tables = []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"}

// Watcher looks at which ports of the container are listened on.
type Watcher struct {
	mu     sync.Mutex // one look at a time: an old session's may not be over yet
	diag   *diag      // nil where the kernel has none
	theirs map[wire.Listener]bool
	latest atomic.Pointer[[]wire.Listener] // what the last look found
}

// NewWatcher returns a watcher that leaves out what listens now: to be called before a
// command is started, so that this is Dagger's own.
func NewWatcher() *Watcher {
	w := &Watcher{}
	if d, err := newDiag(); err == nil {
		w.diag = d
	}
	theirs := map[wire.Listener]bool{}
	for _, l := range w.Listening() {
		theirs[l] = true
	}
	w.theirs = theirs
	return w
}

// Watch tells at once, and after each change, which ports are listened on, until
// done is closed or tell fails.
func (w *Watcher) Watch(done <-chan struct{}, tell func([]wire.Listener) error) {
	var told []wire.Listener
	first := true
	for {
		begun := time.Now()
		found := w.Listening()
		took := time.Since(begun)
		w.latest.Store(&found)
		if first || !slices.Equal(found, told) {
			if tell(found) != nil {
				return
			}
			told, first = found, false
		}
		// Where there are only the tables, a look takes milliseconds.
		timer := time.NewTimer(min(max(shortest, share*took), longest))
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
	}
}

// Listening returns the container's listening TCP sockets by port and address, at
// most MaxListeners.
func (w *Watcher) Listening() []wire.Listener {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := slices.DeleteFunc(w.all(), func(l wire.Listener) bool { return w.theirs[l] })
	slices.SortFunc(found, func(a, b wire.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	found = slices.Compact(found) // SO_REUSEPORT: one of each
	return append([]wire.Listener{}, found[:min(len(found), MaxListeners)]...)
}

func (w *Watcher) all() []wire.Listener {
	if w.diag != nil {
		found, err := w.diag.listening()
		if err == nil {
			return found
		}
		w.diag.close()
		w.diag = nil // the tables then
	}
	return fromTables()
}

// fromTables reads the kernel's tables of all connections.
func fromTables() []wire.Listener {
	var found []wire.Listener
	for _, table := range tables {
		file, err := os.Open(table)
		if err != nil {
			continue // no IPv6, or no /proc
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if l, ok := parse(lines.Bytes()); ok {
				found = append(found, l)
			}
		}
		_ = file.Close()
	}
	return found
}

// parse reads a line of the kernel's table: `0: 0100007F:1F90 00000000:0000 0A …`.
func parse(line []byte) (wire.Listener, bool) {
	fields := bytes.Fields(line)
	if len(fields) < 4 || string(fields[3]) != stateListen {
		return wire.Listener{}, false
	}
	host, port, ok := bytes.Cut(fields[1], []byte{':'})
	number, err := strconv.ParseUint(string(port), 16, 16)
	if !ok || err != nil || number == 0 {
		return wire.Listener{}, false
	}
	words, err := hex.DecodeString(string(host))
	if err != nil || len(words)%4 != 0 {
		return wire.Listener{}, false
	}
	for i := 0; i < len(words); i += 4 { // each is printed as the machine has it
		binary.BigEndian.PutUint32(words[i:], binary.NativeEndian.Uint32(words[i:]))
	}
	address, ok := netip.AddrFromSlice(words)
	if !ok {
		return wire.Listener{}, false
	}
	return wire.Listener{Port: int(number), Address: address.Unmap().String()}, true
}

// boundTo returns the addresses that a port is bound to, if it is to some only.
func (w *Watcher) boundTo(port int) []string {
	var found []string
	if list := w.latest.Load(); list != nil {
		for _, l := range *list {
			address, err := netip.ParseAddr(l.Address)
			if l.Port == port && err == nil && !address.IsUnspecified() {
				found = append(found, l.Address)
			}
		}
	}
	return found
}
