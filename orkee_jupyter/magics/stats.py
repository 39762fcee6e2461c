"""``%sandbox stats``: what sandboxes use, as a table, or drawn live for a while."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ..client import OrkeeError, Sandbox, Stats
from . import values
from .arguments import Arguments
from .cards import Bundle, Shown, cells, message, table
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

#: Seconds that a plot is drawn for in a notebook, unless said otherwise, and at most.
_DRAWN: Final = 10.0
_LONGEST: Final = 3600.0
_INTERVAL: Final = 0.5
_POINTS: Final = 120  # of a plot
_WIDTH, _HEIGHT = 240, 40  # of a plot, in CSS pixels
_FONT: Final = "font-family:var(--jp-ui-font-family, system-ui, sans-serif);font-size:13px;"
_GONE: Final = ("sandbox_not_active", "sandbox_not_found", "sandbox_lost")


class StatsList(Shown, list[tuple[Sandbox, Stats]]):
    """What sandboxes use; shows itself as a table."""

    def __init__(self, rows: Iterable[tuple[Sandbox, Stats]] = ()) -> None:
        super().__init__(rows)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message("No active sandboxes")
        heads = ("ID", "NAME", *self[0][1].words())
        rows = [
            [
                one_line(sandbox.short_id),
                one_line(sandbox.name or ""),
                *used.words(sandbox.limits).values(),
            ]
            for sandbox, used in self
        ]
        return table(heads, rows, [cells(row) for row in rows])


def stats(magics: SandboxMagics, arguments: Arguments, names: Mapping[str, Any]) -> Any:
    """Show what one sandbox uses, or all; draws one live in a notebook."""
    given = values.seconds("--for", arguments.one("for"))
    if not arguments.words:
        return StatsList(_all(Sandbox.list(status="active")))
    sandbox = magics.find(arguments.words[0], names)
    if magics.in_notebook:
        _draw(magics, sandbox, min(_LONGEST, given or _DRAWN))
        return None
    return StatsList([(sandbox, sandbox.stats())])


def _all(sandboxes: Iterable[Sandbox]) -> Iterable[tuple[Sandbox, Stats]]:
    for sandbox in sandboxes:
        try:
            yield sandbox, sandbox.stats()
        except OrkeeError as error:
            if error.code not in _GONE:
                raise


def _draw(magics: SandboxMagics, sandbox: Sandbox, seconds: float) -> None:
    """Draw what a sandbox uses in one place of the cell, until the time is over or it ends."""
    display = f"orkee-stats-{uuid.uuid4().hex}"
    taken: list[Stats] = []
    deadline = time.monotonic() + seconds
    try:
        following = sandbox.follow_stats(_INTERVAL)
        try:
            for used in following:
                taken.append(used)
                bundle = plot(sandbox, taken[-_POINTS:])
                magics.publish(bundle, {}, display_id=display, update=len(taken) > 1)
                if time.monotonic() >= deadline:
                    return
        finally:
            following.close()
    except KeyboardInterrupt:
        return
    say(f"{called(sandbox.refresh())} is {one_line(sandbox.status)}: {_why(sandbox)}.")


def _why(sandbox: Sandbox) -> str:
    return one_line(sandbox.reason or "it has ended")


def plot(sandbox: Sandbox, taken: Sequence[Stats]) -> Bundle:
    """Return a card with a plot of processors and memory and the last numbers as text."""
    last = taken[-1]
    words = last.words(sandbox.limits)
    name = one_line(sandbox.name or sandbox.short_id)
    limits = sandbox.limits
    cpu_top = (limits.cpus or 1.0) * 100
    memory_top = float(limits.memory or 64 * 1024**2)
    lines = [
        ("CPU", [used.cpu_percent for used in taken], cpu_top),
        ("MEMORY", [float(used.memory_bytes) for used in taken], memory_top),
    ]
    drawn = "".join(
        f'<div style="margin-right:24px"><div>{head}: <b>{escape(words[head])}</b></div>'
        f"{sparkline(numbers, top, f'{head} of {name}, at most {max(numbers):g}')}</div>"
        for head, numbers, top in lines
    )
    rest = " · ".join(
        f"{head.lower()} {value}" for head, value in words.items() if head not in ("CPU", "MEMORY")
    )
    return {
        "text/plain": f"{name}  " + "  ".join(f"{head} {text}" for head, text in words.items()),
        "text/html": (
            f'<div style="{_FONT}"><div><b>{escape(name)}</b></div>'
            f'<div style="display:flex;flex-wrap:wrap">{drawn}</div>'
            f'<div style="opacity:.75">{escape(rest)}</div></div>'
        ),
    }


def sparkline(numbers: Sequence[float], top: float, label: str) -> str:
    """Return numbers as a line in an SVG whose height is ``top``, or the largest of them."""
    height = max(top, *numbers, 1e-9)
    step = _WIDTH / max(1, _POINTS - 1)
    begin = _WIDTH - step * (len(numbers) - 1)
    points = " ".join(
        f"{begin + at * step:.1f},{_HEIGHT - number / height * (_HEIGHT - 2) - 1:.1f}"
        for at, number in enumerate(numbers)
    )
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" style="display:block">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="var(--jp-layout-color2, #eee)"/>'
        f'<polyline points="{points}" fill="none" stroke="var(--jp-brand-color1, #1976d2)" '
        f'stroke-width="1.5"/></svg>'
    )
