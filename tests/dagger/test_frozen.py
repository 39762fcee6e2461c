"""Freezing, as the supervisor's socket tells of it; needs no engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.sandbox.errors import OrkeeError

pytestmark = pytest.mark.asyncio
ID = "ab" * 16


class Supervisor:
    """Answers the two questions with what the test says; None is to hang up."""

    def __init__(self) -> None:
        self.answers: list[Mapping[str, Any] | None] = [{"ok": True}, {"ok": True}]
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.answers:
            self.asked.append(await reader.readline())
            if answer is None:
                break
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()


@pytest_asyncio.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    made = Supervisor()
    server = await asyncio.start_unix_server(made.serve, tmp_path / "control.sock")
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def engine(tmp_path: Path) -> NativeEngine:
    return NativeEngine(engine_dir=tmp_path / "engine", socket_dir=tmp_path)


async def test_a_container_is_frozen_until_it_is_thawed(
    engine: NativeEngine, supervisor: Supervisor
) -> None:
    frozen = await engine.freeze(ID)
    assert json.loads(supervisor.asked[0]) == {"op": "freeze", "sandbox": ID}
    await frozen.thaw()
    await frozen.thaw()
    assert supervisor.asked[1:] == [b"thaw\n"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"ok": False, "error": "no cgroups", "unsupported": True}, "freeze_unsupported"),
        ({"ok": False, "error": "it is frozen already"}, "engine_failed"),
        ({"ok": False, "error": "unknown operation"}, "engine_failed"),
        (None, "no_engine"),
    ],
)
async def test_what_was_not_frozen_is_told(
    engine: NativeEngine, supervisor: Supervisor, answer: Mapping[str, Any] | None, code: str
) -> None:
    supervisor.answers = [answer]
    with pytest.raises(OrkeeError) as caught:
        await engine.freeze(ID)
    assert caught.value.code == code
    if answer is not None:
        assert str(answer["error"]) in caught.value.cause


@pytest.mark.parametrize(
    ("answer", "code"), [(None, "engine_lost"), ({"ok": False, "error": "x"}, "engine_failed")]
)
async def test_a_thaw_that_did_not_come_about_is_told(
    engine: NativeEngine, supervisor: Supervisor, answer: Mapping[str, Any] | None, code: str
) -> None:
    supervisor.answers = [{"ok": True}, answer]
    frozen = await engine.freeze(ID)
    with pytest.raises(OrkeeError) as caught:
        await frozen.thaw()
    assert caught.value.code == code


async def test_without_an_engine_nothing_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(OrkeeError) as caught:
        await NativeEngine(engine_dir=tmp_path, socket_dir=tmp_path).freeze(ID)
    assert caught.value.code == "no_engine"
