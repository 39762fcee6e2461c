"""``%sandbox``: parses its line, then acts through the client."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from IPython.core.magic import (
    Magics,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from ..client import Client, OrkeeError, Sandbox
from . import help as help_pages
from . import values
from .arguments import Arguments, invalid, parse
from .backlog import NOTEBOOK
from .cards import EngineStatus, ExitCode, SandboxList, TemplateList
from .completion import Lookup, matcher
from .errors import SandboxError, SandboxInterrupted, show_last_lines
from .output import CellWriter
from .progress import ProgressLine, cell_painter, terminal_painter
from .terminal import one_line
from .words import split

_LIVE: Final = ("creating", "active", "paused")
_LONGEST_COMMAND: Final = 80  # characters of a command repeated in a notice


@magics_class
class SandboxMagics(Magics):
    """The magics of one shell. Remembers the sandbox used last, which ``_`` stands for."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell
        self._last: str | None = None
        self._in_notebook = getattr(shell, "kernel", None) is not None
        self._actions: Mapping[str, Callable[[Arguments, Mapping[str, Any]], Any]] = {
            "create": self._create,
            "list": self._list,
            "logs": self._logs,
            "exec": self._exec,
            "stop": self._stop,
            "clean": self._clean,
            "engine": self._engine,
            "templates": self._templates,
            "help": self._help,
        }

    @no_var_expand
    @needs_local_scope
    @line_magic
    def sandbox(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Containers from a notebook cell: ``%sandbox help`` says what there is."""
        names = {**self._shell.user_ns, **(local_ns or {})}
        try:
            arguments = parse(split(line, names, _as_text))
            return self._actions[arguments.command](arguments, names)
        except OrkeeError as error:
            failure = SandboxError.of(error)
        # Raised outside the handler: IPython prints a traceback for some chained errors.
        show_last_lines(failure)
        raise failure

    def _create(self, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
        ports = [values.port(text) for text in arguments.all("port")]
        paint = (
            cell_painter(self._shell.display_pub.publish)
            if self._in_notebook
            else terminal_painter()
        )
        try:
            with ProgressLine("creating the sandbox", paint) as progress:
                sandbox = Sandbox.create(
                    arguments.words[0] if arguments.words else None,
                    name=arguments.one("name"),
                    image=arguments.one("image"),
                    project=arguments.one("project"),
                    ports=ports or None,
                    env=values.pairs("--env", arguments.all("env")) or None,
                    labels=values.pairs("--label", arguments.all("label")) or None,
                    ttl=arguments.one("ttl"),
                    command=arguments.tail,
                    on_progress=progress,
                )
        except KeyboardInterrupt:
            raise SandboxInterrupted(
                "Interrupted: the sandbox is not waited for. "
                "`%sandbox list` shows whether it was made."
            ) from None
        self._last = sandbox.id
        return sandbox

    def _list(self, arguments: Arguments, names: Mapping[str, Any]) -> SandboxList:
        everything = arguments.has("all")
        statuses = arguments.all("status") or (None if everything else _LIVE)
        found = Sandbox.list(
            status=statuses,
            project=arguments.one("project"),
            labels=values.pairs("--label", arguments.all("label")) or None,
        )
        return SandboxList(found, empty="No sandboxes" if everything else "No active sandboxes")

    def _logs(self, arguments: Arguments, names: Mapping[str, Any]) -> None:
        follow, tail, since = arguments.has("follow"), arguments.one("tail"), arguments.one("since")
        lines = None if tail is None else values.lines(tail)
        begin = None if since is None else values.since(since, time.time())
        sandbox = self._find(arguments.words[0], names)
        read_all = f"orkee sandbox logs {sandbox.short_id} > sandbox.log"
        try:
            with (
                self._writer(read_all) as writer,
                sandbox.log_entries(follow=follow, tail=lines, since=begin) as entries,
            ):
                for entry in entries:
                    if entry.stream == "dropped":
                        writer.missing(entry.dropped)
                    else:
                        writer.feed(entry.stream, entry.data)
        except KeyboardInterrupt:
            _say(f"Interrupted: {_called(sandbox)} goes on running, its log is not shown further.")
            return
        if follow:
            _say(_end_of_log(sandbox.refresh()))

    def _exec(self, arguments: Arguments, names: Mapping[str, Any]) -> ExitCode:
        command = list(arguments.tail or ())
        sandbox = self._find(arguments.words[0], names)
        shown = shlex.join(command)
        shown = one_line(shown) if len(shown) <= _LONGEST_COMMAND else "COMMAND"
        read_all = f"orkee sandbox exec {sandbox.short_id} -- {shown} > output.txt"
        try:
            with self._writer(read_all) as writer, sandbox.stream(command) as stream:
                for name, data in stream:
                    writer.feed(name, data)
        except KeyboardInterrupt:
            raise SandboxInterrupted(
                f"Interrupted: the command was ended, {_called(sandbox)} goes on running."
            ) from None
        if stream.exit is None:
            raise OrkeeError("internal", "The command's end was not told.", "Run it again.")
        return ExitCode(stream.exit.exit_code, stream.exit.signal, stream.exit.duration)

    def _stop(self, arguments: Arguments, names: Mapping[str, Any]) -> SandboxList:
        if arguments.has("all") == bool(arguments.words):
            raise invalid(
                "`stop` needs either sandboxes or `--all`.",
                "`%sandbox stop web` stops one, `%sandbox stop --all` every one.",
            )
        if not arguments.has("all"):
            # All are looked up first: with one wrong name none is stopped.
            chosen = [self._find(word, names) for word in arguments.words]
            return SandboxList(sandbox.stop() for sandbox in chosen)
        stopped = [_stopped(sandbox) for sandbox in Sandbox.list(status=_LIVE)]
        return SandboxList(stopped, empty="No active sandboxes")

    def _clean(self, arguments: Arguments, names: Mapping[str, Any]) -> SandboxList:
        return SandboxList(Client().clean(), empty="No expired sandboxes")

    def _engine(self, arguments: Arguments, names: Mapping[str, Any]) -> EngineStatus:
        return EngineStatus(Client().engine())

    def _templates(self, arguments: Arguments, names: Mapping[str, Any]) -> TemplateList:
        client = Client()
        for problem in client.template_problems():
            print(f"left out: {one_line(str(problem))}", file=sys.stderr)
        return TemplateList(client.templates())

    def _help(self, arguments: Arguments, names: Mapping[str, Any]) -> None:
        words = arguments.words
        print(help_pages.of_command(words[0]) if words else help_pages.overview())

    def _find(self, ref: str, names: Mapping[str, Any]) -> Sandbox:
        """Return the sandbox that a word means, and remember it as the last one used."""
        if ref == "_":
            if self._last is None:
                raise invalid(
                    "No sandbox was used in this session yet.", "`%sandbox list` shows them."
                )
            ref = self._last
        try:
            sandbox = Sandbox.get(ref)
        except OrkeeError as error:
            value = names.get(ref)
            if error.code != "sandbox_not_found" or not isinstance(value, Sandbox):
                raise
            sandbox = value
        self._last = sandbox.id
        return sandbox

    def _writer(self, read_all: str) -> CellWriter:
        return CellWriter(read_all, limits=NOTEBOOK if self._in_notebook else None)


def _as_text(value: object) -> str:
    return value.id if isinstance(value, Sandbox) else str(value)


def _called(sandbox: Sandbox) -> str:
    return f"sandbox {one_line(sandbox.name or sandbox.short_id)}"


def _say(text: str) -> None:
    print(f"[orkee] {text}", file=sys.stderr, flush=True)


def _end_of_log(sandbox: Sandbox) -> str:
    if sandbox.status not in _LIVE:
        return f"End of the log: {_called(sandbox)} is {one_line(sandbox.status)}."
    if sandbox.exit_code is not None:
        return f"End of the log: the command ended with exit code {sandbox.exit_code}."
    return "End of the log."


def _stopped(sandbox: Sandbox) -> Sandbox:
    """Stop one of many; one that has ended meanwhile is as good as stopped."""
    try:
        return sandbox.stop()
    except OrkeeError as error:
        if error.code not in ("sandbox_not_active", "sandbox_not_found"):
            raise
        return sandbox


def load(ipython: Any) -> None:
    """Register the magics and their completion with a shell. May be called again."""
    unload(ipython)
    ipython.register_magics(SandboxMagics)
    match = matcher(ipython, Lookup())
    ipython.Completer.custom_matchers.append(match)


def unload(ipython: Any) -> None:
    """Take the magics and their completion away, if they are there."""
    ipython.magics_manager.magics["line"].pop("sandbox", None)
    kept = [m for m in ipython.Completer.custom_matchers if not _is_ours(m)]
    ipython.Completer.custom_matchers = kept


def _is_ours(match: Any) -> bool:
    return getattr(match, "matcher_identifier", None) == "orkee.sandbox"
