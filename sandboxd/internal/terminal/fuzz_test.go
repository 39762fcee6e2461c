package terminal

import (
	"bytes"
	"testing"
)

// FuzzReplay: whatever a program wrote, what is shown again is no longer than that, asks
// nothing, and would not be cut down further; modes are the same through any cut.
func FuzzReplay(f *testing.F) {
	f.Add([]byte("plain \x1b[1;31mred\x1b[0m\x1b[6n\x1b]52;c;aGk=\x07\x1bP$qm\x1b\\"), byte(text), 3)
	f.Add([]byte("\x1b[?1049h\x1b[?25l\x1b[3\x1b[0mx\x18\x1b"), byte(control), 7)
	f.Fuzz(func(t *testing.T, output []byte, at byte, cut int) {
		shown := replayable(output, state(at)%(messageEsc+1))
		if len(shown) > len(output) {
			t.Fatalf("%d bytes out of %d", len(shown), len(output))
		}
		if again := replayable(shown, text); !bytes.Equal(again, shown) {
			t.Fatalf("%q, then %q", shown, again)
		}
		var whole, parts modes
		whole.feed(output)
		cut = max(0, min(cut, len(output)))
		parts.feed(output[:cut])
		parts.feed(output[cut:])
		if len(whole.changed) > mostModes || len(whole.control) > longestControl {
			t.Fatalf("%d modes, %d bytes", len(whole.changed), len(whole.control))
		}
		if !bytes.Equal(whole.restore(), parts.restore()) || whole.at != parts.at {
			t.Fatalf("%q, cut at %d: %q", whole.restore(), cut, parts.restore())
		}
	})
}
