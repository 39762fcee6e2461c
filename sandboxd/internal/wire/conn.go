package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"
)

// lingerTime bounds how long a finished connection is read on.
const lingerTime = 2 * time.Second

// Conn is a connection to the server. Writes may come from several goroutines,
// reads from one.
type Conn struct {
	c  net.Conn
	r  *bufio.Reader
	mu sync.Mutex // held for the length of one write

	ending   sync.Once
	finished chan struct{}
}

// NewConn wraps a connection that has just been dialled.
func NewConn(c net.Conn) *Conn {
	return &Conn{c: c, r: bufio.NewReaderSize(c, 16<<10), finished: make(chan struct{})}
}

// Read returns the server's next frame, checked.
func (c *Conn) Read() (Frame, error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return Frame{}, err
	}
	t, n, err := header(head[:])
	if err != nil {
		return Frame{}, err
	}
	f := Frame{t, payloadOf(n)}
	if _, err := io.ReadFull(c.r, f.Payload); err != nil {
		return Frame{}, err
	}
	return f, Check(f, Server)
}

// pooled is the capacity of payloads out of the pool: what the server sends at
// once, 64 KiB and the channel. Much shorter ones would waste it, longer ones are rare.
const pooled = 66 << 10

var payloads = sync.Pool{New: func() any { return new([pooled]byte) }}

func payloadOf(n int) []byte {
	if n < pooled/2 || n > pooled {
		return make([]byte, n)
	}
	return payloads.Get().(*[pooled]byte)[:n]
}

// Free gives a frame's payload back that nobody uses any more. It need not be
// called; but where gigabytes go through, the garbage would cost as much as the copies.
func Free(payload []byte) {
	if cap(payload) == pooled {
		payloads.Put((*[pooled]byte)(payload[:pooled]))
	}
}

// WriteRaw writes bytes that are one or more whole frames.
func (c *Conn) WriteRaw(frames []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.c.Write(frames)
	return err
}

// WriteBatch writes whole frames with as few system calls as the kernel allows.
func (c *Conn) WriteBatch(frames net.Buffers) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := frames.WriteTo(c.c)
	return err
}

// Write writes one frame with a short payload.
func (c *Conn) Write(t Type, payload []byte) error {
	b := make([]byte, HeaderSize, HeaderSize+len(payload))
	PutHeader(b, t, len(payload))
	return c.WriteRaw(append(b, payload...))
}

// WriteJSON writes one frame of JSON.
func (c *Conn) WriteJSON(t Type, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Write(t, payload)
}

// WriteEnd writes END for a channel.
func (c *Conn) WriteEnd(channel byte) error { return c.Write(End, []byte{channel}) }

// WriteCredit writes CREDIT.
func (c *Conn) WriteCredit(n int) error {
	return c.Write(AddCred, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// WriteReset writes RESET.
func (c *Conn) WriteReset(f *Failure) error { return c.WriteJSON(Reset, f) }

// SetReadDeadline bounds the next reads; the zero time lifts the bound.
func (c *Conn) SetReadDeadline(t time.Time) { _ = c.c.SetReadDeadline(t) }

// Raw returns the connection itself and what of it was read ahead, for a stream
// whose bytes are no longer frames. Nobody else may be reading or writing.
func (c *Conn) Raw() (net.Conn, []byte) {
	ahead, _ := c.r.Peek(c.r.Buffered())
	return c.c, ahead
}

// MarkFinished closes Finished, for a stream that ends in its own way.
func (c *Conn) MarkFinished() { c.ending.Do(func() { close(c.finished) }) }

// Report sends RESET for an error that the server caused, and nothing for any other.
func (c *Conn) Report(err error) {
	if f := Fault(err); f != nil {
		_ = c.WriteReset(f)
	}
}

// FinishWriting tells the server that nothing more comes and bounds what is
// still read. Closing with unread bytes would make TCP throw away what is on its way.
func (c *Conn) FinishWriting() {
	_ = c.c.SetReadDeadline(time.Now().Add(lingerTime))
	if half, ok := c.c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.ending.Do(func() { close(c.finished) })
}

// Finished is closed when everything that will be sent has been sent.
func (c *Conn) Finished() <-chan struct{} { return c.finished }

// DrainAndClose discards what still comes, until the server closes or the deadline
// of FinishWriting, and closes. Nobody else may be reading.
func (c *Conn) DrainAndClose() {
	_, _ = io.Copy(io.Discard, c.r)
	_ = c.c.Close()
}

// Refuse ends a connection with a RESET. Nobody else may be reading.
func (c *Conn) Refuse(f *Failure) {
	_ = c.WriteReset(f)
	c.FinishWriting()
	c.DrainAndClose()
}

// Close closes the connection at once.
func (c *Conn) Close() error {
	c.ending.Do(func() { close(c.finished) })
	return c.c.Close()
}
