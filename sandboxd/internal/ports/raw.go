//go:build linux

package ports

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// half is what a raw stream needs of both its connections, TCP or unix.
type half interface {
	net.Conn
	CloseWrite() error
}

// serveRaw joins the server's connection with the port's: no frames, so that the
// kernel can move the bytes. The connection's own flow control and ends count.
func serveRaw(conn *wire.Conn, target *net.TCPConn) {
	defer conn.MarkFinished()
	if conn.WriteJSON(wire.Opened, wire.OpenedMessage{Raw: true}) != nil {
		_ = target.Close()
		_ = conn.Close()
		return
	}
	given, ahead := conn.Raw()
	server, ok := given.(half)
	if !ok {
		_ = target.Close()
		_ = given.Close()
		return
	}
	if len(ahead) > 0 {
		if _, err := target.Write(ahead); err != nil {
			breakOff(server, target)
		}
	}
	var ended [2]atomic.Bool // whose end was passed on: the port's, the server's
	var copying sync.WaitGroup
	copying.Go(func() { pour(target, server, &ended[1], &ended[0]) })
	copying.Go(func() { pour(server, target, &ended[0], &ended[1]) })
	copying.Wait()
	_ = target.Close()
	_ = server.Close()
}

// pour copies to the end of from and passes that end on. A connection that breaks
// breaks the other: neither may take it for a clean end. ended notes this end, back
// whether the other direction has ended.
func pour(to, from half, ended, back *atomic.Bool) {
	_, err := io.Copy(to, from)
	if err != nil || (!back.Load() && wasReset(from)) {
		breakOff(to, from)
		return
	}
	ended.Store(true)
	_ = to.CloseWrite()
}

func breakOff(pair ...net.Conn) {
	for _, c := range pair {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}
