"""Programs that a test starts as processes of their own: ``python -m tests.store.child``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import duckdb

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Status
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox


async def write(path: Path, first: int) -> None:
    """Insert, update and renew without end; print each number once it is acknowledged."""
    store = await DuckDBStore.open(path)

    async def one(number: int) -> None:
        await store.insert(make_sandbox(number, status=Status.CREATING))
        await store.update(make_sandbox(number, status=Status.PAUSED, reason="x" * 200))
        await store.touch(make_sandbox(number).id, 2**40, 2**40)
        print(number, flush=True)

    while True:
        await asyncio.gather(*(one(first + n) for n in range(3)))
        first += 3


async def hold(path: Path) -> None:
    """Hold the file until stdin ends."""
    store = await DuckDBStore.open(path)
    await store.insert(make_sandbox())
    print(json.dumps({"pid": os.getpid()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.close()


async def look(path: Path) -> None:
    """Hold the file with DuckDB alone, as its command line does, until stdin ends."""
    with duckdb.connect(str(path)):
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def fill(path: Path) -> None:
    """Live through a full disk; print what each step came to."""
    ballast = path.parent / "ballast"
    store = await DuckDBStore.open(path)
    for number in range(3):
        await store.insert(make_sandbox(number))
    _fill_up(ballast)
    told = {"insert": await _outcome(store.insert(make_sandbox(9)))}
    for number in range(3):
        told[f"stop {number}"] = await _outcome(
            store.update(make_sandbox(number, status=Status.TERMINATED))
        )
    _fill_up(ballast)
    told["stop again"] = await _outcome(store.update(make_sandbox(0, status=Status.FAILED)))
    told["rows"] = ",".join([row.status for row in await _all(store)])
    await store.close()
    ballast.unlink()
    store = await DuckDBStore.open(path)
    told["later"] = ",".join([row.status for row in await _all(store)])
    told["insert later"] = await _outcome(store.insert(make_sandbox(9)))
    await store.close()
    print(json.dumps(told))


async def _all(store: DuckDBStore):  # type: ignore[no-untyped-def]
    found = [await store.get(make_sandbox(number).id) for number in range(3)]
    return [row for row in found if row]


async def _outcome(operation) -> str:  # type: ignore[no-untyped-def]
    try:
        await operation
    except OrkeeError as error:
        return error.code
    return "ok"


def _fill_up(file: Path) -> None:
    with file.open("ab", buffering=0) as handle:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while handle.write(b"x" * size):
                    pass
            except OSError:
                continue


if __name__ == "__main__":
    action, path, *more = sys.argv[1:]
    programs = {"write": write, "hold": hold, "look": look, "fill": fill}
    asyncio.run(programs[action](Path(path), *map(int, more)))  # type: ignore[operator]
