//go:build linux

// Package daemon joins the parts: it answers the server's requests and hands each
// stream to the package that serves its kind.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/files"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/limits"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/link"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/logbuf"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/ports"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/run"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/supervise"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/terminal"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/usage"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

const (
	logLimit     = 4 << 20
	defaultGrace = 5 * time.Second
	maxGrace     = time.Minute
	flushTime    = time.Second            // for the log and the streams, when everything has ended
	closeTime    = 100 * time.Millisecond // for the server to close, before sandboxd exits
)

// Daemon is what lives as long as the container.
type Daemon struct {
	table    *supervise.Table
	commands *run.Commands
	ports    *ports.Watcher
	shells   *terminal.Terminals
	log      *logbuf.Buffer
	meter    *usage.Meter
	env      map[string]string // the container's own
	home     string            // the folder that sandboxd was started in

	mu      sync.Mutex
	started bool
	params  wire.StartParams
	main    *mainCommand // nil without one
	session *link.Session
	guard   *limits.Guard     // nil without limits
	broken  *wire.LimitNotice // nil while none is

	stop    sync.Once
	stopped chan struct{}
}

// New prepares a daemon; home is where commands run that have no cwd.
func New(home string) (*Daemon, error) {
	watcher := ports.NewWatcher()
	table, err := supervise.NewTable()
	if err != nil {
		return nil, err
	}
	commands := run.NewCommands(table)
	return &Daemon{
		table: table, commands: commands, shells: terminal.New(table, commands), ports: watcher, log: logbuf.New(logLimit), meter: usage.NewMeter(), env: supervise.ContainerEnv(), home: home,
		stopped: make(chan struct{}),
	}, nil
}

// Run serves the link until Stop, or until there was no server for too long
// (link.ErrOrphaned). Nothing that it started is left.
func (d *Daemon) Run(ctx context.Context, c link.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-d.stopped
		cancel()
	}()
	err := link.Run(ctx, c, d)
	if err != nil {
		d.table.StopAll(defaultGrace)
	}
	return err
}

// Connected implements link.Handler.
func (d *Daemon) Connected(s *link.Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session = s
	if d.main != nil {
		go d.main.announce(s)
	}
	go d.tellBreach(s)
	go d.tellStats(s)
	go d.ports.Watch(s.Done(), func(found []wire.Listener) error {
		return s.Control.WriteJSON(wire.Notice, wire.PortsNotice{Event: "ports", Listening: found})
	})
}

// Request implements link.Handler.
func (d *Daemon) Request(s *link.Session, r wire.RequestMessage) {
	switch r.Method {
	case "start":
		main, err := d.start(r.Params)
		var pid *int
		if main != nil {
			pid = &main.proc.Pid
		}
		reply(s, r.ID, map[string]*int{"pid": pid}, err)
		if main != nil {
			// Whatever became of the reply: the notice comes after it.
			close(main.replied)
			go main.announce(s)
		}
	case "signal":
		reply(s, r.ID, struct{}{}, d.signal(r.Params))
	case "limit":
		reply(s, r.ID, struct{}{}, d.limit(r.Params))
	case "stats":
		go func() { reply(s, r.ID, d.sample(), nil) }()
	case "processes":
		reply(s, r.ID, map[string]any{"processes": d.commands.List()}, nil)
	case "kill":
		reply(s, r.ID, struct{}{}, d.kill(r.Params))
	case "stop":
		grace, err := readGrace(r.Params)
		if err != nil {
			reply(s, r.ID, nil, err)
			return
		}
		go d.Stop(grace, func() { reply(s, r.ID, struct{}{}, nil) })
	default:
		reply(s, r.ID, nil, wire.Fail("bad_request", "no such method"))
	}
}

func reply(s *link.Session, id int64, result any, err error) {
	m := wire.ReplyMessage{ID: id, Result: result}
	if err != nil {
		m.Result = nil
		if !errors.As(err, &m.Error) {
			m.Error = wire.Fail("failed", err.Error())
		}
	}
	_ = s.Control.WriteJSON(wire.Reply, m)
}

func readParams(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return wire.Fail("bad_request", "the params do not have the right form")
	}
	return nil
}

func readGrace(raw json.RawMessage) (time.Duration, error) {
	var p wire.StopParams
	if err := readParams(raw, &p); err != nil {
		return 0, err
	}
	if p.GraceMS == nil {
		return defaultGrace, nil
	}
	if *p.GraceMS < 0 || *p.GraceMS > maxGrace.Milliseconds() {
		return 0, wire.Fail("bad_request", "grace_ms is not between 0 and 60000")
	}
	return time.Duration(*p.GraceMS) * time.Millisecond, nil
}

