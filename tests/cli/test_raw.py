"""Keys and modes of the terminal that a shell of a sandbox is shown in."""

from __future__ import annotations

import pytest

from orkee_jupyter.cli.raw import Keys, Modes


@pytest.mark.parametrize(
    ("typed", "sent", "detached"),
    [
        ([b"~", b"."], b"", True),
        ([b"~."], b"", True),
        ([b"ls", b"\r", b"~", b"."], b"ls\r", True),
        ([b"ls", b"~", b"."], b"ls~.", False),
        ([b"~", b"~", b"."], b"~.", False),
        ([b"~", b"/", b"x"], b"~/x", False),
        ([b"a\n~.\n"], b"a\n~.\n", False),
        ([b"~", b".config"], b"~.config", False),
        ([b"\x03", b"~", b"."], b"\x03", True),
    ],
)
def test_only_what_is_typed_at_a_lines_begin_detaches(
    typed: list[bytes], sent: bytes, detached: bool
) -> None:
    keys, out, done = Keys(), b"", False
    for piece in typed:
        data, done = keys.feed(piece)
        out += data
    assert (out, done) == (sent, detached)


def test_modes_are_undone_wherever_the_output_is_cut() -> None:
    output = b"\x1b[?1049h\x1b[?25l\x1b[?1002;1006h text \x1b[?1002l\x1b[?7h"
    for cut in range(len(output)):
        modes = Modes()
        modes.feed(output[:cut])
        modes.feed(output[cut:])
        assert modes.undo() == b"\x1b[0m\x1b[?25h\x1b[?1006l\x1b[?1049l"
        assert modes.undo() == b"\x1b[0m"


def test_a_program_that_left_its_modes_leaves_nothing_to_undo() -> None:
    modes = Modes()
    for byte in b"\x1b[?1049h\x1b[?25l x \x1b[?25h\x1b[?1049l":
        modes.feed(bytes([byte]))
    assert modes.undo() == b"\x1b[0m"
