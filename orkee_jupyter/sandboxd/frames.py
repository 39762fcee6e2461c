"""Frames of the wire protocol: encoding, and decoding as a state machine with length caps."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

PROTOCOL: Final = 1

HELLO: Final = 0x01
WELCOME: Final = 0x02
OPEN: Final = 0x03
OPENED: Final = 0x04
RESET: Final = 0x05
DATA: Final = 0x10
LOG: Final = 0x11
CREDIT: Final = 0x12
END: Final = 0x13
SIGNAL: Final = 0x14
RESIZE: Final = 0x15
EXIT: Final = 0x16
DROPPED: Final = 0x18
PING: Final = 0x20
PONG: Final = 0x21
REQUEST: Final = 0x30
REPLY: Final = 0x31
NOTICE: Final = 0x32

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2

MAX_PAYLOAD: Final = 262_144
WINDOW: Final = 1_048_576
MAX_WINDOW: Final = 16_777_216
LOG_HEADER: Final = struct.Struct(">QQB")
MAX_LOG: Final = LOG_HEADER.size + 16_384

#: Least and greatest payload of each type. A HELLO comes from somebody who has
#: shown no token yet, so it gets little room.
LENGTHS: Final[Mapping[int, tuple[int, int]]] = {
    HELLO: (2, 4096),
    WELCOME: (2, MAX_PAYLOAD),
    OPEN: (2, MAX_PAYLOAD),
    OPENED: (2, MAX_PAYLOAD),
    RESET: (2, MAX_PAYLOAD),
    DATA: (1, MAX_PAYLOAD),
    LOG: (LOG_HEADER.size + 1, MAX_LOG),
    CREDIT: (4, 4),
    END: (1, 1),
    SIGNAL: (2, MAX_PAYLOAD),
    RESIZE: (2, MAX_PAYLOAD),
    EXIT: (2, MAX_PAYLOAD),
    DROPPED: (2, MAX_PAYLOAD),
    PING: (8, 8),
    PONG: (8, 8),
    REQUEST: (2, MAX_PAYLOAD),
    REPLY: (2, MAX_PAYLOAD),
    NOTICE: (2, MAX_PAYLOAD),
}

#: What the daemon may send at all.
FROM_DAEMON: Final = frozenset(
    {HELLO, OPENED, RESET, DATA, LOG, CREDIT, END, EXIT, DROPPED, PONG, REPLY, NOTICE}
)

_HEADER = struct.Struct(">I")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_NOTHING: Final[frozenset[int]] = frozenset()


class ProtocolError(Exception):
    """The peer sent what the protocol does not allow; the text says what, in our own words."""


def encode(kind: int, payload: bytes = b"") -> bytes:
    """Return one frame. Raises ValueError if the payload is longer than a frame may be."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} bytes does not fit a frame")
    return _HEADER.pack(kind << 24 | len(payload)) + payload


