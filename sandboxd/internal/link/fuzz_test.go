package link

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// notes is a Handler that does nothing.
type notes struct{ requests int }

func (*notes) Connected(*Session)                      {}
func (n *notes) Request(*Session, wire.RequestMessage) { n.requests++ }
func (*notes) Stream(*wire.Conn, wire.OpenMessage)     {}

func frame(f *testing.F, kind wire.Type, v any) []byte {
	f.Helper()
	payload, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	return raw(kind, payload)
}

func raw(kind wire.Type, payload []byte) []byte {
	b := make([]byte, wire.HeaderSize)
	wire.PutHeader(b, kind, len(payload))
	return append(b, payload...)
}

// within runs what must not hang.
func within(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
}

// said plays a server that sends bytes, takes what it gets, and closes.
func said(t *testing.T, bytes []byte) *wire.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	go func() {
		_, _ = theirs.Write(bytes)
		_ = theirs.Close()
	}()
	t.Cleanup(func() { _ = ours.Close() })
	return wire.NewConn(ours)
}

// FuzzControl: a control connection ends with an error, whatever comes on it.
func FuzzControl(f *testing.F) {
	welcome := frame(f, wire.Welcome, wire.WelcomeMessage{Protocol: 1, HeartbeatMS: 5000, Spare: 2})
	request := frame(f, wire.Request, wire.RequestMessage{ID: 1, Method: "stats", Params: []byte("{}")})
	f.Add(append(append([]byte(nil), welcome...), request...))
	f.Add(append(append([]byte(nil), welcome...), raw(wire.Ping, make([]byte, 8))...))
	f.Add(frame(f, wire.Welcome, wire.WelcomeMessage{Protocol: 1, HeartbeatMS: 1 << 60, Spare: -1}))
	f.Add(append(append([]byte(nil), welcome...), raw(wire.Data, []byte("\x00x"))...))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		s := &Session{Control: said(t, bytes), streams: map[*wire.Conn]bool{}}
		s.ctx, s.cancel = context.WithCancel(context.Background())
		defer s.close()
		within(t, func() {
			w, err := Config{Spare: 2}.greet(s.Control)
			if err != nil {
				return
			}
			if w.Spare < 1 || w.Spare > maxSpare || w.HeartbeatMS < 1 || w.HeartbeatMS > 3_600_000 {
				t.Errorf("took %+v", w)
			}
			n := &notes{}
			if err := s.control(n, time.Hour); err == nil {
				t.Error("it ended without an error")
			}
			if most := len(bytes) / wire.HeaderSize; n.requests > most {
				t.Errorf("%d requests in %d bytes", n.requests, len(bytes))
			}
		})
	})
}

// FuzzOpen: what a reserved connection gets is an OPEN or an error.
func FuzzOpen(f *testing.F) {
	f.Add(frame(f, wire.Open, wire.OpenMessage{Kind: "exec", Credit: 1, Command: []string{"true"}}))
	f.Add(raw(wire.Open, []byte(`{"kind":7}`)))
	f.Add(raw(wire.Reset, []byte(`{"code":"x"}`)))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		conn := said(t, bytes)
		within(t, func() {
			if _, err := readOpen(conn); err == nil && (len(bytes) == 0 || wire.Type(bytes[0]) != wire.Open) {
				t.Errorf("took %x for an OPEN", bytes)
			}
		})
	})
}
