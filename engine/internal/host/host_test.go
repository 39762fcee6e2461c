package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

func TestLeasesTellWhenTheLastIsGone(t *testing.T) {
	l := newLeases(time.Millisecond)
	first, second := l.take(), l.take()
	first()
	select {
	case <-l.idle:
		t.Fatal("idle while one is held")
	case <-time.After(20 * time.Millisecond):
	}
	second()
	select {
	case <-l.idle:
	case <-time.After(10 * time.Second):
		t.Fatal("never idle")
	}
}

func TestLeasesWithoutTimeoutNeverTell(t *testing.T) {
	l := newLeases(0)
	l.take()()
	l.rearm()
	if l.timer != nil || l.count() != 0 {
		t.Errorf("timer %v, count %d", l.timer, l.count())
	}
}

func TestTheLockIsForOne(t *testing.T) {
	config := &settings.Config{StateDir: filepath.Join(t.TempDir(), "state"), SocketDir: "/run/x"}
	held, err := lock(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(config); err == nil || !strings.Contains(err.Error(), "/run/x") {
		t.Errorf("%v", err)
	}
	_ = held.Close()
	again, err := lock(config)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestListenReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	first, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	first.SetUnlinkOnClose(false)
	_ = first.Close() // as after a SIGKILL: the file stays
	second, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestALogPastTheLimitKeepsItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	_, _ = log.WriteString(strings.Repeat("x", 1000) + "the end\n")
	trimLog(log, 100, 8)
	_, _ = log.WriteString("more\n")
	if text, _ := os.ReadFile(path); string(text) != "(the log was cut here)\nthe end\nmore\n" {
		t.Errorf("%q", text)
	}
}

func TestFindCNIWantsEveryPlugin(t *testing.T) {
	dir := t.TempDir()
	for _, plugin := range []string{"bridge", "firewall", "host-local"} {
		_ = os.WriteFile(filepath.Join(dir, plugin), nil, 0o755)
	}
	if _, err := findCNI(dir); err == nil {
		t.Error("found without loopback")
	}
	_ = os.WriteFile(filepath.Join(dir, "loopback"), nil, 0o755)
	if found, err := findCNI(dir); err != nil || found == "" {
		t.Errorf("%q, %v", found, err)
	}
}
