"""What a notebook shows of sandboxes: MIME bundles made by hand, in HTML and in plain text.

By hand, because IPython's display classes take text that names a file for that
file. Everything that a sandbox or a server said is escaped. Colours are the
theme's own where there is a theme; a state always has a word as well.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..client import show_bytes
from .terminal import one_line

if TYPE_CHECKING:
    from ..client.record import SandboxRecord

Bundle = dict[str, str]

_MOST_LINKS: Final = 10
#: A path of the server's own, and nothing that a browser takes for another host.
_PATH: Final = re.compile(r"/(?:[\w%@.~-]+/)*")

_COLOURS: Final[Mapping[str, str]] = {
    "creating": "var(--jp-info-color1, #0288d1)",
    "active": "var(--jp-success-color1, #388e3c)",
    "paused": "var(--jp-warn-color1, #f57c00)",
    "failed": "var(--jp-error-color1, #d32f2f)",
    "terminated": "var(--jp-layout-color4, #757575)",
}
#: A shape for each state, for those who do not see the colour.
_SHAPES: Final[Mapping[str, str]] = {
    "creating": "◌",
    "active": "●",
    "paused": "◐",
    "failed": "✕",
    "terminated": "○",
}
_FONT: Final = "font-family:var(--jp-ui-font-family, system-ui, sans-serif);font-size:13px;"
_CODE: Final = "font-family:var(--jp-code-font-family, monospace);font-size:12px;"
_MUTED: Final = "opacity:.75;"
_LINE: Final = "var(--jp-border-color2, rgba(128,128,128,.35))"
_CELL: Final = f"text-align:left;padding:3px 12px 3px 0;border-bottom:1px solid {_LINE};"


def duration(seconds: float) -> str:
    """Return a length of time in words: "45 s", "12 min", "1 h 30 min", "2 d 3 h"."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    minutes = round(left / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def sandbox_card(sandbox: SandboxRecord) -> Bundle:
    """Return a sandbox as a card that says what it is and what to do with it next."""
    ref = one_line(sandbox.name or sandbox.short_id)
    facts = [(label, one_line(value)) for label, value in _facts(sandbox)]
    hints = _hints(sandbox.status, ref, bool(sandbox.command))
    lines = [
        f"{_shape(sandbox.status)} {ref}  {one_line(sandbox.status)}",
        *(f"  {label:<9} {value}" for label, value in facts),
        *(f"  {'' if at else 'next':<9} {hint}" for at, hint in enumerate(hints)),
    ]
    return {
        "text/plain": "\n".join(lines),
        "text/html": _card_html(sandbox, ref, facts, hints),
    }


def _facts(sandbox: SandboxRecord) -> Iterable[tuple[str, str]]:
    yield "id", sandbox.short_id
    image = f" ({sandbox.image})" if sandbox.image else ""
    yield "template", f"{sandbox.template}{image}"
    if sandbox.command:
        # A script in a command has line ends; a card has one line for it.
        yield "command", " ".join(" ".join(sandbox.command).split())
    if sandbox.port_map:
        yield from _links(sandbox)
    elif sandbox.ports:
        yield "ports", ", ".join(str(port) for port in sandbox.ports)
    if sandbox.project:
        yield "project", sandbox.project
    if sandbox.labels:
        yield "labels", ", ".join(f"{key}={value}" for key, value in sandbox.labels.items())
    if sandbox.limits:
        words = {"memory": "memory", "cpus": "processors", "pids": "processes"}
        each = {kind: getattr(sandbox.limits, kind) for kind in sandbox.limits.kinds()}
        if "memory" in each:
            each["memory"] = show_bytes(each["memory"])
        yield "limits", ", ".join(f"{words[kind]} {value}" for kind, value in each.items())
    if sandbox.timeout is not None:
        yield "timeout", duration(sandbox.timeout)
    if sandbox.status in ("active", "paused", "creating"):
        yield "ends in", f"{_left(sandbox)}, renewed by each use"
    if sandbox.exit_code is not None:
        yield "exit code", str(sandbox.exit_code)
    if sandbox.reason:
        yield "reason", sandbox.reason


