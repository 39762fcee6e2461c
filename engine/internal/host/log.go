package host

import (
	"fmt"
	"io"
	"os"
)

const (
	logLimit = 16 << 20
	logKeep  = 256 << 10
)

// trimLog cuts a log file that has grown past limit bytes to its last keep. It
// does so in place, since every process of the engine writes to it, appending.
func trimLog(out *os.File, limit, keep int64) {
	info, err := out.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= limit {
		return
	}
	log, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", out.Fd()), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer log.Close()
	tail, err := io.ReadAll(io.NewSectionReader(log, info.Size()-keep, keep))
	if err != nil || log.Truncate(0) != nil {
		return
	}
	_, _ = log.Write(append([]byte("(the log was cut here)\n"), tail...)) // best effort
}
