//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be sandboxd itself and each of the commands that
// the tests run in it: a real process each, and nothing to install.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "as-daemon":
			os.Args = append(os.Args[:1], os.Args[2:]...)
			main()
			return
		case "as-command":
			os.Exit(command(os.Args[2], os.Args[3:]))
		}
	}
	// What is caught here is at its default in the commands that are started; what a
	// background job ignores would be ignored by them, and an interrupt ends nothing then.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT)
	os.Exit(m.Run())
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// as returns the command that plays a part.
func as(part string, args ...string) []string {
	return append([]string{self(), "as-command", part}, args...)
}

func command(part string, args []string) int {
	switch part {
	case "flood": // N MiB of numbered lines, then exit 0
		n, _ := strconv.Atoi(args[0])
		if !flood(os.Stdout, n<<20) {
			return 3
		}
		return 0
	case "stubborn": // says so, then ignores every polite signal
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "leak": // leaves a process in a session of its own, holding the pipes
		leave(true)
		fmt.Println("left")
		return 0
	case "orphan": // leaves a process that ends at once, whose parent is gone
		leave(false)
		return 7
	case "sleep":
		time.Sleep(time.Minute)
	case "blink":
		time.Sleep(20 * time.Millisecond)
	case "crash": // with the one signal that Go does not handle
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	}
	return 99
}

func leave(long bool) {
	part := map[bool]string{true: "sleep", false: "blink"}[long]
	c := exec.Command(self(), "as-command", part)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// floodBlock is what flood repeats: 64 KiB in which a lost or doubled byte shows.
func floodBlock(i int) []byte {
	line := fmt.Appendf(nil, "block %07d ", i)
	return append(bytes.Repeat(line, 1<<16/len(line)), bytes.Repeat([]byte{'\n'}, 1<<16%len(line))...)
}

func flood(w io.Writer, total int) bool {
	for i := range total >> 16 {
		if _, err := w.Write(floodBlock(i)); err != nil {
			return false
		}
	}
	return true
}
