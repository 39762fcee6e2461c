package assemble

import (
	"slices"
	"strings"
	"testing"
)

func TestMountpointHidesNoSource(t *testing.T) {
	all := []string{"/mnt/a", "/media", "/srv/x", "/opt/b", "/boot/c", "/home/d", "/run/e"}
	at, err := mountpoint(all)
	if err != nil || at != "/tmp" {
		t.Errorf("%q, %v", at, err)
	}
	if at, err := mountpoint(append(all, "/tmp/f")); err == nil {
		t.Errorf("took %q", at)
	}
}

func TestTheEngineInheritsNoSecret(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")
	for _, entry := range environment() {
		if strings.HasPrefix(entry, "AWS") || strings.HasPrefix(entry, "OTEL") {
			t.Error(entry)
		}
	}
}

func TestAProxyGoesByLowerCaseOnly(t *testing.T) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTP_PROXY", "http://user:secret@proxy")
	env := environment()
	if !slices.Contains(env, "http_proxy=http://user:secret@proxy") {
		t.Errorf("%v", env)
	}
	for _, entry := range env {
		if strings.HasPrefix(entry, "HTTP_PROXY") {
			t.Error(entry)
		}
	}
}
