package run

import "sync"

const (
	ringSize  = 256 << 10 // bytes of output kept of a detached command
	ringPiece = 16 << 10  // bytes read at once
)

type ringPart struct {
	channel byte
	data    []byte
}

// ring holds the newest output of a detached command. Writing never waits: a
// command in the background must not stand still because nobody looks.
type ring struct {
	mu    sync.Mutex
	cond  sync.Cond
	parts []ringPart
	first int64 // number of the first part that is kept
	size  int   // bytes kept
	gone  int64 // bytes thrown away so far
	ended bool
}

func newRing() *ring {
	r := &ring{}
	r.cond.L = &r.mu
	return r
}

func (r *ring) append(channel byte, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(channel, data)
	for r.size > ringSize {
		lost := len(r.parts[0].data)
		r.parts[0].data = nil
		r.parts = r.parts[1:]
		r.first++
		r.size -= lost
		r.gone += int64(lost)
	}
	r.cond.Broadcast()
}

// add joins small writes, so that a command that writes a byte at a time costs no
// slice for each. Only a part that is not full grows, and no reader has it then
// by reference: next copies.
func (r *ring) add(channel byte, data []byte) {
	r.size += len(data)
	if n := len(r.parts); n > 0 {
		last := &r.parts[n-1]
		if last.channel == channel && len(last.data)+len(data) <= ringPiece {
			last.data = append(last.data, data...)
			return
		}
	}
	r.parts = append(r.parts, ringPart{channel, append([]byte(nil), data...)})
}

// end says that no more output comes.
func (r *ring) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.cond.Broadcast()
}

// reader reads a ring from its oldest byte on.
type reader struct {
	ring   *ring
	part   int64 // number of the part to read next
	offset int   // bytes of it that were read
	read   int64 // bytes read or known to be lost
	closed bool
}

func (r *ring) reader() *reader { return &reader{ring: r} }

// next waits for output and copies it into buf; lost bytes were thrown away before
// it. It returns false at the end and once the reader is closed.
func (rd *reader) next(buf []byte) (channel byte, n int, lost int64, ok bool) {
	r := rd.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if rd.closed {
			return 0, 0, 0, false
		}
		if rd.part < r.first {
			rd.part, rd.offset = r.first, 0
			lost = r.gone - rd.read
			rd.read = r.gone
		}
		if at := rd.part - r.first; at < int64(len(r.parts)) {
			part := r.parts[at]
			if rd.offset < len(part.data) {
				n = copy(buf, part.data[rd.offset:])
				rd.offset += n
				rd.read += int64(n)
				return part.channel, n, lost, true
			}
			if at < int64(len(r.parts))-1 {
				rd.part, rd.offset = rd.part+1, 0
				continue
			}
		}
		if r.ended {
			return 0, 0, lost, false
		}
		r.cond.Wait()
	}
}

// close ends a wait in next.
func (rd *reader) close() {
	rd.ring.mu.Lock()
	defer rd.ring.mu.Unlock()
	rd.closed = true
	rd.ring.cond.Broadcast()
}
