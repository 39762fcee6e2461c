package reap

import (
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEachChildGetsItsOwnEnd(t *testing.T) {
	reaper := New()
	var group sync.WaitGroup
	for code := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			got, err := reaper.Run(exec.Command("/bin/sh", "-c", "exit "+string(rune('0'+code))))
			if err != nil || got != code {
				t.Errorf("exit code %d for %d, %v", got, code, err)
			}
		}()
	}
	group.Wait()
	child, err := reaper.Start(exec.Command("/bin/sh", "-c", "kill -9 $$"))
	if err != nil {
		t.Fatal(err)
	}
	if status := <-child.Done; status.Signal() != unix.SIGKILL {
		t.Errorf("%v", status)
	}
}
