package inside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/orkee/orkee-jupyter/engine/internal/link"
)

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
	pid, err := containerOf(request.Sandbox)
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
	if err := in.restore(pid, "iptables-restore", rules(request.Address, name, addresses)); err != nil {
		return err
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/net/if_inet6", pid)); errors.Is(err, os.ErrNotExist) {
		return nil // the kernel has no IPv6
	}
	return in.restore(pid, "ip6tables-restore", rules("", "", nil))
}

// rules returns the whole table: what is not named is refused. Only destinations count: the
// link was there before the rules, and a tracker that begins in the midst of a connection
// takes some of its packets for invalid. What comes in gets no answer out. link is HOST:PORT of the
// server that sandboxd dials, names the address that answers questions for names.
func rules(link, names string, addresses []string) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n")
	b.WriteString("-A OUTPUT -o lo -j ACCEPT\n")
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
		for _, each := range found {
			addresses = append(addresses, each.Unmap().String())
		}
	}
	return addresses, named
}

// restore puts a table into a container's network namespace, all of it or nothing.
func (in *inside) restore(pid int, program, table string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	_, err = write.WriteString(table) // less than a pipe holds: at most some tens of rules
	_ = write.Close()
	if err != nil {
		return err
	}
	cmd := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(pid)+"/ns/net", program, "-w", "5")
	cmd.Stdin, cmd.Stderr = read, os.Stderr
	code, err := in.reaper.Run(cmd)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("%s ended with %d, see the engine's log", program, code)
	}
	return nil
}

// containerOf returns a process of the container whose sandboxd was given this id. It is
// asked before any command of the sandbox was started, and ids are secret to others.
func containerOf(sandbox string) (int, error) {
	wanted := []byte("ORKEE_SANDBOX_ID=" + sandbox)
	found, space := 0, ""
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		folder := "/proc/" + entry.Name() + "/"
		if name, err := os.ReadFile(folder + "comm"); err != nil || string(name) != "sandboxd\n" {
			continue
		}
		environment, err := os.ReadFile(folder + "environ")
		if err != nil || !bytes.Contains(append([]byte{0}, environment...), append([]byte{0}, append(wanted, 0)...)) {
			continue
		}
		own, err := os.Readlink(folder + "ns/net")
		if err != nil {
			continue // it has just ended
		}
		if found != 0 && own != space {
			return 0, fmt.Errorf("more than one container says that it is the sandbox %s", sandbox)
		}
		found, space = pid, own
	}
	if engine, _ := os.Readlink("/proc/self/ns/net"); found == 0 || space == engine {
		return 0, fmt.Errorf("no container has the sandbox %s", sandbox)
	}
	return found, nil
}

// isIPv4 says whether text is an address or a prefix of version 4.
func isIPv4(text string) bool {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Addr().Is4()
	}
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is4()
}
