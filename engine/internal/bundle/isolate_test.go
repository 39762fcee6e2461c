package bundle

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEveryPortIsIsolated(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("0"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := isolate(filepath.Join(folder, "*")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if text, _ := os.ReadFile(filepath.Join(folder, name)); string(text) != "1" {
			t.Errorf("%s is %q", name, text)
		}
	}
}

func TestAPortThatCannotBeIsolatedFailsTheContainer(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if isolate(filepath.Join(folder, "*")) == nil {
		t.Error("no error")
	}
}
