package settings

import (
	"fmt"
	"strings"
)

// RenderEngine returns the engine's configuration. The listening socket comes
// by socket activation ("fd://"): the supervisor made it as the user, so no
// file of another owner is left in the user's folder. mirror adds the
// registry on loopback as the mirror of docker.io.
//
// Cache volumes are workspaces, also of sandboxes that are paused: the engine's
// own policy throws them away after two days, so ours leaves them alone.
func RenderEngine(mirror bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "root = %q\n", StateDir+"/dagger")
	b.WriteString("[grpc]\n  address = [\"fd://\"]\n")
	b.WriteString("[worker.oci]\n  gc = true\n")
	b.WriteString(`[[worker.oci.gcpolicy]]
  filters = ["type==source.local", "type==source.git.checkout"]
  keepDuration = "48h"
  maxUsedSpace = "512MB"
[[worker.oci.gcpolicy]]
  filters = ["type!=exec.cachemount"]
  keepDuration = "720h"
  reservedSpace = "2GB"
  maxUsedSpace = "20GB"
  minFreeSpace = "10%"
[[worker.oci.gcpolicy]]
  all = true
  filters = ["type!=exec.cachemount"]
  reservedSpace = "2GB"
  maxUsedSpace = "20GB"
  minFreeSpace = "10%"
`)
	if mirror {
		fmt.Fprintf(&b, "[registry.\"docker.io\"]\n  mirrors = [%q]\n", RegistryHost)
		fmt.Fprintf(&b, "[registry.%q]\n  http = true\n", RegistryHost)
	}
	return b.String()
}

// RenderLog returns the engine's other configuration file. At its default it
// logs every query twice.
func RenderLog() string { return `{"logLevel": "warn"}` + "\n" }

// RenderRegistry returns the configuration of the image mirror. Only the engine
// reaches it, to pull from and to publish to: loopback here is not the
// containers' loopback.
func RenderRegistry() string {
	return fmt.Sprintf(`version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %s
  delete:
    enabled: true
http:
  addr: %s
`, RegistryDir, RegistryHost)
}
