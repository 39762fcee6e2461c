package inside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

// A sandbox reaches another one by a wire: a pair of interfaces, one end in the network
// namespace of each, with nothing else on it. It goes with whichever container ends first.

const (
	// outWire begins the names of ends from which connections are made, inWire of the others.
	// No program of a container may make or name an interface.
	outWire = "out"
	inWire  = "in"
)

// wires is the network that the ends have their addresses from, two each: that of addresses
// which count on one link alone (RFC 3927). The gateway forwards nothing to any of them.
var wires = net.IPNet{IP: net.IPv4(169, 254, 0, 0).To4(), Mask: net.CIDRMask(16, 32)}

// Pairs of addresses are used from 169.254.1.0, as the RFC has it, to 169.254.167.255: what is
// behind them are clouds' services, which no sandbox may be taken for.
const (
	firstWire = 1 << 7
	lastWire  = 168<<7 - 1
)

// linkRules let answers alone come out of a wire's far end, whoever puts packets there, and
// let nothing pass through a container from or to a wire.
const linkRules = "*mangle\n" +
	"-A INPUT -i " + outWire + "+ -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP\n" +
	"-A FORWARD -i " + outWire + "+ -j DROP\n-A FORWARD -i " + inWire + "+ -j DROP\n" +
	"-A FORWARD -o " + outWire + "+ -j DROP\n-A FORWARD -o " + inWire + "+ -j DROP\n" +
	"-A OUTPUT -o " + inWire + "+ -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP\n" +
	"COMMIT\n"

// linkRules6 let no IPv6 through a wire: its ends have no address of it.
const linkRules6 = "*mangle\n" +
	"-A INPUT -i " + outWire + "+ -j DROP\n-A INPUT -i " + inWire + "+ -j DROP\n" +
	"-A OUTPUT -o " + outWire + "+ -j DROP\n-A OUTPUT -o " + inWire + "+ -j DROP\n" +
	"COMMIT\n"

// name is what a sandbox calls another one.
type name struct{ sandbox, name string }

// named is where a container finds a name.
type named struct {
	box    container
	number int // of its wire
}

// names are those that containers find others by.
type names struct {
	mu    sync.Mutex
	found map[name]named
	ruled map[container]bool // those that have the rules of wires
	last  int
}

// link has a container find another one by a name, and reach it where it runs already.
func (in *inside) link(request link.Message) {
	reply := link.Message{ID: request.ID}
	if err := in.connect(request.Sandbox, request.Name, request.Target); err != nil {
		reply.Error = err.Error()
	}
	in.reply(reply, nil)
}

func (in *inside) connect(sandbox, called, target string) error {
	in.names.mu.Lock()
	defer in.names.mu.Unlock()
	from, err := containerOf(sandbox)
	if err != nil {
		return err
	}
	number, err := in.names.number(name{sandbox, called}, from)
	if err != nil {
		return err
	}
	if target == "" {
		return nil
	}
	to, err := containerOf(target)
	if err != nil {
		return err
	}
	if to.space == from.space {
		return errors.New("a sandbox is linked to itself")
	}
	// The rules first: there is no moment in which the wire is open both ways.
	for _, box := range []container{from, to} {
		if in.names.ruled[box] {
			continue
		}
		if err := in.restoreBoth(box, linkRules, linkRules6); err != nil {
			return err
		}
		in.names.ruled[box] = true
	}
	return wire(from, to, number)
}

// number returns the number of the wire that a name stands for in a container; a container
// that is new is told of the name.
func (n *names) number(key name, box container) (int, error) {
	if known, ok := n.found[key]; ok && known.box == box {
		return known.number, nil
	}
	used := map[int]bool{}
	for each, known := range n.found {
		if known.box.lives() {
			used[known.number] = true
		} else {
			delete(n.found, each)
		}
	}
	for each := range n.ruled {
		if !each.lives() {
			delete(n.ruled, each)
		}
	}
	for range lastWire {
		if n.last++; n.last < firstWire || n.last > lastWire {
			n.last = firstWire
		}
		if used[n.last] {
			continue
		}
		_, far := addresses(n.last)
		if err := absent(box); err != nil {
			return 0, err
		}
		if err := addHost(box, far.String(), key.name); err != nil {
			return 0, err
		}
		n.found[key] = named{box, n.last}
		return n.last, nil
	}
	return 0, errors.New("there are as many links as there can be")
}

