//go:build linux

package supervise

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

var hidden = NewSecrets(map[string]string{
	"A": "abcd", "LONG": "abcdefgh", "KEY": "first line\nsecond line\n", "SHORT": "xy", "NONE": "",
})

func masked(pieces ...string) string {
	m := hidden.Mask()
	var shown []byte
	for _, piece := range pieces {
		shown = append(shown, m.Feed([]byte(piece))...)
	}
	return string(append(shown, m.Rest()...))
}

func TestSecretsAreMaskedHoweverTheyAreCut(t *testing.T) {
	for text, want := range map[string]string{
		"an abcd here":               "an *** here",
		"abcdefgh.abcdefg.abc":       "***.***efg.abc",
		"abababcd":                   "abab***",
		"first line\r\nsecond line!": "***\r\n***!",
		"first line\nsecond line\n":  "***\n",
		"xy abc":                     "xy abc",
		"":                           "",
		"abcd":                       "***",
	} {
		for at := range len(text) + 1 {
			if got := masked(text[:at], text[at:]); got != want {
				t.Errorf("%q cut at %d: %q, want %q", text, at, got, want)
			}
		}
		if got := masked(strings.Split(text, "")...); got != want {
			t.Errorf("%q by single bytes: %q, want %q", text, got, want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("one abcd two"), uint8(3))
	f.Add([]byte("abcdefabcdefgh"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		m := hidden.Mask()
		var shown []byte
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+int(size))
			shown = append(shown, m.Feed(rest[:n])...)
			rest = rest[n:]
		}
		shown = append(shown, m.Rest()...)
		if len(shown) > len(text) || bytes.Contains(shown, []byte("abcd")) {
			t.Fatalf("%q of %q", shown, text)
		}
		if whole := hidden.Mask(); !bytes.Equal(append(whole.Feed(text), whole.Rest()...), shown) {
			t.Fatalf("%q depends on how %q was cut", shown, text)
		}
	})
}

func TestWithoutSecretsNothingIsMasked(t *testing.T) {
	if NewSecrets(map[string]string{"A": "abc"}).Mask() != nil {
		t.Error("a mask for what is too short")
	}
}

// pumped returns what a pump hands on of what is written with pauses between.
func pumped(t *testing.T, pause time.Duration, pieces ...string) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	p := StartPump(read, 2, 16, false, hidden.Mask(), func(b []byte) bool {
		shown.Write(b[2:])
		return true
	})
	for _, piece := range pieces {
		_, _ = write.WriteString(piece)
		time.Sleep(pause)
	}
	_ = write.Close()
	<-p.Done()
	return shown.String()
}

func TestAPumpMasksOverItsOwnPieces(t *testing.T) {
	text := strings.Repeat("-", 13) + "abcdefgh" + strings.Repeat("+", 20)
	want := strings.Repeat("-", 13) + "***" + strings.Repeat("+", 20)
	if got := pumped(t, 0, text); got != want {
		t.Errorf("%q", got)
	}
}

func TestWhatLooksLikeABeginningIsShownAfterAWhile(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 10)
	p := StartPump(read, 0, 16, false, hidden.Mask(), func(b []byte) bool {
		shown <- string(b)
		return true
	})
	_, _ = write.WriteString("abc")
	select {
	case got := <-shown:
		if got != "abc" {
			t.Errorf("%q", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it was held back")
	}
	_, _ = write.WriteString("later abcd")
	_ = write.Close()
	<-p.Done()
	close(shown)
	rest := ""
	for piece := range shown {
		rest += piece
	}
	if rest != "later ***" {
		t.Errorf("%q", rest)
	}
}
