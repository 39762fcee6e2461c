// Package logbuf keeps the newest output of the main command until the server has it.
package logbuf

import (
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

var errStopping = wire.Fail("stopping", "the sandbox is being stopped")

// entryCost is what an entry takes beside its bytes, so that a command which
// writes single bytes cannot make the bookkeeping outgrow the bound.
const entryCost = 64

type entry struct {
	seq   int64
	frame []byte // the whole LOG frame, never changed
	until int64  // bytes logged up to and with this entry
}

func (e *entry) channel() byte { return e.frame[wire.HeaderSize+wire.LogHeader-1] }
func (e *entry) payload() int  { return len(e.frame) - wire.HeaderSize }
func (e *entry) cost() int     { return len(e.frame) + entryCost }

// Buffer is a bounded queue of log entries with at most one reader attached.
type Buffer struct {
	mu      sync.Mutex
	cond    sync.Cond
	limit   int
	size    int
	queue   []entry // oldest first, seq without a gap
	next    int64   // seq of the next entry
	logged  int64   // bytes ever
	last    [3]int64
	ended   [3]bool
	reader  *Reader
	maxSent int64
	evicted []entry // of those that a server may have: seq and until only
}

// New makes a buffer that keeps limit bytes.
func New(limit int) *Buffer {
	b := &Buffer{limit: limit, next: 1}
	b.cond.L = &b.mu
	return b
}

// Append adds an entry. While a reader is attached and behind, it waits for it;
// else the oldest entries make room.
func (b *Buffer) Append(micros int64, channel byte, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	need := wire.HeaderSize + wire.LogHeader + len(data) + entryCost
	for b.size+need > b.limit && len(b.queue) > 0 {
		if b.reader != nil && b.queue[0].seq > b.reader.kept {
			b.cond.Wait()
			continue
		}
		b.evict()
	}
	b.logged += int64(len(data))
	e := entry{b.next, wire.LogFrame(b.next, micros, channel, data), b.logged}
	b.queue = append(b.queue, e)
	b.size += e.cost()
	b.last[channel] = b.next
	b.next++
	b.cond.Broadcast()
}

func (b *Buffer) evict() {
	e := b.queue[0]
	b.queue[0] = entry{}
	b.queue = b.queue[1:]
	b.size -= e.cost()
	// Remembered so that DROPPED can count from where a lost server had come to.
	if e.seq <= b.maxSent && len(b.evicted) < 1<<16 {
		b.evicted = append(b.evicted, entry{seq: e.seq, until: e.until})
	}
}

// End says that a channel's pipe is closed.
func (b *Buffer) End(channel byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[channel] = true
	b.cond.Broadcast()
}

// LastSeq returns the newest entry's seq, 0 without one.
func (b *Buffer) LastSeq() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next - 1
}

// Attach makes the one reader, for entries beyond after, with credit to send.
// It replaces the one before it.
func (b *Buffer) Attach(after, credit int64) *Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endReader(wire.Fail("replaced", "another log stream took over"))
	r := &Reader{b: b, sent: after, kept: after, credit: credit}
	if oldest := b.next - int64(len(b.queue)); after+1 < oldest {
		r.dropped = &wire.DroppedMessage{First: after + 1, Last: oldest - 1, Bytes: b.droppedSince(after)}
		r.sent, r.kept = oldest-1, oldest-1
	}
	b.reader = r
	b.cond.Broadcast()
	return r
}

// droppedSince counts the bytes of evicted entries beyond after.
func (b *Buffer) droppedSince(after int64) int64 {
	total := b.logged
	if len(b.queue) > 0 {
		first := &b.queue[0]
		total = first.until - int64(first.payload()-wire.LogHeader)
	}
	had := int64(0)
	for _, e := range b.evicted {
		if e.seq <= after {
			had = e.until
		}
	}
	return total - had
}

func (b *Buffer) endReader(why *wire.Failure) {
	if b.reader != nil {
		b.reader.ended, b.reader.closed = why, true
		b.reader = nil
	}
}

// Close ends the reader, if there is one.
func (b *Buffer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endReader(errStopping)
	b.cond.Broadcast()
}

// WaitSent waits until the attached reader, if any, has handed out everything,
// both ends included, but not longer than limit.
func (b *Buffer) WaitSent(limit time.Duration) {
	over := false
	timer := time.AfterFunc(limit, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		over = true
		b.cond.Broadcast()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !over && b.reader != nil && !(b.reader.endSent[wire.Stdout] && b.reader.endSent[wire.Stderr]) {
		b.cond.Wait()
	}
}
