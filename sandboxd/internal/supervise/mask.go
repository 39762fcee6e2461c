//go:build linux

package supervise

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// shortest is the length from which on a secret is masked: shorter ones stand in
	// every text by chance.
	shortest = 4
	// idle is how long what may be the beginning of a secret is held back: a prompt
	// that ends like one has to be seen.
	idle = 100 * time.Millisecond
)

var stars = []byte("***")

// Secrets are values that outputs must not show.
type Secrets struct {
	values [][]byte // longest first
	first  [256]bool
}

// NewSecrets returns what is to be masked of these variables: each value, and each line
// of one that has several; nil if there is nothing.
func NewSecrets(env map[string]string) *Secrets {
	found := map[string]bool{}
	for _, value := range env {
		for _, part := range append(strings.Split(value, "\n"), value) {
			if part = strings.Trim(part, "\r\n"); len(part) >= shortest {
				found[part] = true
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	s := &Secrets{}
	for value := range maps.Keys(found) {
		s.values = append(s.values, []byte(value))
		s.first[value[0]] = true
	}
	slices.SortFunc(s.values, func(a, b []byte) int { return len(b) - len(a) })
	return s
}

// Mask masks one output, whatever pieces it comes in.
type Mask struct {
	secrets *Secrets
	held    []byte // what may be the beginning of a secret
}

// Mask returns a mask for an output; nil without secrets.
func (s *Secrets) Mask() *Mask {
	if s == nil {
		return nil
	}
	return &Mask{secrets: s}
}

// Feed returns what may be shown now. It is never longer than all that was fed.
func (m *Mask) Feed(piece []byte) []byte {
	data := append(m.held, piece...)
	shown, held := m.secrets.scan(data, false)
	m.held = bytes.Clone(held)
	return shown
}

// Rest returns what was held back: nothing that would complete it has come.
func (m *Mask) Rest() []byte {
	shown, _ := m.secrets.scan(m.held, true)
	m.held = nil
	return shown
}

// scan returns data without secrets, and what of its end may be the beginning of one;
// that is shown too if nothing more comes.
func (s *Secrets) scan(data []byte, last bool) (shown, held []byte) {
	shown = make([]byte, 0, len(data))
	for len(data) > 0 {
		whole, begun := 0, false
		if s.first[data[0]] {
			whole, begun = s.match(data)
		}
		switch {
		case begun && !last:
			return shown, data
		case whole > 0:
			shown, data = append(shown, stars...), data[whole:]
		default:
			shown, data = append(shown, data[0]), data[1:]
		}
	}
	return shown, nil
}

// match returns the length of the secret that data begins with, 0 for none, and whether
// all of data is the beginning of a longer one.
func (s *Secrets) match(data []byte) (whole int, begun bool) {
	for _, value := range s.values {
		if len(value) > len(data) {
			begun = begun || bytes.HasPrefix(value, data)
		} else if bytes.HasPrefix(data, value) {
			return len(value), begun
		}
	}
	return 0, begun
}
