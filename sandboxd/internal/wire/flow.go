package wire

import (
	"errors"
	"sync"
)

// ErrFlow says that the server broke the rules of flow control.
var ErrFlow = errors.New("flow_control")

// Credit is what this end may still send on a connection.
type Credit struct {
	mu     sync.Mutex
	cond   sync.Cond
	n      int64
	closed bool
}

// NewCredit starts with n bytes.
func NewCredit(n int64) *Credit {
	c := &Credit{n: n}
	c.cond.L = &c.mu
	return c
}

// Add takes in a CREDIT frame.
func (c *Credit) Add(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += int64(n); c.n > MaxWindow {
		return ErrFlow
	}
	c.cond.Broadcast()
	return nil
}

// Take waits for at least least bytes and takes as much as there is, at most
// want. It returns 0 once the credit is closed.
func (c *Credit) Take(least, want int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.n < int64(least) && !c.closed {
		c.cond.Wait()
	}
	if c.closed {
		return 0
	}
	n := min(int64(want), c.n)
	c.n -= n
	return int(n)
}

// Close ends every wait.
func (c *Credit) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cond.Broadcast()
}

// SendData sends bytes as DATA, waiting for credit. The frame's header and
// channel are written in front of them: buf[DataHead:] are the bytes.
func (c *Credit) SendData(conn *Conn, channel byte, buf []byte) error {
	for len(buf) > DataHead {
		n := c.Take(2, min(1+len(buf)-DataHead, MaxPayload))
		if n == 0 {
			return ErrClosed
		}
		PutHeader(buf, Data, n)
		buf[HeaderSize] = channel
		if err := conn.WriteRaw(buf[:HeaderSize+n]); err != nil {
			return err
		}
		// The next header overwrites the tail of what has been sent.
		buf = buf[n-1:]
	}
	return nil
}

// DataHead is the room that SendData needs in front of the bytes.
const DataHead = HeaderSize + 1

// ErrClosed says that a stream ended while something waited on it.
var ErrClosed = errors.New("stream closed")

// Inbox holds what the server sent until it is consumed, and counts its credit.
type Inbox struct {
	mu       sync.Mutex
	cond     sync.Cond
	queue    [][]byte
	window   int
	left     int // the server may still send
	consumed int // to be given back
	ended    bool
	closed   bool
	grant    func(int)
}

// NewInbox lets the server send window bytes; grant sends a CREDIT frame.
func NewInbox(window int, grant func(int)) *Inbox {
	in := &Inbox{window: window, left: window, grant: grant}
	in.cond.L = &in.mu
	return in
}

// Push takes in a DATA frame.
func (in *Inbox) Push(f Frame) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.left -= len(f.Payload); in.left < 0 || in.ended {
		return ErrFlow
	}
	in.queue = append(in.queue, f.Payload)
	in.cond.Signal()
	return nil
}

// End takes in an END frame.
func (in *Inbox) End() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return ErrFlow
	}
	in.ended = true
	in.cond.Signal()
	return nil
}

// Ended reports whether END came.
func (in *Inbox) Ended() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ended
}

// Next waits for bytes; false after the end or Close.
func (in *Inbox) Next() ([]byte, bool) {
	payload, ok := in.NextPayload()
	if !ok {
		return nil, false
	}
	return payload[1:], true
}

// NextPayload is as Next, but gives the whole payload, which may go to Free.
func (in *Inbox) NextPayload() ([]byte, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) == 0 && !in.ended && !in.closed {
		in.cond.Wait()
	}
	if len(in.queue) == 0 || in.closed {
		return nil, false
	}
	payload := in.queue[0]
	in.queue[0] = nil
	in.queue = in.queue[1:]
	return payload, true
}

// Consumed gives back the credit of n bytes that Next returned.
func (in *Inbox) Consumed(n int) {
	in.mu.Lock()
	in.consumed += n + 1
	give := 0
	if in.consumed >= in.window/4 && !in.ended && !in.closed {
		give = in.consumed
		in.left += give
		in.consumed = 0
	}
	in.mu.Unlock()
	if give > 0 {
		in.grant(give)
	}
}

// Close ends every wait.
func (in *Inbox) Close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.cond.Broadcast()
}