// start starts the main command, once; nil without one.
func (d *Daemon) start(raw json.RawMessage) (*mainCommand, error) {
	var p wire.StartParams
	if err := readParams(raw, &p); err != nil {
		return nil, err
	}
	for _, env := range []map[string]string{p.Env, p.Secrets} {
		if err := supervise.CheckEnv(env); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started {
		return nil, wire.Fail("already_started", "the sandbox was started before")
	}
	p.Cwd = join(d.home, p.Cwd)
	d.table.Hide(supervise.NewSecrets(p.Secrets))
	if p.Command != nil {
		main, err := d.startMain(supervise.Command{
			Args: p.Command, Env: supervise.MergeEnv(d.env, p.Env, p.Secrets), Dir: p.Cwd,
		})
		if err != nil {
			return nil, err
		}
		d.main = main
		forget := d.commands.Track(main.proc, p.Command, "main")
		go func() {
			<-main.proc.Done()
			forget()
		}()
	}
	d.started, d.params = true, p
	return d.main, nil
}

func (d *Daemon) signal(raw json.RawMessage) error {
	var p wire.SignalMessage
	if err := readParams(raw, &p); err != nil {
		return err
	}
	sig, err := supervise.ParseSignal(p.Signal)
	if err != nil {
		return err
	}
	d.mu.Lock()
	main := d.main
	d.mu.Unlock()
	if main == nil {
		return wire.Fail("not_started", "there is no main command")
	}
	select {
	case <-main.proc.Done():
		return wire.Fail("not_started", "the main command has ended")
	default:
		main.proc.Signal(sig)
		return nil
	}
}

// kill signals one of the commands that were started here.
func (d *Daemon) kill(raw json.RawMessage) error {
	var p wire.KillParams
	if err := readParams(raw, &p); err != nil {
		return err
	}
	sig, err := supervise.ParseSignal(p.Signal)
	if err != nil {
		return err
	}
	return d.commands.Signal(p.Pid, sig)
}

// Stop ends everything, then Run. Told is called when all have ended and the
// server has what they said.
func (d *Daemon) Stop(grace time.Duration, told func()) {
	d.stop.Do(func() {
		d.unguard()
		d.table.StopAll(grace)
		d.mu.Lock()
		main, session := d.main, d.session
		d.mu.Unlock()
		if session != nil {
			if main != nil {
				main.flush(session, flushTime)
			}
			d.log.Close()
			told()
			session.Finish(flushTime)
			select {
			case <-session.Done(): // the server has closed
			case <-time.After(closeTime):
			}
		}
		close(d.stopped)
	})
}

// Stream implements link.Handler.
func (d *Daemon) Stream(conn *wire.Conn, open wire.OpenMessage) {
	if open.Credit < 0 || open.Credit > wire.MaxWindow {
		conn.Refuse(wire.Fail("bad_request", "credit is out of bounds"))
		return
	}
	switch open.Kind {
	case "log":
		d.serveLog(conn, open)
	case "exec":
		request, err := d.execRequest(open)
		if err != nil {
			conn.Refuse(wire.Fault(err))
			return
		}
		if open.Detach {
			d.commands.Detach(conn, request)
		} else {
			d.commands.Serve(conn, request)
		}
	case "terminal":
		request, err := d.execRequest(open)
		if err != nil {
			conn.Refuse(wire.Fault(err))
			return
		}
		d.shells.Serve(conn, terminal.Request{
			TerminalFields: open.TerminalFields, Command: request.Command, Credit: open.Credit, Seen: open.After,
		})
	case "attach":
		d.commands.Attach(conn, open.Pid, open.Credit)
	case "port":
		d.ports.Serve(conn, open)
	case "files":
		files.Serve(conn, d.fileRequest(open))
	default:
		conn.Refuse(wire.Fail("bad_request", "no such kind of stream"))
	}
}

func (d *Daemon) fileRequest(open wire.OpenMessage) files.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return files.Request{
		FileFields: open.FileFields, Path: open.Path, Home: join(d.home, d.params.Cwd), Credit: open.Credit,
	}
}

func (d *Daemon) execRequest(open wire.OpenMessage) (run.Request, error) {
	const longest = int64(365 * 24 * time.Hour / time.Millisecond)
	if err := supervise.CheckEnv(open.Env); err != nil {
		return run.Request{}, err
	}
	if open.TimeoutMS < 0 || open.TimeoutMS > longest {
		return run.Request{}, wire.Fail("bad_request", "timeout_ms is out of bounds")
	}
	d.mu.Lock()
	base := d.params
	d.mu.Unlock()
	return run.Request{
		Command: supervise.Command{
			Args:  open.Command,
			Env:   supervise.MergeEnv(d.env, base.Env, base.Secrets, open.Env),
			Dir:   join(join(d.home, base.Cwd), open.Cwd),
			Stdin: open.Stdin,
		},
		Credit:  open.Credit,
		Timeout: time.Duration(open.TimeoutMS) * time.Millisecond,
	}, nil
}

// join lays one folder over another: an absolute one counts alone.
func join(base, cwd string) string {
	switch {
	case cwd == "":
		return base
	case filepath.IsAbs(cwd):
		return cwd
	}
	return base + "/" + cwd
}
