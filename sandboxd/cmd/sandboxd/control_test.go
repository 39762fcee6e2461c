//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

func TestStartHappensOnceAndAFailedOneMayBeRepeated(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("signal", fields{"signal": "TERM"}, "not_started")
		s.call("start", fields{"command": []string{"no-such-command"}}, "command_not_found")
		s.call("start", fields{"command": []string{"true"}, "cwd": "/no/such"}, "bad_cwd")
		s.call("start", fields{"command": []string{}}, "bad_request")
		s.call("start", fields{"command": 7}, "bad_request")
		s.call("unheard-of", fields{}, "bad_request")
		if pid := s.call("start", fields{"command": as("sleep")}, "")["pid"]; pid == nil {
			t.Error("no pid")
		}
		s.call("start", fields{"command": []string{"true"}}, "already_started")
	})
}

func TestASandboxMayBeWithoutMainCommand(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		result := s.call("start", fields{"command": nil, "env": fields{}, "cwd": "/"}, "")
		if pid, there := result["pid"]; !there || pid != nil {
			t.Errorf("%v", result)
		}
		s.call("start", fields{"command": nil}, "already_started")
		s.call("signal", fields{"signal": "TERM"}, "not_started")
	})
}

func TestSignalReachesTheMainCommandAndItsExitIsTold(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("sleep"))
		s.call("signal", fields{"signal": "NOPE"}, "bad_request")
		s.nextID++
		s.control.send(wire.Request, fields{"id": s.nextID, "method": "signal", "params": fields{"signal": "KILL"}})
		// The end may be told before the answer to what brought it about.
		var exit wire.ExitNotice
		answered, told := false, false
		for !answered || !told {
			f := s.control.read()
			switch {
			case isPorts(f):
			case f.Type == wire.Reply && !answered:
				answered = !bytes.Contains(f.Payload, []byte("error"))
			case f.Type == wire.Notice && !told:
				must(t, f.JSON(&exit))
				told = true
			default:
				t.Fatalf("%s %.200s", f.Type, f.Payload)
			}
		}
		if exit.ExitCode != 137 || exit.Signal == nil || *exit.Signal != "KILL" {
			t.Errorf("%+v", exit)
		}
		s.call("signal", fields{"signal": "KILL"}, "not_started")
	})
}

func TestExitComesAfterTheReplyToStart(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start([]string{"false"}) // fails if anything but the reply comes first
		var exit wire.ExitNotice
		s.control.expect(wire.Notice, &exit)
		if exit.ExitCode != 1 {
			t.Errorf("%+v", exit)
		}
	})
}

func TestPingIsAnsweredAtOnce(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.control.write(wire.Ping, []byte("12345678"))
		f := s.control.read()
		for isPorts(f) {
			f = s.control.read()
		}
		if f.Type != wire.Pong || string(f.Payload) != "12345678" {
			t.Errorf("%v", f)
		}
	})
}

func TestASilentServerIsLeftAndRedialled(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("stubborn"))
		run, pid := s.exec(as("stubborn"))
		run.read()
		old := s.control
		s.beat = 60_000
		s.meet() // comes by itself after 4 s without PING
		old.closed()
		eventually(t, "the exec's command has ended", func() bool { return gone(pid) })
		s.call("start", fields{"command": nil}, "already_started")
		s.call("signal", fields{"signal": "CONT"}, "") // the main command went on
		s.control.send(wire.Request, fields{"id": 99, "method": "signal", "params": fields{"signal": "KILL"}})
	}, withBeat(1000))
}

func TestTheExitIsToldAgainToANewServer(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start([]string{"sh", "-c", "exit 5"})
		for range 3 {
			var exit wire.ExitNotice
			s.control.expect(wire.Notice, &exit)
			if exit.ExitCode != 5 {
				t.Errorf("%+v", exit)
			}
			s.lose()
			s.meet()
		}
	})
}

func TestABrokenServerIsLeftAndRedialled(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		for _, garbage := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x30\x00\x00\x01{", "\x03\x00\x00\x02{}"} {
			_, _ = s.control.c.Write([]byte(garbage))
			s.control.closed()
			s.meet()
		}
		s.start([]string{"true"})
	})
}

