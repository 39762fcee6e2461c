package run

import (
	"bytes"
	"testing"
	"time"
)

// drain reads until the ring has nothing more, which must have ended.
func drain(rd *reader) (got []byte, lost int64) {
	buf := make([]byte, 100)
	for {
		_, n, gone, ok := rd.next(buf)
		lost += gone
		if !ok {
			return got, lost
		}
		got = append(got, buf[:n]...)
	}
}

func TestARingGivesAllToEachReader(t *testing.T) {
	r := newRing()
	r.append(1, []byte("one "))
	r.append(1, []byte("two "))
	r.append(2, []byte("err"))
	r.end()
	for range 2 {
		if got, lost := drain(r.reader()); string(got) != "one two err" || lost != 0 {
			t.Errorf("%q, %d lost", got, lost)
		}
	}
}

func TestARingKeepsTheNewestAndCountsTheRest(t *testing.T) {
	r := newRing()
	all := bytes.Repeat([]byte("0123456789abcdef"), 3*ringSize/16)
	for rest := all; len(rest) > 0; rest = rest[1000:] {
		if len(rest) < 1000 {
			r.append(1, rest)
			break
		}
		r.append(1, rest[:1000])
	}
	r.end()
	got, lost := drain(r.reader())
	if len(got) > ringSize || len(got) < ringSize-ringPiece || !bytes.HasSuffix(all, got) {
		t.Errorf("%d bytes kept", len(got))
	}
	if lost+int64(len(got)) != int64(len(all)) {
		t.Errorf("%d lost and %d kept of %d", lost, len(got), len(all))
	}
}

func TestAReaderThatFallsBehindLearnsHowMuchItMissed(t *testing.T) {
	r := newRing()
	r.append(1, []byte("begin"))
	rd := r.reader()
	buf := make([]byte, 3)
	_, n, _, _ := rd.next(buf)
	read := int64(n)
	for range 2 * ringSize / ringPiece {
		r.append(1, make([]byte, ringPiece))
	}
	r.end()
	got, lost := drain(rd)
	if want := int64(5 + 2*ringSize); read+lost+int64(len(got)) != want {
		t.Errorf("%d read, %d lost, %d got of %d", read, lost, len(got), want)
	}
}

func TestClosingAReaderEndsItsWait(t *testing.T) {
	rd := newRing().reader()
	time.AfterFunc(10*time.Millisecond, rd.close)
	if _, _, _, ok := rd.next(make([]byte, 1)); ok {
		t.Error("it gave something")
	}
}
