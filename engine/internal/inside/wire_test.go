package inside

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEachWireHasTwoAddressesOfItsOwn(t *testing.T) {
	for number, want := range map[int][2]string{
		firstWire: {"169.254.1.0", "169.254.1.1"}, firstWire + 128: {"169.254.2.0", "169.254.2.1"},
		lastWire: {"169.254.167.254", "169.254.167.255"},
	} {
		near, far := addresses(number)
		if near.String() != want[0] || far.String() != want[1] || !wires.Contains(far) {
			t.Errorf("%d: %s %s", number, near, far)
		}
	}
}

func TestAFileIsFoundBehindAMountOfAnothers(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "executor", "hosts.x")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there := mounted{"254:0", "/deep/state/executor/hosts.x", "/etc/hosts"}
	ours := []mounted{{"0:5", "/deep/state", folder}, {"254:0", "/deeper", folder}, {"254:0", "/deep/state", folder}}
	if found, err := within(there, ours); err != nil || found != path {
		t.Errorf("%s %v", found, err)
	}
	if found, err := within(there, ours[:2]); err == nil {
		t.Errorf("found %s", found)
	}
	if got := unescape(`/a\040b\134c`); got != `/a b\c` {
		t.Error(got)
	}
}

func TestWhatIsMountedIsRead(t *testing.T) {
	found, err := mountsOf("self")
	if err != nil || len(found) == 0 || found[0].device == "" {
		t.Fatalf("%v %v", found, err)
	}
	if _, err := sourceOf(os.Getpid(), "/no/such/mount"); err == nil {
		t.Error("found")
	}
}
