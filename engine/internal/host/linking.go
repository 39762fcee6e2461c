package host

import (
	"io"
	"os"
	"regexp"

	"github.com/orkee/orkee-jupyter/engine/internal/control"
	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

// sandboxName is what a sandbox may be called: a line of a hosts file holds it.
var sandboxName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// linkTo has a sandbox find another one by its name, and reach it if that one runs.
func (s *Supervisor) linkTo(r control.Request) (any, *os.File, func(io.ReadWriter)) {
	fail := func(reason string) (any, *os.File, func(io.ReadWriter)) {
		return control.Failure{Error: reason}, nil, nil
	}
	if !sandboxID.MatchString(r.Sandbox) || (r.Target != "" && !sandboxID.MatchString(r.Target)) {
		return fail("a sandbox's id is not 32 hex digits")
	}
	if !sandboxName.MatchString(r.Name) {
		return fail("the name of a sandbox is none")
	}
	request := link.Message{Kind: "link", Sandbox: r.Sandbox, Name: r.Name, Target: r.Target}
	if _, err := s.askFor(request); err != nil {
		return fail(err.Error())
	}
	return map[string]any{"ok": true}, nil, nil
}
