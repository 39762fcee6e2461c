//go:build linux

package limits

import (
	"slices"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/usage"
)

const (
	burst = 100 * time.Millisecond // of a processor's time that may be saved up, each
	debt  = 2 * time.Second        // at most, each: no pause is longer
)

// throttle keeps programs to a share of processor time: it stops them all while they
// have used more than their share, and lets them go on when that is made good.
type throttle struct {
	cpus   float64
	budget time.Duration
	at     time.Time
	used   time.Duration
	held   []usage.Process // parents before children
	since  time.Time       // when the first was stopped
	told   func(time.Duration)
}

func newThrottle(cpus float64, told func(time.Duration)) *throttle {
	return &throttle{cpus: cpus, told: told}
}

func (t *throttle) of(d time.Duration) time.Duration { return time.Duration(t.cpus * float64(d)) }

// take looks at what was used since the last look.
func (t *throttle) take(now usage.Processes) {
	at, used := time.Now(), max(t.used, now.CPU())
	if !t.at.IsZero() {
		t.budget += t.of(at.Sub(t.at)) - (used - t.used)
		t.budget = max(min(t.budget, t.of(burst)), -t.of(debt))
	}
	t.at, t.used = at, used
	if t.budget < 0 {
		t.hold(now.List)
	} else if len(t.held) > 0 {
		t.release()
	}
}

// hold stops what runs, parents first: a shell that saw its child stopped would take
// the terminal from it.
func (t *throttle) hold(list []usage.Process) {
	if len(t.held) == 0 {
		t.since = time.Now()
	}
	for _, p := range list {
		if p.State == 'T' || p.State == 't' || p.State == 'Z' || t.holds(p) {
			continue // somebody else stopped it, or it has ended
		}
		if syscall.Kill(p.Pid, syscall.SIGSTOP) == nil {
			t.held = append(t.held, p)
		}
	}
}

func (t *throttle) holds(p usage.Process) bool {
	return slices.ContainsFunc(t.held, func(each usage.Process) bool {
		return each.Pid == p.Pid && each.Started == p.Started
	})
}

// release lets go on what was stopped here, children first.
func (t *throttle) release() {
	if len(t.held) == 0 {
		return
	}
	for _, p := range slices.Backward(t.held) {
		_ = syscall.Kill(p.Pid, syscall.SIGCONT) // it may have been killed meanwhile
	}
	t.held = nil
	t.told(time.Since(t.since))
}
