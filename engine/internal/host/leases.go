package host

import (
	"sync"
	"time"
)

// leases counts who uses the engine, and tells when nobody has for a while.
type leases struct {
	timeout time.Duration // 0 = never
	idle    chan struct{}

	mu    sync.Mutex
	held  int
	timer *time.Timer
}

func newLeases(timeout time.Duration) *leases {
	return &leases{timeout: timeout, idle: make(chan struct{}, 1)}
}

// take counts one user until the returned function is called.
func (l *leases) take() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held++
	if l.timer != nil {
		l.timer.Stop()
	}
	return func() {
		l.mu.Lock()
		l.held--
		l.mu.Unlock()
		l.rearm()
	}
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// rearm starts the wait anew if nobody uses the engine.
func (l *leases) rearm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held > 0 || l.timeout == 0 {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(l.timeout, l.expire)
}

// expire tells, unless somebody came in the last moment.
func (l *leases) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held > 0 {
		return
	}
	select {
	case l.idle <- struct{}{}:
	default: // told already
	}
}
