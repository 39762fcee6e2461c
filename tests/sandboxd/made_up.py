"""What a hostile daemon may say, made up by hypothesis: nearly right, or not at all."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orkee_jupyter.sandboxd import frames

#: How many are made up for each test: few in `make test`, many in `make fuzz-protocol`.
EXAMPLES = int(os.environ.get("ORKEE_FUZZ_EXAMPLES", "15"))
#: Each example is one of a hub that goes on, so what was found is not always found again alone.
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

_NUMBERS = st.one_of(
    st.integers(-2, 3),
    st.sampled_from([255, 256, 65536, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**400, -(10**400)]),
    st.floats(),
)
_TEXT = st.one_of(
    st.sampled_from(["", "exit", "ports", "stats", "limit", "memory", "file", "created", "TERM"]),
    st.text(st.characters(), max_size=8),  # halves of characters too
    st.just("x" * 5000),
)
_PLAIN = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXT)
VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=6,
)

EXIT = {"exit_code": 1, "signal": None, "timed_out": False, "duration_ms": 12}
ENTRY = {"path": "a/b", "type": "file", "size": 1, "mode": 420, "mtime": 1.5, "target": None}
EVENT = {"event": "created", "path": "a"}
PROCESS = {"pid": 9, "command": ["x"], "kind": "main", "started_ms": 5, "running": False, **EXIT}
USAGE = {
    **dict.fromkeys(("uptime_ms", "cpu_ms", "throttled_ms", "memory", "memory_peak"), 1),
    **dict.fromkeys(("processes", "threads", "rx", "tx", "disk"), 2),
    "disk_whole": True,
}
NOTICES: tuple[dict[str, Any], ...] = (
    {"event": "exit", "last_seq": 0, **EXIT},
    {"event": "ports", "listening": [{"port": 3000, "address": "0.0.0.0"}]},
    {"event": "limit", "kind": "memory", "used": 5},
    {"event": "stats", **USAGE},
)
OPENED = {"credit": 5, "pid": 7, "name": "1", "position": 0, "replay": 0, "entry": ENTRY}


def near(*rights: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects like those, with some values others, or none."""

    def change(right: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        keys = st.sampled_from(sorted(right))
        changes = st.dictionaries(keys, VALUES, max_size=2)
        return st.tuples(changes, st.sets(keys, max_size=1)).map(
            lambda made: {k: v for k, v in {**right, **made[0]}.items() if k not in made[1]}
        )

    return st.sampled_from(rights).flatmap(change)


def frame(kind: int, body: object) -> bytes:
    """Return a frame of JSON, of what json itself would not write as well."""
    return frames.encode(kind, json.dumps(body).encode()[: frames.MAX_PAYLOAD])


def _json(kind: int, *rights: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return st.one_of(near(*rights), VALUES).map(lambda body: frame(kind, body))


_REPLIES = (
    {"id": 1, "result": {"processes": [PROCESS]}},
    {"id": 1, "result": USAGE},
    {"id": 1, "error": {"code": "failed", "message": "no"}},
    {"id": 2, "result": {}},
)
_CHANNELS = st.integers(0, 3)
DATA = st.tuples(_CHANNELS, st.binary(max_size=70)).map(
    lambda made: frames.encode_data(made[0], made[1])
)
LOG = st.tuples(
    st.sampled_from([1, 1, 2, 3, 0, 2**63 - 1, 2**63, 2**64 - 1]),
    st.sampled_from([0, 10**15, 2**63 - 1, 2**63]),
    _CHANNELS,
    st.binary(min_size=1, max_size=40),
).map(lambda made: frames.encode(frames.LOG, frames.LOG_HEADER.pack(*made[:3]) + made[3]))
_SMALL = st.one_of(
    st.integers(0, 2**32 - 1).map(frames.encode_credit),
    st.integers(1, 100).map(frames.encode_credit),
    _CHANNELS.map(frames.encode_end),
    st.integers(0, 3).map(lambda number: frames.encode_u64(frames.PONG, number)),
)
#: Frames with sound headers, of every type.
FRAMES = st.one_of(
    DATA,
    LOG,
    _SMALL,
    _json(frames.OPENED, OPENED),
    _json(frames.RESET, {"code": "not_found", "message": "no"}),
    _json(frames.EXIT, EXIT),
    _json(frames.DROPPED, {"first": 1, "last": 4, "bytes": 9}),
    _json(frames.REPLY, *_REPLIES),
    _json(frames.NOTICE, *NOTICES),
    st.tuples(st.integers(0, 255), st.binary(max_size=40)).map(lambda made: frames.encode(*made)),
)
#: Lines as those in which a daemon answers to operations on files.
LINES = st.one_of(
    near(ENTRY, EVENT, {"files": 1, "bytes": 2}).map(
        lambda body: json.dumps(body).encode() + b"\n"
    ),
    st.binary(max_size=30),
).map(lambda line: frames.encode_data(frames.STDOUT, line))
