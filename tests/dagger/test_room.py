"""The room on the engine's disk: what is refused, set aside and given up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from orkee_jupyter.dagger.room import LEAST, SET_ASIDE, Room
from orkee_jupyter.sandbox.errors import OrkeeError

Free = Callable[[int], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Give what sets how many bytes are free on every disk."""

    def set_free(size: int) -> None:
        found = SimpleNamespace(f_bavail=size // 4096, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda _: found)

    return set_free


def reserved(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_room_is_set_aside_where_there_is_plenty_and_given_up_where_there_is_none(
    tmp_path: Path, free: Free
) -> None:
    room = Room(tmp_path)
    free(4 * SET_ASIDE - 4096)
    room.set_aside()
    assert reserved(tmp_path) == 0
    free(4 * SET_ASIDE)
    room.set_aside()
    room.set_aside()
    assert reserved(tmp_path) == SET_ASIDE
    room.give_up()
    assert reserved(tmp_path) == SET_ASIDE, "nobody needs it"
    free(LEAST - 4096)
    room.give_up()
    room.give_up()
    assert reserved(tmp_path) == 0


def test_what_was_given_up_is_not_for_creates(tmp_path: Path, free: Free) -> None:
    room = Room(tmp_path)
    free(4 * SET_ASIDE)
    room.set_aside()
    free(LEAST)
    room.check()
    free(LEAST - 4096)
    with pytest.raises(OrkeeError) as caught:
        room.check()
    assert (caught.value.code, caught.value.details) == ("disk_full", {"path": str(tmp_path)})
    room.give_up()
    free(LEAST - 4096 + SET_ASIDE)
    assert room.is_full()


@pytest.mark.parametrize("name", ["none", None])
def test_what_nobody_can_look_at_is_not_full(tmp_path: Path, name: str | None) -> None:
    room = Room(None if name is None else tmp_path / name)
    room.set_aside()
    room.give_up()
    room.check()
