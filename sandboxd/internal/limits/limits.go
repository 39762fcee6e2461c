//go:build linux

// Package limits holds the container's programs to limits from inside, where nobody
// does it from outside: it looks often, ends everything when a limit is broken, and
// holds programs back that use too much processor time.
package limits

import (
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/usage"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	// The looks: a fork bomb doubles in milliseconds, memory fills by gigabytes a second.
	interval = 25 * time.Millisecond
	// Every so many looks all is read even where nothing seems to grow.
	fullEvery = 4
	// beside are the processes that a container has beside the programs: sandboxd and
	// the engine's init.
	beside = 2
	// A sum that counts what each process shares takes long; not more than one part in
	// so many of the time is spent on it.
	share = 10
)

// The limits that can be broken.
const (
	Memory = "memory"
	Pids   = "pids"
)

// Guard watches over the limits.
type Guard struct {
	limits wire.LimitParams
	meter  *usage.Meter
	breach func(kind string, used int64)
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}

	looks int
	last  int64     // bytes at the last full look
	sumAt time.Time // before it memory is not summed up exactly again
	cpu   *throttle // nil without a limit
}

// Start begins to watch. Breach is called at most once, with the limit that was broken
// and what was found; nothing is watched any more then.
func Start(limits wire.LimitParams, meter *usage.Meter, breach func(kind string, used int64)) *Guard {
	g := &Guard{
		limits: limits, meter: meter, breach: breach,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if limits.CPUs > 0 {
		g.cpu = newThrottle(limits.CPUs, meter.Throttled)
	}
	go g.run()
	return g
}

// Stop ends the watch: nothing is held back from then on.
func (g *Guard) Stop() {
	g.once.Do(func() { close(g.stop) })
	<-g.done
}

func (g *Guard) run() {
	defer close(g.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	if g.cpu != nil {
		defer g.cpu.release()
	}
	for {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		if kind, used := g.look(); kind != "" {
			go g.breach(kind, used)
			return
		}
	}
}

// look returns a limit that is broken and what was found.
func (g *Guard) look() (string, int64) {
	g.looks++
	full := g.looks%fullEvery == 0 || g.cpu != nil || (g.limits.Memory > 0 && g.last > g.limits.Memory/2)
	if !full && g.limits.Pids > 0 {
		full = usage.Count()-beside > g.limits.Pids
	}
	if !full {
		return "", 0
	}
	now := usage.Scan()
	if threads := now.Threads(); g.limits.Pids > 0 && threads > g.limits.Pids {
		return Pids, int64(threads)
	}
	if g.limits.Memory > 0 {
		if used := g.memory(now); used > g.limits.Memory {
			return Memory, used
		}
	}
	if g.cpu != nil {
		g.cpu.take(now)
	}
	return "", 0
}

// memory returns how much there is, exactly only where it matters.
func (g *Guard) memory(now usage.Processes) int64 {
	g.last = now.RSS()
	if g.last <= g.limits.Memory || time.Now().Before(g.sumAt) {
		return min(g.last, g.limits.Memory)
	}
	begun := time.Now()
	g.last = now.Memory()
	g.meter.Saw(g.last)
	g.sumAt = time.Now().Add(share * time.Since(begun))
	return g.last
}
