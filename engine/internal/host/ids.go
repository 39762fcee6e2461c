package host

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"

	"github.com/orkee/orkee-jupyter/engine/internal/subid"
)

// rootBases are where the engine's ids may begin for root without a line in
// /etc/subuid: a range that useradd, systemd and container tools never give
// away (whoever has the same ids may end the engine's processes), else, where
// root itself is confined to fewer ids, the usual first one.
var rootBases = []int{0x70000000, 100000}

// identity says whose ids the namespaces get.
type identity struct {
	root bool
	name string
	uids subid.Range
	gids subid.Range
}

// identify reads the ranges that are lent to whoever runs this.
func identify() (identity, error) {
	uid := os.Geteuid()
	id := identity{root: uid == 0, name: strconv.Itoa(uid)}
	if account, err := user.LookupId(id.name); err == nil {
		id.name = account.Username
	}
	var err1, err2 error
	id.uids, err1 = subid.FromFile("/etc/subuid", id.name, uid)
	id.gids, err2 = subid.FromFile("/etc/subgid", id.name, uid)
	if id.root && (err1 != nil || err2 != nil || id.uids != id.gids) {
		id.uids, err1 = rootRange()
		id.gids = id.uids
		return id, err1
	}
	for _, err := range []error{err1, err2} {
		if err != nil {
			return id, fmt.Errorf("%w; an administrator gives one with `usermod --add-subuids 100000-165535 "+
				"--add-subgids 100000-165535 %s`", err, id.name)
		}
	}
	return id, nil
}

// rootRange returns the first range of rootBases that root may give away.
func rootRange() (subid.Range, error) {
	for _, start := range rootBases {
		wanted := subid.Range{Start: start, Count: subid.Count}
		if mapped("/proc/self/uid_map", wanted) && mapped("/proc/self/gid_map", wanted) {
			return wanted, nil
		}
	}
	return subid.Range{}, fmt.Errorf("root has no ids to spare here (see /proc/self/uid_map)")
}

func mapped(path string, wanted subid.Range) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return subid.Mapped(file, wanted)
}

// base is the engine's first id as the middle process sees it: root sees the
// host's ids, a user's namespace has itself as 0 and the lent ids from 1.
func (id identity) base() int {
	if id.root {
		return id.uids.Start
	}
	return 1
}

// mapIDs gives the user namespace of pid its ids by the set-uid helpers.
func (id identity) mapIDs(pid int) error {
	for _, each := range []struct {
		program string
		own     int
		lent    subid.Range
	}{{"newuidmap", os.Geteuid(), id.uids}, {"newgidmap", os.Getegid(), id.gids}} {
		output, err := exec.Command(each.program, strconv.Itoa(pid), "0", strconv.Itoa(each.own), "1",
			"1", strconv.Itoa(each.lent.Start), strconv.Itoa(each.lent.Count)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", each.program, err, output)
		}
	}
	return nil
}
