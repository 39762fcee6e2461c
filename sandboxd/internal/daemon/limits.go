//go:build linux

package daemon

import (
	"encoding/json"
	"math"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/limits"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/link"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	firstSample = time.Second
	samples     = 5 * time.Second // between two that nobody asked for
)

// limit begins to hold the container's programs to limits, once.
func (d *Daemon) limit(raw json.RawMessage) error {
	var p wire.LimitParams
	if err := readParams(raw, &p); err != nil {
		return err
	}
	if p.Memory < 0 || p.Pids < 0 || !(p.CPUs >= 0 && p.CPUs < math.MaxInt16) {
		return wire.Fail("bad_request", "a limit is out of bounds")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.guard != nil {
		return wire.Fail("already_started", "the limits were set before")
	}
	d.guard = limits.Start(p, d.meter, d.breach)
	return nil
}

// breach ends everything, since a limit was broken. The notice goes along with it, for
// the connection may be slow; each EXIT from here on says the same.
func (d *Daemon) breach(kind string, used int64) {
	d.table.Break(kind)
	d.mu.Lock()
	session := d.session
	d.broken = &wire.LimitNotice{Event: "limit", Kind: kind, Used: used}
	d.mu.Unlock()
	if session != nil {
		go d.tellBreach(session)
	}
	d.table.StopAll(0)
}

func (d *Daemon) tellBreach(s *link.Session) {
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	if broken != nil {
		_ = s.Control.WriteJSON(wire.Notice, broken)
	}
}

// unguard lets everything run that was held back.
func (d *Daemon) unguard() {
	d.mu.Lock()
	guard := d.guard
	d.mu.Unlock()
	if guard != nil {
		guard.Stop()
	}
}

func (d *Daemon) sample() wire.Stats {
	d.mu.Lock()
	workspace := join(d.home, d.params.Cwd)
	d.mu.Unlock()
	return d.meter.Sample(workspace)
}

// tellStats sends a sample now and then for as long as a session lasts.
func (d *Daemon) tellStats(s *link.Session) {
	timer := time.NewTimer(firstSample)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.Done():
			return
		}
		if s.Control.WriteJSON(wire.Notice, wire.StatsNotice{Event: "stats", Stats: d.sample()}) != nil {
			return
		}
		timer.Reset(samples)
	}
}
