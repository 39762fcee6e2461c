package logbuf

import (
	"net"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// batchFrames bounds how many entries go out with one system call.
const batchFrames = 64

// Reader is the attached log stream's place in the buffer.
type Reader struct {
	b        *Buffer
	sent     int64 // newest entry handed out
	kept     int64 // entries beyond it are not evicted while attached
	credit   int64
	unacked  []mark
	sentSum  int64
	ackedSum int64
	endSent  [3]bool
	dropped  *wire.DroppedMessage
	ended    *wire.Failure
	closed   bool
}

type mark struct{ seq, until int64 }

// Batch is what to send next, in this order.
type Batch struct {
	Dropped *wire.DroppedMessage
	Frames  net.Buffers
	Ends    []byte
}

// Next waits for something to send; false when the reader was closed or replaced.
func (r *Reader) Next() (Batch, bool) {
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if r.closed {
			return Batch{}, false
		}
		out := Batch{Dropped: r.dropped}
		r.dropped = nil
		r.take(&out)
		for _, channel := range []byte{wire.Stdout, wire.Stderr} {
			if b.ended[channel] && !r.endSent[channel] && r.sent >= b.last[channel] {
				r.endSent[channel] = true
				out.Ends = append(out.Ends, channel)
			}
		}
		if out.Dropped != nil || len(out.Frames) > 0 || len(out.Ends) > 0 {
			b.cond.Broadcast()
			return out, true
		}
		b.cond.Wait()
	}
}

// take moves entries into the batch as far as credit goes.
func (r *Reader) take(out *Batch) {
	b := r.b
	oldest := b.next - int64(len(b.queue))
	for seq := max(r.sent+1, oldest); seq < b.next && len(out.Frames) < batchFrames; seq++ {
		e := &b.queue[seq-oldest]
		cost := int64(e.payload())
		if r.credit < cost {
			break
		}
		r.credit -= cost
		r.sentSum += cost
		r.sent = seq
		r.unacked = append(r.unacked, mark{seq, r.sentSum})
		out.Frames = append(out.Frames, e.frame)
	}
	b.maxSent = max(b.maxSent, r.sent)
	r.forget()
}

// Credit takes in a CREDIT frame: so many bytes more, and so many consumed.
func (r *Reader) Credit(n int) error {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.credit += int64(n); r.credit > wire.MaxWindow {
		return wire.ErrFlow
	}
	r.ackedSum += int64(n)
	r.forget()
	r.b.cond.Broadcast()
	return nil
}

// forget lets go of entries that the server has consumed. What is only on its way
// is kept for a redial, but at most half the buffer, or a wide window would stall the command.
func (r *Reader) forget() {
	for len(r.unacked) > 0 {
		first := r.unacked[0]
		if first.until > r.ackedSum && r.sentSum-first.until <= int64(r.b.limit/2) {
			break
		}
		r.kept = max(r.kept, first.seq)
		r.unacked = r.unacked[1:]
	}
	if evicted := r.b.evicted; len(evicted) > 0 && evicted[len(evicted)-1].seq <= r.kept {
		r.b.evicted = append(evicted[:0], evicted[len(evicted)-1])
	}
}

// Ended says why the buffer ended this reader; nil when the server did.
func (r *Reader) Ended() *wire.Failure {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	return r.ended
}

// Close detaches the reader; the command no longer waits for it.
func (r *Reader) Close() {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.closed = true
	if r.b.reader == r {
		r.b.reader = nil
	}
	r.b.cond.Broadcast()
}
