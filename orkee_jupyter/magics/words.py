"""The line behind ``%sandbox``, split into words as a shell does, with Python variables put in.

IPython's own expansion works on the whole line, where a value with a space
falls apart, one unknown name keeps all others from being replaced, and braces
in JavaScript may be taken for Python. Here a word is expanded alone and stays
one word, and single quotes keep everything as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from IPython.utils.text import DollarFormatter

from .arguments import invalid

_BARE: Final = re.compile(r"""\{|[^\s'"\\{]+""")
_BRACES: Final = re.compile(r"\{[^{}]*\}")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE: Final = re.compile(r"'([^']*)'")


class _Formatter(DollarFormatter):
    """``{expression}`` and ``$name``; a sandbox stands for its id."""

    def __init__(self, as_text: Callable[[object], str]) -> None:
        super().__init__()
        self._as_text = as_text

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value as the text that takes its place."""
        return self._as_text(value)


def split(
    line: str, names: Mapping[str, Any] | None = None, as_text: Callable[[object], str] = str
) -> list[str]:
    """Return the words of a line, with ``names`` put in where they are wanted.

    Raises OrkeeError ``invalid_request`` for a quote that is not closed.
    """
    formatter = _Formatter(as_text)

    def expand(text: str) -> str:
        return text if names is None else _expand(text, formatter, names)

    words: list[str] = []
    open_word = False
    for text in _parts(line, expand):
        if text is None:
            open_word = False
        elif open_word:
            words[-1] += text
        else:
            words.append(text)
            open_word = True
    return words


def _parts(line: str, expand: Callable[[str], str]) -> Iterator[str | None]:
    """Yield the parts of words, expanded where that is wanted, and None between two words."""
    at = 0
    while at < len(line):
        character = line[at]
        if character.isspace():
            yield None
            at += 1
        elif character == "\\":
            yield line[at + 1 : at + 2]
            at += 2
        elif character in "'\"":
            match = (_SINGLE if character == "'" else _DOUBLE).match(line, at)
            if match is None:
                raise invalid("A quote is not closed.", f"Close the {character} in this line.")
            inside = match.group(1)
            yield inside if character == "'" else expand(re.sub(r'\\([\\"$`])', r"\1", inside))
            at = match.end()
        else:
            # An expression may hold spaces and quotes; braces that are none are text.
            braces = _BRACES.match(line, at)
            if braces and (value := expand(braces.group())) != braces.group():
                yield value
                at = braces.end()
                continue
            match = _BARE.match(line, at)
            assert match is not None  # everything else was looked at above
            yield expand(match.group())
            at = match.end()


def _expand(text: str, formatter: _Formatter, names: Mapping[str, Any]) -> str:
    if "{" not in text and "$" not in text:
        return text
    try:
        return str(formatter.vformat(text, [], names))
    except Exception:  # not Python after all: it stays as written, as in IPython
        return text
