"""Files through the manager: held, owned, and before the command starts."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.file_requests import decode_change, decode_query
from orkee_jupyter.sandbox.files import FileRequest, file_error, received_of
from orkee_jupyter.sandbox.model import ExecRequest, Sandbox, Status
from orkee_jupyter.sandbox.requests import decode_create
from tests.fakes.clock import settle
from tests.sandbox.world import OWNER, World, error_of, world

WRITE = FileRequest("write", "x")


@pytest.mark.asyncio
async def test_a_transfer_holds_the_sandbox_until_it_is_closed() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        stream = await w.manager.files(sandbox.id, WRITE, OWNER)
        await w.clock.advance(600)
        assert w.store.rows[sandbox.id].status is Status.ACTIVE
        await stream.write(b"abc")
        await stream.end_write()
        assert await received_of(stream) == {"files": 1, "bytes": 3}
        await stream.close()
        await w.clock.advance(600)
        assert w.store.rows[sandbox.id].status is Status.TERMINATED


@pytest.mark.asyncio
async def test_an_operation_that_is_refused_holds_nothing() -> None:
    async with world() as w:
        sandbox = await w.create(ttl=60)
        error = await error_of(w.manager.files(sandbox.id, FileRequest("read", "none"), OWNER))
        assert error.code == "file_not_found"
        await w.clock.advance(600)
        assert w.store.rows[sandbox.id].status is Status.TERMINATED


@pytest.mark.asyncio
async def test_another_users_files_are_not_found() -> None:
    async with world() as w:
        sandbox = await w.create()
        error = await error_of(w.manager.files(sandbox.id, WRITE, "eve"))
        assert error.code == "sandbox_not_found"
        assert w.daemon(sandbox).file_streams == []


@pytest.mark.asyncio
async def test_an_ended_sandbox_has_no_files() -> None:
    async with world() as w:
        sandbox = await w.create()
        stream = await w.manager.files(sandbox.id, WRITE, OWNER)
        await w.manager.stop(sandbox.id, OWNER)
        assert (await error_of(stream.write(b"x"))).code == "sandbox_lost"
        await stream.close()
        error = await error_of(w.manager.files(sandbox.id, WRITE, OWNER))
        assert error.code == "sandbox_not_active"


@pytest.mark.asyncio
async def test_a_command_waits_until_it_is_started() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sleep", "60"), start=False)
        assert (sandbox.status, w.daemon(sandbox).started) == (Status.ACTIVE, None)
        stream = await w.manager.files(sandbox.id, WRITE, OWNER)
        await stream.close()
        error = await error_of(w.manager.exec(sandbox.id, ExecRequest(("true",)), OWNER))
        assert error.code == "sandbox_not_active"
        for _ in range(2):
            assert (await start(w, sandbox.id)).status is Status.ACTIVE
        assert w.daemon(sandbox).started == (("sleep", "60"), {}, "/app")


async def start(w: World, ref: str) -> Sandbox:
    starting = asyncio.ensure_future(w.manager.start(ref, OWNER))
    await w.clock.advance(1)
    return await starting


@pytest.mark.asyncio
async def test_a_command_that_was_started_late_is_watched() -> None:
    async with world() as w:
        sandbox = await w.create(command=("cat",), start=False)
        await start(w, sandbox.id)
        process = w.daemon(sandbox)._process
        assert process is not None
        process.stdin.put_nowait(None)
        await settle()
        assert w.store.rows[sandbox.id].exit_code == 0


@pytest.mark.asyncio
async def test_a_late_command_that_fails_says_why() -> None:
    async with world() as w:
        sandbox = await w.create(command=("sh", "-c", "exit 3"), start=False)
        assert (await error_of(start(w, sandbox.id))).code == "command_exited"
        missing = await w.create(command=("nothing",), start=False)
        for _ in range(2):
            assert (await error_of(start(w, missing.id))).code == "command_not_found"


@pytest.mark.asyncio
async def test_without_a_command_there_is_nothing_to_wait_for() -> None:
    async with world() as w:
        sandbox = await w.create(start=False)
        assert w.daemon(sandbox).started == (None, {}, "/app")
        assert (await start(w, sandbox.id)).id == sandbox.id


def test_a_create_says_whether_to_start() -> None:
    assert decode_create({}).start
    assert not decode_create({"start": False}).start
    with pytest.raises(OrkeeError):
        decode_create({"start": "no"})


def test_operations_are_read_from_queries_and_bodies() -> None:
    assert decode_query("list", {"list": ["0"], "path": ["/a"]}) == FileRequest("stat", "/a")
    assert decode_query("pull", {}) == FileRequest("pull", ".")
    assert decode_query("write", {"mode": ["0755"]}).mode == 0o755
    assert decode_change({"op": "mkdir", "path": "", "mode": 0o700}).mode == 0o700


@pytest.mark.parametrize("path", [1, "a\0", "\ud800", "ü" * 2100])
def test_paths_that_cannot_be_are_refused(path: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        decode_change({"op": "mkdir", "path": path})
    assert caught.value.code == "invalid_path"


def test_a_code_that_is_not_about_files_is_somebody_elses() -> None:
    assert file_error("bad_request", "x") is None
    error = file_error("permission_denied", "x", "read-only file system")
    assert error is not None
    assert (error.code, "read-only" in error.cause) == ("file_forbidden", True)
