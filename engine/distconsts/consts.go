// Package distconsts holds the constants that the Dagger engine is built with.
//
// It stands in for the module of the same name, which the Go module proxy does
// not serve. The names are those that Dagger 0.19.10 refers to; the paths are
// ours: the supervisor mounts the folder with our programs at BinDir, inside
// the engine's own mount namespace, so no path of the user's machine is
// compiled in.
package distconsts

// BinDir is where the supervisor mounts the built programs for the engine.
const BinDir = "/run/orkee/bin"

const (
	// EngineContainerName and DefaultEngineSockAddr are read by the CLI.
	EngineContainerName   = "dagger-engine.dev"
	DefaultEngineSockAddr = "unix:///run/dagger/engine.sock"

	// RuncPath is the shim that lets runc start containers in a user namespace.
	RuncPath       = BinDir + "/runc-shim"
	DaggerInitPath = BinDir + "/dagger-init"

	EngineDefaultStateDir = "/var/lib/dagger"

	EngineContainerBuiltinContentDir   = "/usr/local/share/dagger/content"
	GoSDKManifestDigestEnvName         = "DAGGER_GO_SDK_MANIFEST_DIGEST"
	PythonSDKManifestDigestEnvName     = "DAGGER_PYTHON_SDK_MANIFEST_DIGEST"
	TypescriptSDKManifestDigestEnvName = "DAGGER_TYPESCRIPT_SDK_MANIFEST_DIGEST"

	// Images that Dagger's own modules build on; none of ours is built so.
	AlpineVersion  = "3.22"
	AlpineImage    = "alpine:" + AlpineVersion
	GolangVersion  = "1.25"
	GolangImage    = "golang:" + GolangVersion + "-alpine"
	BusyboxVersion = "1.37.0"
	BusyboxImage   = "busybox:" + BusyboxVersion + "-musl"

	OCIVersionAnnotation = "org.opencontainers.image.version"
	// Never the host's own: with certificates in this folder the engine runs
	// update-ca-certificates in every container, at its start and its stop
	// (measured: 0.5 s each). Whoever needs one puts it into the data folder.
	EngineCustomCACertsDir = "/run/orkee/ca-certificates"
)
