package terminal

import (
	"bytes"
	"strings"
	"testing"
)

func TestWhatAsksOrActsIsNotShownAgain(t *testing.T) {
	for given, want := range map[string]string{
		"plain \x1b[1;31mred\x1b[0m\r\n":           "plain \x1b[1;31mred\x1b[0m\r\n",
		"a\x1b[cb\x1b[>cc\x1b[6nd\x1b[?6ne":        "abcde",
		"a\x1b[?2004$pb\x1b[>0qc\x1b[?ud":          "abcd",
		"a\x1b]10;?\x07b\x1b]4;1;?\x1b\\c":         "abc",
		"a\x1b]52;c;aGk=\x07b\x1b]9;done\x07c":     "abc",
		"a\x1bP+q544e\x1b\\b\x1bP$qm\x1b\\c\x1bZd": "abcd",
		"a\x07b\x05c":                           "abc",
		"\x1b]0;what?\x07$ ":                    "\x1b]0;what?\x07$ ",
		"\x1b(B\x1b[2 q\x1b[?1049h\x1b[s\x1b[u": "\x1b(B\x1b[2 q\x1b[?1049h\x1b[s\x1b[u",
		"half of one \x1b[3":                    "half of one \x1b[3",
		"broken \x1b[3\x1b[0moff":               "broken \x1b[0moff",
		"ä \xe2\x82\xac":                        "ä \xe2\x82\xac",
		"a\x1b]0;broken off\x1b[6nb":            "ab",
		"a\x1b]0;broken off\x1b(Bb":             "a\x1b(Bb",
		"a\x1bPbroken off\x1b]52;c;aGk=\x07b":   "ab",
	} {
		if got := replayable([]byte(given), text); string(got) != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

func TestARestOfASequenceIsLeftOut(t *testing.T) {
	if got := replayable([]byte("1;31mred\x1b[0m"), control); string(got) != "red\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := replayable([]byte("tle\x1b\\text"), message); string(got) != "text" {
		t.Errorf("%q", got)
	}
}

func TestModesAreFollowedThroughAnyCut(t *testing.T) {
	output := []byte("\x1b[?1049h\x1b[?25l\x1b[?1002;1006hx\x1b[?1002l\x1b]0;?5h\x07")
	for cut := range len(output) {
		var m modes
		m.feed(output[:cut])
		m.feed(output[cut:])
		if got := string(m.restore()); got != "\x1b[?1049h\x1b[?1006h\x1b[?25l" && cut != 0 {
			t.Errorf("cut at %d: %q", cut, got)
		}
		if !m.alternate() {
			t.Errorf("cut at %d: not in the alternate screen", cut)
		}
	}
}

func TestAResetEndsAllModes(t *testing.T) {
	for _, reset := range []string{"\x1bc", "\x1b[!p", "\x1b]0;broken off\x1bc"} {
		var m modes
		m.feed([]byte("\x1b[?1049h\x1b[?25l" + reset))
		if got := m.restore(); len(got) != 0 {
			t.Errorf("%q: %q", reset, got)
		}
	}
}

func TestAnInventiveProgramTakesLittleMemory(t *testing.T) {
	var m modes
	for n := range 10_000 {
		m.feed([]byte("\x1b[?" + strings.Repeat("9", n%5) + "h"))
	}
	m.feed(bytes.Repeat([]byte("\x1b[?1"), 100_000))
	if len(m.changed) > mostModes || len(m.control) > longestControl {
		t.Errorf("%d modes, %d bytes", len(m.changed), len(m.control))
	}
}

func TestOldOutputGoesButItsModesStay(t *testing.T) {
	s := newScreen()
	s.write([]byte("\x1b[?1049h"))
	line := []byte(strings.Repeat("x", 1000) + "\r\n")
	for range 2000 {
		s.write(line)
	}
	s.write([]byte("last"))
	replay, position, alternate := s.take(&attachment{}, 0)
	if len(s.data) > 2*kept || len(replay) > kept+100 || position != 8+2000*1002+4 || !alternate {
		t.Errorf("%d kept, %d replayed, position %d", len(s.data), len(replay), position)
	}
	if !bytes.HasPrefix(replay, []byte("\x1b[?1049h")) || !bytes.HasSuffix(replay, []byte("last")) {
		t.Errorf("%q … %q", replay[:20], replay[len(replay)-20:])
	}
}

func TestAReaderGoesOnWhereItWas(t *testing.T) {
	s := newScreen()
	s.write([]byte("one two"))
	a := &attachment{}
	if replay, position, _ := s.take(a, 4); len(replay) != 0 || position != 4 {
		t.Errorf("%q at %d", replay, position)
	}
	buf := make([]byte, 100)
	if n, mine := s.next(a, buf); string(buf[:n]) != "two" || !mine {
		t.Errorf("%q", buf[:n])
	}
	if replay, _, _ := s.take(a, 400); string(replay) != "one two" {
		t.Errorf("%q", replay)
	}
}
