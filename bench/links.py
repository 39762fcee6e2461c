"""What sandboxd's streams cost and carry over each link, against the real engine.

Run from the project's folder: `.venv/bin/python -m bench.links`. Every sample is
taken on both links in turn; the table shows the median, least and greatest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from orkee_jupyter.dagger.engine import DaggerEngine
from orkee_jupyter.sandbox.model import ExecRequest, LogQuery
from orkee_jupyter.sandbox.ports import ContainerDefinition
from orkee_jupyter.sandboxd.daemon import Daemon
from orkee_jupyter.sandboxd.execute import ExecStream
from orkee_jupyter.sandboxd.hub import Hub

LINKS = ("direct", "forwarded")
MIB = 1 << 20
#: The direct link carries about ten times more, so it gets more to carry.
SHARE = {"direct": 1.0, "forwarded": 0.25}
STREAMS = 30
_BLOCK = bytes(4 * MIB)

Sample = dict[str, float]

UNITS = {
    "start_ms": "container from definition to hello, ms",
    "exec_ms": "exec of `true`, ms",
    "echo_ms": "64 bytes there and back, ms",
    "out_mb_s": "output of an exec, MB/s",
    "out_cpu": "  CPU of this process, s/GB",
    "in_mb_s": "stdin of an exec, MB/s",
    "in_cpu": "  CPU of this process, s/GB",
    "log_mb_s": "log, until it is on disk, MB/s",
    "log_cpu": "  CPU of this process, s/GB",
    "open_ms": f"{STREAMS} execs opened at once, ms",
    "echo_all_ms": f"echo with {STREAMS} at it, ms",
    "echo_flood_ms": "echo while another exec floods, ms",
    "stopped_mb": "memory for a flood that nobody reads, MB",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A running sandbox."""

    sandbox_id: str
    daemon: Daemon
    hub: Hub

    async def exec(self, *command: str, stdin: bool = False) -> ExecStream:
        """Run a command."""
        return await self.daemon.exec(ExecRequest(command=command, stdin=stdin))


async def _finish(stream: ExecStream) -> int:
    """Read a command's output to its end; return its bytes."""
    size = 0
    async for piece in stream:
        size += len(piece.data)
    ended = await stream.exit()
    if ended.exit_code:
        raise RuntimeError(f"the command failed with {ended.exit_code}")
    return size


async def _echo(stream: ExecStream, times: int) -> list[float]:
    """Return the seconds of round trips through `cat`, one after the other."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        await stream.write(bytes(64))
        size = 0
        while size < 64:
            piece = await stream.next_piece()
            assert piece is not None
            size += len(piece[1])
        took.append(time.perf_counter() - begun)
    return took


def _rate(name: str, size: int, begun: tuple[float, float]) -> Sample:
    took, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    return {f"{name}_mb_s": size / 1e6 / took, f"{name}_cpu": cpu / (size / 1e9)}


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _zeros(size: int) -> tuple[str, ...]:
    return ("dd", "if=/dev/zero", "bs=64k", f"count={size // 65_536}", "status=none")


async def small(box: Box) -> Sample:
    """Measure small requests."""
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        await _finish(await box.exec("true"))
        took.append(time.perf_counter() - begun)
    cat = await box.exec("cat", stdin=True)
    await _echo(cat, 5)
    echo = await _echo(cat, 100)
    await cat.close()
    return {
        "exec_ms": statistics.median(took) * 1e3,
        "echo_ms": statistics.median(echo) * 1e3,
    }


async def output(box: Box, size: int) -> Sample:
    """Measure bytes from the container."""
    begun = _now()
    got = await _finish(await box.exec(*_zeros(size)))
    if got != size:
        raise RuntimeError(f"{got} bytes came instead of {size}")
    return _rate("out", size, begun)


async def stdin(box: Box, size: int) -> Sample:
    """Measure bytes to the container."""
    begun = _now()
    stream = await box.exec("dd", "of=/dev/null", "bs=64k", "status=none", stdin=True)
    for _ in range(size // len(_BLOCK)):
        await stream.write(_BLOCK)
    await stream.end_stdin()
    await _finish(stream)
    return _rate("in", size, begun)


async def log(box: Box, size: int) -> Sample:
    """Measure the main command's log; once in a sandbox's life."""
    begun = _now()
    await box.daemon.start(_zeros(size), {}, "/")
    await box.daemon.main_exit()
    sample = _rate("log", size, begun)
    got = sum([len(e.data) + e.dropped async for e in box.hub.logs(box.sandbox_id, LogQuery())])
    if got != size:
        raise RuntimeError(f"{got} bytes were kept instead of {size}")
    return sample


async def many(box: Box) -> Sample:
    """Measure streams side by side, and one beside a flood."""
    begun = time.perf_counter()
    cats = await asyncio.gather(*(box.exec("cat", stdin=True) for _ in range(STREAMS)))
    opened = time.perf_counter() - begun
    each = await asyncio.gather(*(_echo(cat, 20) for cat in cats))
    flood = await box.exec("dd", "if=/dev/zero", "bs=64k", "status=none")
    drinking = asyncio.create_task(_finish(flood))
    await asyncio.sleep(0.1)  # let the flood get going
    beside = await _echo(cats[0], 60)
    drinking.cancel()
    await asyncio.gather(drinking, return_exceptions=True)
    for stream in (*cats, flood):
        await stream.close()
    return {
        "open_ms": opened * 1e3,
        "echo_all_ms": statistics.median(second for took in each for second in took) * 1e3,
        "echo_flood_ms": statistics.median(beside) * 1e3,
    }


async def stopped(box: Box, session: psutil.Process) -> Sample:
    """Measure what 2 s of a flood that nobody reads take here and in Dagger's session."""
    processes = (psutil.Process(), session)
    before = sum(p.memory_info().rss for p in processes)
    flood = await box.exec("dd", "if=/dev/zero", "bs=64k", "status=none")
    await asyncio.sleep(2)
    held = sum(p.memory_info().rss for p in processes) - before
    await flood.close()
    return {"stopped_mb": max(0.0, held / 1e6)}


