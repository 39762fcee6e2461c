//go:build linux

package supervise

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ContainerEnv returns the environment that the image and the engine gave, less
// what was meant for sandboxd or for Dagger's own telemetry.
func ContainerEnv() map[string]string {
	env := map[string]string{}
	for _, pair := range os.Environ() {
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case key == "", strings.HasPrefix(key, "ORKEE_"), strings.HasPrefix(key, "OTEL_"):
		case key == "TRACEPARENT", key == "TRACESTATE", key == "BAGGAGE":
		default:
			env[key] = value
		}
	}
	return env
}

// CheckEnv refuses names that an environment cannot hold.
func CheckEnv(env map[string]string) error {
	for key, value := range env {
		if key == "" || strings.ContainsAny(key, "=\x00") || strings.ContainsRune(value, 0) {
			return wire.Fail("bad_request", "a bad name or value in the environment")
		}
	}
	return nil
}

// MergeEnv lays the maps over each other, later ones above, as KEY=VALUE in the
// order of the keys.
func MergeEnv(layers ...map[string]string) []string {
	merged := map[string]string{"PATH": defaultPath}
	for _, layer := range layers {
		maps.Copy(merged, layer)
	}
	list := make([]string, 0, len(merged))
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		list = append(list, key+"="+merged[key])
	}
	return list
}

func lookEnv(env []string, key string) string {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, key+"="); ok {
			return value
		}
	}
	return ""
}
