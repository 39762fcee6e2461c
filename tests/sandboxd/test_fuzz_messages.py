"""Every message of a daemon, made up: it is taken, or refused as what it is, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orkee_jupyter.sandbox.files import decode_entry, decode_event
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.execute import decode_exit
from orkee_jupyter.sandboxd.frames import ProtocolError
from orkee_jupyter.sandboxd.listening import Listening
from orkee_jupyter.sandboxd.processes import decode_processes
from orkee_jupyter.sandboxd.records import TailCut, parse
from orkee_jupyter.sandboxd.usage import decode_usage

from .made_up import ENTRY, EVENT, EXIT, FUZZ, NOTICES, PROCESS, USAGE, VALUES, near


def _processes(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [asdict(each) for each in decode_processes({"processes": [body]})]


def _ports(body: Mapping[str, Any]) -> list[int]:
    listening = Listening()
    listening.take(body)
    return sorted(listening.ports)


DECODERS: dict[str, tuple[Callable[[Mapping[str, Any]], object], dict[str, Any]]] = {
    "usage": (lambda body: asdict(decode_usage(body)), USAGE),
    "exit": (lambda body: asdict(decode_exit(body)), EXIT),
    "processes": (_processes, PROCESS),
    "ports": (_ports, NOTICES[1]),
    "entry": (lambda body: asdict(decode_entry(body)), ENTRY),
    "event": (decode_event, EVENT),
}


@pytest.mark.parametrize("name", DECODERS)
def test_a_message_is_taken_or_refused(name: str) -> None:
    try_out(*DECODERS[name])


def try_out(
    decode: Callable[[Mapping[str, Any]], object],
    right: dict[str, Any],
    how_long: settings = FUZZ,
) -> None:
    """Fail if a message that is near the right one is neither taken nor refused."""
    assert decode(right), "the right one is taken"

    @how_long
    @given(near(right))
    def made_up(body: dict[str, Any]) -> None:
        try:
            taken = decode(json.loads(json.dumps(body)))
        except (ProtocolError, ValueError):
            return
        # What is taken can be sent on: it is JSON, and whole characters.
        json.dumps(taken, allow_nan=False, ensure_ascii=False).encode()

    made_up()


@pytest.mark.parametrize(
    "broken",
    [
        lambda body: {"size": body["size"] + 1},  # believes that it is there, and a number
        lambda body: {"path": body["path"].upper()},  # believes that it is text
    ],
)
def test_a_decoder_that_believes_what_it_is_told_is_found_out(
    broken: Callable[[Mapping[str, Any]], object],
) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError, ExceptionGroup)):
        try_out(broken, ENTRY, settings(FUZZ, max_examples=1000))


@FUZZ
@given(VALUES)
def test_the_time_of_a_file_can_be_shown(mtime: object) -> None:
    try:
        entry = decode_entry({**ENTRY, "mtime": mtime})
    except ValueError:
        return
    assert time.strftime("%Y", time.localtime(max(0.0, entry.mtime)))


@pytest.mark.parametrize(
    "change",
    [{"type": []}, {"path": "\ud800"}, {"target": "\udfff"}, {"mtime": float("nan")}],
)
def test_an_entry_that_cannot_be_sent_on_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an entry"):
        decode_entry({**ENTRY, **change})


@pytest.mark.parametrize("change", [{"event": {}}, {"path": "\ud800"}])
def test_a_change_that_cannot_be_sent_on_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="change"):
        decode_event({**EVENT, **change})


def test_a_time_beyond_all_years_is_cut() -> None:
    assert decode_entry({**ENTRY, "mtime": 10**400}).mtime == 2.0**55


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 5))
def test_a_log_file_that_was_written_over_is_read_to_a_point(block: bytes, tail: int) -> None:
    entries, taken = parse(block)
    assert 0 <= taken <= len(block)
    assert sum(len(entry.data) for entry in entries) <= taken
    cut = TailCut(tail, 10)
    for entry in reversed(entries):
        cut.feed(entry)
    shown = [each for entry in entries if (each := cut.shown(entry))]
    assert len(shown) <= len(entries)


_CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=64),
        st.tuples(st.sampled_from(sorted(frames.LENGTHS)), st.integers(0, 2**24 - 1)).map(
            lambda made: (made[0] << 24 | made[1]).to_bytes(4, "big")
        ),
        st.integers(1, 300_000).map(bytes),
    ),
    max_size=12,
)


@FUZZ
@given(_CHUNKS)
def test_a_decoder_keeps_one_frame_at_most(chunks: list[bytes]) -> None:
    decoder = frames.Decoder(lambda kind, payload: None)
    decoder.allowed = frames.FROM_DAEMON
    for chunk in chunks:
        try:
            decoder.feed(memoryview(chunk))
        except ProtocolError:
            return
        assert len(decoder._partial) <= 4 + frames.MAX_PAYLOAD
