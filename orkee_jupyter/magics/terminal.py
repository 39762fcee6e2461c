"""Text from inside a container made safe to show: decoded, colours kept, other escapes removed."""

from __future__ import annotations

import codecs
import re
from typing import Final

#: Where something other than plain text may begin: ESC, and every control
#: character except tab, line feed and carriage return. C1 controls (U+0080 to
#: U+009F) are the 8-bit forms of ESC sequences.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CSI: Final = re.compile(r"(?:\x1b\[|\x9b)([\x20-\x3f]*)([\x40-\x7e])?")
_COLOUR: Final = re.compile(r"[0-9;:]{0,64}")
_ESCAPE: Final = re.compile(r"\x1b([\x20-\x2f]*)([\x30-\x7e])?")
#: What ends the payload of a string sequence. A line end is not in the
#: standard, but without it an unclosed sequence would swallow all that follows.
_STRING_END: Final = re.compile(r"[\x07\x18\x1a\x1b\x9c\r\n]")
#: OSC, DCS, SOS, PM and APC, as ESC's second character and as C1 control.
_STRING_AFTER_ESC: Final = frozenset("]PX^_")
_STRING_C1: Final = frozenset("\x9d\x90\x98\x9e\x9f")
_CSI_C1: Final = "\x9b"
#: Unfinished CSI and ESC sequences longer than this are dropped, not kept for more.
_LONGEST: Final = 256

RESET: Final = "\x1b[0m"


class EscapeFilter:
    """Removes escape sequences from a stream of text, wherever the pieces are cut.

    Colours (SGR), tab, line feed and carriage return stay. Cursor moves, OSC
    (titles, links, clipboard), DCS and every other control character go.
    ``coloured`` is true while a colour is set that has not been reset.
    """

    def __init__(self) -> None:
        self.coloured = False
        self._rest = ""  # an unfinished sequence
        self._in_string = False  # inside the payload of OSC, DCS and the like

    def feed(self, text: str) -> str:
        """Return what of ``text`` (and of an earlier unfinished sequence) may be shown."""
        text, self._rest = self._rest + text, ""
        shown: list[str] = []
        at = 0
        while at < len(text):
            if self._in_string:
                at = self._skip_string(text, at)
                continue
            control = _CONTROL.search(text, at)
            if control is None:
                shown.append(text[at:])
                break
            shown.append(text[at : control.start()])
            at = self._sequence(text, control.start(), shown)
        return "".join(shown)

    def _skip_string(self, text: str, at: int) -> int:
        end = _STRING_END.search(text, at)
        if end is None:
            return len(text)
        self._in_string = False
        # ESC may begin the terminator ESC \ or another sequence, a line end is text.
        return end.start() if end.group() in "\x1b\r\n" else end.end()

    def _sequence(self, text: str, at: int, shown: list[str]) -> int:
        """Take the control character at ``at``, with its sequence; return where text goes on."""
        first = text[at]
        second = text[at + 1 : at + 2]
        if first in _STRING_C1 or (first == "\x1b" and second in _STRING_AFTER_ESC and second):
            self._in_string = True
            return at + (1 if first in _STRING_C1 else 2)
        if first == _CSI_C1 or (first == "\x1b" and second == "["):
            return self._control_sequence(text, at, shown)
        if first != "\x1b":
            return at + 1
        match = _ESCAPE.match(text, at)
        if match is None:  # ESC before something that cannot follow it
            return at + (1 if second else self._keep(text, at))
        return match.end() if match.group(2) or match.end() < len(text) else self._keep(text, at)

    def _control_sequence(self, text: str, at: int, shown: list[str]) -> int:
        match = _CSI.match(text, at)
        assert match is not None  # the caller saw its first characters
        parameters, final = match.groups()
        if final is None:
            return match.end() if match.end() < len(text) else self._keep(text, at)
        if final == "m" and _COLOUR.fullmatch(parameters):
            self.coloured = parameters.strip("0;:") != ""
            shown.append(f"\x1b[{parameters}m")
        return match.end()

    def _keep(self, text: str, at: int) -> int:
        """Keep an unfinished sequence for the next piece; return the end of the text."""
        if len(text) - at <= _LONGEST:
            self._rest = text[at:]
        return len(text)


class TextStream:
    """Bytes of one output stream to text that is safe to show.

    Characters cut in two by the pieces stay whole; invalid bytes become U+FFFD.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._filter = EscapeFilter()

    @property
    def coloured(self) -> bool:
        """Whether a colour is set that has not been reset."""
        return self._filter.coloured

    def feed(self, data: bytes) -> str:
        """Return the text that ``data`` completes."""
        return self._filter.feed(self._decoder.decode(data))

    def end(self) -> str:
        """Return what an incomplete character at the end stands for."""
        return self._filter.feed(self._decoder.decode(b"", final=True))


#: Controls, and characters that reorder or hide the text around them.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def one_line(value: object, limit: int = 200) -> str:
    """Return a value as one line without controls or reordering, at most ``limit`` characters."""
    text = _UNPRINTABLE.sub("\ufffd", str(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"
