package wire

import (
	"encoding/json"
	"errors"
)

// HelloMessage is the payload of HELLO.
type HelloMessage struct {
	Protocol int    `json:"protocol"`
	Kind     string `json:"kind"`
	Token    string `json:"token"`
	Version  string `json:"version"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// WelcomeMessage is the payload of WELCOME.
type WelcomeMessage struct {
	Protocol    int `json:"protocol"`
	HeartbeatMS int `json:"heartbeat_ms"`
	Spare       int `json:"spare"`
}

// OpenMessage is the payload of OPEN; which fields count depends on Kind.
type OpenMessage struct {
	Kind      string            `json:"kind"`
	Credit    int64             `json:"credit"`
	After     int64             `json:"after"`
	Command   []string          `json:"command"`
	Env       map[string]string `json:"env"`
	Cwd       string            `json:"cwd"`
	Stdin     bool              `json:"stdin"`
	TimeoutMS int64             `json:"timeout_ms"`
	Port      int               `json:"port"`
	Raw       bool              `json:"raw"` // port: bytes without frames, once it is open
	Detach    bool              `json:"detach"`
	Pid       int               `json:"pid"`
	FileFields
	Path string `json:"path"`
	TerminalFields
}

// TerminalFields are the fields of OPEN that only a terminal stream has.
type TerminalFields struct {
	Name    string `json:"name"`
	New     bool   `json:"new"`
	Attach  bool   `json:"attach"`
	Rows    int    `json:"rows"`
	Columns int    `json:"columns"`
}

// FileFields are the fields of OPEN that only a files stream has.
type FileFields struct {
	Op        string  `json:"op"`
	To        string  `json:"to"`
	Mode      *uint32 `json:"mode"`
	Offset    int64   `json:"offset"`
	Length    int64   `json:"length"`
	Recursive bool    `json:"recursive"`
	Parents   bool    `json:"parents"`
	Follow    bool    `json:"follow"`
	Exclusive bool    `json:"exclusive"`
	Overwrite bool    `json:"overwrite"`
}

// OpenedMessage is the payload of OPENED.
type OpenedMessage struct {
	Credit int  `json:"credit"`
	Pid    int  `json:"pid,omitempty"`
	Raw    bool `json:"raw,omitempty"`

	Name       string `json:"name,omitempty"`
	Reattached bool   `json:"reattached,omitempty"`
	Position   int64  `json:"position,omitempty"`
	Replay     int64  `json:"replay,omitempty"`
}

// ResizeMessage is the payload of RESIZE.
type ResizeMessage struct {
	Rows    int `json:"rows"`
	Columns int `json:"columns"`
}

// SignalMessage is the payload of SIGNAL and the params of the request signal.
type SignalMessage struct {
	Signal string `json:"signal"`
}

// ExitMessage is the payload of EXIT.
type ExitMessage struct {
	ExitCode   int     `json:"exit_code"`
	Signal     *string `json:"signal"`
	TimedOut   bool    `json:"timed_out"`
	DurationMS int64   `json:"duration_ms"`
	Limit      string  `json:"limit,omitempty"` // the one for whose breach it was ended
}

// ExitNotice is the NOTICE that the main command has ended.
type ExitNotice struct {
	Event      string  `json:"event"`
	ExitCode   int     `json:"exit_code"`
	Signal     *string `json:"signal"`
	DurationMS int64   `json:"duration_ms"`
	LastSeq    int64   `json:"last_seq"`
	Limit      string  `json:"limit,omitempty"` // likewise
}

// PortsNotice is the NOTICE of the ports that are listened on.
type PortsNotice struct {
	Event     string     `json:"event"`
	Listening []Listener `json:"listening"`
}

// Listener is a TCP socket that is listened on.
type Listener struct {
	Port    int    `json:"port"`
	Address string `json:"address"`
}

// DroppedMessage is the payload of DROPPED.
type DroppedMessage struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Bytes int64 `json:"bytes"`
}

// RequestMessage is the payload of REQUEST.
type RequestMessage struct {
	ID     int64           `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// StartParams are the params of the request start. A nil Command means none.
type StartParams struct {
	Command []string          `json:"command"`
	Env     map[string]string `json:"env"`
	Secrets map[string]string `json:"secrets,omitempty"` // of the environment too, and not to be shown
	Cwd     string            `json:"cwd"`
}

// KillParams are the params of the request kill.
type KillParams struct {
	Pid    int    `json:"pid"`
	Signal string `json:"signal"`
}

// ProcessInfo is one command in the result of the request processes.
type ProcessInfo struct {
	Pid        int      `json:"pid"`
	Command    []string `json:"command"`
	Kind       string   `json:"kind"`
	Name       string   `json:"name,omitempty"` // of a terminal
	StartedMS  int64    `json:"started_ms"`
	Running    bool     `json:"running"`
	ExitCode   int      `json:"exit_code"`
	Signal     *string  `json:"signal"`
	DurationMS int64    `json:"duration_ms"`
}

// StopParams are the params of the request stop.
type StopParams struct {
	GraceMS *int64 `json:"grace_ms"`
}

// ReplyMessage is the payload of REPLY; one of Result and Error is set.
type ReplyMessage struct {
	ID     int64    `json:"id"`
	Result any      `json:"result,omitempty"`
	Error  *Failure `json:"error,omitempty"`
}

// Failure is an error as it travels: in RESET and in REPLY.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Fail makes a Failure.
func Fail(code, message string) *Failure { return &Failure{code, message} }

// Unexpected is the error for a frame that has no place on this connection.
func Unexpected(f Frame) error {
	return Fail("protocol_error", "unexpected "+f.Type.String())
}

// Fault says what RESET tells the server of an error that it caused itself; nil
// for any other (a lost connection, a RESET of its own).
func Fault(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, ErrFlow) {
		return Fail("flow_control", "more was sent than the credit covers")
	}
	for _, fault := range []error{ErrUnknownType, ErrTooLong, ErrPayload, ErrJSON, ErrWrongDirection} {
		if errors.Is(err, fault) {
			return Fail("protocol_error", err.Error())
		}
	}
	return nil
}
