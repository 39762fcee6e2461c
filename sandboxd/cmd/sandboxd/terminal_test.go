//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// terminal opens a terminal of 24 rows and 80 columns.
func (s *server) terminal(more fields) (*peer, wire.OpenedMessage) {
	s.t.Helper()
	p := s.open(terminalFields(more))
	var opened wire.OpenedMessage
	p.expect(wire.Opened, &opened)
	return p, opened
}

func terminalFields(more fields) fields {
	all := fields{"kind": "terminal", "rows": 24, "columns": 80}
	for k, v := range more {
		all[k] = v
	}
	return all
}

func sh(script string) fields { return fields{"command": []string{"sh", "-c", script}} }

// until reads output until it ends with some text.
func (p *peer) until(text string) string {
	p.t.Helper()
	var seen []byte
	for !bytes.Contains(seen, []byte(text)) {
		f := p.read()
		switch f.Type {
		case wire.Data:
			seen = append(seen, f.Bytes()...)
			p.credit(len(f.Payload))
		case wire.AddCred:
		default:
			p.t.Fatalf("%s %.200s behind %q", f.Type, f.Payload, seen)
		}
	}
	return string(seen)
}

func (p *peer) resize(rows, columns int) {
	p.t.Helper()
	p.send(wire.Resize, wire.ResizeMessage{Rows: rows, Columns: columns})
}

func TestATerminalIsOneToItsCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, opened := s.terminal(sh("test -t 0 && test -t 1 && test -t 2 && stty size < /dev/tty; tty; echo $TERM; exit 3"))
		output, _, exit := p.output()
		if !strings.HasPrefix(string(output), "24 80\r\n/dev/") || exit.ExitCode != 3 || opened.Name != "1" {
			t.Errorf("%q, %+v, %+v", output, exit, opened)
		}
	})
}

func TestWhatIsTypedIsEchoedAndRead(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.terminal(sh("read line; echo \"<$line>\""))
		p.data("hellö\x7f\x7fo\n") // the terminal erases a whole character
		output, _, exit := p.output()
		if !strings.Contains(string(output), "<helo>") || exit.ExitCode != 0 {
			t.Errorf("%q, %+v", output, exit)
		}
	})
}

func TestAnInterruptReachesTheForeground(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.terminal(sh("trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done"))
		p.until("ready")
		p.data("\x03")
		output, _, exit := p.output()
		if !strings.Contains(string(output), "caught") || exit.ExitCode != 7 {
			t.Errorf("%q, %+v", output, exit)
		}
	})
}

func TestANewSizeIsToldToTheForeground(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.terminal(sh("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done"))
		p.until("ready")
		p.resize(30, 100)
		if output, _, _ := p.output(); !strings.Contains(string(output), "30 100") {
			t.Errorf("%q", output)
		}
	})
}

func TestAShellLivesOnAndIsFoundAgain(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, first := s.terminal(fields{"env": map[string]string{"PS1": "> ", "SHELL": "/bin/sh"}})
		p.until("> ")
		p.data("x=kept\n")
		p.until("> ")
		p.reset()
		p.closed()
		p, again := s.terminal(nil)
		if again.Pid != first.Pid || !again.Reattached || again.Replay == 0 {
			t.Errorf("%+v, %+v", first, again)
		}
		if seen := p.until("> x=kept"); strings.Count(seen, "x=kept") != 1 {
			t.Errorf("%q", seen)
		}
		p.data("echo $((1+1))$x; exit 5\n")
		output, _, exit := p.output()
		if !strings.Contains(string(output), "2kept") || exit.ExitCode != 5 {
			t.Errorf("%q, %+v", output, exit)
		}
	})
}

func TestANewcomerTakesTheTerminalOver(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		old, first := s.terminal(fields{"name": "work", "command": []string{"cat"}})
		old.data("before\n")
		old.until("before\r\nbefore\r\n")
		p, second := s.terminal(fields{"name": "work", "after": len("before\r\nbefo")})
		if code := old.resetCode(); code != "replaced" {
			t.Error(code)
		}
		if second.Pid != first.Pid || second.Replay != 0 || second.Position != 12 {
			t.Errorf("%+v, %+v", first, second)
		}
		if seen := p.until("\n"); seen != "re\r\n" {
			t.Errorf("%q", seen)
		}
		p.data("\x04")
		if _, _, exit := p.output(); exit.ExitCode != 0 {
			t.Errorf("%+v", exit)
		}
	})
}

func TestAFullScreenProgramDrawsAnew(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.terminal(sh(`trap 'stty size' WINCH; printf '\033[?1049hready'; while :; do sleep 0.05; done`))
		p.until("ready")
		p.reset()
		p, opened := s.terminal(fields{"name": "1"})
		if !opened.Reattached {
			t.Errorf("%+v", opened)
		}
		if seen := p.until("24 80"); !strings.Contains(seen, "\x1b[?1049hready") {
			t.Errorf("%q", seen)
		}
	})
}

