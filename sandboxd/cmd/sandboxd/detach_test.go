//go:build linux

package main

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// detach starts a detached command and returns its stream and pid.
func (s *server) detach(script string) (*peer, int) {
	s.t.Helper()
	return s.exec([]string{"sh", "-c", script}, fields{"detach": true})
}

func (s *server) attach(pid int) *peer { return s.open(fields{"kind": "attach", "pid": pid}) }

// listed returns what the list of processes says of a pid, nil for nothing.
func (s *server) listed(pid int) map[string]any {
	s.t.Helper()
	for _, each := range s.call("processes", struct{}{}, "")["processes"].([]any) {
		if info := each.(map[string]any); int(info["pid"].(float64)) == pid {
			return info
		}
	}
	return nil
}

func TestADetachedCommandOutlivesItsStream(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.detach("echo first; sleep 0.3; echo second >&2; exit 4")
		p.reset()
		p = s.attach(pid)
		var opened wire.OpenedMessage
		p.expect(wire.Opened, &opened)
		stdout, stderr, exit := p.output()
		if opened.Pid != pid || string(stdout) != "first\n" || string(stderr) != "second\n" || exit.ExitCode != 4 {
			t.Errorf("pid %d, %q, %q, %+v", opened.Pid, stdout, stderr, exit)
		}
	})
}

func TestTheEndOfADetachedCommandIsKept(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.detach("echo kept; kill -9 $$")
		p.output()
		info := s.listed(pid)
		if info["running"] != false || info["signal"] != "KILL" || info["kind"] != "detached" {
			t.Errorf("%v", info)
		}
		p = s.attach(pid)
		p.expect(wire.Opened, nil)
		if stdout, _, exit := p.output(); string(stdout) != "kept\n" || exit.ExitCode != 137 {
			t.Errorf("%q, %+v", stdout, exit)
		}
	})
}

func TestADetachedCommandNeverWaitsForAReader(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.detach("head -c 3000000 /dev/zero; echo end >&2")
		p.reset()
		eventually(t, "its end", func() bool { return s.listed(pid)["running"] == false })
		p = s.attach(pid)
		p.expect(wire.Opened, nil)
		var dropped wire.DroppedMessage
		p.expect(wire.Dropped, &dropped)
		stdout, stderr, _ := p.output()
		if dropped.Bytes+int64(len(stdout)) != 3000000 || string(stderr) != "end\n" {
			t.Errorf("%d dropped, %d came, %q", dropped.Bytes, len(stdout), stderr)
		}
	})
}

func TestAnAttachedReaderHoldsNothingUp(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.window = 65536
		_, pid := s.detach("head -c 3000000 /dev/zero; echo $$ > done")
		eventually(t, "its end, though nobody reads", func() bool { return s.listed(pid)["running"] == false })
	})
}

func TestCommandsAreListedWithTheirKinds(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start([]string{"sleep", "60"})
		p, pid := s.exec([]string{"sleep", "61"})
		_, other := s.detach("sleep 62; true")
		kinds := map[string]int{}
		for _, each := range s.call("processes", struct{}{}, "")["processes"].([]any) {
			kinds[each.(map[string]any)["kind"].(string)]++
		}
		if len(kinds) != 3 || kinds["main"] != 1 || kinds["exec"] != 1 || kinds["detached"] != 1 {
			t.Errorf("%v", kinds)
		}
		p.reset()
		eventually(t, "the exec is forgotten", func() bool { return s.listed(pid) == nil })
		s.call("kill", map[string]any{"pid": other, "signal": "KILL"}, "")
		eventually(t, "the group is gone", func() bool { return syscall.Kill(-other, 0) != nil })
	})
}

func TestWhatWasNotStartedHereIsNotSignalled(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("kill", map[string]any{"pid": 1, "signal": "KILL"}, "not_found")
		s.call("kill", map[string]any{"pid": s.daemon.Process.Pid, "signal": "KILL"}, "not_found")
		_, pid := s.detach("sleep 60")
		s.call("kill", map[string]any{"pid": pid, "signal": "NONE"}, "bad_request")
		if code := s.attach(7).resetCode(); code != "not_found" {
			t.Error(code)
		}
		_, listened := s.exec([]string{"sleep", "60"})
		if code := s.attach(listened).resetCode(); code != "not_detached" {
			t.Error(code)
		}
	})
}

func TestALongCommandIsShortenedInTheList(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		_, pid := s.detach("sleep 60 # " + strings.Repeat("ä", 5000))
		word := s.listed(pid)["command"].([]any)[2].(string)
		if len(word) > 210 || !strings.HasSuffix(word, "…") || strings.ContainsRune(word, '\uFFFD') {
			t.Errorf("%d bytes: %q", len(word), word)
		}
	})
}

func TestOnlyTheLastEndedCommandsAreKept(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		for range 40 {
			p, _ := s.detach("true")
			p.output()
		}
		eventually(t, "the oldest are forgotten", func() bool {
			return len(s.call("processes", struct{}{}, "")["processes"].([]any)) <= 32
		})
	})
}

func TestStopEndsDetachedCommands(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		_, pid := s.detach("trap 'exit 0' TERM; while :; do sleep 0.05; done")
		s.call("stop", map[string]any{"grace_ms": 5000}, "")
		if !gone(pid) {
			t.Error("it runs on")
		}
	})
}

func TestADetachedCommandIsSignalledOverItsStream(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.detach("trap 'echo heard; exit 3' INT; echo ready; while :; do sleep 0.05; done")
		if f := p.read(); !bytes.Equal(f.Bytes(), []byte("ready\n")) {
			t.Fatalf("%v", f)
		}
		p.send(wire.Signal, wire.SignalMessage{Signal: "INT"})
		if stdout, _, exit := p.output(); string(stdout) != "heard\n" || exit.ExitCode != 3 {
			t.Errorf("%q, %+v", stdout, exit)
		}
	})
}
