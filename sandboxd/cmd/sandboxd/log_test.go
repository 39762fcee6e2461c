//go:build linux

package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

func (s *server) openLog(after int64, credit int) *peer {
	s.t.Helper()
	p := s.open(fields{"kind": "log", "after": after, "credit": credit})
	p.expect(wire.Opened, nil)
	return p
}

func TestLogIsByteExactAndApart(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, wire.DefaultWindow)
		s.start([]string{"sh", "-c", `printf 'a\000\377\r'; printf 'b' >&2; printf 'c'`})
		stdout, stderr, last := log.logged(0)
		if string(stdout) != "a\x00\xff\rc" || string(stderr) != "b" {
			t.Errorf("%q %q", stdout, stderr)
		}
		var exit wire.ExitNotice
		s.control.expect(wire.Notice, &exit)
		if exit.Event != "exit" || exit.ExitCode != 0 || exit.LastSeq != last {
			t.Errorf("%+v, last %d", exit, last)
		}
		log.reset()
		log.closed()
	})
}

func TestLogCanBeReadAfterTheCommandHasEnded(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start([]string{"sh", "-c", "echo one; echo two >&2; exit 4"})
		s.control.expect(wire.Notice, nil)
		for range 2 {
			stdout, stderr, _ := s.openLog(0, wire.DefaultWindow).logged(0)
			if string(stdout) != "one\n" || string(stderr) != "two\n" {
				t.Errorf("%q %q", stdout, stderr)
			}
		}
	})
}

func TestLogOfAFloodIsWholeForAReaderThatGivesCredit(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, 65_536)
		s.start(as("flood", "24"))
		stdout, _, _ := log.logged(0)
		var want bytes.Buffer
		flood(&want, 24<<20)
		if !bytes.Equal(stdout, want.Bytes()) {
			t.Errorf("%d bytes of %d, or others", len(stdout), want.Len())
		}
	})
}

func TestLogReaderWithoutCreditHoldsTheCommandBack(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, 65_536)
		s.start(as("flood", "200"))
		var last int64
		for left := 65_536; left >= wire.LogHeader+wire.MaxLogBytes; {
			f := log.read()
			last, _, _ = entry(f)
			left -= len(f.Payload)
		}
		steady(t, s)
		// The rest comes as soon as there is credit, and nothing is missing.
		log.credit(1 << 20)
		for range 20 {
			if seq, _, _ := entry(log.read()); seq != last+1 {
				t.Fatalf("seq %d after %d", seq, last)
			}
			last++
		}
	})
}

// steady waits until sandboxd stops working and checks that its memory is small.
func steady(t *testing.T, s *server) {
	t.Helper()
	pid := s.daemon.Process.Pid
	before := ""
	eventually(t, "the flood is held back", func() bool {
		time.Sleep(100 * time.Millisecond)
		now := procField(pid, "io", "rchar:")
		same := now == before
		before = now
		return same
	})
	resident, _ := strconv.Atoi(procField(pid, "status", "VmRSS:"))
	t.Logf("resident: %d KiB", resident)
	if limit := 40 << 10; resident > limit && !raceEnabled {
		t.Errorf("resident: %d KiB", resident)
	}
}

func procField(pid int, file, name string) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + file)
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			return f[1]
		}
	}
	return ""
}

func TestLogWithoutReaderDropsTheOldestAndCounts(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("flood", "64"))
		s.control.expect(wire.Notice, nil)
		log := s.openLog(0, wire.DefaultWindow)
		var dropped wire.DroppedMessage
		log.expect(wire.Dropped, &dropped)
		stdout, _, _ := log.logged(dropped.Last)
		var want bytes.Buffer
		flood(&want, 64<<20)
		if dropped.First != 1 || dropped.Bytes+int64(len(stdout)) != 64<<20 {
			t.Errorf("%+v and %d bytes", dropped, len(stdout))
		}
		if !bytes.HasSuffix(want.Bytes(), stdout) || len(stdout) < 3<<20 || len(stdout) > 4<<20 {
			t.Errorf("%d bytes kept, or others", len(stdout))
		}
		steady(t, s)
	})
}

func TestLogResumesOnANewConnection(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, wire.DefaultWindow)
		s.start([]string{"sh", "-c", "echo one; sleep 0.3; echo two; sleep 0.3; echo three"})
		seq, _, _ := entry(log.read())
		s.lose()
		s.meet()
		stdout, _, _ := s.openLog(seq, wire.DefaultWindow).logged(seq)
		if string(stdout) != "two\nthree\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func TestLogDroppedCountsFromWhereTheServerWas(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, 65_536)
		s.start(as("flood", "32"))
		had, last := 0, int64(0)
		for range 3 {
			seq, _, b := entry(log.read())
			had, last = had+len(b), seq
		}
		_ = log.c.Close()
		s.control.expect(wire.Notice, nil)
		log = s.openLog(last, wire.DefaultWindow)
		var dropped wire.DroppedMessage
		log.expect(wire.Dropped, &dropped)
		stdout, _, _ := log.logged(dropped.Last)
		if dropped.First != last+1 || int64(had+len(stdout))+dropped.Bytes != 32<<20 {
			t.Errorf("had %d, %+v, then %d", had, dropped, len(stdout))
		}
	})
}

func TestLogStreamReplacesTheOneBefore(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		first := s.openLog(0, wire.DefaultWindow)
		second := s.openLog(0, wire.DefaultWindow)
		if code := first.resetCode(); code != "replaced" {
			t.Error(code)
		}
		s.start([]string{"echo", "hi"})
		if stdout, _, _ := second.logged(0); string(stdout) != "hi\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func TestLogKeepsWhatAGrandchildWritesLater(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, wire.DefaultWindow)
		s.start([]string{"sh", "-c", "(sleep 1; echo late) & echo early"})
		s.control.expect(wire.Notice, nil)
		if stdout, _, _ := log.logged(0); string(stdout) != "early\nlate\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func TestExecFloodIsHeldBackInConstantMemory(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.exec(as("flood", "200"), fields{"credit": 100_000})
		for left := 100_000; left > 0; {
			left -= len(p.read().Payload)
		}
		steady(t, s)
		if gone(pid) {
			t.Error("the command has ended, so its output went somewhere")
		}
	})
}
