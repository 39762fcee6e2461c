//go:build linux

package ports

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

// Of linux/sock_diag.h and linux/inet_diag.h.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	tcpListen        = 10
	diagRequestSize  = 56
	diagMessageSize  = 72
	diagBuffer       = 32 << 10
)

var errDiag = errors.New("sock_diag answered nothing of use")

// diag asks the kernel for the listening sockets alone. A read of /proc/net/tcp walks
// the table of all connections of the machine, which takes milliseconds even if this
// container has none.
type diag struct {
	fd  int
	seq uint32
}

func newDiag() (*diag, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return nil, err
	}
	// The kernel answers at once; without a bound a stand-in of it could hold us for ever.
	err = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1})
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return &diag{fd: fd}, nil
}

func (d *diag) close() { _ = syscall.Close(d.fd) }

// listening returns the listening TCP sockets of both families.
func (d *diag) listening() ([]wire.Listener, error) {
	var found []wire.Listener
	for _, family := range []byte{syscall.AF_INET, syscall.AF_INET6} {
		if err := d.ask(family); err != nil {
			return nil, err
		}
		var err error
		if found, err = d.answer(found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (d *diag) ask(family byte) error {
	d.seq++
	b := make([]byte, syscall.NLMSG_HDRLEN+diagRequestSize)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[8:], d.seq)
	request := b[syscall.NLMSG_HDRLEN:]
	request[0], request[1] = family, syscall.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], 1<<tcpListen)
	return syscall.Sendto(d.fd, b, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
}

func (d *diag) answer(found []wire.Listener) ([]wire.Listener, error) {
	b := make([]byte, diagBuffer)
	for {
		n, _, err := syscall.Recvfrom(d.fd, b, 0)
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(b[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Seq != d.seq: // of a look that was given up
			case m.Header.Type == syscall.NLMSG_DONE:
				return found, nil
			case m.Header.Type != sockDiagByFamily || len(m.Data) < diagMessageSize:
				return nil, errDiag
			default:
				if l, ok := readDiag(m.Data); ok {
					found = append(found, l)
				}
			}
		}
	}
}

// readDiag reads a struct inet_diag_msg.
func readDiag(b []byte) (wire.Listener, bool) {
	size := 4
	if b[0] == syscall.AF_INET6 {
		size = 16
	}
	address, ok := netip.AddrFromSlice(b[8 : 8+size])
	port := binary.BigEndian.Uint16(b[4:])
	return wire.Listener{Port: int(port), Address: address.Unmap().String()}, ok && b[1] == tcpListen && port != 0
}
