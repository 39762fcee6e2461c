package bundle

import (
	"encoding/json"
	"fmt"
	"slices"
)

const (
	rawSockets = "CAP_NET_RAW"
	allowedAll = "CAP_SYS_ADMIN"
)

// WithoutRawSockets returns config without the right to raw sockets: what is written to one
// passes by all rules of the container's network namespace. It reports whether there was
// anything to take out. A container that may do about anything, as a pipeline of the user's
// own can ask for, is left as it is.
func WithoutRawSockets(config []byte) ([]byte, bool, error) {
	var spec, process map[string]json.RawMessage
	var capabilities map[string][]string
	if err := json.Unmarshal(config, &spec); err != nil {
		return nil, false, fmt.Errorf("config.json is not a JSON object: %w", err)
	}
	if spec["process"] == nil {
		return config, false, nil
	}
	if err := json.Unmarshal(spec["process"], &process); err != nil {
		return nil, false, fmt.Errorf("process in config.json is not an object: %w", err)
	}
	if process["capabilities"] == nil {
		return config, false, nil
	}
	if err := json.Unmarshal(process["capabilities"], &capabilities); err != nil {
		return nil, false, fmt.Errorf("capabilities in config.json are not lists: %w", err)
	}
	if slices.Contains(capabilities["bounding"], allowedAll) {
		return config, false, nil
	}
	changed := false
	for set, list := range capabilities {
		kept := slices.DeleteFunc(slices.Clone(list), func(each string) bool { return each == rawSockets })
		changed = changed || len(kept) != len(list)
		capabilities[set] = kept
	}
	if !changed {
		return config, false, nil
	}
	for _, step := range []struct {
		object map[string]json.RawMessage
		member string
		value  any
	}{{process, "capabilities", capabilities}, {spec, "process", process}} {
		text, err := encode(step.value)
		if err != nil {
			return nil, false, err
		}
		step.object[step.member] = text
	}
	edited, err := encode(spec)
	return edited, err == nil, err
}
