// Package subid reads the ranges of ids that /etc/subuid and /etc/subgid lend to users.
package subid

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Count is how many ids a container has: 0 to 65535, as in every image.
const Count = 65536

// Range is a run of ids of the host.
type Range struct{ Start, Count int }

// Find returns the first range of at least Count ids that r lends to name or
// id, cut to Count. Lines that do not parse are passed over, as shadow does.
func Find(r io.Reader, name string, id int) (Range, error) {
	lines := bufio.NewScanner(r)
	short := 0
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || (fields[0] != name && fields[0] != strconv.Itoa(id)) {
			continue
		}
		start, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 != nil || err2 != nil || start <= 0 || count <= 0 {
			continue
		}
		if count >= Count {
			return Range{start, Count}, nil
		}
		short = max(short, count)
	}
	if err := lines.Err(); err != nil {
		return Range{}, err
	}
	if short > 0 {
		return Range{}, fmt.Errorf("%s has a range of only %d ids, %d are needed", name, short, Count)
	}
	return Range{}, fmt.Errorf("%s has no range of ids", name)
}

// FromFile is Find on a file.
func FromFile(path, name string, id int) (Range, error) {
	file, err := os.Open(path)
	if err != nil {
		return Range{}, err
	}
	defer file.Close()
	found, err := Find(file, name, id)
	if err != nil {
		return Range{}, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// Mapped says whether a uid_map or gid_map (lines of "inside outside count")
// has one line that holds all of wanted.
func Mapped(r io.Reader, wanted Range) bool {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var inside, outside, count int
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &count); err != nil {
			continue
		}
		if inside <= wanted.Start && wanted.Start+wanted.Count <= inside+count {
			return true
		}
	}
	return false
}
