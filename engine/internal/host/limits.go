package host

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/cgroups"
	"github.com/orkee/orkee-jupyter/engine/internal/control"
)

const (
	// breachInterval is how long a broken limit may stay unseen.
	breachInterval = 50 * time.Millisecond
	// removeLimit is how long a container may take to end after its limits were let go.
	removeLimit = time.Minute
)

var sandboxID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// findCgroups says what limits the containers can be held to from outside.
func (s *Supervisor) findCgroups() {
	if !s.id.root {
		s.cgroups = "none: it takes root of the host to make them"
		return
	}
	name := fmt.Sprintf("orkee-%x", sha256.Sum256([]byte(s.config.StateDir)))[:14]
	tree, err := cgroups.Find(name)
	if err != nil {
		s.cgroups = "none: " + err.Error()
		return
	}
	s.tree, s.cgroups = tree, tree.String()
}

// limit holds the processes of a sandbox's container to limits for as long as the
// connection is open.
func (s *Supervisor) limit(r control.Request) (any, *os.File, func(io.ReadWriter)) {
	fail := func(reason string) (any, *os.File, func(io.ReadWriter)) {
		return control.Failure{Error: reason}, nil, nil
	}
	if s.tree == nil {
		return fail("no cgroups: " + s.cgroups)
	}
	if !sandboxID.MatchString(r.Sandbox) {
		return fail("the sandbox's id is not 32 hex digits")
	}
	if r.Memory < 0 || r.Pids < 0 || r.Pids > 1<<22 || !(r.CPUs >= 0 && r.CPUs < math.MaxInt16) {
		return fail("a limit is out of bounds")
	}
	group, err := s.enclose(r)
	if err != nil {
		return fail(err.Error())
	}
	answer := map[string]any{"ok": true, "kinds": append([]string{}, group.Kinds()...)}
	return answer, nil, func(conn io.ReadWriter) {
		watch(group, conn)
		removeLater(group)
	}
}

// enclose puts a container into a cgroup of its own.
func (s *Supervisor) enclose(r control.Request) (*cgroups.Group, error) {
	limits := cgroups.Limits{Memory: r.Memory, Pids: r.Pids, CPUs: r.CPUs}
	members, err := cgroups.Members(r.Sandbox, s.id.uids.Start)
	if err != nil {
		return nil, err
	}
	group, err := s.tree.Make(r.Sandbox, limits)
	if err != nil {
		return nil, err
	}
	if err = group.Add(members); err == nil {
		err = group.LimitPids(r.Pids)
	}
	if err != nil {
		removeLater(group)
		return nil, err
	}
	return group, nil
}

// watch tells at once of a limit that was broken, and of the usage whenever a line
// comes. It returns when the client has gone.
func watch(group *cgroups.Group, conn io.ReadWriter) {
	asked := make(chan struct{})
	gone := make(chan struct{})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(gone)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			select {
			case asked <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	tick := time.NewTicker(breachInterval)
	defer tick.Stop()
	told := false
	for {
		wanted := false
		select {
		case <-gone:
			return
		case <-asked:
			wanted = true
		case <-tick.C:
			if told {
				continue
			}
		}
		usage := group.Usage()
		if !wanted && usage.Breach == "" {
			continue
		}
		told = told || usage.Breach != ""
		line, err := json.Marshal(usage)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(line, '\n')); err != nil {
			return
		}
	}
}

// removeLater removes a group when its container has ended, which it is about to.
func removeLater(group *cgroups.Group) {
	go func() {
		for deadline := time.Now().Add(removeLimit); !group.Remove() && time.Now().Before(deadline); {
			time.Sleep(breachInterval)
		}
	}()
}
