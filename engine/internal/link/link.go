// Package link carries messages between the supervisor on the host and the
// processes in the namespaces, over one socket pair that keeps messages apart.
// Its end is the end of the other side.
package link

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// largest is more than any message: the configuration and some addresses.
const largest = 64 << 10

// Message is one datagram. Kind says which of the other members count.
//
// From the namespaces: "init" (PID), "network" and "network-lost" (Network), "ready", "failed"
// (Error), "reply" (ID, Error, Address, Count). To them: "begin" (Config,
// Network, Hosts) and the requests "listener", "busy", "block" (Hosts),
// "police" (Sandbox, Hosts, Address), "link" (Sandbox, Name, Target) and "stop".
type Message struct {
	Kind     string           `json:"kind"`
	ID       int              `json:"id,omitempty"`
	PID      int              `json:"pid,omitempty"`
	Network  string           `json:"network,omitempty"`
	Registry string           `json:"registry,omitempty"`
	Error    string           `json:"error,omitempty"`
	Address  string           `json:"address,omitempty"`
	Count    int              `json:"count,omitempty"`
	Hosts    []string         `json:"hosts,omitempty"`
	Sandbox  string           `json:"sandbox,omitempty"`
	Name     string           `json:"name,omitempty"`
	Target   string           `json:"target,omitempty"`
	Config   *settings.Config `json:"config,omitempty"`
}

// Conn is one end. Send may be called from several goroutines.
type Conn struct{ socket *net.UnixConn }

// Pair returns our end and the file to hand to the child.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "link")
	ours, err := Open(os.NewFile(uintptr(fds[0]), "link"))
	if err != nil {
		_ = theirs.Close() // the pair is of no use
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Open makes an end of a file that was handed down; the file is closed.
func Open(file *os.File) (*Conn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("link: not a unix socket")
	}
	return &Conn{socket}, nil
}

// Send writes a message, with a file if one is given (which stays open here).
func (c *Conn) Send(message Message, file *os.File) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	_, _, err = c.socket.WriteMsgUnix(data, rights, nil)
	return err
}

// Receive waits for the next message and the file that came with it, if any.
// It returns io.EOF when the other side is gone.
func (c *Conn) Receive() (Message, *os.File, error) {
	data := make([]byte, largest)
	rights := make([]byte, unix.CmsgSpace(4))
	n, oob, _, _, err := c.socket.ReadMsgUnix(data, rights)
	if err != nil {
		return Message{}, nil, err
	}
	file := received(rights[:oob])
	var message Message
	if err := json.Unmarshal(data[:n], &message); err != nil {
		return Message{}, file, fmt.Errorf("link: %w", err)
	}
	return message, file, nil
}

func received(rights []byte) *os.File {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), "received")
}
