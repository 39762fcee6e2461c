package control

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func dial(t *testing.T, handle Handler) *net.UnixConn {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "c.sock"), Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	go Serve(listener, handle)
	conn, err := net.DialUnix("unix", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { _ = conn.Close(); _ = listener.Close() })
	return conn
}

func ask(t *testing.T, conn *net.UnixConn, line string) map[string]any {
	t.Helper()
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(answer, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func echo(request Request) (any, *os.File, func(io.ReadWriter)) {
	return map[string]string{"op": request.Op}, nil, nil
}

func TestARequestIsAnswered(t *testing.T) {
	if got := ask(t, dial(t, echo), `{"op":"status"}`+"\n"); got["op"] != "status" {
		t.Errorf("%v", got)
	}
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	for _, line := range []string{"\n", "status\n", `["op"]` + "\n", strings.Repeat("x", lineLimit)} {
		if got := ask(t, dial(t, echo), line); got["ok"] != false || got["error"] == "" {
			t.Errorf("%.20q: %v", line, got)
		}
	}
}

func TestHoldEndsWithTheClient(t *testing.T) {
	released := make(chan struct{})
	conn := dial(t, func(Request) (any, *os.File, func(io.ReadWriter)) {
		return true, nil, func(r io.ReadWriter) {
			_, _ = io.Copy(io.Discard, r)
			close(released)
		}
	})
	if _, err := io.WriteString(conn, `{"op":"lease"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadBytes('\n'); err != nil {
		t.Fatal(err)
	}
	select {
	case <-released:
		t.Fatal("released while the client was there")
	default:
	}
	_ = conn.Close()
	select {
	case <-released:
	case <-time.After(10 * time.Second):
		t.Fatal("not released")
	}
}
