package cgroups

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
)

// daemon is the name of the program that a container's identity is read from.
const daemon = "sandboxd\n"

// Members returns the processes of a sandbox's container: those of the pid namespace
// of the sandboxd that was given this id. It is asked before any command of the sandbox
// was started; the ids of other sandboxes are secret to it. Only processes whose user is
// one of the engine's count.
func Members(sandbox string, firstUID int) ([]int, error) {
	namespace, err := namespaceOf(sandbox, firstUID)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, pid := range processes() {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && link == namespace {
			found = append(found, pid)
		}
	}
	return found, nil
}

func namespaceOf(sandbox string, firstUID int) (string, error) {
	wanted := []byte("ORKEE_SANDBOX_ID=" + sandbox)
	var found string
	for _, pid := range processes() {
		folder := fmt.Sprintf("/proc/%d/", pid)
		if name, err := os.ReadFile(folder + "comm"); err != nil || string(name) != daemon {
			continue
		}
		environment, err := head(folder + "environ")
		if err != nil || !ofEngine(folder, firstUID) || !has(environment, wanted) {
			continue
		}
		link, err := os.Readlink(folder + "ns/pid")
		if err != nil {
			continue // it has just ended
		}
		if own, _ := os.Readlink("/proc/self/ns/pid"); link == own || (found != "" && link != found) {
			return "", fmt.Errorf("more than one container says that it is the sandbox %s", sandbox)
		}
		found = link
	}
	if found == "" {
		return "", fmt.Errorf("no container has the sandbox %s", sandbox)
	}
	return found, nil
}

func has(environment, wanted []byte) bool {
	for _, each := range bytes.Split(environment, []byte{0}) {
		if bytes.Equal(each, wanted) {
			return true
		}
	}
	return false
}

// ofEngine says whether a process runs as one of the ids that the engine has.
func ofEngine(folder string, firstUID int) bool {
	text, err := os.ReadFile(folder + "status")
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(text, []byte("\nUid:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return false
	}
	uid, err := strconv.Atoi(string(fields[0]))
	return err == nil && uid >= firstUID && uid < firstUID+65536
}

func processes() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var found []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// environLimit bounds what is read of an environment: any program may have a large one, and
// the name of a daemon. What is looked for is among the first of a daemon's own.
const environLimit = 256 << 10

func head(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, environLimit))
}
