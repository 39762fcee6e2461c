package subid

import (
	"strings"
	"testing"
)

func TestFindTakesTheFirstRangeThatIsLongEnough(t *testing.T) {
	text := "other:1000:65536\nana:50000:1000\nana:200000:70000\nana:900000:65536\n"
	found, err := Find(strings.NewReader(text), "ana", 1001)
	if err != nil || found != (Range{200000, 65536}) {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestFindTakesLinesByNumber(t *testing.T) {
	found, err := Find(strings.NewReader("1001:300000:65536\n"), "ana", 1001)
	if err != nil || found.Start != 300000 {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestFindSaysWhyThereIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "no range",
		"anabel:100000:65536":             "no range",
		"ana:100000:1000":                 "only 1000 ids",
		"ana:x:65536\nana:0:65536\nana:1": "no range",
		"ana:-5:65536\nana:1:-65536":      "no range",
	} {
		_, err := Find(strings.NewReader(text), "ana", 1001)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMappedWantsOneLineWithAll(t *testing.T) {
	table := "         0          0       1000\n      1000     500000     200000\n"
	for wanted, want := range map[Range]bool{
		{100000, 65536}: true, {1000, 200000}: true, {500, 1000}: false, {190000, 65536}: false,
	} {
		if got := Mapped(strings.NewReader(table), wanted); got != want {
			t.Errorf("%v: %v", wanted, got)
		}
	}
}
