package terminal

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// state says where in a terminal's control sequences a scan stands.
type state byte

const (
	text       state = iota
	escape           // behind ESC
	control          // in CSI
	message          // in OSC, DCS, PM, APC or SOS
	messageEsc       // behind ESC in one of these
)

const (
	longestControl = 64 // bytes of a CSI that are looked at
	mostModes      = 64 // a program may invent them
	esc            = 0x1b
	bell           = 0x07
)

// step returns the state behind one byte, and whether a sequence ended with it.
func (s state) step(b byte) (next state, ended bool) {
	switch s {
	case text:
		if b == esc {
			return escape, false
		}
		return text, false
	case escape:
		switch {
		case b == '[':
			return control, false
		case bytes.IndexByte([]byte("]PX^_"), b) >= 0:
			return message, false
		case b >= 0x20 && b < 0x30: // a charset's name comes
			return escape, false
		case b == esc:
			return escape, false
		}
		return text, true
	case control:
		switch {
		case b == esc:
			return escape, false
		case b >= 0x40 && b < 0x7f:
			return text, true
		case b == 0x18 || b == 0x1a:
			return text, true
		}
		return control, false
	case message:
		switch b {
		case bell, 0x18, 0x1a:
			return text, true
		case esc:
			return messageEsc, false
		}
		return message, false
	}
	if other := s.brokenOff(b); other != s {
		return other.step(b)
	}
	return text, true
}

// brokenOff returns the state that a byte is met in: an ESC that does not end a message
// begins another sequence.
func (s state) brokenOff(b byte) state {
	if s == messageEsc && b != '\\' {
		return escape
	}
	return s
}

// modes follows which of the terminal's private modes a program has changed: the
// alternate screen, a hidden cursor, the mouse …
type modes struct {
	at      state
	control []byte
	changed map[int]bool // from the default
}

var onByDefault = []int{7, 25} // wrapping lines, a visible cursor

func (m *modes) feed(b []byte) {
	for len(b) > 0 {
		if m.at == text {
			i := bytes.IndexByte(b, esc)
			if i < 0 {
				return
			}
			m.at, m.control, b = escape, m.control[:0], b[i+1:]
			continue
		}
		m.byte(b[0])
		b = b[1:]
	}
}

func (m *modes) byte(c byte) {
	before := m.at.brokenOff(c)
	next, ended := before.step(c)
	m.at = next
	switch {
	case next == escape:
		m.control = m.control[:0]
	case before == escape && ended && c == 'c': // a full reset
		clear(m.changed)
	case before == control && len(m.control) < longestControl:
		m.control = append(m.control, c)
		if ended {
			m.apply()
		}
	}
}

// apply takes in a whole CSI.
func (m *modes) apply() {
	body, final := m.control[:len(m.control)-1], m.control[len(m.control)-1]
	if len(body) == 0 || body[0] != '?' || (final != 'h' && final != 'l') {
		if string(m.control) == "!p" { // a soft reset
			clear(m.changed)
		}
		return
	}
	for _, word := range bytes.Split(body[1:], []byte(";")) {
		number, err := strconv.Atoi(string(word))
		if err != nil || number < 0 {
			continue
		}
		if (final == 'h') == slices.Contains(onByDefault, number) {
			delete(m.changed, number)
		} else if len(m.changed) < mostModes {
			if m.changed == nil {
				m.changed = map[int]bool{}
			}
			m.changed[number] = true
		}
	}
}

// alternate reports whether a full-screen program has the screen.
func (m *modes) alternate() bool {
	return m.changed[1049] || m.changed[1047] || m.changed[47]
}

// restore returns the sequences that bring a fresh terminal into these modes.
func (m *modes) restore() []byte {
	numbers := make([]int, 0, len(m.changed))
	for number := range m.changed {
		numbers = append(numbers, number)
	}
	// The alternate screen first: what else is set is meant for it.
	slices.SortFunc(numbers, func(a, b int) int { return b - a })
	var out []byte
	for _, number := range numbers {
		final := 'h'
		if slices.Contains(onByDefault, number) {
			final = 'l'
		}
		out = fmt.Appendf(out, "\x1b[?%d%c", number, final)
	}
	return out
}

func (m *modes) clone() *modes {
	other := &modes{at: m.at, control: slices.Clone(m.control), changed: map[int]bool{}}
	for number := range m.changed {
		other.changed[number] = true
	}
	return other
}

// replayable returns output that is shown once more, without what would have an effect
// again: questions, whose answers the terminal would type into the shell, bells, notices
// and what goes to the clipboard. A sequence whose begin is missing is left out.
func replayable(b []byte, at state) []byte {
	out := make([]byte, 0, len(b))
	start := 0 // of the sequence that the scan is in
	keep := at == text
	for i, c := range b {
		before := at.brokenOff(c)
		if before != at {
			start, keep = max(0, i-1), i > 0
		}
		next, ended := before.step(c)
		at = next
		switch {
		case next == escape && before != escape, next == escape && c == esc:
			start, keep = i, true
		case ended:
			if sequence := b[start : i+1]; keep && !hasEffect(sequence) {
				out = append(out, sequence...)
			}
			keep = true
		case next == text && c != bell && c != 0x05:
			out = append(out, c)
		}
	}
	if at != text && keep {
		out = append(out, b[start:]...) // its end comes with what is new
	}
	return out
}

// hasEffect tells a sequence that does or asks more than to show something.
func hasEffect(sequence []byte) bool {
	if len(sequence) < 2 {
		return false
	}
	body, final := sequence[2:], sequence[len(sequence)-1]
	switch sequence[1] {
	case 'Z': // who are you?
		return true
	case '[':
		switch final {
		case 'c', 'n', 't', 'x', 'y':
			return true
		case 'p':
			return bytes.HasSuffix(sequence, []byte("$p"))
		case 'q':
			return bytes.HasPrefix(body, []byte(">"))
		case 'u':
			return bytes.HasPrefix(body, []byte("?"))
		}
	case ']':
		number, value, _ := bytes.Cut(body, []byte(";"))
		switch string(number) {
		case "9", "52", "99", "777":
			return true
		}
		return isColour(number) && bytes.Contains(value, []byte("?"))
	case 'P':
		return bytes.HasPrefix(body, []byte("$q")) || bytes.HasPrefix(body, []byte("+q"))
	}
	return false
}

// isColour tells the messages about colours, of which a question mark asks.
func isColour(number []byte) bool {
	n, err := strconv.Atoi(string(number))
	return err == nil && (n == 4 || n == 5 || n >= 10 && n <= 19)
}
