//go:build linux

package daemon

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// refusal fails for an error that the server would not be told a reason of.
func refusal(t *testing.T, err error) {
	t.Helper()
	if err != nil && wire.Fault(err) == nil {
		t.Errorf("no failure: %v", err)
	}
}

// FuzzParams: params are taken within their bounds, or refused. Nothing is started here.
func FuzzParams(f *testing.F) {
	for _, params := range []string{
		`{"command":["sh"],"env":{"A":"b"},"cwd":"/"}`, `{"pid":1,"signal":"TERM"}`, `{"grace_ms":5000}`,
		`{"grace_ms":-1}`, `{"grace_ms":1e300}`, `{"memory":1,"pids":2,"cpus":0.5}`, `{"cpus":-0}`, `null`, `[]`, `{"signal":"\ud800"}`,
	} {
		f.Add([]byte(params))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return // it was not a REQUEST
		}
		grace, err := readGrace(raw)
		refusal(t, err)
		if grace < 0 || grace > maxGrace {
			t.Errorf("a grace of %v", grace)
		}
		d := &Daemon{home: "/"}
		refusal(t, d.signal(raw))
		var start wire.StartParams
		if err := readParams(raw, &start); err != nil {
			refusal(t, err)
		} else {
			refusal(t, supervise.CheckEnv(start.Env))
		}
		var kill wire.KillParams
		if err := readParams(raw, &kill); err != nil {
			refusal(t, err)
		} else if number, err := supervise.ParseSignal(kill.Signal); err != nil {
			refusal(t, err)
		} else if number < 1 || number > 64 {
			t.Errorf("signal %d", number)
		}
	})
}

// FuzzOpenMessage: what a command would be started with is sound, or it is refused.
func FuzzOpenMessage(f *testing.F) {
	for _, open := range []string{
		`{"kind":"exec","credit":1,"command":["true"],"env":{"A":"b"},"cwd":"x","timeout_ms":5}`,
		`{"timeout_ms":9223372036854775807}`, `{"timeout_ms":-1}`, `{"env":{"a=":"b"}}`, `{"env":{"a":"\u0000"}}`, `{"cwd":"../.."}`,
	} {
		f.Add([]byte(open))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		frame := wire.Frame{Type: wire.Open, Payload: payload}
		var open wire.OpenMessage
		if wire.Check(frame, wire.Server) != nil || frame.JSON(&open) != nil {
			return
		}
		d := &Daemon{home: "/work", env: map[string]string{"HOME": "/root"}}
		request, err := d.execRequest(open)
		if err != nil {
			refusal(t, err)
			return
		}
		if request.Timeout < 0 || request.Timeout > 366*24*time.Hour {
			t.Errorf("a timeout of %v", request.Timeout)
		}
		if !filepath.IsAbs(request.Command.Dir) {
			t.Errorf("the folder %q", request.Command.Dir)
		}
		for _, pair := range request.Command.Env {
			if name, _, ok := strings.Cut(pair, "="); !ok || name == "" || strings.ContainsRune(pair, 0) {
				t.Errorf("%q in the environment", pair)
			}
		}
	})
}
