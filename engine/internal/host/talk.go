package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/control"
	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

// Status is the answer to "status" and "wait".
type Status struct {
	OK        bool    `json:"ok"`
	State     string  `json:"state"`
	Error     string  `json:"error,omitempty"`
	Ready     bool    `json:"ready"`
	PID       int     `json:"pid"`
	InitPID   int     `json:"init_pid"`
	EnginePID int     `json:"engine_pid"`
	StartedAt float64 `json:"started_at"` // seconds since 1970
	Network   string  `json:"network"`
	Registry  string  `json:"registry"`
	Gateway   string  `json:"gateway"`
	Cgroups   string  `json:"cgroups"`
	Version   string  `json:"version"`
	Rootless  bool    `json:"rootless"`
	FirstUID  int     `json:"first_uid"` // whom the containers' root is on the host
	Leases    int     `json:"leases"`
	Idle      float64 `json:"idle_timeout"`
}

// receive handles what comes from the namespaces until they are gone.
func (s *Supervisor) receive() {
	for {
		message, file, err := s.inner.Receive()
		if err != nil {
			return // the end of the processes says the rest
		}
		switch message.Kind {
		case "init":
			s.mu.Lock()
			s.first = message.PID
			s.mu.Unlock()
		case "network":
			s.begin(message.Network)
		case "network-lost":
			s.mu.Lock()
			s.network = message.Network
			s.mu.Unlock()
			fmt.Fprintln(os.Stderr, "orkee-engine: network:", message.Network)
		case "ready":
			s.mu.Lock()
			s.mirror = message.Registry
			s.mu.Unlock()
			s.set("ready", "")
			s.leases.rearm()
			fmt.Fprintln(os.Stderr, "orkee-engine: ready")
		case "failed":
			s.set("failed", message.Error)
		case "reply":
			s.mu.Lock()
			waiting := s.replies[message.ID]
			delete(s.replies, message.ID)
			s.mu.Unlock()
			if waiting != nil {
				waiting <- answer{message, file}
			} else if file != nil {
				_ = file.Close() // nobody waits for it any more
			}
		}
	}
}

// begin lets the namespaces' first process start the engine.
func (s *Supervisor) begin(network string) {
	hosts := addresses()
	s.mu.Lock()
	s.network, s.blocked = network, hosts
	s.mu.Unlock()
	err := s.inner.Send(link.Message{Kind: "begin", Config: s.config, Network: network, Hosts: hosts}, nil)
	if err != nil {
		s.set("failed", err.Error())
	}
}

// ask sends a request inside and waits for its reply.
func (s *Supervisor) ask(kind string) (answer, error) {
	return s.askFor(link.Message{Kind: kind})
}

func (s *Supervisor) askFor(request link.Message) (answer, error) {
	waiting := make(chan answer, 1)
	s.mu.Lock()
	s.nextID++
	id := s.nextID
	request.ID = id
	s.replies[id] = waiting
	s.mu.Unlock()
	if err := s.inner.Send(request, nil); err != nil {
		return answer{}, err
	}
	select {
	case got := <-waiting:
		if got.message.Error != "" {
			return got, errors.New(got.message.Error)
		}
		return got, nil
	case <-time.After(replyLimit):
		s.mu.Lock()
		delete(s.replies, id)
		s.mu.Unlock()
		return answer{}, fmt.Errorf("no reply from inside in %s", replyLimit)
	}
}

// handle does one operation of the control socket.
func (s *Supervisor) handle(request control.Request) (any, *os.File, func(io.ReadWriter)) {
	switch request.Op {
	case "status":
		return s.status(), nil, nil
	case "wait":
		<-s.settled
		return s.status(), nil, nil
	case "stop":
		s.stop <- "asked to"
		// The connection stays open until this process has ended: its end says
		// that nothing is left.
		return map[string]any{"ok": true}, nil, func(io.ReadWriter) { select {} }
	case "lease":
		release := s.leases.take()
		return map[string]any{"ok": true}, nil, func(r io.ReadWriter) {
			defer release()
			_, _ = io.Copy(io.Discard, r) // until the client lets go
		}
	case "listener":
		return s.listener()
	case "limit":
		return s.limit(request)
	case "police":
		return s.police(request)
	case "link":
		return s.linkTo(request)
	case "freeze":
		return s.freeze(request)
	}
	return control.Failure{Error: "unknown operation " + strconv.Quote(request.Op)}, nil, nil
}

func (s *Supervisor) listener() (any, *os.File, func(io.ReadWriter)) {
	if state := s.status().State; state != "ready" {
		return control.Failure{Error: "the engine is " + state}, nil, nil
	}
	got, err := s.ask("listener")
	if err == nil && got.file == nil {
		err = errors.New("no listener came from inside")
	}
	if err != nil {
		return control.Failure{Error: err.Error()}, nil, nil
	}
	return map[string]any{"ok": true, "address": got.message.Address}, got.file, nil
}

func (s *Supervisor) status() Status {
	gateway, _ := s.config.Gateway() // checked when the configuration was read
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{
		OK: s.state != "failed", State: s.state, Error: s.failure, Ready: s.state == "ready",
		PID: os.Getpid(), InitPID: s.first, EnginePID: enginePID(s.first),
		StartedAt: float64(s.started.UnixMilli()) / 1000,
		Network:   s.network, Registry: s.mirror, Gateway: gateway.String(), Cgroups: s.cgroups, Version: s.config.Version,
		Rootless: !s.id.root, FirstUID: s.id.uids.Start,
		Leases: s.leases.count(), Idle: s.config.IdleTimeout,
	}
}

func fields(text []byte) []int {
	var numbers []int
	for _, field := range strings.Fields(string(text)) {
		if number, err := strconv.Atoi(field); err == nil {
			numbers = append(numbers, number)
		}
	}
	return numbers
}
