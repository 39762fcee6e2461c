package settings

import (
	"strings"
	"testing"
)

const minimal = `{"bin_dir":"/b","state_dir":"/s","socket_dir":"/r"`

func TestParseFillsInDefaults(t *testing.T) {
	config, err := Parse([]byte(minimal + `}`))
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := config.Gateway()
	if err != nil || gateway.String() != "10.87.0.1" || config.IdleTimeout != 600 {
		t.Errorf("%+v, gateway %v, error %v", config, gateway, err)
	}
	if config.EngineSocket() != "/r/engine.sock" || config.LockFile() != "/s.lock" {
		t.Errorf("%s, %s", config.EngineSocket(), config.LockFile())
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected end",
		`{"bin_dir":"b","state_dir":"/s","socket_dir":"/r"}`:                                 "bin_dir",
		`{"bin_dir":"/b","state_dir":"/s"}`:                                                  "socket_dir",
		`{"bin_dir":"/b","state_dir":"/s","socket_dir":"/` + strings.Repeat("x", 107) + `"}`: "107",
		minimal + `,"network_cidr":"10.0.0.0"}`:                                              "network_cidr",
		minimal + `,"network_cidr":"fd00::/64"}`:                                             "network_cidr",
		minimal + `,"network_name":"a b"}`:                                                   "network_name",
		minimal + `,"network_name":"much-longer-than-allowed"}`:                              "network_name",
		minimal + `,"idle_timeout":-1}`:                                                      "idle_timeout",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEngineConfigurationHasTheMirrorOnlyIfAsked(t *testing.T) {
	with, without := RenderEngine(true), RenderEngine(false)
	if !strings.Contains(with, `mirrors = ["127.0.0.1:5000"]`) || !strings.Contains(with, "http = true") {
		t.Error(with)
	}
	if strings.Contains(without, "registry") || !strings.Contains(without, `address = ["fd://"]`) {
		t.Error(without)
	}
}

func TestNoCollectionPolicyTouchesWorkspaces(t *testing.T) {
	policies := strings.Split(RenderEngine(false), "[[worker.oci.gcpolicy]]")[1:]
	for _, policy := range policies {
		if !strings.Contains(policy, "type!=exec.cachemount") && !strings.Contains(policy, "type==source.") {
			t.Errorf("this one does:%s", policy)
		}
	}
	if len(policies) != 3 {
		t.Errorf("%d policies", len(policies))
	}
}

func TestRegistryListensOnLoopbackOnly(t *testing.T) {
	if text := RenderRegistry(); !strings.Contains(text, "addr: 127.0.0.1:5000\n") {
		t.Error(text)
	}
}
