// Package wire holds the frames of sandboxd's protocol: their shape, their
// bounds, and flow control. The specification is sandboxd/README.md.
package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Version is the protocol's version, said in HELLO and WELCOME.
const Version = 1

// Bounds of the protocol, in bytes.
const (
	HeaderSize    = 4
	MaxPayload    = 262_144
	MaxWindow     = 16_777_216
	DefaultWindow = 1_048_576
	LogHeader     = 17
	MaxLogBytes   = 16_384
)

// Type is the kind of a frame.
type Type byte

// The frame types.
const (
	Hello   Type = 0x01
	Welcome Type = 0x02
	Open    Type = 0x03
	Opened  Type = 0x04
	Reset   Type = 0x05
	Data    Type = 0x10
	Log     Type = 0x11
	AddCred Type = 0x12
	End     Type = 0x13
	Signal  Type = 0x14
	Resize  Type = 0x15
	Exit    Type = 0x16
	Dropped Type = 0x18
	Ping    Type = 0x20
	Pong    Type = 0x21
	Request Type = 0x30
	Reply   Type = 0x31
	Notice  Type = 0x32
)

// Side is one end of a connection.
type Side byte

// The two ends; Both is for frames that either may send.
const (
	Daemon Side = 1
	Server Side = 2
	Both        = Daemon | Server
)

// Channels of DATA, LOG and END.
const (
	Stdin  byte = 0
	Stdout byte = 1
	Stderr byte = 2
)

// The ways in which a frame can be wrong.
var (
	ErrIncomplete     = errors.New("incomplete")
	ErrUnknownType    = errors.New("unknown_type")
	ErrTooLong        = errors.New("too_long")
	ErrPayload        = errors.New("bad_payload")
	ErrJSON           = errors.New("bad_json")
	ErrWrongDirection = errors.New("wrong_direction")
)

type shape struct {
	name   string
	sender Side
	check  func(payload []byte) error
}

var shapes = map[Type]shape{
	Hello:   {"HELLO", Daemon, checkJSON},
	Welcome: {"WELCOME", Server, checkJSON},
	Open:    {"OPEN", Server, checkJSON},
	Opened:  {"OPENED", Daemon, checkJSON},
	Reset:   {"RESET", Both, checkJSON},
	Data:    {"DATA", Both, checkData},
	Log:     {"LOG", Daemon, checkLog},
	AddCred: {"CREDIT", Both, checkCredit},
	End:     {"END", Both, checkEnd},
	Signal:  {"SIGNAL", Server, checkJSON},
	Resize:  {"RESIZE", Server, checkJSON},
	Exit:    {"EXIT", Daemon, checkJSON},
	Dropped: {"DROPPED", Daemon, checkJSON},
	Ping:    {"PING", Server, checkU64},
	Pong:    {"PONG", Daemon, checkU64},
	Request: {"REQUEST", Server, checkJSON},
	Reply:   {"REPLY", Daemon, checkJSON},
	Notice:  {"NOTICE", Daemon, checkJSON},
}

func (t Type) String() string {
	if s, ok := shapes[t]; ok {
		return s.name
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// Frame is one frame; its payload belongs to whoever holds it.
type Frame struct {
	Type    Type
	Payload []byte
}

// Channel returns the channel of a checked DATA or END.
func (f Frame) Channel() byte { return f.Payload[0] }

// Bytes returns the bytes of a checked DATA.
func (f Frame) Bytes() []byte { return f.Payload[1:] }

// Credit returns the number of bytes of a checked CREDIT.
func (f Frame) Credit() int { return int(binary.BigEndian.Uint32(f.Payload)) }

// JSON reads the payload of a checked JSON frame into v.
func (f Frame) JSON(v any) error {
	if err := json.Unmarshal(f.Payload, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrJSON, f.Type, err)
	}
	return nil
}

// header reads and judges the first four bytes of a frame.
func header(b []byte) (Type, int, error) {
	t, n := Type(b[0]), int(b[1])<<16|int(b[2])<<8|int(b[3])
	if _, ok := shapes[t]; !ok {
		return t, n, fmt.Errorf("%w: %s", ErrUnknownType, t)
	}
	if n > MaxPayload {
		return t, n, fmt.Errorf("%w: %s of %d bytes", ErrTooLong, t, n)
	}
	return t, n, nil
}

// PutHeader writes the header of a frame with a payload of n bytes into b.
func PutHeader(b []byte, t Type, n int) {
	b[0], b[1], b[2], b[3] = byte(t), byte(n>>16), byte(n>>8), byte(n)
}

// Decode reads one frame that came from the given side off the front of b and
// returns it with its length. The payload is a part of b.
func Decode(b []byte, from Side) (Frame, int, error) {
	if len(b) < HeaderSize {
		return Frame{}, 0, ErrIncomplete
	}
	t, n, err := header(b)
	if err != nil {
		return Frame{}, 0, err
	}
	if len(b) < HeaderSize+n {
		return Frame{}, 0, ErrIncomplete
	}
	f := Frame{t, b[HeaderSize : HeaderSize+n]}
	return f, HeaderSize + n, Check(f, from)
}

// Check judges the payload of a frame and whether that side may send it at all.
func Check(f Frame, from Side) error {
	s := shapes[f.Type]
	if s.check == nil {
		return ErrUnknownType
	}
	if err := s.check(f.Payload); err != nil {
		return fmt.Errorf("%w in %s", err, f.Type)
	}
	if s.sender&from == 0 {
		return fmt.Errorf("%w: %s", ErrWrongDirection, f.Type)
	}
	if from == Server && (f.Type == Data || f.Type == End) && f.Channel() != Stdin {
		return fmt.Errorf("%w: %s of channel %d", ErrWrongDirection, f.Type, f.Channel())
	}
	return nil
}

func checkJSON(p []byte) error {
	// encoding/json would quietly replace bytes that are not UTF-8.
	if !utf8.Valid(p) || !json.Valid(p) || !bytes.HasPrefix(bytes.TrimLeft(p, " \t\r\n"), []byte{'{'}) {
		return ErrJSON
	}
	return nil
}

func checkData(p []byte) error {
	if len(p) < 1 || p[0] > Stderr {
		return ErrPayload
	}
	return nil
}

func checkLog(p []byte) error {
	if len(p) <= LogHeader || len(p) > LogHeader+MaxLogBytes {
		return ErrPayload
	}
	seq, at, channel := binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:]), p[16]
	if seq == 0 || seq>>63 != 0 || at>>63 != 0 || (channel != Stdout && channel != Stderr) {
		return ErrPayload
	}
	return nil
}

func checkCredit(p []byte) error {
	if len(p) != 4 {
		return ErrPayload
	}
	if n := binary.BigEndian.Uint32(p); n == 0 || n > MaxWindow {
		return ErrPayload
	}
	return nil
}

func checkEnd(p []byte) error {
	if len(p) != 1 || p[0] > Stderr {
		return ErrPayload
	}
	return nil
}

func checkU64(p []byte) error {
	if len(p) != 8 {
		return ErrPayload
	}
	return nil
}

// LogFrame returns a whole LOG frame; the bytes are copied.
func LogFrame(seq, micros int64, channel byte, data []byte) []byte {
	b := make([]byte, HeaderSize+LogHeader+len(data))
	PutHeader(b, Log, LogHeader+len(data))
	binary.BigEndian.PutUint64(b[4:], uint64(seq))
	binary.BigEndian.PutUint64(b[12:], uint64(micros))
	b[20] = channel
	copy(b[21:], data)
	return b
}
