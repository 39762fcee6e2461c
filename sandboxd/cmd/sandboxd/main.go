//go:build linux

// Command sandboxd is the first program in a sandbox's container: it dials its
// server and does there what the server asks for. See sandboxd/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/daemon"
	"github.com/orkee/orkee-jupyter/sandboxd/internal/link"
)

// version is set by the linker.
var version = "0.1.0"

const (
	orphanTime = 60 * time.Second
	stopGrace  = 5 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "sandboxd: %v\n", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func run(args []string) error {
	if len(args) > 0 && args[0] == "empty" {
		return empty(args[1:])
	}
	if len(args) == 1 && args[0] == "hold" {
		return hold()
	}
	if len(args) > 0 && args[0] == "fill" {
		return fill(args[1:])
	}
	config, err := configure(args)
	if err != nil {
		return err
	}
	home, err := os.Getwd()
	if err != nil {
		home = "/" // the folder was removed
	}
	d, err := daemon.New(home)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-asked
		d.Stop(stopGrace, func() {})
	}()
	return d.Run(context.Background(), config)
}

func configure(args []string) (link.Config, error) {
	flags := flag.NewFlagSet("sandboxd", flag.ContinueOnError)
	socket := flags.String("socket", "", "`path` of the server's unix socket")
	address := flags.String("address", "", "`host:port` of the server")
	tokenFile := flags.String("token-file", "", "`path` of the file that holds the token (else ORKEE_TOKEN)")
	spare := flags.Int("spare", 2, "idle stream connections, unless the server says otherwise")
	orphan := flags.Duration("orphan", orphanTime, "exit after so long without a server")
	c := link.Config{Version: version}
	if err := flags.Parse(args); err != nil {
		return c, fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case flags.NArg() > 0 || (*socket == "") == (*address == ""):
		return c, fmt.Errorf("%w: sandboxd -socket PATH | -address HOST:PORT", errUsage)
	case *socket != "":
		c.Network, c.Address = "unix", *socket
	default:
		c.Network, c.Address = "tcp", *address
	}
	c.Spare, c.Orphan = *spare, *orphan
	token, err := readToken(*tokenFile)
	c.Token = token
	return c, err
}

// readToken also takes the token out of the environment, which commands inherit.
func readToken(file string) (string, error) {
	token := os.Getenv("ORKEE_TOKEN")
	_ = os.Unsetenv("ORKEE_TOKEN")
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		token = strings.TrimSpace(string(b))
	}
	if token == "" {
		return "", fmt.Errorf("%w: no token: -token-file PATH or ORKEE_TOKEN", errUsage)
	}
	return token, nil
}