def encode_json(kind: int, value: Mapping[str, Any]) -> bytes:
    """Return one frame of JSON. Raises ValueError if it is too long or is not Unicode."""
    return encode(kind, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def encode_data(channel: int, data: bytes | memoryview) -> bytes:
    """Return one DATA frame."""
    if len(data) >= MAX_PAYLOAD:
        raise ValueError(f"{len(data)} bytes do not fit a frame")
    return b"".join((_HEADER.pack(DATA << 24 | (len(data) + 1)), bytes((channel,)), data))


def encode_credit(amount: int) -> bytes:
    """Return one CREDIT frame."""
    return encode(CREDIT, _U32.pack(amount))


def encode_end(channel: int) -> bytes:
    """Return one END frame."""
    return encode(END, bytes((channel,)))


def encode_u64(kind: int, value: int) -> bytes:
    """Return a PING or PONG frame."""
    return encode(kind, _U64.pack(value))


def decode_credit(payload: memoryview | bytes) -> int:
    """Return the bytes of a CREDIT frame. Raises ProtocolError."""
    amount = int(_U32.unpack(payload)[0])
    if not 1 <= amount <= MAX_WINDOW:
        raise ProtocolError(f"it gave a credit of {amount} bytes")
    return amount


def decode_channel(payload: memoryview | bytes) -> int:
    """Return the channel of a DATA or END frame. Raises ProtocolError."""
    channel = payload[0]
    if channel > STDERR:
        raise ProtocolError(f"it used the channel {channel}, which does not exist")
    return channel


def decode_log(payload: memoryview | bytes) -> tuple[int, int, int]:
    """Return seq, time (microseconds) and channel of a LOG frame. Raises ProtocolError."""
    seq, time_us, channel = LOG_HEADER.unpack_from(payload)
    if not 0 < seq < 1 << 63 or time_us >= 1 << 63 or channel not in (STDOUT, STDERR):
        raise ProtocolError("it sent a log entry with an impossible header")
    return seq, time_us, channel


def decode_u64(payload: memoryview | bytes) -> int:
    """Return the number of a PING or PONG frame."""
    return int(_U64.unpack(payload)[0])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def decode_json(payload: memoryview | bytes) -> dict[str, Any]:
    """Return the JSON object of a payload. Raises ProtocolError if it is none."""
    try:
        value = json.loads(str(payload, "utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("it sent JSON that does not parse") from error
    if not isinstance(value, dict):
        raise ProtocolError("it sent JSON that is not an object")
    return value


class Decoder:
    """Cuts a byte stream into frames and hands each to ``handler(kind, payload)`` at once.

    The payload is a view into the receive buffer and valid during the call only.
    ``allowed`` holds the types that may come next; the handler may change it.
    Memory is one frame at most: a length is checked before its bytes are kept.
    """

    def __init__(self, handler: Callable[[int, memoryview], None]) -> None:
        self._handler = handler
        self._partial = bytearray()
        self._need = 0  # length of the partial frame, 0 until its header is whole
        self.allowed: frozenset[int] = _NOTHING
        #: Once set, what follows is no frame and goes there, as it comes.
        self.raw: Callable[[memoryview], None] | None = None

    def feed(self, data: memoryview) -> None:
        """Take the next bytes. Raises ProtocolError; the decoder is of no use after that."""
        position = self._feed_partial(data) if self._partial else 0
        size = len(data)
        unpack = _HEADER.unpack_from
        while size - position >= 4 and self.raw is None:
            (word,) = unpack(data, position)
            end = position + self._frame_size(word)
            if end > size:
                self._need = end - position
                break
            self._handler(word >> 24, data[position + 4 : end])
            position = end
        if position < size and self.raw is not None:
            self.raw(data[position:])
        elif position < size:
            self._partial += data[position:]

    def _feed_partial(self, data: memoryview) -> int:
        """Complete the frame begun earlier; return how many bytes that took."""
        partial = self._partial
        position = 0
        if not self._need:
            position = min(4 - len(partial), len(data))
            partial += data[:position]
            if len(partial) < 4:
                return position
            self._need = self._frame_size(_HEADER.unpack_from(partial)[0])
        taken = min(self._need - len(partial), len(data) - position)
        partial += data[position : position + taken]
        if len(partial) == self._need:
            self._partial, self._need = bytearray(), 0
            self._handler(partial[0], memoryview(partial)[4:])
        return position + taken

    def _frame_size(self, word: int) -> int:
        kind, length = word >> 24, word & 0xFFFFFF
        limits = LENGTHS.get(kind)
        if limits is None:
            raise ProtocolError(f"it sent a frame of the unknown type 0x{kind:02x}")
        if kind not in self.allowed:
            raise ProtocolError(f"it sent a frame of type 0x{kind:02x} out of turn")
        if not limits[0] <= length <= limits[1]:
            raise ProtocolError(f"it sent a frame of type 0x{kind:02x} with {length} bytes")
        return 4 + length
