"""Changes as Jupyter events."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from orkee_jupyter.sandbox.model import Status
from orkee_jupyter.server.events import SCHEMA_ID
from tests.server.conftest import Running
from tests.server.stub import ID, make

pytestmark = pytest.mark.asyncio


class Listener:
    """What an event client of the server would get."""

    def __init__(self, server: Running) -> None:
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        server.app.event_logger.add_listener(schema_id=SCHEMA_ID, listener=self._listen)

    async def _listen(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self.got.put_nowait(data)

    async def take(self, count: int) -> list[dict[str, Any]]:
        events = [await asyncio.wait_for(self.got.get(), 5) for _ in range(count)]
        return [{key: event[key] for key in ("id", "status", "change")} for event in events]


async def test_each_change_is_an_event(server: Running) -> None:
    listener = Listener(server)
    publish = server.manager.publish  # type: ignore[attr-defined]
    for status in (Status.CREATING, Status.ACTIVE, Status.ACTIVE, Status.TERMINATED):
        publish(make(status=status))
    assert await listener.take(4) == [
        {"id": ID, "status": "creating", "change": "created"},
        {"id": ID, "status": "active", "change": "status"},
        {"id": ID, "status": "active", "change": "updated"},
        {"id": ID, "status": "terminated", "change": "status"},
    ]


async def test_live_sandboxes_keep_jupyter_from_ending_for_want_of_activity(
    server: Running,
) -> None:
    server.manager.publish(make())  # type: ignore[attr-defined]
    assert server.app.extension_manager.any_activity()
    server.manager.publish(make(status=Status.PAUSED))  # type: ignore[attr-defined]
    assert not server.app.extension_manager.any_activity()


async def test_a_change_from_another_thread_arrives_too(server: Running) -> None:
    listener = Listener(server)
    publish = server.manager.publish  # type: ignore[attr-defined]
    thread = threading.Thread(target=publish, args=(make(),))
    thread.start()
    assert [event["id"] for event in await listener.take(1)] == [ID]
    thread.join()


async def test_an_event_that_cannot_be_sent_does_not_disturb(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(server.app.event_logger, "emit", fail)
    server.manager.publish(make())  # type: ignore[attr-defined]
