"""Text from inside: what passes and what is stripped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.magics.terminal import EscapeFilter, TextStream, one_line

ALLOWED = re.compile(r"\x1b\[[0-9;:]*m|[\t\n\r]|[^\x00-\x1f\x7f-\x9f]")


def through(*pieces: str) -> str:
    escapes = EscapeFilter()
    return "".join(escapes.feed(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m\r50 %\tx\n", "\x1b[1;31mred\x1b[0m\r50 %\tx\n"),
        ("\x1b[38:2:1:2:3mx", "\x1b[38:2:1:2:3mx"),
        ("\x9b31mx", "\x1b[31mx"),  # the 8-bit form becomes the common one
        ("a\x1b]52;c;aGk=\x07b", "ab"),
        ("a\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x9d0;title\x9cb", "ab"),
        ("a\x1bPq#0;1\x1b\\b\x1b_G\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\e", "abcde"),
        ("a\x1b[2J\x1b[10;10H\x1b[?1049h\x1b[6nb", "ab"),
        ("a\x1bcb\x1b(0c\x1b=d", "abcd"),
        ("a\x00\x07\x08\x0b\x0c\x7f\x84\x9fb", "a"),  # APC swallows up to the line's end
        ("a\x1b]0;never closed\nb", "a\nb"),
        ("a\x1b[31\nmb", "a\nmb"),
        ("\x1b[>4;1mx", "x"),  # a private sequence that ends in m is no colour
        ("\x1b\x1b[31mx", "\x1b[31mx"),
    ],
)
def test_colours_pass_and_all_else_is_stripped(text: str, shown: str) -> None:
    assert through(text) == shown
    assert through(*text) == shown


NOISY = st.text(st.sampled_from("\x1b[]P_X^\\mHJ0;:?\x07\x9b\x9c\x9d\x90\x18\r\n aé(=c"))


@given(st.lists(NOISY, max_size=6))
def test_pieces_change_nothing_and_only_the_allowed_comes_out(pieces: list[str]) -> None:
    shown = through("".join(pieces))
    assert through(*pieces) == shown
    assert ALLOWED.sub("", shown) == ""


def test_an_endless_sequence_takes_no_memory() -> None:
    escapes = EscapeFilter()
    for _ in range(1000):
        escapes.feed("\x1b[" + "0" * 1000)
        escapes.feed("\x1b]" + "x" * 1000)
        assert len(escapes._rest) <= 256
    assert escapes.feed("\nback") == "\nback"


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_cut_anywhere_decode_as_the_whole(data: bytes, cut: int) -> None:
    whole, cut_up = TextStream(), TextStream()
    expected = whole.feed(data) + whole.end()
    assert cut_up.feed(data[:cut]) + cut_up.feed(data[cut:]) + cut_up.end() == expected


def test_invalid_bytes_are_replaced_and_split_characters_stay_whole() -> None:
    text = TextStream()
    assert text.feed(b"\xe2\x82") == ""
    assert text.feed(b"\xac \xff") == "€ \ufffd"
    assert text.feed(b"\xe2") + text.end() == "\ufffd"


def test_whether_a_colour_is_left_open_is_known() -> None:
    text = TextStream()
    text.feed(b"\x1b[1m")
    assert text.coloured
    text.feed(b"\x1b[0m")
    assert not text.coloured


def test_one_line_shows_no_controls_and_no_reordering() -> None:
    assert one_line("a\nb\x1b[31m\u202ec") == "a\ufffdb\ufffd[31m\ufffdc"
    assert len(one_line("x" * 1000)) == 200
