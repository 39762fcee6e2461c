package wire

// LimitParams are the params of the request limit; 0 is no limit.
type LimitParams struct {
	Memory int64   `json:"memory"` // bytes
	Pids   int     `json:"pids"`   // processes and threads
	CPUs   float64 `json:"cpus"`   // processors' time
}

// Stats is what the container's programs use: the result of the request stats.
type Stats struct {
	UptimeMS    int64  `json:"uptime_ms"` // since sandboxd began
	CPUMS       int64  `json:"cpu_ms"`
	ThrottledMS int64  `json:"throttled_ms"` // held back from inside
	Memory      int64  `json:"memory"`       // bytes
	MemoryPeak  int64  `json:"memory_peak"`
	Processes   int    `json:"processes"`
	Threads     int    `json:"threads"`
	RX          int64  `json:"rx"` // bytes received, all interfaces but the loopback
	TX          int64  `json:"tx"`
	Disk        *int64 `json:"disk"` // bytes of the workspace, nil before they were counted
	DiskWhole   bool   `json:"disk_whole"`
}

// StatsNotice is the NOTICE with a sample.
type StatsNotice struct {
	Event string `json:"event"`
	Stats
}

// LimitNotice is the NOTICE that a limit was broken.
type LimitNotice struct {
	Event string `json:"event"`
	Kind  string `json:"kind"` // "memory" or "pids"
	Used  int64  `json:"used"`
}
