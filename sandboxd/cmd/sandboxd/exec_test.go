//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

type fields = map[string]any

func TestExecReturnsOutputsApartAndTheExitCode(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.exec([]string{"sh", "-c", `printf 'out\000\377'; printf 'err' >&2; exit 3`})
		stdout, stderr, exit := p.output()
		if pid == 0 || string(stdout) != "out\x00\xff" || string(stderr) != "err" {
			t.Errorf("pid %d, %q, %q", pid, stdout, stderr)
		}
		if exit.ExitCode != 3 || exit.Signal != nil || exit.TimedOut {
			t.Errorf("%+v", exit)
		}
	})
}

func TestExecSendsOutputWhileTheCommandRuns(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"sh", "-c", `echo first; read line; echo "got $line"`}, fields{"stdin": true})
		if f := p.read(); f.Type != wire.Data || string(f.Bytes()) != "first\n" {
			t.Fatalf("%v", f)
		}
		p.data("word\n")
		if stdout, _, _ := p.output(); string(stdout) != "got word\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func TestExecCarriesStdinByteForByte(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		sent := make([]byte, 12<<20)
		_, _ = rand.Read(sent)
		p, _ := s.exec([]string{"cat"}, fields{"stdin": true})
		allowed := make(chan int, 1024)
		allowed <- wire.DefaultWindow
		go sendAll(p, sent, allowed)
		var got []byte
		for {
			f := p.read()
			if f.Type == wire.AddCred {
				allowed <- f.Credit()
			}
			if f.Type == wire.Data {
				got = append(got, f.Bytes()...)
				p.credit(len(f.Payload))
			}
			if f.Type == wire.Exit {
				break
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back of %d", len(got), len(sent))
		}
	})
}

// sendAll sends as stdin what the credit allows, in frames of changing length.
func sendAll(p *peer, b []byte, allowed <-chan int) {
	credit, size := 0, 1
	for len(b) > 0 {
		for credit < size+1 {
			credit += <-allowed
		}
		n := min(size, len(b))
		p.data(string(b[:n]))
		b, credit, size = b[n:], credit-n-1, size*3%200_000+1
	}
	p.endInput()
}

func TestExecWithoutStdinReadsNothing(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"sh", "-c", "cat; readlink /proc/self/fd/0"})
		if stdout, _, _ := p.output(); string(stdout) != "/dev/null\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func TestExecThatClosedItsStdinStillAnswers(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"sh", "-c", "exec 0<&-; echo shut; sleep 0.2; echo done"}, fields{"stdin": true})
		p.read()
		for range 4 {
			p.data(strings.Repeat("x", 200_000))
		}
		if stdout, _, exit := p.output(); string(stdout) != "done\n" || exit.ExitCode != 0 {
			t.Errorf("%q %+v", stdout, exit)
		}
	})
}

func TestExecUsesTheDefaultsOfStartAndItsOwn(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		s.call("start", fields{"command": nil, "cwd": dir, "env": fields{"A": "start", "B": "start"}}, "")
		p, _ := s.exec([]string{"sh", "-c", `echo "$A $B"; pwd; env`}, fields{"env": fields{"B": "exec"}, "cwd": "sub"})
		stdout, _, _ := p.output()
		lines := strings.Split(string(stdout), "\n")
		if lines[0] != "start exec" || lines[1] != filepath.Join(dir, "sub") {
			t.Errorf("%q", lines[:2])
		}
		if !slices.Contains(lines, s.mark) {
			t.Error("the container's own environment is missing")
		}
		for _, l := range lines {
			if strings.HasPrefix(l, "ORKEE_") || strings.HasPrefix(l, "OTEL_") || strings.HasPrefix(l, "TRACEPARENT") {
				t.Errorf("handed on: %s", l)
			}
		}
	})
}

