package inside

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

// serve answers the supervisor until it is gone, and then ends everything.
func (in *inside) serve() {
	for {
		request, _, err := in.host.Receive()
		if err != nil {
			os.Exit(1)
		}
		switch request.Kind {
		case "stop":
			select {
			case in.stopping <- struct{}{}:
			default: // asked already
			}
		case "listener":
			in.listener(request.ID)
		case "busy":
			in.reply(link.Message{ID: request.ID, Count: containers()}, nil)
		case "police":
			go in.police(request) // names may take long to be found
		case "link":
			go in.link(request)
		case "block":
			if err := in.block(request.Hosts); err != nil {
				fmt.Fprintln(os.Stderr, "orkee-engine:", err)
			}
		}
	}
}

func (in *inside) reply(message link.Message, file *os.File) {
	message.Kind = "reply"
	if err := in.host.Send(message, file); err != nil {
		os.Exit(1) // the supervisor is gone
	}
}

// listener makes a listening socket on the containers' gateway address. The
// bridge that will have the address comes with the first container, so the
// socket is bound ahead of it (IP_FREEBIND).
func (in *inside) listener(id int) {
	gateway, err := in.config.Gateway()
	if err == nil {
		var file *os.File
		var address string
		if file, address, err = listen(gateway.String()); err == nil {
			defer file.Close()
			in.reply(link.Message{ID: id, Address: address}, file)
			return
		}
	}
	in.reply(link.Message{ID: id, Error: err.Error()}, nil)
}

func listen(host string) (*os.File, string, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
		})
		if err != nil {
			return err
		}
		return failed
	}}
	config.SetMultipathTCP(false) // what comes out is dialled by plain TCP
	listener, err := config.Listen(context.Background(), "tcp4", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, "", err
	}
	defer listener.Close() // the file is a duplicate
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, "", fmt.Errorf("not a TCP listener: %T", listener)
	}
	file, err := tcp.File()
	return file, listener.Addr().String(), err
}

// containers counts what runs: runc keeps a folder for each container.
func containers() int {
	entries, err := os.ReadDir("/run/runc")
	if err != nil {
		return 0 // runc has not run yet
	}
	return len(entries)
}
