package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

// mostAddresses is how many addresses of one name count: whoever has the name may give thousands.
const mostAddresses = 64

// lookupLimit is how long the names of a policy may take to be resolved together.
const lookupLimit = 3 * time.Second

// police holds a container to a network policy: by rules in the container's own network
// namespace, which none of its programs may change, and put there from outside.
func (in *inside) police(request link.Message) {
	reply := link.Message{ID: request.ID}
	if err := in.fence(request); err != nil {
		reply.Error = err.Error()
	}
	in.reply(reply, nil)
}

func (in *inside) fence(request link.Message) error {
	box, err := containerOf(request.Sandbox)
	if err != nil {
		return err
	}
	gateway, err := in.config.Gateway()
	if err != nil {
		return err
	}
	addresses, named := resolve(request.Hosts)
	name := ""
	if named {
		name = gateway.String()
	}
	return in.restoreBoth(box, rules(request.Address, name, addresses), rules("", "", nil))
}

// rules returns the whole table: what is not named is refused. Only destinations count: the
// link was there before the rules, and a tracker that begins in the midst of a connection
// takes some of its packets for invalid. What comes in gets no answer out, other than by the
// wires to sandboxes that are linked, which have rules of their own. link is HOST:PORT of the
// server that sandboxd dials, names the address that answers questions for names.
func rules(link, names string, addresses []string) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n")
	for _, device := range []string{"lo", outWire + "+", inWire + "+"} {
		fmt.Fprintf(&b, "-A OUTPUT -o %s -j ACCEPT\n", device)
	}
	if host, port, err := net.SplitHostPort(link); err == nil {
		fmt.Fprintf(&b, "-A OUTPUT -d %s -p tcp --dport %s -j ACCEPT\n", host, port)
	}
	if names != "" {
		for _, protocol := range []string{"udp", "tcp"} {
			fmt.Fprintf(&b, "-A OUTPUT -d %s -p %s --dport 53 -j ACCEPT\n", names, protocol)
		}
	}
	for _, address := range addresses {
		fmt.Fprintf(&b, "-A OUTPUT -d %s -j ACCEPT\n", address)
	}
	b.WriteString("-A OUTPUT -j REJECT\nCOMMIT\n")
	return b.String()
}

// resolve returns the IPv4 addresses of hosts, and whether a name is among them. What
// can't be resolved now allows nothing.
func resolve(hosts []string) (addresses []string, named bool) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	defer cancel()
	for _, host := range hosts {
		if isIPv4(host) {
			addresses = append(addresses, host)
			continue
		}
		named = true
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		for _, each := range found[:min(len(found), mostAddresses)] {
			addresses = append(addresses, each.Unmap().String())
		}
	}
	return addresses, named
}

// restoreBoth puts tables for IPv4 and, where the kernel has it, IPv6 into a container's
// network namespace.
func (in *inside) restoreBoth(box container, four, six string) error {
	if err := in.restore(box, "iptables-restore", four); err != nil {
		return err
	}
	_, err := os.Stat(fmt.Sprintf("/proc/%d/net/if_inet6", box.pid))
	if errors.Is(err, os.ErrNotExist) && box.lives() {
		return nil
	}
	return in.restore(box, "ip6tables-restore", six)
}

// restore puts a table into a container's network namespace, all of it or nothing.
func (in *inside) restore(box container, program, table string) error {
	space, err := box.open()
	if err != nil {
		return err
	}
	defer space.Close()
	rules, err := inMemory(table)
	if err != nil {
		return err
	}
	defer rules.Close()
	cmd := exec.Command("nsenter", "--net=/proc/self/fd/3", program, "-w", "5")
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = rules, os.Stderr, []*os.File{space}
	code, err := in.reaper.Run(cmd)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("%s ended with %d, see the engine's log", program, code)
	}
	return nil
}

// inMemory returns a file that holds a text, at its beginning.
func inMemory(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("rules", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "rules")
	if _, err := file.WriteString(text); err != nil {
		_ = file.Close()
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// isIPv4 says whether text is an address or a prefix of version 4.
func isIPv4(text string) bool {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Addr().Is4()
	}
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is4()
}
