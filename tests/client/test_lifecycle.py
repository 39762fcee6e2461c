"""Pause, resume, more time and stops that are taken back, over a real connection."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.client import AsyncSandbox, OrkeeError, Sandbox

from .stub_server import StubServer


def test_a_sandbox_is_paused_and_resumed_step_by_step(stub: StubServer) -> None:
    stub.add(name="web")
    sandbox = Sandbox.get("web")
    assert sandbox.pause() is sandbox
    assert (sandbox.status, sandbox.host_url) == ("paused", None)
    steps: list[str] = []
    assert sandbox.resume(on_progress=steps.append) is sandbox
    assert (sandbox.status, steps) == ("active", ["starting the container"])


def test_the_verbs_say_what_they_are_given(stub: StubServer) -> None:
    data = stub.add(name="web", stop_at=12.5)
    sandbox = Sandbox.get("web")
    assert sandbox.stop_at == 12.5
    assert sandbox.extend("2h").expires_at == data["expires_at"]
    assert sandbox.keep().stop_at is None
    sandbox.stop_later(2.5)
    asked = [(method, uri.partition(data["id"])[2], body) for method, uri, body in stub.requests]
    assert asked[1:] == [
        ("POST", "/extend", {"ttl": "2h"}),
        ("POST", "/keep", None),
        ("DELETE", "?after=2.5", None),
    ]


def test_what_has_ended_cannot_be_resumed(stub: StubServer) -> None:
    stub.add(name="web", status="terminated")
    with pytest.raises(OrkeeError) as caught:
        Sandbox.get("web").resume()
    assert caught.value.code == "sandbox_not_active"


def test_the_async_sandbox_does_the_same(stub: StubServer) -> None:
    stub.add(name="web")

    async def both() -> list[str]:
        sandbox = await AsyncSandbox.get("web")
        return [(await sandbox.pause()).status, (await sandbox.resume()).status]

    assert asyncio.run(both()) == ["paused", "active"]
