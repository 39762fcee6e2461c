//go:build linux

// Package files serves file streams: what the server reads, writes and watches in
// the container's file system, with the rights that a command would have.
package files

import (
	"sync"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// inWindow is what the server may send ahead on a write or a push.
const inWindow = 4 << 20

// Request is one file operation. Relative paths count from Home and cannot leave
// it; an absolute one is taken as meant.
type Request struct {
	wire.FileFields
	Path   string
	Home   string
	Credit int64
}

// An operation answers with OPENED, sends or takes its bytes, and returns; an error
// becomes the RESET.
type operation struct {
	serve func(*stream, Request) error
	takes bool // bytes from the server
}

var operations = map[string]operation{
	"stat":   {serve: stat},
	"list":   {serve: list},
	"read":   {serve: read},
	"write":  {serve: write, takes: true},
	"remove": {serve: remove},
	"rename": {serve: rename},
	"mkdir":  {serve: mkdir},
	"pull":   {serve: pull},
	"push":   {serve: push, takes: true},
	"watch":  {serve: watch},
}

// Serve carries out one operation and returns when the stream is over.
func Serve(conn *wire.Conn, r Request) {
	op, ok := operations[r.Op]
	if !ok {
		conn.Refuse(wire.Fail("bad_request", "no such operation on files"))
		return
	}
	s := newStream(conn, r.Credit, op.takes)
	var reading sync.WaitGroup
	reading.Go(s.read)
	s.finish(op.serve(s, r))
	reading.Wait()
	conn.DrainAndClose()
}
