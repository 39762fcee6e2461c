// Package settings holds the supervisor's configuration and the files it renders for others.
package settings

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Paths inside the engine's own root, see README.md.
const (
	Base         = "/run/orkee"
	BinDir       = Base + "/bin"
	CNIDir       = Base + "/cni"
	CNIDist      = Base + "/cni-dist"
	StateDir     = Base + "/state"
	RegistryDir  = Base + "/registry"
	CADir        = Base + "/ca-certificates" // also in distconsts: EngineCustomCACertsDir
	HomeDir      = Base + "/home"
	NotifySocket = Base + "/notify.sock"
	EngineTOML   = Base + "/engine.toml"
	EngineJSON   = "/etc/dagger/engine.json" // compiled into the engine
	RegistryYAML = Base + "/registry.yml"
	RegistryHost = "127.0.0.1:5000"
	SearchPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Programs are the files of bin_dir that the engine's root gets.
var Programs = []string{"dagger-engine", "dagger-init", "dnsname", "orkee-engine", "runc-shim"}

// Config is the file given by --config.
type Config struct {
	BinDir      string  `json:"bin_dir"`
	StateDir    string  `json:"state_dir"`
	SocketDir   string  `json:"socket_dir"`
	RegistryDir string  `json:"registry_dir,omitempty"` // storage of the image mirror, none if empty
	CNIDir      string  `json:"cni_dir,omitempty"`      // found by itself if empty
	CADir       string  `json:"ca_dir,omitempty"`       // more certificate authorities to trust
	NetworkName string  `json:"network_name,omitempty"`
	NetworkCIDR string  `json:"network_cidr,omitempty"`
	IdleTimeout float64 `json:"idle_timeout"` // seconds without a lease; 0 = never
	Version     string  `json:"version,omitempty"`
}

// Load reads and checks a configuration file.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// Parse reads a configuration, fills in what was left out and checks it.
func Parse(text []byte) (*Config, error) {
	config := &Config{NetworkName: "dagger", NetworkCIDR: "10.87.0.0/16", IdleTimeout: 600}
	if err := json.Unmarshal(text, config); err != nil {
		return nil, err
	}
	for name, path := range map[string]string{
		"bin_dir": config.BinDir, "state_dir": config.StateDir, "socket_dir": config.SocketDir,
	} {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("%s must be an absolute path, it is %q", name, path)
		}
	}
	if longest := config.EngineSocket(); len(longest) > 107 {
		return nil, fmt.Errorf("%s is longer than the 107 bytes of a socket's path", longest)
	}
	if len(config.NetworkName) > 14 || strings.ContainsAny(config.NetworkName, "/ \n\"") {
		return nil, fmt.Errorf("network_name %q is no name of an interface", config.NetworkName)
	}
	if config.IdleTimeout < 0 {
		return nil, fmt.Errorf("idle_timeout is negative")
	}
	_, err := config.Gateway()
	return config, err
}

// EngineSocket is the path where clients reach the engine.
func (c *Config) EngineSocket() string { return filepath.Join(c.SocketDir, "engine.sock") }

// ControlSocket is the path where the supervisor answers.
func (c *Config) ControlSocket() string { return filepath.Join(c.SocketDir, "control.sock") }

// LockFile is held by the one supervisor of a state folder.
func (c *Config) LockFile() string { return c.StateDir + ".lock" }

// Gateway returns the address of the containers' bridge: the first of its network.
func (c *Config) Gateway() (netip.Addr, error) {
	prefix, err := netip.ParsePrefix(c.NetworkCIDR)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 29 {
		return netip.Addr{}, fmt.Errorf("network_cidr %q is no IPv4 network", c.NetworkCIDR)
	}
	return prefix.Masked().Addr().Next(), nil
}
