package logbuf

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const piece = 1000

func appendAll(b *Buffer, n int) {
	for range n {
		b.Append(1, wire.Stdout, bytes.Repeat([]byte{'x'}, piece))
	}
}

func take(t *testing.T, r *Reader) (first, last int64) {
	t.Helper()
	batch, ok := r.Next()
	if !ok || len(batch.Frames) == 0 {
		t.Fatalf("%v %v", batch, ok)
	}
	seq := func(f []byte) int64 { return int64(binary.BigEndian.Uint64(f[wire.HeaderSize:])) }
	return seq(batch.Frames[0]), seq(batch.Frames[len(batch.Frames)-1])
}

func TestWithoutReaderTheOldestAreDropped(t *testing.T) {
	b := New(10 * piece)
	appendAll(b, 100)
	batch, _ := b.Attach(0, wire.DefaultWindow).Next()
	kept := int64(len(batch.Frames))
	d := batch.Dropped
	if d == nil || d.First != 1 || d.Last != 100-kept || d.Bytes != (100-kept)*piece || kept < 8 {
		t.Errorf("%+v, kept %d", d, kept)
	}
}

func TestSingleBytesDoNotOutgrowTheBound(t *testing.T) {
	b := New(100_000)
	for range 100_000 {
		b.Append(1, wire.Stdout, []byte{'x'})
	}
	if n := len(b.queue); n > 2000 {
		t.Errorf("%d entries kept", n)
	}
}

func TestWhatIsOnItsWayIsKeptForARedial(t *testing.T) {
	b := New(10 * piece)
	r := b.Attach(0, 4*(piece+wire.LogHeader))
	appendAll(b, 8)
	_, last := take(t, r)
	more := make(chan struct{})
	go func() { appendAll(b, 2); close(more) }() // fits only if something goes
	select {
	case <-more:
		t.Fatal("something on its way was evicted")
	case <-time.After(50 * time.Millisecond):
	}
	if err := r.Credit(2 * (piece + wire.LogHeader)); err != nil { // two were consumed
		t.Fatal(err)
	}
	<-more
	r.Close()
	if first, _ := take(t, b.Attach(2, wire.DefaultWindow)); first != 3 || last != 4 {
		t.Errorf("resumed at %d, had been sent up to %d", first, last)
	}
}

func TestAWideWindowDoesNotStallTheCommand(t *testing.T) {
	b := New(10 * piece)
	r := b.Attach(0, wire.MaxWindow)
	for range 100 { // no credit ever comes back, and it is not needed
		appendAll(b, 1)
		take(t, r)
	}
}

func TestAReaderLeavingFreesTheCommand(t *testing.T) {
	b := New(10 * piece)
	r := b.Attach(0, 0)
	done := make(chan struct{})
	go func() { appendAll(b, 50); close(done) }()
	r.Close()
	<-done
	if _, ok := r.Next(); ok {
		t.Error("a closed reader goes on")
	}
}

func TestEndsComeOnceAfterTheLastEntryOfTheirChannel(t *testing.T) {
	b := New(10 * piece)
	b.Append(1, wire.Stdout, []byte("a"))
	b.Append(1, wire.Stderr, []byte("b"))
	b.End(wire.Stdout)
	r := b.Attach(0, wire.LogHeader+1)
	if batch, _ := r.Next(); len(batch.Frames) != 1 || string(batch.Ends) != "\x01" {
		t.Errorf("%v", batch)
	}
	b.End(wire.Stderr)
	if err := r.Credit(wire.LogHeader + 1); err != nil {
		t.Fatal(err)
	}
	if batch, _ := r.Next(); len(batch.Frames) != 1 || string(batch.Ends) != "\x02" {
		t.Errorf("%v", batch)
	}
}