func TestExecLooksInThePathOfTheMergedEnvironment(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		dir := t.TempDir()
		script(t, dir, "tool", "#!/bin/sh\necho found\n", 0o755)
		p, _ := s.exec([]string{"tool"}, fields{"env": fields{"PATH": "/nonexistent:" + dir}})
		if stdout, _, _ := p.output(); string(stdout) != "found\n" {
			t.Errorf("%q", stdout)
		}
		p, _ = s.exec([]string{"./tool"}, fields{"cwd": dir})
		if stdout, _, _ := p.output(); string(stdout) != "found\n" {
			t.Errorf("%q", stdout)
		}
	})
}

func script(t *testing.T, dir, name, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
}

func TestExecSaysWhyACommandDidNotStart(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		dir := t.TempDir()
		script(t, dir, "closed", "#!/bin/sh\n", 0o644)
		script(t, dir, "lost", "#!/nonexistent/interpreter\n", 0o755)
		script(t, dir, "plain", "just text\n", 0o755)
		cases := []struct {
			code string
			open fields
		}{
			{"command_not_found", fields{"command": []string{"no-such-command"}}},
			{"command_not_found", fields{"command": []string{"/no/such/command"}}},
			{"command_not_found", fields{"command": []string{"./lost"}, "cwd": dir}},
			{"command_not_found", fields{"command": []string{"sh"}, "env": fields{"PATH": ""}}},
			{"permission_denied", fields{"command": []string{"./closed"}, "cwd": dir}},
			{"permission_denied", fields{"command": []string{"closed"}, "env": fields{"PATH": dir}}},
			{"permission_denied", fields{"command": []string{dir}}},
			{"failed", fields{"command": []string{"./plain"}, "cwd": dir}},
			{"failed", fields{"command": []string{"true", strings.Repeat("x", 200_000)}}},
			{"bad_cwd", fields{"command": []string{"true"}, "cwd": "/no/such/folder"}},
			{"bad_cwd", fields{"command": []string{"true"}, "cwd": "/etc/passwd"}},
			{"bad_request", fields{"command": []string{}}},
			{"bad_request", fields{"command": []string{""}}},
			{"bad_request", fields{"command": []string{"a\x00b"}}},
			{"bad_request", fields{"command": []string{"true"}, "env": fields{"A=B": "x"}}},
			{"bad_request", fields{"command": []string{"true"}, "timeout_ms": -1}},
			{"bad_request", fields{"command": []string{"true"}, "credit": -1}},
			{"bad_request", fields{"command": []string{"true"}, "credit": wire.MaxWindow + 1}},
			{"protocol_error", fields{"command": "true"}},
			{"bad_request", fields{"kind": "unheard-of"}},
		}
		for _, c := range cases {
			open := fields{"kind": "exec"}
			for k, v := range c.open {
				open[k] = v
			}
			if code := s.open(open).resetCode(); code != c.code {
				t.Errorf("%v: %s, want %s", c.open, code, c.code)
			}
		}
	})
}

func TestExecReportsTheSignalThatEndedTheCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec(as("crash"))
		if _, _, exit := p.output(); exit.ExitCode != 137 || exit.Signal == nil || *exit.Signal != "KILL" {
			t.Errorf("%+v", exit)
		}
	})
}

func TestExecSignalsTheWholeProcessGroup(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"sh", "-c", "sleep 61 & echo $!; wait"})
		var child int
		_, err := fmt.Sscan(string(p.read().Bytes()), &child)
		must(t, err)
		p.send(wire.Signal, fields{"signal": "TERM"})
		if _, _, exit := p.output(); exit.ExitCode != 143 || *exit.Signal != "TERM" {
			t.Errorf("%+v", exit)
		}
		eventually(t, "the grandchild has ended", func() bool { return gone(child) })
	})
}

func TestExecRefusesAnUnknownSignalAndEndsTheCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.exec(as("sleep"))
		p.send(wire.Signal, fields{"signal": "NOPE"})
		if code := p.resetCode(); code != "bad_request" {
			t.Error(code)
		}
		eventually(t, "the command has ended", func() bool { return gone(pid) })
	})
}

