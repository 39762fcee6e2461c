package link

import (
	"errors"
	"io"
	"os"
	"testing"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	ours, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.socket.Close(); _ = theirs.socket.Close() })
	return ours, theirs
}

func TestMessagesStayApart(t *testing.T) {
	ours, theirs := pair(t)
	for id := range 3 {
		if err := ours.Send(Message{Kind: "busy", ID: id}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for id := range 3 {
		if got, file, err := theirs.Receive(); err != nil || file != nil || got.ID != id {
			t.Errorf("%+v, %v, %v", got, file, err)
		}
	}
}

func TestAFileComesAlong(t *testing.T) {
	ours, theirs := pair(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if err := ours.Send(Message{Kind: "reply", Address: "a:1"}, write); err != nil {
		t.Fatal(err)
	}
	_ = write.Close() // the receiver's copy is what counts
	got, file, err := theirs.Receive()
	if err != nil || file == nil || got.Address != "a:1" {
		t.Fatalf("%+v, %v, %v", got, file, err)
	}
	_, _ = file.WriteString("through")
	_ = file.Close()
	if text, err := io.ReadAll(read); string(text) != "through" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTheEndOfOneSideIsSeenByTheOther(t *testing.T) {
	ours, theirs := pair(t)
	_ = ours.socket.Close()
	if _, _, err := theirs.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