func TestTheEndOfAShellIsKeptForWhoComesBack(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, opened := s.terminal(sh("echo begin; read x; echo end; exit 9"))
		p.until("begin\r\n")
		p.data("\n")
		p.reset()
		eventually(t, "its end", func() bool { return s.listed(opened.Pid) == nil })
		p, again := s.terminal(fields{"name": "1", "attach": true, "after": len("begin\r\n")})
		output, _, exit := p.output()
		if !again.Reattached || !strings.HasSuffix(string(output), "end\r\n") || exit.ExitCode != 9 {
			t.Errorf("%+v, %q, %+v", again, output, exit)
		}
		if _, fresh := s.terminal(fields{"name": "1", "command": []string{"cat"}}); fresh.Reattached {
			t.Errorf("%+v", fresh)
		}
	})
}

func TestALargePasteArrivesWhole(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		file := filepath.Join(t.TempDir(), "pasted")
		p, _ := s.terminal(fields{"command": []string{"sh", "-c", "stty -echo; echo ready; cat > " + file}})
		p.until("ready")
		line := strings.Repeat("0123456789 äöü ", 6) + "\n"
		text := strings.Repeat(line, 600_000/len(line))
		for rest := text; rest != ""; {
			n := min(len(rest), 60_000)
			p.data(rest[:n])
			rest = rest[n:]
		}
		p.data("\x04")
		_, _, exit := p.output()
		got, err := os.ReadFile(file)
		must(t, err)
		if string(got) != text || exit.ExitCode != 0 {
			t.Errorf("%d bytes of %d, %+v", len(got), len(text), exit)
		}
	})
}

func TestASlowReaderHoldsTheShellUp(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.window = 65536
		p, _ := s.terminal(sh("head -c 3000000 /dev/zero | tr '\\0' x; echo end"))
		output, _, _ := p.output()
		if len(output) != 3000005 {
			t.Errorf("%d bytes", len(output))
		}
	})
}

func TestWithoutAReaderTheShellGoesOn(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.window = 65536
		p, opened := s.terminal(sh("read x; head -c 3000000 /dev/zero | tr '\\0' x; echo end"))
		p.data("\n")
		p.reset()
		eventually(t, "its end", func() bool { return s.listed(opened.Pid) == nil })
		s.window = wire.DefaultWindow
		p, _ = s.terminal(fields{"name": "1", "attach": true})
		if output, _, _ := p.output(); len(output) > 300_000 || !bytes.HasSuffix(output, []byte("xend\r\n")) {
			t.Errorf("%d bytes", len(output))
		}
	})
}

func TestTerminalsAreListedAndSignalled(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, opened := s.terminal(fields{"name": "work", "command": []string{"sleep", "60"}})
		if info := s.listed(opened.Pid); info["kind"] != "terminal" || info["name"] != "work" {
			t.Errorf("%v", info)
		}
		p.send(wire.Signal, wire.SignalMessage{Signal: "TERM"})
		if _, _, exit := p.output(); exit.ExitCode != 143 || *exit.Signal != "TERM" {
			t.Errorf("%+v", exit)
		}
		eventually(t, "it is forgotten", func() bool { return s.listed(opened.Pid) == nil })
	})
}

func TestWhatCannotBeATerminalIsRefused(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.terminal(fields{"name": "work", "command": []string{"cat"}})
		for want, more := range map[string]fields{
			"terminal_exists":   {"name": "work", "new": true},
			"not_found":         {"name": "other", "attach": true},
			"command_not_found": {"command": []string{"no-such-command"}},
			"bad_cwd":           {"new": true, "cwd": "/no/such"},
			"bad_request":       {"rows": 0},
		} {
			if code := s.open(terminalFields(more)).resetCode(); code != want {
				t.Errorf("%s, want %s", code, want)
			}
		}
		if code := s.open(terminalFields(fields{"name": "../x"})).resetCode(); code != "bad_request" {
			t.Error(code)
		}
	})
}

func TestTheNumberOfTerminalsIsBounded(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		for range 32 {
			p, _ := s.terminal(fields{"command": []string{"cat"}})
			p.reset()
		}
		if code := s.open(terminalFields(fields{"command": []string{"cat"}})).resetCode(); code != "too_many" {
			t.Error(code)
		}
	})
}

func TestATerminalEndsWithTheSandbox(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		_, opened := s.terminal(sh("trap '' HUP TERM; sleep 60 & sleep 61"))
		s.call("stop", map[string]any{"grace_ms": 100}, "")
		eventually(t, "its group is gone", func() bool { return syscall.Kill(-opened.Pid, 0) != nil })
	})
}
