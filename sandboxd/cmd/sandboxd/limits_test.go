//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// Whatever hogs here is bounded by itself.
const (
	hog  = "head -c 200000000 /dev/zero | tail | wc -c"
	bomb = "b() { [ $1 -gt 7 ] && exec sleep 20; b $(($1+1)) & b $(($1+1)) & wait; }; b 0"
)

func (s *server) usage() wire.Stats {
	s.t.Helper()
	var used wire.Stats
	text, err := json.Marshal(s.call("stats", map[string]any{}, ""))
	must(s.t, err)
	must(s.t, json.Unmarshal(text, &used))
	return used
}

// brokenLimit waits for the notice of a limit that was broken.
func (s *server) brokenLimit() wire.LimitNotice {
	s.t.Helper()
	var notice wire.LimitNotice
	s.control.expect(wire.Notice, &notice)
	return notice
}

func TestAHogEndsAndIsSaidToHaveBrokenItsLimit(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("limit", wire.LimitParams{Memory: 64 << 20}, "")
		p, _ := s.exec([]string{"sh", "-c", hog})
		if _, _, exit := p.output(); exit.Limit != "memory" {
			t.Errorf("exit %+v, want the limit", exit)
		}
		if got := s.brokenLimit(); got.Event != "limit" || got.Kind != "memory" || got.Used <= 64<<20 {
			t.Errorf("notice %+v", got)
		}
		p = s.open(fields{"kind": "exec", "command": []string{"true"}})
		if code := p.resetCode(); code != "limit" {
			t.Errorf("another command: %q, want limit", code)
		}
	})
}

func TestABombEndsWholly(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("limit", wire.LimitParams{Pids: 60}, "")
		p, _ := s.exec([]string{"sh", "-c", bomb})
		if _, _, exit := p.output(); exit.Limit != "pids" {
			t.Errorf("exit %+v, want the limit", exit)
		}
		if got := s.brokenLimit(); got.Kind != "pids" || got.Used <= 60 {
			t.Errorf("notice %+v", got)
		}
		eventually(t, "only sandboxd is left", func() bool { return len(s.survivors()) == 1 })
	})
}

func TestABurnerKeepsToItsShareAndGoesOn(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("limit", wire.LimitParams{CPUs: 0.5}, "")
		p, _ := s.exec([]string{"sh", "-c", "timeout 2 sh -c 'while :; do :; done'; echo over"})
		stdout, _, exit := p.output()
		if strings.TrimSpace(string(stdout)) != "over" || exit.ExitCode != 0 {
			t.Errorf("%q, exit %+v", stdout, exit)
		}
		used := s.usage()
		// On a busy machine it may not even get its share.
		if used.CPUMS > 1600 || (used.CPUMS > 1100 && used.ThrottledMS == 0) {
			t.Errorf("used %d ms of 2000, held back %d ms", used.CPUMS, used.ThrottledMS)
		}
	})
}

func TestLimitsAreSetOnceAndChecked(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		s.call("limit", wire.LimitParams{Memory: -1}, "bad_request")
		s.call("limit", map[string]any{"cpus": "many"}, "bad_request")
		s.call("limit", wire.LimitParams{Pids: 1000}, "")
		s.call("limit", wire.LimitParams{Pids: 1000}, "already_started")
	})
}

func TestStatsCountWhatRuns(t *testing.T) {
	onBothLinks(t, func(t *testing.T, s *server) {
		if used := s.usage(); used.Processes != 0 || used.Memory != 0 {
			t.Errorf("before anything ran: %+v", used)
		}
		p, _ := s.exec([]string{"sh", "-c", "sleep 30 & sleep 30"})
		eventually(t, "three processes", func() bool { return s.usage().Processes == 3 })
		if used := s.usage(); used.Memory == 0 || used.MemoryPeak < used.Memory || used.Threads != 3 {
			t.Errorf("%+v", used)
		}
		p.reset()
		eventually(t, "none", func() bool { return s.usage().Processes == 0 })
	})
}

func TestASampleComesWithoutAsking(t *testing.T) {
	s := begin(t, "unix")
	_ = s.control.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f := s.control.read()
		var notice wire.StatsNotice
		if f.Type == wire.Notice && f.JSON(&notice) == nil && notice.Event == "stats" {
			if notice.UptimeMS <= 0 {
				t.Errorf("%+v", notice)
			}
			return
		}
	}
}