def _links(sandbox: SandboxRecord) -> Iterable[tuple[str, str]]:
    """Yield where this host reaches the ports, and where a logged-in browser elsewhere does."""
    proxied = []
    for each in sandbox.port_map[:_MOST_LINKS]:
        waiting = "" if each.get("listening") else " (nothing listens yet)"
        yield f"port {each.get('port')}", f"{each.get('url')}{waiting}"
        proxied.append(str(each.get("proxy") or ""))
    if len(sandbox.port_map) > _MOST_LINKS:
        yield "ports", f"{len(sandbox.port_map) - _MOST_LINKS} more"
    # Only a kernel of a Jupyter server has a browser that is logged in there.
    if proxied and proxied[0] and "JPY_PARENT_PID" in os.environ:
        yield "proxied", proxied[0]


def _left(sandbox: SandboxRecord) -> str:
    return duration(sandbox.expires_at - time.time())


def _hints(status: str, ref: str, has_command: bool) -> list[str]:
    if status not in ("active", "creating"):
        return []
    hints = [f"%sandbox exec {ref} -- COMMAND"]
    if has_command:
        hints.append(f"%sandbox logs {ref} -f")
    return [*hints, f"%sandbox stop {ref}"]


def _card_html(
    sandbox: SandboxRecord, ref: str, facts: Sequence[tuple[str, str]], hints: Sequence[str]
) -> str:
    rows = "".join(
        f'<div style="{_MUTED}">{escape(label)}</div>'
        f'<div style="{_CODE}">{_value(label, value)}</div>'
        for label, value in facts
    )
    steps = "".join(f'<div style="{_CODE}{_MUTED}">{escape(hint)}</div>' for hint in hints)
    colour = _COLOURS.get(sandbox.status, "currentColor")
    return (
        f'<div class="orkee-card" style="{_FONT}border:1px solid {_LINE};border-left:4px solid '
        f'{colour};border-radius:4px;padding:8px 12px;max-width:640px;overflow-wrap:anywhere">'
        f'<div style="margin-bottom:4px"><b>{escape(ref)}</b> {_state(sandbox.status)}</div>'
        f'<div style="display:grid;grid-template-columns:max-content 1fr;gap:1px 12px">{rows}</div>'
        f'<div style="margin-top:6px">{steps}</div></div>'
    )


def _shape(status: str) -> str:
    return _SHAPES.get(status, "?")


def _state(status: str) -> str:
    colour = _COLOURS.get(status, "currentColor")
    return (
        f'<span style="white-space:nowrap"><span style="color:{colour}" aria-hidden="true">'
        f"{_shape(status)}</span> {escape(one_line(status))}</span>"
    )


def _value(label: str, value: str) -> str:
    link, _, rest = value.partition(" ")
    is_link = label.startswith("port ") and urlsplit(link).scheme in ("http", "https")
    if is_link or (label == "proxied" and _PATH.fullmatch(link)):
        url = escape(link, quote=True)
        anchor = f'<a href="{url}" target="_blank" rel="noopener noreferrer">{url}</a>'
        return f"{anchor} {escape(rest)}".rstrip()
    return escape(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], html: Sequence[str]) -> Bundle:
    """Return a table as a bundle; ``html`` holds the rows' cells, escaped and marked up."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = ["  ".join(cell.ljust(widths[at]) for at, cell in enumerate(r)) for r in [head, *rows]]
    titles = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in head)
    return {
        "text/plain": "\n".join(line.rstrip() for line in lines),
        "text/html": (
            f'<table class="orkee-table" style="{_FONT}border-collapse:collapse">'
            f"<thead><tr>{titles}</tr></thead><tbody>"
            + "".join(f"<tr>{cells}</tr>" for cells in html)
            + "</tbody></table>"
        ),
    }


def message(text: str) -> Bundle:
    """Return a sentence as a bundle."""
    return {
        "text/plain": text,
        "text/html": f'<div style="{_FONT}{_MUTED}">{escape(text)}</div>',
    }


def cells(values: Iterable[str]) -> str:
    """Return the cells of a table's row, escaped."""
    return "".join(f'<td style="{_CELL}{_CODE}">{escape(value)}</td>' for value in values)


