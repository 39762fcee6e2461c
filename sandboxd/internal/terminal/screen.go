package terminal

import "sync"

// kept is how many bytes of a shell's output are kept for the next one who comes.
const kept = 256 << 10

// screen holds the newest output of a shell, and hands it on to the one reader. With a
// reader the shell waits for it, as it would for a slow terminal; without one it goes on.
type screen struct {
	mu     sync.Mutex
	cond   sync.Cond
	data   []byte // the newest output
	base   int64  // bytes that came before it
	old    modes  // as they were at base
	now    modes
	reader *attachment
	at     int64 // what the reader has
	ended  bool
}

func newScreen() *screen {
	s := &screen{}
	s.cond.L = &s.mu
	return s
}

func (s *screen) end() int64 { return s.base + int64(len(s.data)) }

// write takes output in; it waits until the reader has room for it.
func (s *screen) write(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.reader != nil && s.end()+int64(len(b))-s.at > kept {
		s.cond.Wait()
	}
	s.data = append(s.data, b...)
	s.now.feed(b)
	if len(s.data) > 2*kept { // seldom, so that little is copied
		lost := len(s.data) - kept
		s.old.feed(s.data[:lost])
		s.data = append([]byte(nil), s.data[lost:]...)
		s.base += int64(lost)
	}
	s.cond.Broadcast()
}

// finish says that no more output comes.
func (s *screen) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.cond.Broadcast()
}

// take makes a the reader, and returns what it has to be shown before the rest: nothing
// where it goes on behind the bytes that it has seen. The rest begins at position.
func (s *screen) take(a *attachment, seen int64) (replay []byte, position int64, alternate bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader = a
	s.at = s.end()
	if seen > 0 && seen >= s.base && seen <= s.end() {
		s.at = seen
	} else if s.end() > 0 {
		replay = s.show()
	}
	s.cond.Broadcast()
	return replay, s.at, s.now.alternate()
}

// show returns what brings a fresh terminal to where the shell is.
func (s *screen) show() []byte {
	data, before := s.data, s.old.clone()
	if lost := len(data) - kept; lost > 0 {
		before.feed(data[:lost])
		data = data[lost:]
	}
	if s.base > 0 || len(s.data) > kept {
		for len(data) > 0 && data[0]&0xc0 == 0x80 { // the rest of a character
			data = data[1:]
		}
	}
	return append(before.restore(), replayable(data, before.at)...)
}

// leave gives the reader's place up, if a still has it.
func (s *screen) leave(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == a {
		s.reader = nil
		s.cond.Broadcast()
	}
}

// next waits for output and copies it into buf; 0 at the end. It returns false when a is
// not the reader any more.
func (s *screen) next(a *attachment, buf []byte) (n int, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.reader == a && s.at == s.end() && !s.ended {
		s.cond.Wait()
	}
	if s.reader != a {
		return 0, false
	}
	n = copy(buf, s.data[s.at-s.base:])
	s.at += int64(n)
	s.cond.Broadcast()
	return n, true
}
