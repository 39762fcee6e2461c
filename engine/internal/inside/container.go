package inside

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
)

// container is a process of a sandbox's container and the network namespace that it has. Both
// tell two containers apart: the kernel gives the number of a namespace again at once.
type container struct {
	pid   int
	space string // as the kernel names it, such as "net:[4026532576]"
}

// network is the path of the container's network namespace.
func (c container) network() string { return "/proc/" + strconv.Itoa(c.pid) + "/ns/net" }

// open opens the container's network namespace, which then stays the same, whoever has the
// number of its process.
func (c container) open() (*os.File, error) {
	file, err := os.Open(c.network())
	if err != nil {
		return nil, err
	}
	if space, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd())); err != nil || space != c.space {
		_ = file.Close()
		return nil, fmt.Errorf("the container has ended: %v", err)
	}
	return file, nil
}

// lives says whether the container is still there.
func (c container) lives() bool {
	space, err := os.Readlink(c.network())
	return err == nil && space == c.space
}

// containerOf returns the container whose sandboxd was given this id. A sandbox's id is
// secret to all others, so that none can pass for another.
func containerOf(sandbox string) (container, error) {
	wanted := []byte("\x00ORKEE_SANDBOX_ID=" + sandbox + "\x00")
	var found container
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return found, err
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
		environment, err := head(folder + "environ")
		if err != nil || !bytes.Contains(append([]byte{0}, environment...), wanted) {
			continue
		}
		space, err := os.Readlink(folder + "ns/net")
		if err != nil {
			continue // it has just ended
		}
		if found.pid != 0 && space != found.space {
			return container{}, fmt.Errorf("more than one container says that it is the sandbox %s", sandbox)
		}
		if found.pid == 0 {
			found = container{pid, space}
		}
	}
	if engine, _ := os.Readlink("/proc/self/ns/net"); found.pid == 0 || found.space == engine {
		return container{}, fmt.Errorf("no container has the sandbox %s", sandbox)
	}
	return found, nil
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
