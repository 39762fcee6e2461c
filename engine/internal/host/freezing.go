package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/orkee/orkee-jupyter/engine/internal/cgroups"
	"github.com/orkee/orkee-jupyter/engine/internal/control"
)

// notFrozen is the answer where a container was not frozen; Unsupported says that none
// could be.
type notFrozen struct {
	control.Failure
	Unsupported bool `json:"unsupported"`
}

// freeze has a sandbox's processes stand still until a line comes or the client goes.
func (s *Supervisor) freeze(r control.Request) (any, *os.File, func(io.ReadWriter)) {
	if s.tree == nil {
		return notFrozen{control.Failure{Error: "no cgroups: " + s.cgroups}, true}, nil, nil
	}
	if !sandboxID.MatchString(r.Sandbox) {
		return control.Failure{Error: "the sandbox's id is not 32 hex digits"}, nil, nil
	}
	frozen, err := s.tree.Freeze(r.Sandbox, s.id.uids.Start)
	if err != nil {
		unsupported := errors.Is(err, cgroups.ErrNoFreezer)
		return notFrozen{control.Failure{Error: err.Error()}, unsupported}, nil, nil
	}
	return map[string]any{"ok": true}, nil, func(conn io.ReadWriter) {
		_, _ = conn.Read(make([]byte, 64)) // "thaw", or that the client has gone
		var answer any = map[string]any{"ok": true}
		if err := frozen.Thaw(); err != nil {
			fmt.Fprintln(os.Stderr, "orkee-engine: thaw:", err)
			answer = control.Failure{Error: err.Error()}
		}
		if line, err := json.Marshal(answer); err == nil {
			_, _ = conn.Write(append(line, '\n')) // the client may have gone
		}
	}
}