// addresses returns those of a wire's two ends: of the one that connections are made from,
// and of the one they are made to.
func addresses(number int) (near, far net.IP) {
	first := binary.BigEndian.Uint32(wires.IP) + uint32(2*number)
	near, far = make(net.IP, 4), make(net.IP, 4)
	binary.BigEndian.PutUint32(near, first)
	binary.BigEndian.PutUint32(far, first+1)
	return near, far
}

// wire lays a wire between two containers, in place of one of the same number.
func wire(from, to container, number int) error {
	near, fromSpace, err := enter(from)
	if err != nil {
		return err
	}
	defer fromSpace.Close()
	defer near.Close()
	far, toSpace, err := enter(to)
	if err != nil {
		return err
	}
	defer toSpace.Close()
	defer far.Close()
	out, in := outWire+strconv.Itoa(number), inWire+strconv.Itoa(number)
	for _, end := range []struct {
		handle *netlink.Handle
		name   string
	}{{near, out}, {far, in}} {
		if old, err := end.handle.LinkByName(end.name); err == nil {
			_ = end.handle.LinkDel(old) // it goes with its other end, perhaps just now
		}
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = out
	pair := &netlink.Veth{
		LinkAttrs: attributes, PeerName: in, PeerNamespace: netlink.NsFd(toSpace.Fd()),
	}
	if err := near.LinkAdd(pair); err != nil {
		return fmt.Errorf("a wire: %w", err)
	}
	nearAddress, farAddress := addresses(number)
	if err := raise(far, in, farAddress, nearAddress); err != nil {
		return err
	}
	return raise(near, out, nearAddress, farAddress)
}

// enter returns what asks the kernel about a container's network, and its namespace, both for
// the caller to close.
func enter(box container) (*netlink.Handle, *os.File, error) {
	space, err := box.open()
	if err != nil {
		return nil, nil, err
	}
	handle, err := netlink.NewHandleAt(netns.NsHandle(space.Fd()))
	if err != nil {
		_ = space.Close()
		return nil, nil, err
	}
	return handle, space, nil
}

// raise gives an end its address and the other end's, and has it work.
func raise(handle *netlink.Handle, device string, own, other net.IP) error {
	found, err := handle.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	_ = handle.LinkSetIP6AddrGenMode(found, 1) // none; the kernel may have no IPv6
	whole := net.CIDRMask(32, 32)
	address := &netlink.Addr{
		IPNet: &net.IPNet{IP: own, Mask: whole}, Peer: &net.IPNet{IP: other, Mask: whole},
	}
	if err := handle.AddrAdd(found, address); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	if err := handle.LinkSetUp(found); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}

// absent has a container told at once that who is looked for is not there, where there is no
// wire, or it has gone with its other end; else such packets would leave by the gateway.
func absent(box container) error {
	handle, space, err := enter(box)
	if err != nil {
		return err
	}
	defer space.Close()
	defer handle.Close()
	route := &netlink.Route{Dst: &wires, Type: unix.RTN_UNREACHABLE}
	if err := handle.RouteReplace(route); err != nil {
		return fmt.Errorf("the route of absent sandboxes: %w", err)
	}
	return nil
}

// addHost has a container find an address by a name. Its hosts file is one of its own, which
// it may only read; the engine's root has the same file elsewhere.
func addHost(box container, address, called string) error {
	path, err := sourceOf(box.pid, "/etc/hosts")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "\n%s\t%s\n", address, called)
	return err
}
