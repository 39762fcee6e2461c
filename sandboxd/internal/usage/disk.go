//go:build linux

package usage

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// A walk through the workspace is made at most so often, and not more than one
	// part in diskShare of the time is spent on walking.
	diskInterval = 15 * time.Second
	diskShare    = 100
	// A walk ends after so many entries, or so long; what it found is then not all.
	diskEntries = 500_000
	diskTime    = 5 * time.Second
	diskBatch   = 512 // entries between two short rests, which leave the processor to others
	diskRest    = 2 * time.Millisecond
)

// disk knows how large a folder was when it was last walked through.
type disk struct {
	mu      sync.Mutex
	walking bool
	next    time.Time
	found   *int64
	whole   bool
}

// size returns the bytes that a folder took lately, nil before the first walk, and
// whether all of it was counted. It never waits: a walk goes on beside it.
func (d *disk) size(folder string) (*int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.walking && !time.Now().Before(d.next) {
		d.walking = true
		go d.walk(folder)
	}
	return d.found, d.whole
}

func (d *disk) walk(folder string) {
	begun := time.Now()
	size, whole := measure(folder, diskEntries, diskTime)
	took := time.Since(begun)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.whole, d.walking = &size, whole, false
	d.next = time.Now().Add(max(diskInterval, diskShare*took))
}

// measure adds up the blocks of a folder's files; other file systems mounted in it
// are left out, and a file with several names counts once.
func measure(folder string, entries int, limit time.Duration) (size int64, whole bool) {
	info, err := os.Stat(folder)
	if err != nil {
		return 0, true // the folder is gone
	}
	device := info.Sys().(*syscall.Stat_t).Dev
	linked := map[uint64]bool{}
	deadline := time.Now().Add(limit)
	seen := 0
	whole = true
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it may not be read, or has just gone
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		status := info.Sys().(*syscall.Stat_t)
		if status.Dev != device {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.IsDir() && status.Nlink > 1 {
			if linked[status.Ino] {
				return nil
			}
			linked[status.Ino] = true
		}
		size += status.Blocks * 512
		if seen++; seen%diskBatch == 0 {
			time.Sleep(diskRest)
		}
		if seen >= entries || time.Now().After(deadline) {
			whole = false
			return fs.SkipAll
		}
		return nil
	})
	return size, whole
}
