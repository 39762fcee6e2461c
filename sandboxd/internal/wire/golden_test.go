package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type goldenFrame struct {
	Name, Direction, Hex, Type, Error string
	Valid                             bool
	Fill                              *struct {
		Byte  string
		Count int
	}
	Fields goldenFields
}

type goldenFields struct {
	JSON    map[string]any
	Channel byte
	Bytes   any
	Seq     int64
	Time    int64
	Value   json.Number
}

func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "tests", "protocol", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func (g goldenFrame) bytes(t testing.TB) []byte {
	t.Helper()
	b := unhex(t, g.Hex)
	if g.Fill != nil {
		b = append(b, bytes.Repeat(unhex(t, g.Fill.Byte), g.Fill.Count)...)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (g goldenFrame) senders() []Side {
	return map[string][]Side{"d": {Daemon}, "s": {Server}, "both": {Daemon, Server}}[g.Direction]
}

func goldenFrames(t testing.TB) []goldenFrame {
	t.Helper()
	var frames []goldenFrame
	readGolden(t, "frames.json", &frames)
	if len(frames) < 50 {
		t.Fatalf("only %d golden frames", len(frames))
	}
	return frames
}

func TestGoldenFramesAreJudgedAsTheySay(t *testing.T) {
	for _, g := range goldenFrames(t) {
		raw := g.bytes(t)
		for _, from := range g.senders() {
			f, n, err := Decode(raw, from)
			switch {
			case g.Valid && err != nil:
				t.Errorf("%s: refused: %v", g.Name, err)
			case g.Valid && (n != len(raw) || f.Type.String() != g.Type):
				t.Errorf("%s: %s of %d bytes", g.Name, f.Type, n)
			case !g.Valid && (err == nil || !strings.HasPrefix(err.Error(), g.Error)):
				t.Errorf("%s: error %v, not %s", g.Name, err, g.Error)
			}
		}
	}
}

func TestGoldenFramesAreOfTheirDirectionOnly(t *testing.T) {
	other := map[string]Side{"d": Server, "s": Daemon}
	for _, g := range goldenFrames(t) {
		// DATA may come from both, depending on the channel; RESET differs in meaning only.
		if from, ok := other[g.Direction]; ok && g.Valid && g.Type != "DATA" && g.Type != "RESET" {
			if _, _, err := Decode(g.bytes(t), from); err == nil {
				t.Errorf("%s: accepted from the wrong end", g.Name)
			}
		}
	}
}

func TestGoldenFieldsAreRead(t *testing.T) {
	for _, g := range goldenFrames(t) {
		if !g.Valid || g.Fill != nil {
			continue
		}
		f, _, err := Decode(g.bytes(t), g.senders()[0])
		if err != nil {
			t.Fatal(g.Name, err)
		}
		checkFields(t, g, f)
	}
}

func checkFields(t *testing.T, g goldenFrame, f Frame) {
	t.Helper()
	switch f.Type {
	case Data:
		if f.Channel() != g.Fields.Channel || hex.EncodeToString(f.Bytes()) != g.Fields.Bytes {
			t.Errorf("%s: channel %d, bytes %x", g.Name, f.Channel(), f.Bytes())
		}
	case Log:
		data := unhex(t, g.Fields.Bytes.(string))
		if made := LogFrame(g.Fields.Seq, g.Fields.Time, g.Fields.Channel, data); !bytes.Equal(made, g.bytes(t)) {
			t.Errorf("%s: made %x", g.Name, made)
		}
	case AddCred:
		if float64(f.Credit()) != g.Fields.Bytes {
			t.Errorf("%s: credit %d", g.Name, f.Credit())
		}
	case End:
		if f.Channel() != g.Fields.Channel {
			t.Errorf("%s: channel %d", g.Name, f.Channel())
		}
	case Ping, Pong:
	default:
		var got map[string]any
		if err := f.JSON(&got); err != nil || len(got) != len(g.Fields.JSON) {
			t.Errorf("%s: %v %v", g.Name, got, err)
		}
	}
}

func TestGoldenSessionsHoldWellFormedFrames(t *testing.T) {
	var sessions []struct {
		Name  string
		Steps []struct{ From, Type, Hex string }
	}
	readGolden(t, "sessions.json", &sessions)
	sides := map[string]Side{"d": Daemon, "s": Server}
	for _, s := range sessions {
		for i, step := range s.Steps {
			f, _, err := Decode(unhex(t, step.Hex), sides[step.From])
			if err != nil || f.Type.String() != step.Type {
				t.Errorf("%s, step %d: %s %v", s.Name, i, f.Type, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldenFrames(f) {
		if raw := g.bytes(f); len(raw) < 1024 {
			f.Add(raw, byte(g.senders()[0]))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, from byte) {
		frame, n, err := Decode(raw, Side(from)&Both)
		if err != nil {
			return
		}
		if n < HeaderSize || n > len(raw) || n > HeaderSize+MaxPayload || len(frame.Payload) != n-HeaderSize {
			t.Fatalf("%s of %d bytes out of %d", frame.Type, n, len(raw))
		}
		if frame.Type == AddCred && (frame.Credit() < 1 || frame.Credit() > MaxWindow) {
			t.Fatalf("credit %d", frame.Credit())
		}
		var open OpenMessage
		_ = frame.JSON(&open) // must not panic, whatever the type
	})
}