func TestWithoutAServerEverythingEnds(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("sleep"))
		_ = s.listener.Close()
		s.lose()
		receive(t, s.exited)
		if code := s.daemon.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit code %d", code)
		}
		if left := s.survivors(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}, withOrphan(300*time.Millisecond))
}

func TestStopEndsEverythingAndTellsTheRest(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		log := s.openLog(0, wire.DefaultWindow)
		s.start([]string{"sh", "-c", "trap 'echo bye; exit 6' TERM; echo up; while :; do sleep 0.05; done"})
		entry(log.read())
		run, _ := s.exec(as("sleep"))
		leak, _ := s.exec(as("leak"))
		leak.output()
		s.control.send(wire.Request, fields{"id": 9, "method": "stop", "params": fields{"grace_ms": 10_000}})
		var exit wire.ExitNotice
		s.control.expect(wire.Notice, &exit)
		s.control.expect(wire.Reply, nil)
		if _, _, ended := run.output(); exit.ExitCode != 6 || ended.ExitCode != 143 {
			t.Errorf("%+v %+v", exit, ended)
		}
		if stdout, _, _ := log.logged(1); string(stdout) != "bye\n" {
			t.Errorf("%q", stdout)
		}
		stopped(t, s)
	})
}

func stopped(t *testing.T, s *server) {
	t.Helper()
	receive(t, s.exited)
	if code := s.daemon.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := s.survivors(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestStopKillsWhatIsStubbornAfterTheGrace(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("stubborn"))
		entry(s.openLog(0, wire.DefaultWindow).read())
		run, _ := s.exec(as("stubborn"))
		run.read()
		begun := time.Now()
		s.control.send(wire.Request, fields{"id": 9, "method": "stop", "params": fields{"grace_ms": 500}})
		s.control.write(wire.Ping, make([]byte, 8)) // still answered meanwhile
		s.control.expect(wire.Pong, nil)
		var exit wire.ExitNotice
		s.control.expect(wire.Notice, &exit)
		s.control.expect(wire.Reply, nil)
		if took := time.Since(begun); exit.ExitCode != 137 || took < 500*time.Millisecond || took > 5*time.Second {
			t.Errorf("%+v after %v", exit, took)
		}
		stopped(t, s)
	})
}

func TestStopIsQuickWithAFullLogAndNoCredit(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.openLog(0, 65_536)
		s.start(as("flood", "200"))
		begun := time.Now()
		s.control.send(wire.Request, fields{"id": 9, "method": "stop", "params": fields{"grace_ms": 200}})
		receive(t, s.exited)
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
		stopped(t, s)
	})
}

func TestStopBeforeStart(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("stop", fields{"grace_ms": -1}, "bad_request")
		s.call("stop", nil, "")
		stopped(t, s)
	})
}

func TestTermIsAStop(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("sleep"))
		must(t, s.daemon.Process.Signal(syscall.SIGTERM))
		var exit wire.ExitNotice
		s.control.expect(wire.Notice, &exit)
		if exit.ExitCode != 143 {
			t.Errorf("%+v", exit)
		}
		stopped(t, s)
	})
}

func TestCommandsDieWithSandboxd(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.start(as("stubborn"))
		run, _ := s.exec(as("stubborn"))
		run.read()
		must(t, s.daemon.Process.Kill())
		receive(t, s.exited)
		eventually(t, "the commands have ended", func() bool { return len(s.survivors()) == 0 })
	})
}

func TestTheReserveIsRefilled(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		var taken []*peer
		for range 30 {
			p, _ := s.exec([]string{"cat"}, fields{"stdin": true})
			taken = append(taken, p)
		}
		for i, p := range taken {
			p.data(fmt.Sprint(i))
			p.endInput()
			if stdout, _, _ := p.output(); string(stdout) != fmt.Sprint(i) {
				t.Errorf("%d: %q", i, stdout)
			}
		}
		idle := receive(t, s.streams) // one that the server closes unused comes back
		_ = idle.c.Close()
		_ = receive(t, s.streams).c.Close()
		s.exec([]string{"true"})
	})
}

func TestUsageErrorsAreSaid(t *testing.T) {
	for _, args := range [][]string{{}, {"-socket", "/x", "-address", "y:1"}, {"-socket", "/x"}, {"-nope"}} {
		out, err := exec.Command(self(), append([]string{"as-daemon"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "sandboxd: ") {
			t.Errorf("%v: %v %q", args, err, out)
		}
	}
}
