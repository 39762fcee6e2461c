"""Measures this project beside the Dagger SDK, Docker and testcontainers, in one run.

``python -m bench`` from the project's folder. Each round takes a sample of every subject in
turn, so that what disturbs the machine disturbs all. `bench.links` looks closer at the links.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from scripts.docker_daemon import Docker as Daemon
from scripts.docker_daemon import DockerError
from tests.integration.world import World

from .facts import facts
from .measures import Measure, Scale
from .measures.execute import Execute
from .measures.files import Files
from .measures.history import History
from .measures.log import LogDelay, LogRate
from .measures.many import Many
from .measures.port import Port
from .measures.start import Start
from .memory import Peaks
from .results import Results
from .subjects import Subject, Unusable
from .subjects.docker import Docker
from .subjects.host import Host
from .subjects.orkee import OrkeeDirect, OrkeeForwarded
from .subjects.sdk import Sdk
from .subjects.testcontainers import Testcontainers
from .table import tables

MEASURES: tuple[type[Measure], ...] = (
    Start,
    Execute,
    LogDelay,
    LogRate,
    Port,
    Files,
    Many,
    History,
)


def say(sentence: str) -> None:
    """Tell whoever watches what goes on; the tables go to stdout."""
    print(sentence, file=sys.stderr, flush=True)


def take(measure: Measure, subjects: Sequence[Subject], results: Results) -> None:
    """Measure one thing on all subjects that it fits, in turn. A failure ends that subject's."""
    shared = {}
    fitting = [subject for subject in subjects if measure.fits(subject)]

    def failed(subject: Subject, error: Exception) -> None:
        fitting.remove(subject)
        results.failures.append(f"- {measure.name}, {subject.name}: {error!r}"[:300])
        say(results.failures[-1])

    try:
        for subject in list(fitting):
            try:
                shared[subject.name] = measure.prepare(subject)
            except Exception as error:
                failed(subject, error)
        for number in range(measure.rounds()):
            say(f"{measure.name}: round {number + 1} of {measure.rounds()}")
            for subject in list(fitting):
                try:
                    sample = measure.sample(subject, shared[subject.name])
                except Exception as error:
                    failed(subject, error)
                else:
                    results.add(measure.figures, subject.name, sample)
    finally:
        for subject in subjects:
            if subject.name in shared:
                measure.finish(subject, shared[subject.name])


def run(options: argparse.Namespace, world: World, daemon: Daemon) -> int:
    """Measure and print; return the exit code: 1 if anything that could be measured was not."""
    on_docker = [] if options.no_docker else [Docker(daemon), Testcontainers(daemon)]
    every: list[Subject] = [
        OrkeeDirect(world),
        OrkeeForwarded(world),
        Sdk(world),
        *on_docker,
        Host(),
    ]
    results = Results()
    machine = facts(daemon)
    with ExitStack() as stack:
        subjects = []
        for subject in every:
            if options.subject and subject.name not in options.subject:
                continue
            try:
                subject.open()
            except Unusable as error:
                say(f"{subject.name} is left out: {error}")
            else:
                stack.callback(subject.close)
                subjects.append(subject)
        peaks = Peaks(subjects)
        with peaks.watched():
            for kind in MEASURES:
                if not options.only or kind.name in options.only:
                    take(kind(Scale(options.rounds, options.quick)), subjects, results)
                    machine["load_after"] = round(os.getloadavg()[0], 2)
                    write(options.json, machine, results, peaks)  # what is there, if it breaks off
    print(tables(results, [subject.name for subject in every], peaks.most))
    return 1 if results.failures else 0


def write(path: Path, machine: dict[str, object], results: Results, peaks: Peaks) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        "figures": results.to_json(),
        "peak_bytes": dict(peaks.most),
        "failures": results.failures,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    names = [kind.name for kind in MEASURES]
    parser.add_argument("--only", action="append", choices=names, help="only this measure")
    parser.add_argument("--subject", action="append", help="only this subject")
    parser.add_argument(
        "--rounds", type=int, default=20, help="samples of each; of what moves much data a quarter"
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of little: does it work?")
    parser.add_argument("--no-docker", action="store_true", help="leave Docker out")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args(words)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.quick:
        options.rounds = 2
    return options


def main() -> int:
    """Make a place to measure in, measure, and remove it."""
    options = options_of()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything is ended even so
    daemon = Daemon()
    with ExitStack() as stack:
        if not options.no_docker:
            try:
                stack.enter_context(daemon.up())
            except DockerError as error:
                say(f"without Docker: {error}")
        world = World()
        stack.callback(world.remove)
        os.environ |= {"XDG_RUNTIME_DIR": world.env["XDG_RUNTIME_DIR"]}
        world.start_engine()
        return run(options, world, daemon)


if __name__ == "__main__":
    sys.exit(main())
