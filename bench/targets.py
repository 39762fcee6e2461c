"""What the figures should be, as said before they were measured. Told, never asserted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .results import Results

TIMES = "\N{MULTIPLICATION SIGN}"
LINKS = ("orkee direct", "orkee forwarded")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A target and what came of it; ``value`` is None where something was not measured."""

    sentence: str
    wanted: str
    value: float | None
    unit: str
    reached: bool | None


def outcomes(results: Results) -> list[Outcome]:
    """Return every target with its outcome."""
    found: list[Outcome] = []
    for link in LINKS:
        if not any(link in by_subject for by_subject in results.values.values()):
            continue
        found += _times(results, link)
        found += _streams(results, link)
    median = results.median("list", LINKS[0])
    found.append(_most("list with 100,000 rows of history", median, 20, "ms"))
    return found


def _times(results: Results, link: str) -> list[Outcome]:
    def of(figure: str, subject: str = link) -> float | None:
        return results.median(figure, subject)

    create, docker = of("create"), of("exec", "docker")
    byte, run = of("first_byte", "dagger sdk"), of("create", "docker")
    sandbox_exec = _ratio(docker, of("exec"))
    return [
        _most(f"{link}: create / bare SDK's first byte", _ratio(create, byte), 1.3, TIMES),
        _most(f"{link}: create / `docker run -d`", _ratio(create, run), 1, TIMES),
        _most(f"{link}: create to the end of a first command", of("first_command"), 350, "ms"),
        _least(f"{link}: `docker exec` / REST, unix", _ratio(docker, of("rest_unix")), 10, TIMES),
        _least(f"{link}: `docker exec` / REST, TCP", _ratio(docker, of("rest_tcp")), 10, TIMES),
        _least(f"{link}: `docker exec` / Sandbox.exec", sandbox_exec, 8, TIMES),
    ]


def _streams(results: Results, link: str) -> list[Outcome]:
    def of(figure: str, subject: str = link) -> float | None:
        return results.median(figure, subject)

    found = [
        _most(f"{link}: a log line's way", of("log_delay"), 10, "ms"),
        _least(f"{link}: log without loss", of("log_rate"), 50, "MB/s"),
    ]
    if link == "orkee direct":
        delay, plain = of("port_delay"), of("port_delay", "host")
        added = None if delay is None or plain is None else delay - plain
        found.append(_most(f"{link}: delay that a port adds", added, 1, "ms"))
        for figure, way in (("port_down", "out of"), ("port_up", "into")):
            ratio = _ratio(of(figure), of(figure, "docker"))
            found.append(_least(f"{link}: {way} a port / Docker's", ratio, 0.5, TIMES))
        for figure in ("push", "pull"):
            ratio = _ratio(of(figure), of(figure, "docker"))
            found.append(_least(f"{link}: {figure} of 1 GiB / `docker cp`", ratio, 1, TIMES))
    else:
        ratio = _ratio(of("port_down"), of("link", "dagger sdk"))
        found.append(_least(f"{link}: out of a port / the link itself", ratio, 0.8, TIMES))
    return found


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


def _most(sentence: str, value: float | None, limit: float, unit: str) -> Outcome:
    return _judged(sentence, f"≤ {limit:g} {unit}", value, unit, lambda number: number <= limit)


def _least(sentence: str, value: float | None, limit: float, unit: str) -> Outcome:
    return _judged(sentence, f"≥ {limit:g} {unit}", value, unit, lambda number: number >= limit)


def _judged(
    sentence: str, wanted: str, value: float | None, unit: str, good: Callable[[float], bool]
) -> Outcome:
    return Outcome(sentence, wanted, value, unit, None if value is None else good(value))
