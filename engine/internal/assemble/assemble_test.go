package assemble

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
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

func TestProgramsOutliveTheirReplacement(t *testing.T) {
	config := settings.Config{BinDir: t.TempDir(), StateDir: t.TempDir()}
	for _, name := range settings.Programs {
		if err := os.WriteFile(filepath.Join(config.BinDir, name), []byte("old"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := keepPrograms(&config)
	if err != nil {
		t.Fatal(err)
	}
	name := settings.Programs[0]
	aside := filepath.Join(config.BinDir, "aside")
	if err := os.WriteFile(aside, []byte("new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, filepath.Join(config.BinDir, name)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil || string(text) != "old" {
		t.Fatalf("%q, %v", text, err)
	}
}
