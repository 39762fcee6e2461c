"""The decoder: any cut of the bytes gives the same frames, and no bytes do worse than an error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orkee_jupyter.sandboxd import frames

FRAMES = st.lists(
    st.tuples(st.sampled_from([frames.DATA, frames.RESET, frames.LOG]), st.binary(max_size=300)),
    max_size=20,
).map(lambda items: [(kind, b"\0" * 18 + data) for kind, data in items])


def collect(*chunks: bytes) -> list[tuple[int, bytes]]:
    """Return the frames of a stream of bytes that comes in chunks."""
    got: list[tuple[int, bytes]] = []
    decoder = frames.Decoder(lambda kind, payload: got.append((kind, bytes(payload))))
    decoder.allowed = frames.FROM_DAEMON
    for chunk in chunks:
        decoder.feed(memoryview(chunk))
    return got


@settings(max_examples=100, deadline=None)
@given(FRAMES, st.lists(st.integers(1, 97), min_size=1, max_size=10))
def test_any_cut_gives_the_same_frames(wanted: list[tuple[int, bytes]], sizes: list[int]) -> None:
    data = b"".join(frames.encode(kind, payload) for kind, payload in wanted)
    chunks, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        chunks.append(data[position : position + size])
        position, turn = position + size, turn + 1
    assert collect(*chunks) == wanted


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_garbage_does_no_worse_than_a_protocol_error(chunks: list[bytes]) -> None:
    try:
        got = collect(*chunks)
    except frames.ProtocolError:
        return
    assert sum(4 + len(payload) for _, payload in got) <= sum(map(len, chunks))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_json_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    try:
        value = frames.decode_json(payload)
    except frames.ProtocolError:
        return
    assert isinstance(value, dict)


def test_a_length_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(frames.ProtocolError):
        collect(bytes((frames.DATA, 0xFF, 0xFF, 0xFF)))


def test_a_hello_gets_little_room() -> None:
    with pytest.raises(frames.ProtocolError):
        collect(frames.encode(frames.HELLO, b" " * 5000)[:4])


def test_a_frame_out_of_turn_is_refused() -> None:
    decoder = frames.Decoder(lambda kind, payload: None)
    decoder.allowed = frozenset({frames.HELLO})
    with pytest.raises(frames.ProtocolError):
        decoder.feed(memoryview(frames.encode_end(1)))


def test_the_handler_decides_what_may_come_next_in_the_same_bytes() -> None:
    got = []

    def handler(kind: int, payload: memoryview) -> None:
        got.append(kind)
        decoder.allowed = frozenset({frames.END})

    decoder = frames.Decoder(handler)
    decoder.allowed = frozenset({frames.HELLO})
    decoder.feed(memoryview(frames.encode(frames.HELLO, b"{}") + frames.encode_end(1)))
    assert got == [frames.HELLO, frames.END]


def test_what_does_not_fit_a_frame_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        frames.encode(frames.OPEN, b"x" * (frames.MAX_PAYLOAD + 1))
    with pytest.raises(ValueError, match="do not fit"):
        frames.encode_data(0, b"x" * frames.MAX_PAYLOAD)
