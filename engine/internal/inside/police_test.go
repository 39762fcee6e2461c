package inside

import (
	"io"
	"os"
	"strings"
	"testing"
)

func TestWhatIsNotNamedIsRefused(t *testing.T) {
	table := rules("10.87.0.1:40123", "", nil)
	for _, line := range []string{
		":OUTPUT DROP", ":FORWARD DROP", "-A OUTPUT -o out+ -j ACCEPT", "-A OUTPUT -d 10.87.0.1 -p tcp --dport 40123 -j ACCEPT",
		"-A OUTPUT -j REJECT\nCOMMIT\n",
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no %q in %s", line, table)
		}
	}
	if strings.Contains(table, "--dport 53") {
		t.Error("names can be asked for")
	}
}

func TestAddressesAreAllowedAndNamesCanBeAskedFor(t *testing.T) {
	addresses, named := resolve([]string{"192.0.2.1", "198.51.100.0/24"})
	if named || len(addresses) != 2 {
		t.Errorf("%v %t", addresses, named)
	}
	table := rules("", "10.87.0.1", addresses)
	for _, line := range []string{
		"-A OUTPUT -d 192.0.2.1 -j ACCEPT", "-A OUTPUT -d 198.51.100.0/24 -j ACCEPT",
		"-A OUTPUT -d 10.87.0.1 -p udp --dport 53 -j ACCEPT",
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no %q in %s", line, table)
		}
	}
	if found, named := resolve([]string{"no-such-name.invalid"}); len(found) > 0 || !named {
		t.Errorf("%v %t", found, named)
	}
}

func TestWhoIsNoContainerIsNotPoliced(t *testing.T) {
	if box, err := containerOf(strings.Repeat("0", 32)); err == nil {
		t.Errorf("found %v", box)
	}
}

func TestATableOfAnySizeIsThereBeforeItIsRead(t *testing.T) {
	file, err := inMemory(strings.Repeat("-A OUTPUT\n", 100_000))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if text, err := io.ReadAll(file); err != nil || len(text) != 1_000_000 {
		t.Errorf("%d %v", len(text), err)
	}
}

func TestANamespaceIsTheOneThatWasMeant(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	file, err := container{os.Getpid(), own}.open()
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	if _, err := (container{os.Getpid(), "net:[1]"}).open(); err == nil {
		t.Error("another's was opened")
	}
}
