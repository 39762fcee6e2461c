// Package bundle edits an OCI bundle's config.json for a runc without cgroups.
package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// dropped are the members of "linux" that need a writable cgroup tree, which
// a user namespace does not have.
var dropped = []string{"cgroupsPath", "resources"}

// Rootless returns config without linux.cgroupsPath and linux.resources. Every
// other value keeps its bytes, so that nothing is lost to a number's or a
// string's round trip. It reports whether there was anything to take out.
func Rootless(config []byte) ([]byte, bool, error) {
	var spec map[string]json.RawMessage
	if err := json.Unmarshal(config, &spec); err != nil {
		return nil, false, fmt.Errorf("config.json is not a JSON object: %w", err)
	}
	section, ok := spec["linux"]
	if !ok {
		return config, false, nil
	}
	var linux map[string]json.RawMessage
	if err := json.Unmarshal(section, &linux); err != nil {
		return nil, false, fmt.Errorf("linux in config.json is not an object: %w", err)
	}
	changed := false
	for _, name := range dropped {
		if _, ok := linux[name]; ok {
			delete(linux, name)
			changed = true
		}
	}
	if !changed {
		return config, false, nil
	}
	var err error
	if spec["linux"], err = encode(linux); err != nil {
		return nil, false, err
	}
	edited, err := encode(spec)
	return edited, err == nil, err
}

// encode is json.Marshal without its rewriting of <, > and & in strings.
func encode(object any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}

// Edit rewrites the config.json in dir. The new file replaces the old in one
// step: a reader sees one or the other.
func Edit(dir string) error {
	path := filepath.Join(dir, "config.json")
	config, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	edited, changed, err := Rootless(config)
	if err != nil {
		return err
	}
	edited, taken, err := WithoutRawSockets(edited)
	if err != nil || !(changed || taken) {
		return err
	}
	aside := path + ".rootless"
	if err := os.WriteFile(aside, edited, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, path)
}

// Dir returns the bundle's folder that runc's arguments name, and whether the
// command is one that reads it.
func Dir(args []string) (string, bool) {
	makes := false
	dir := "."
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "create" || arg == "run":
			makes = true
		case (arg == "--bundle" || arg == "-b" || arg == "-bundle") && i+1 < len(args):
			i++
			dir = args[i]
		case len(arg) > 9 && arg[:9] == "--bundle=":
			dir = arg[9:]
		case !makes && isCommand(arg):
			return "", false
		}
	}
	return dir, makes
}

// isCommand says whether arg is a command of runc that makes no container.
func isCommand(arg string) bool {
	switch arg {
	case "checkpoint", "delete", "events", "exec", "features", "kill", "list", "pause", "ps",
		"restore", "resume", "spec", "start", "state", "update":
		return true
	}
	return false
}