@asynccontextmanager
async def _sandbox(engine: DaggerEngine, hub: Hub, image: str) -> AsyncIterator[tuple[Box, float]]:
    """Give a new sandbox and the seconds that it took; end it."""
    sandbox_id = secrets.token_hex(16)
    endpoint = await hub.open(sandbox_id)
    begun = time.perf_counter()
    definition = ContainerDefinition(sandbox_id, image, (), "/app", endpoint)
    await engine.start(definition, lambda _: None)
    try:
        daemon = await hub.connected(sandbox_id, 20)
        yield Box(sandbox_id, daemon, hub), time.perf_counter() - begun
        await daemon.stop(1)
    finally:
        await engine.stop(sandbox_id)
        await hub.forget(sandbox_id)
        await engine.empty_workspace(sandbox_id)


async def _sample(engine: DaggerEngine, hub: Hub, link: str, options: argparse.Namespace) -> Sample:
    """Take each measurement once, in a sandbox of its own."""
    size = int(options.mib * SHARE[link] / 4) * 4 * MIB
    report = await engine.status()
    session = psutil.Process(report["session"]["pid"])
    async with _sandbox(engine, hub, options.image) as (box, took):
        sample = {"start_ms": took * 1e3}
        steps: Sequence[Callable[[], Awaitable[Sample]]] = (
            lambda: small(box),
            lambda: output(box, size),
            lambda: stdin(box, size),
            lambda: many(box),
            lambda: log(box, size),
            lambda: stopped(box, session),
        )
        for step in steps:
            sample |= await asyncio.wait_for(step(), 120)
    return sample


async def measure(options: argparse.Namespace) -> dict[str, list[Sample]]:
    """Return the samples of each link; ends everything that it started."""
    with tempfile.TemporaryDirectory(prefix="orkee-bench-") as folder:
        engine = DaggerEngine(None, Path(folder))
        hubs: dict[str, Hub] = {}
        try:
            for link in options.link:
                if link == "direct" and await engine.direct_listener() is None:
                    print("no direct link: the engine in use is not the native one")
                    continue
                root = Path(folder) / link
                hubs[link] = Hub(root, root / "logs", engine.direct_listener, link=link)
            for hub in hubs.values():  # the first container also unpacks the image
                async with _sandbox(engine, hub, options.image):
                    pass
            samples: dict[str, list[Sample]] = {link: [] for link in hubs}
            for number in range(options.runs):
                for link, hub in hubs.items():
                    print(f"run {number + 1} of {options.runs}: {link}", file=sys.stderr)
                    samples[link].append(await _sample(engine, hub, link, options))
            return samples
        finally:
            for hub in hubs.values():
                await hub.shutdown()
            await engine.close()


def table(samples: dict[str, list[Sample]]) -> str:
    """Return medians with least and greatest, a line for each figure."""
    lines = ["".join((f"{'':44}", *(f"{link:>28}" for link in samples)))]
    for key, unit in UNITS.items():
        cells = []
        for taken in samples.values():
            values = [sample[key] for sample in taken]
            spread = f"({_short(min(values))} to {_short(max(values))})"
            cells.append(f"{_short(statistics.median(values)):>10} {spread:>17}")
        lines.append("".join((f"{unit:44}", *cells)))
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def main() -> None:
    """Measure, print the table, write the samples as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="samples for each figure")
    parser.add_argument("--mib", type=int, default=256, help="MiB for a rate; forwarded a quarter")
    parser.add_argument("--link", action="append", choices=LINKS, help="only this link")
    parser.add_argument("--image", default="node:18-alpine", help="needs dd, cat and true")
    parser.add_argument("--json", type=Path, default=Path("build/bench-links.json"))
    options = parser.parse_args()
    if options.runs < 1 or options.mib < 16:
        parser.error("--runs must be at least 1, --mib at least 16")
    options.link = tuple(options.link or LINKS)
    load = os.getloadavg()[0]
    samples = asyncio.run(measure(options))
    print(table(samples))
    machine = {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(load, 2),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine, "samples": samples}, indent=1) + "\n")
    print(f"samples: {options.json}")


if __name__ == "__main__":
    main()
