package host

import (
	"io"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/control"
	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

const (
	// mostHosts is how many a policy may name.
	mostHosts = 32
	// refresh is how old the addresses of a policy's names may be.
	refresh = 30 * time.Second
)

var hostName = regexp.MustCompile(`^[0-9a-z]([0-9a-z._/-]{0,251}[0-9a-z])?$`)

// police has a container reach the hosts of a policy only, from now on. As long as the
// connection is open their names are looked up again now and then.
func (s *Supervisor) police(r control.Request) (any, *os.File, func(io.ReadWriter)) {
	fail := func(reason string) (any, *os.File, func(io.ReadWriter)) {
		return control.Failure{Error: reason}, nil, nil
	}
	if !sandboxID.MatchString(r.Sandbox) {
		return fail("the sandbox's id is not 32 hex digits")
	}
	if len(r.Hosts) > mostHosts {
		return fail("there are too many hosts")
	}
	for _, host := range r.Hosts {
		if !hostName.MatchString(host) {
			return fail("a host is no name and no address")
		}
	}
	if host, _, err := net.SplitHostPort(r.Link); r.Link != "" && (err != nil || net.ParseIP(host) == nil) {
		return fail("the link is no address")
	}
	request := link.Message{Kind: "police", Sandbox: r.Sandbox, Hosts: r.Hosts, Address: r.Link}
	if _, err := s.askFor(request); err != nil {
		return fail(err.Error())
	}
	return map[string]any{"ok": true}, nil, func(conn io.ReadWriter) {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn) // until the client lets go
		}()
		if len(r.Hosts) == 0 {
			<-gone
			return
		}
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			select {
			case <-gone:
				return
			case <-tick.C:
				_, _ = s.askFor(request) // the rules of before hold
			}
		}
	}
}