func TestExecEndsAStubbornCommandAfterItsTimeout(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"sh", "-c", "trap '' TERM HUP; sleep 60; :"}, fields{"timeout_ms": 1500})
		_, _, exit := p.output()
		if exit.ExitCode != 137 || *exit.Signal != "KILL" || !exit.TimedOut {
			t.Errorf("%+v", exit)
		}
		if exit.DurationMS < 3500 || exit.DurationMS > 15_000 {
			t.Errorf("took %d ms", exit.DurationMS)
		}
	})
}

func TestExecResetEndsTheCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.exec(as("stubborn"))
		p.read()
		p.reset()
		p.closed()
		eventually(t, "the command has ended", func() bool { return gone(pid) })
	})
}

func TestExecLostConnectionEndsTheCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, pid := s.exec(as("flood", "100000"))
		p.read()
		_ = p.c.Close()
		eventually(t, "the command has ended", func() bool { return gone(pid) })
	})
}

func TestExecDoesNotWaitForAGrandchildThatKeepsThePipes(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		begun := time.Now()
		p, _ := s.exec(as("leak"))
		if stdout, _, exit := p.output(); string(stdout) != "left\n" || exit.ExitCode != 0 {
			t.Errorf("%q %+v", stdout, exit)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestExecOutputIsWholeForASlowReaderDespiteALingeringPipe(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		script := `head -c 60000 /dev/zero; sleep 61 & exit 0`
		p, pid := s.exec([]string{"sh", "-c", script}, fields{"credit": 1000})
		eventually(t, "the command has ended", func() bool { return gone(pid) })
		time.Sleep(400 * time.Millisecond) // past the 250 ms that a lingering pipe is given
		if stdout, _, _ := p.output(); len(stdout) != 60000 {
			t.Errorf("%d bytes", len(stdout))
		}
	})
}

func TestExecKeepsToItsCredit(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"printf", "abcdef"}, fields{"credit": 4})
		for _, want := range []string{"abc", "def"} {
			if f := p.read(); f.Type != wire.Data || string(f.Bytes()) != want {
				t.Fatalf("%s %q", f.Type, f.Payload)
			}
			p.credit(4)
		}
		p.expect(wire.Exit, nil)
	})
}

func TestExecEndsWhenTheServerBreaksTheRules(t *testing.T) {
	offences := map[string]func(p *peer){
		"flow_control": func(p *peer) {
			for range 9 {
				p.data(strings.Repeat("x", 200_000))
			}
		},
		"protocol_error": func(p *peer) { p.write(wire.Ping, make([]byte, 8)) },
	}
	for code, offend := range offences {
		t.Run(code, func(t *testing.T) {
			onBothLinks(t, func(t *testing.T, s *server) {
				p, pid := s.exec(as("sleep"), fields{"stdin": true})
				offend(p)
				if got := p.resetCode(); got != code {
					t.Error(got)
				}
				eventually(t, "the command has ended", func() bool { return gone(pid) })
			})
		})
	}
}

func TestExecOverflowOfCreditIsAnOffence(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec(as("sleep"))
		p.credit(wire.MaxWindow)
		if got := p.resetCode(); got != "flow_control" {
			t.Error(got)
		}
	})
}

func TestOrphansAreReapedAndExitStatusesAreNotLost(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 10 {
					p, _ := s.exec(as("orphan"))
					if _, _, exit := p.output(); exit.ExitCode != 7 {
						t.Errorf("%+v", exit)
					}
				}
			})
		}
		all.Wait()
		eventually(t, "only sandboxd is left, and no zombie", func() bool {
			return len(s.survivors()) == 1 && len(children(s.daemon.Process.Pid)) == 0
		})
	})
}

func children(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.Fields(string(b))
}

func TestALineLeavesAtOnce(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		p, _ := s.exec([]string{"cat"}, fields{"stdin": true})
		best := time.Hour
		for range 50 {
			begun := time.Now()
			p.data("line\n")
			p.read()
			best = min(best, time.Since(begun))
		}
		t.Logf("there and back through cat: %v at best", best)
		if best > 20*time.Millisecond {
			t.Errorf("a line took %v at best", best)
		}
	})
}
