package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `{"ociVersion":"1.0.2","process":{"args":["sh","-c","a <b> & c"],"oomScoreAdj":1e3},
 "linux":{"resources":{"pids":{"limit":0}},"cgroupsPath":"/buildkit/x","uidMappings":[{"size":18446744073709551615}]}}`

func TestRootlessRemovesOnlyTheCgroupMembers(t *testing.T) {
	edited, changed, err := Rootless([]byte(sample))
	if err != nil || !changed {
		t.Fatalf("changed %v, error %v", changed, err)
	}
	var spec struct{ Linux map[string]json.RawMessage }
	if err := json.Unmarshal(edited, &spec); err != nil {
		t.Fatal(err)
	}
	if len(spec.Linux) != 1 || spec.Linux["uidMappings"] == nil {
		t.Errorf("linux is %v", spec.Linux)
	}
}

func TestRootlessKeepsTheBytesOfOtherValues(t *testing.T) {
	edited, _, err := Rootless([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{`"a <b> & c"`, `1e3`, `18446744073709551615`, `"1.0.2"`} {
		if !strings.Contains(string(edited), kept) {
			t.Errorf("%s is not in %s", kept, edited)
		}
	}
}

func TestRootlessLeavesOtherConfigsAlone(t *testing.T) {
	for _, config := range []string{`{}`, `{"linux":{}}`, `{"linux":{"seccomp":{}}, "a" : 1}`} {
		edited, changed, err := Rootless([]byte(config))
		if err != nil || changed || string(edited) != config {
			t.Errorf("%s became %s (changed %v, error %v)", config, edited, changed, err)
		}
	}
}

func TestRootlessRefusesWhatIsNoConfig(t *testing.T) {
	for _, config := range []string{``, `[]`, `{"linux":7}`, `{"linux":`} {
		if _, _, err := Rootless([]byte(config)); err == nil {
			t.Errorf("%q was taken", config)
		}
	}
}

func TestEditReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Edit(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "cgroupsPath") {
		t.Errorf("error %v, file %s", err, text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files left over: %v", entries)
	}
}

func TestDirFindsTheBundle(t *testing.T) {
	for line, want := range map[string]string{
		"--log /l --log-format json run --bundle /b --keep id": "/b",
		"create --bundle=/b id":                                "/b",
		"run -b /b id":                                         "/b",
		"run id":                                               ".",
	} {
		if dir, makes := Dir(strings.Fields(line)); !makes || dir != want {
			t.Errorf("%q: %q, %v", line, dir, makes)
		}
	}
}

func TestDirPassesOverOtherCommands(t *testing.T) {
	for _, line := range []string{"kill id 9", "delete run", "exec id run --bundle /b", "--version", ""} {
		if _, makes := Dir(strings.Fields(line)); makes {
			t.Errorf("%q is taken for one that makes a container", line)
		}
	}
}
