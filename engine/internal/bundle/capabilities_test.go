package bundle

import (
	"strings"
	"testing"
)

const withRights = `{"process":{"user":{"uid":1e0},"capabilities":{"bounding":["CAP_KILL","CAP_NET_RAW"],` +
	`"effective":["CAP_NET_RAW"],"permitted":["CAP_NET_RAW","CAP_CHOWN"]},"args":["<&>"]},"a":1e3}`

func TestRawSocketsAreTakenOutOfEverySet(t *testing.T) {
	edited, changed, err := WithoutRawSockets([]byte(withRights))
	if err != nil || !changed || strings.Contains(string(edited), "CAP_NET_RAW") {
		t.Fatalf("%v %v %s", changed, err, edited)
	}
	for _, kept := range []string{`"bounding":["CAP_KILL"]`, `"effective":[]`, `["CAP_CHOWN"]`, `1e0`, `1e3`, `"<&>"`} {
		if !strings.Contains(string(edited), kept) {
			t.Errorf("%s is not in %s", kept, edited)
		}
	}
}

func TestOtherRightsAreLeftAlone(t *testing.T) {
	for _, config := range []string{
		`{}`, `{"process":{}}`, `{"process":{"capabilities":{"bounding":["CAP_KILL"]}}}`,
		`{"process":{"capabilities":{"bounding":["CAP_SYS_ADMIN","CAP_NET_RAW"]}}}`,
	} {
		if edited, changed, err := WithoutRawSockets([]byte(config)); err != nil || changed || string(edited) != config {
			t.Errorf("%s became %s, %v %v", config, edited, changed, err)
		}
	}
	for _, config := range []string{`[]`, `{"process":[]}`, `{"process":{"capabilities":{"bounding":1}}}`} {
		if _, _, err := WithoutRawSockets([]byte(config)); err == nil {
			t.Errorf("%s was taken", config)
		}
	}
}
