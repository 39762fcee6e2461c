//go:build linux

package ports

import (
	"net"
	"testing"
)

// TestABreakByTheOtherDirectionIsNoCleanEnd: a reset is told once. The direction that is told
// closes the connection, and the other one has read an end.
func TestABreakByTheOtherDirectionIsNoCleanEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if wasReset(conn) {
		t.Error("it is open")
	}
	breakOff(conn)
	if !wasReset(conn) {
		t.Error("a connection that was broken off counts as one that has ended")
	}
}
