//go:build linux

package daemon

import (
	"sync"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/logbuf"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// serveLog sends the log on one connection until the server resets it, another
// log stream replaces it or the connection is lost.
func (d *Daemon) serveLog(conn *wire.Conn, open wire.OpenMessage) {
	if open.After < 0 {
		conn.Refuse(wire.Fail("bad_request", "after is out of bounds"))
		return
	}
	reader := d.log.Attach(open.After, open.Credit)
	_ = conn.WriteJSON(wire.Opened, wire.OpenedMessage{})
	var reading sync.WaitGroup
	reading.Go(func() {
		defer reader.Close()
		readLog(conn, reader)
	})
	for {
		batch, ok := reader.Next()
		if !ok || sendBatch(conn, batch) != nil {
			break
		}
	}
	if f := reader.Ended(); f != nil {
		_ = conn.WriteReset(f)
	}
	conn.FinishWriting()
	reading.Wait()
	conn.DrainAndClose()
}

func sendBatch(conn *wire.Conn, b logbuf.Batch) error {
	if b.Dropped != nil {
		if err := conn.WriteJSON(wire.Dropped, b.Dropped); err != nil {
			return err
		}
	}
	if len(b.Frames) > 0 {
		if err := conn.WriteBatch(b.Frames); err != nil {
			return err
		}
	}
	for _, channel := range b.Ends {
		if err := conn.WriteEnd(channel); err != nil {
			return err
		}
	}
	return nil
}

func readLog(conn *wire.Conn, reader *logbuf.Reader) {
	for {
		f, err := conn.Read()
		switch {
		case err != nil:
		case f.Type == wire.AddCred:
			err = reader.Credit(f.Credit())
		case f.Type == wire.Reset:
			return
		default:
			err = wire.Unexpected(f)
		}
		if err != nil {
			conn.Report(err)
			return
		}
	}
}
