// Package host is the supervisor's outermost process: it runs as the user,
// holds the sockets and the lock, starts the process that makes the
// namespaces, and answers on the control socket. All the rest dies with it.
package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/assemble"
	"github.com/orkee/orkee-jupyter/engine/internal/cgroups"
	"github.com/orkee/orkee-jupyter/engine/internal/control"
	"github.com/orkee/orkee-jupyter/engine/internal/link"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

const (
	stopLimit    = 12 * time.Second // more than the engine's own grace inside
	replyLimit   = 9 * time.Second  // a client waits for 10
	housekeeping = 10 * time.Second
)

// Supervisor is a running engine as the host sees it.
type Supervisor struct {
	config  *settings.Config
	id      identity
	inner   *link.Conn
	middle  *os.Process
	stop    chan string // the reason
	settled chan struct{}
	leases  *leases
	tree    *cgroups.Tree // nil without
	cgroups string

	mu      sync.Mutex
	state   string // starting, ready, stopping, failed
	failure string
	started time.Time
	first   int // pid of the namespaces' first process
	network string
	mirror  string
	blocked []string
	nextID  int
	replies map[int]chan answer
}

type answer struct {
	message link.Message
	file    *os.File
}

// Run starts the engine and returns when it has ended. An orderly stop is no error.
// It must be called on the main thread, locked to it: the parent-death signal
// of the children is tied to the thread that started them.
func Run(config *settings.Config) error {
	id, err := identify()
	if err != nil {
		return err
	}
	cni, err := findCNI(config.CNIDir)
	if err != nil {
		return err
	}
	if err := folders(config); err != nil {
		return err
	}
	held, err := lock(config)
	if err != nil {
		return err
	}
	defer held.Close()
	s := &Supervisor{
		config: config, id: id, stop: make(chan string, 8), settled: make(chan struct{}),
		state: "starting", started: time.Now(), replies: map[int]chan answer{},
	}
	s.findCgroups()
	defer func() {
		if s.tree != nil {
			s.tree.Close()
		}
	}()
	s.leases = newLeases(time.Duration(config.IdleTimeout * float64(time.Second)))
	engine, err := listen(config.EngineSocket())
	if err != nil {
		return err
	}
	defer engine.Close()
	commands, err := listen(config.ControlSocket())
	if err != nil {
		return err
	}
	defer commands.Close()
	plan := assemble.Plan{Config: config, CNI: cni, BaseID: id.base()}
	cmd, err := s.start(plan, engine)
	if err != nil {
		return err
	}
	go control.Serve(commands, s.handle)
	return s.supervise(cmd)
}

// start starts the middle process; a user's gets its ids from outside.
func (s *Supervisor) start(plan assemble.Plan, engine *net.UnixListener) (*exec.Cmd, error) {
	inner, theirs, err := link.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	listening, err := engine.File()
	if err != nil {
		return nil, err
	}
	defer listening.Close()
	s.inner = inner
	cmd, err := Assemble(s.id, plan, theirs, listening)
	if err != nil {
		return nil, err
	}
	s.middle = cmd.Process
	go s.receive()
	return cmd, nil
}

// Assemble starts the middle process with its files.
func Assemble(id identity, plan assemble.Plan, files ...*os.File) (*exec.Cmd, error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", "assemble")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), assemble.PlanVariable+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // Ctrl-C is for us: we stop the engine in order
	}
	if id.root {
		cmd.ExtraFiles = files
		return cmd, cmd.Start()
	}
	mapped, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer tell.Close()
	defer mapped.Close()
	for len(files) < 2 {
		files = append(files, nil)
	}
	cmd.ExtraFiles = append(files, mapped)
	cmd.Args[1] = "assemble-mapped"
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := id.mapIDs(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill() // it waits for ids that do not come
		_ = cmd.Wait()         // killed: no news
		return nil, err
	}
	_, err = tell.Write([]byte{1})
	return cmd, err
}

// supervise waits for the end, for whatever reason it comes.
func (s *Supervisor) supervise(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	var limit <-chan time.Time
	begin := func(reason string) {
		if limit == nil {
			fmt.Fprintln(os.Stderr, "orkee-engine: stopping:", reason)
			limit = time.After(stopLimit)
			s.set("stopping", "")
			_ = s.inner.Send(link.Message{Kind: "stop"}, nil) // or it is gone already
		}
	}
	for {
		select {
		case err := <-ended:
			return s.finish(err, limit != nil)
		case got := <-signals:
			begin(got.String())
		case reason := <-s.stop:
			begin(reason)
		case <-s.leases.idle:
			s.whenIdle()
		case <-tick.C:
			s.refreshBlocked()
			trimLog(os.Stderr, logLimit, logKeep)
		case <-limit:
			_ = cmd.Process.Kill() // all the rest dies with it
		}
	}
}

// finish settles the state and says why the engine ended if nobody asked for it.
func (s *Supervisor) finish(err error, asked bool) error {
	if asked {
		s.set("stopping", "stopped")
		return nil
	}
	s.mu.Lock()
	reason := s.failure
	s.mu.Unlock()
	if reason == "" {
		reason = fmt.Sprintf("the engine's processes ended: %v", err)
	}
	s.set("failed", reason)
	return errors.New(reason)
}

// set moves the state on; the first state after "starting" lets waiters go.
func (s *Supervisor) set(state, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == "starting" && state != "starting" {
		close(s.settled)
	}
	s.state = state
	if failure != "" {
		s.failure = failure
	}
}

// whenIdle stops an engine that nobody leases, unless containers run in it.
func (s *Supervisor) whenIdle() {
	go func() {
		reply, err := s.ask("busy")
		if err == nil && reply.message.Count > 0 {
			s.leases.rearm()
			return
		}
		s.stop <- fmt.Sprintf("not used for %g s", s.config.IdleTimeout)
	}()
}

// refreshBlocked keeps the host's new addresses from containers as well.
func (s *Supervisor) refreshBlocked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]bool{}
	for _, address := range s.blocked {
		known[address] = true
	}
	fresh := []string{}
	for _, address := range addresses() {
		if !known[address] {
			fresh = append(fresh, address)
		}
	}
	if len(fresh) > 0 && s.state == "ready" {
		if s.inner.Send(link.Message{Kind: "block", Hosts: fresh}, nil) == nil {
			s.blocked = append(s.blocked, fresh...)
		}
	}
}
