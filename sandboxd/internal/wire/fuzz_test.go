package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

// given is a connection whose other end has said all that it will.
type given struct {
	net.Conn
	from io.Reader
}

func (g given) Read(b []byte) (int, error) { return g.from.Read(b) }

func addGolden(f *testing.F) {
	f.Helper()
	var all []byte
	for _, g := range goldenFrames(f) {
		if raw := g.bytes(f); len(raw) < 1024 {
			f.Add(raw)
			if g.Valid && g.Direction != "d" {
				all = append(all, raw...)
			}
		}
	}
	f.Add(all)
}

// FuzzRead: a connection gives the frames that Decode cuts off the same bytes, and ends
// with the same fault.
func FuzzRead(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		conn := NewConn(given{from: bytes.NewReader(raw)})
		for rest := raw; ; {
			want, n, fault := Decode(rest, Server)
			got, err := conn.Read()
			if errors.Is(fault, ErrIncomplete) {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%v at a cut", err)
				}
				return
			}
			if (fault == nil) != (err == nil) || (fault != nil && Fault(err) == nil) {
				t.Fatalf("%v, but %v", fault, err)
			}
			if err != nil {
				return
			}
			if got.Type != want.Type || !bytes.Equal(got.Payload, want.Payload) {
				t.Fatalf("%s %x, not %s %x", got.Type, got.Payload, want.Type, want.Payload)
			}
			Free(got.Payload)
			rest = rest[n:]
		}
	})
}

// FuzzMessages: what a message was read from can be said again, and is the same then.
func FuzzMessages(f *testing.F) {
	for _, g := range goldenFrames(f) {
		if g.Valid && len(g.Fields.JSON) > 0 {
			f.Add(g.bytes(f)[HeaderSize:])
		}
	}
	for _, kind := range messages() {
		said, err := json.Marshal(kind)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(said)
	}
	f.Add([]byte(`{"credit":9223372036854775807,"after":-1,"mode":4294967295,"env":{"":null},"rows":-1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		frame := Frame{Open, payload}
		if Check(frame, Server) != nil {
			return
		}
		for _, first := range messages() {
			if frame.JSON(first) != nil {
				continue
			}
			said, err := json.Marshal(first)
			if err != nil {
				t.Fatalf("%T cannot be said: %v", first, err)
			}
			again := reflect.New(reflect.TypeOf(first).Elem()).Interface()
			if err := (Frame{Open, said}).JSON(again); err != nil {
				t.Fatalf("%T cannot be read again: %v", first, err)
			}
			if twice, _ := json.Marshal(again); !bytes.Equal(said, twice) {
				t.Fatalf("%T: %s, then %s", first, said, twice)
			}
		}
	})
}

// messages are those that the server sends.
func messages() []any {
	return []any{
		&WelcomeMessage{}, &OpenMessage{}, &ResizeMessage{}, &SignalMessage{}, &RequestMessage{Params: []byte("{}")},
		&StartParams{}, &KillParams{}, &StopParams{}, &LimitParams{}, &Failure{},
	}
}

// FuzzFlow: whatever the server sends and however it is read, what waits is covered by
// credit, and nothing is given back twice.
func FuzzFlow(f *testing.F) {
	f.Add([]byte{200, 0, 0, 1, 2, 3})
	f.Add([]byte{16, 9, 9, 9, 1, 1, 1, 9, 255, 2})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) == 0 {
			return
		}
		window := 1 + int(steps[0])
		allowed, waiting, given, consumed := window, 0, 0, 0
		in := NewInbox(window, func(n int) { allowed += n; given += n })
		var sizes []int
		ended := false
		for _, step := range steps[1:] {
			size := 1 + int(step>>2)
			switch step & 3 {
			case 0, 1:
				err := in.Push(Frame{Data, make([]byte, size)})
				if bad := size > allowed || ended; bad != (err != nil) {
					t.Fatalf("%d of %d bytes: %v", size, allowed, err)
				}
				if err != nil {
					return // the stream is over
				}
				allowed, waiting = allowed-size, waiting+size
				sizes = append(sizes, size)
			case 2:
				if len(sizes) == 0 {
					continue
				}
				payload, ok := in.NextPayload()
				if !ok || len(payload) != sizes[0] {
					t.Fatalf("%d bytes, not %d", len(payload), sizes[0])
				}
				sizes, waiting, consumed = sizes[1:], waiting-len(payload), consumed+len(payload)
				in.Consumed(len(payload) - 1)
			case 3:
				if err := in.End(); (err != nil) != ended {
					t.Fatalf("ended %v: %v", ended, err)
				}
				ended = true
			}
			if waiting > window || given > consumed {
				t.Fatalf("%d bytes wait in a window of %d; %d given back of %d", waiting, window, given, consumed)
			}
		}
		in.Close()
		done := make(chan struct{})
		go func() { defer close(done); in.NextPayload() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("a reader hangs on a closed inbox")
		}
	})
}