class Shown:
    """A value that shows itself by its bundle, also where its type has a plain text of its own."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        raise NotImplementedError

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # IPython prefers its printer for list, dict and int to the bundle's text.
        printer.text(self._repr_mimebundle_()["text/plain"])


class SandboxList(Shown, list["SandboxRecord"]):
    """A list of sandboxes that shows itself as a table; ``empty`` is what no sandbox says."""

    def __init__(
        self, sandboxes: Iterable[SandboxRecord] = (), *, empty: str = "No active sandboxes"
    ) -> None:
        super().__init__(sandboxes)
        self._empty = empty

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message(self._empty)
        head = (
            *("ID", "NAME", "STATUS", "TEMPLATE", "PORTS", "PROJECT"),
            *("CPU", "MEMORY", "TIME LEFT"),
        )
        rows, html = [], []
        for sandbox in self:
            live = sandbox.status in ("creating", "active", "paused")
            first = [one_line(sandbox.short_id), one_line(sandbox.name or "")]
            ports = ", ".join(str(port) for port in sandbox.ports)
            left = _left(sandbox) if live else ""
            used = sandbox.last_stats.words() if sandbox.last_stats else {}
            last = [one_line(sandbox.template), ports, one_line(sandbox.project or "")]
            last += [used.get("CPU", ""), used.get("MEMORY", ""), left]
            rows.append([*first, f"{_shape(sandbox.status)} {one_line(sandbox.status)}", *last])
            state = f'<td style="{_CELL}">{_state(sandbox.status)}</td>'
            html.append(cells(first) + state + cells(last))
        return table(head, rows, html)


class TemplateList(Shown, list[Mapping[str, Any]]):
    """What sandboxes can be made from, as the server's JSON objects; shows itself as a table."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        if not self:
            return message("No templates")
        head = ("TEMPLATE", "IMAGE", "PORTS", "DESCRIPTION")
        rows = [
            [
                one_line(template.get("name", "")),
                one_line(template.get("image", "")),
                one_line(", ".join(str(port) for port in template.get("ports") or [])),
                one_line(template.get("description") or ""),
            ]
            for template in self
        ]
        return table(head, rows, [cells(row) for row in rows])


class EngineStatus(Shown, dict[str, Any]):
    """Which engine is in use and why the others are not, as the server's JSON object."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        rest = {key: value for key, value in self.items() if key != "candidates"}
        rows = [*_candidates(self), *_flat({k: v for k, v in rest.items() if v is not None})]
        if not rows:
            return message("No engine is known")
        return table(("ENGINE", ""), rows, [cells(row) for row in rows])


def _candidates(status: Mapping[str, Any]) -> Iterable[list[str]]:
    """Yield [kind, whether and why] for each engine that was looked for, the chosen one first."""
    found = [c for c in status.get("candidates") or [] if isinstance(c, Mapping)]
    for each in sorted(found, key=lambda c: c.get("kind") != status.get("chosen")):
        chosen = each.get("kind") == status.get("chosen")
        word = "● in use" if chosen else "○ usable" if each.get("usable") else "✕ not usable"
        yield [one_line(each.get("kind", "")), one_line(f"{word}: {each.get('reason', '')}")]


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[list[str]]:
    """Yield [name, value] for each fact of a nested object, names joined by dots."""
    for key, item in value.items():
        name = f"{prefix}{one_line(key)}"
        if isinstance(item, Mapping):
            yield from _flat(item, f"{name}.")
        elif isinstance(item, list) and item and all(isinstance(e, Mapping) for e in item):
            for at, element in enumerate(item, 1):
                label = one_line(element.get("name") or element.get("kind") or at)
                yield from _flat(element, f"{name}.{label}.")
        else:
            yield [name, one_line(_word(item))]


def _word(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class ExitCode(Shown, int):
    """How a command ended: its exit code, which shows itself in words."""

    signal: str | None
    duration: float  # seconds

    def __new__(cls, code: int, signal: str | None = None, duration: float = 0.0) -> ExitCode:
        self = super().__new__(cls, code)
        self.signal = signal
        self.duration = duration
        return self

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        words = f"exit code {int(self)}"
        if self.signal:
            words += f", ended by SIG{one_line(self.signal, 20)}"
        if self.duration >= 1:
            words += f", after {duration(self.duration)}"
        shape, state = ("✓", "active") if self == 0 else ("✕", "failed")
        return {
            "text/plain": f"{shape} {words}",
            "text/html": (
                f'<span style="{_FONT}"><span style="color:{_COLOURS[state]}" aria-hidden="true">'
                f"{shape}</span> {escape(words)}</span>"
            ),
        }
