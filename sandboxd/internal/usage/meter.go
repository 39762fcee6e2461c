//go:build linux

package usage

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// Meter takes samples. Its methods may be called from several goroutines.
type Meter struct {
	begun time.Time
	disk  disk

	mu        sync.Mutex
	cpu       time.Duration
	peak      int64
	throttled time.Duration
}

// NewMeter returns a meter that counts from now.
func NewMeter() *Meter { return &Meter{begun: time.Now()} }

// Sample says what the container's programs use; workspace is the folder whose size
// is told, as it was found lately.
func (m *Meter) Sample(workspace string) wire.Stats {
	now := Scan()
	memory := now.Memory()
	rx, tx := network()
	size, whole := m.disk.size(workspace)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peak = max(m.peak, memory)
	// What a process used is lost when it ended unseen, by a parent that ignores it.
	m.cpu = max(m.cpu, now.CPU())
	return wire.Stats{
		UptimeMS: time.Since(m.begun).Milliseconds(), CPUMS: m.cpu.Milliseconds(),
		ThrottledMS: m.throttled.Milliseconds(), Memory: memory, MemoryPeak: m.peak,
		Processes: len(now.List), Threads: now.Threads(), RX: rx, TX: tx,
		Disk: size, DiskWhole: whole,
	}
}

// Saw notes how much memory there was between two samples.
func (m *Meter) Saw(memory int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peak = max(m.peak, memory)
}

// Throttled notes for how long commands were held back.
func (m *Meter) Throttled(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.throttled += d
}

// network adds up what all interfaces but the loopback have received and sent, in bytes.
func network() (rx, tx int64) {
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, 0
	}
	return parseNetwork(text)
}

func parseNetwork(text []byte) (rx, tx int64) {
	for line := range bytes.Lines(text) {
		name, rest, ok := bytes.Cut(line, []byte{':'})
		fields := bytes.Fields(rest)
		if !ok || len(fields) < 16 || string(bytes.TrimSpace(name)) == "lo" {
			continue
		}
		in, _ := strconv.ParseInt(string(fields[0]), 10, 64)
		out, _ := strconv.ParseInt(string(fields[8]), 10, 64)
		rx, tx = rx+in, tx+out
	}
	return rx, tx
}
