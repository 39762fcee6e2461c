//go:build linux

package supervise

import (
	"slices"
	"syscall"
	"testing"
)

func TestTargetsSignalEachGroupOnceAndNeverOurOwn(t *testing.T) {
	own := syscall.Getpgrp()
	got := targets([]member{{100, 100}, {101, 100}, {102, own}, {103, 103}, {104, 1}})
	want := []int{-100, 102, -103, 104}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
