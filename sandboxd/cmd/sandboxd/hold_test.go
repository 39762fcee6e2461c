//go:build linux

package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestHoldEndsWhenItIsTold(t *testing.T) {
	done := make(chan error, 1)
	go func() { done <- hold() }()
	// The first signals may come before it listens, which would end the tests: so wait until
	// it does, by asking the runtime for the same signal as well.
	release := ignored(syscall.SIGTERM)
	defer release()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("it goes on")
}

// ignored takes a signal for the test's process until it is released.
func ignored(which os.Signal) func() {
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, which)
	return func() { signal.Stop(taken) }
}
