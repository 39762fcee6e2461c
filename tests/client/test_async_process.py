"""The async face of ``popen`` and ``exec``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orkee_jupyter.client import AsyncSandbox

from .stub_server import StubServer

pytestmark = pytest.mark.asyncio


async def test_a_dialogue_with_a_command(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.get(stub.add()["id"])
    async with await sandbox.popen(["cat"], stdin=True, text=True) as process:
        await process.write("hello")
        assert await anext(process) == ("stdout", "hello")
        await process.end_stdin()
        assert (await process.wait()).exit_code == 0


async def test_stdin_can_be_an_async_iterator(stub: StubServer) -> None:
    async def pieces() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"{number} "

    sandbox = await AsyncSandbox.get(stub.add()["id"])
    assert (await sandbox.exec(["cat"], stdin=pieces())).stdout == "0 1 2 "


async def test_reading_and_writing_go_on_at_once(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.get(stub.add()["id"])
    data = bytes(range(256)) * 20_000
    result = await sandbox.exec(["cat"], stdin=data)
    assert result.stdout_bytes == data


async def test_a_deadline_and_a_cancellation_leave_the_command_usable(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.get(stub.add()["id"])
    async with await sandbox.popen("sleep 3; echo late") as process:
        with pytest.raises(TimeoutError):
            await process.read(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.read(), 0.05)
        assert await process.read() == ("stdout", b"late\n")


async def test_many_commands_run_at_once(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.get(stub.add()["id"])
    results = await asyncio.gather(*(sandbox.run(f"echo {n}", "sh") for n in range(20)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(20)]
