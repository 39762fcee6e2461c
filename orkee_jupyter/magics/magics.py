"""``%sandbox``: parses its line, then acts through the client."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from traitlets import Bool

from ..client import Background, Client, OrkeeError, Sandbox
from ..client.secret_values import secrets_of
from . import (
    dashboard_verb,
    lifecycle_verbs,
    port_verbs,
    process_verbs,
    shell_verb,
    snapshot_verbs,
    sql_verb,
    stats,
    values,
)
from . import help as help_pages
from .arguments import Arguments, invalid, parse
from .backlog import NOTEBOOK
from .cards import EngineStatus, ExitCode, SandboxList, TemplateList
from .cells import ACTIONS, CELL_COMMANDS
from .completion import Lookup, matcher
from .errors import SandboxError, SandboxInterrupted, show_last_lines
from .files import ACTIONS as file_actions
from .foreign import Bundle
from .interpreter import Interpreter
from .output import CellWriter
from .progress import ProgressLine, cell_painter, terminal_painter
from .questions import takes_input
from .saying import called, say
from .terminal import one_line
from .words import split

_LIVE: Final = ("creating", "active", "paused")
_NOT_WAITED_FOR: Final = (
    "Interrupted: the sandbox is not waited for. `%sandbox list` shows whether it was made."
)
_LONGEST_COMMAND: Final = 80  # characters of a command repeated in a notice


@magics_class
class SandboxMagics(Magics):
    """The magics of one shell. Remembers the sandbox used last, which ``_`` stands for."""

    check = Bool(
        False,
        help="""Whether an exit code other than 0 fails a `%%sandbox run` cell, as with --check,
        so that "Run All" stops there.""",
    ).tag(config=True)

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell
        self._last: str | None = None
        self.own: dict[str, str] = {}  # ids of the sandboxes that cells made, by template
        self.interpreters: dict[str, Interpreter] = {}  # by the id of their sandbox
        self._in_notebook = getattr(shell, "kernel", None) is not None
        self._actions: Mapping[str, Callable[[Arguments, Mapping[str, Any]], Any]] = {
            "create": self._create,
            "list": self._list,
            "logs": self._logs,
            "exec": self._exec,
            "shell": partial(shell_verb.shell, self),
            "ps": partial(process_verbs.ps, self),
            "attach": partial(process_verbs.attach, self),
            "kill": partial(process_verbs.kill, self),
            "wait": partial(port_verbs.wait, self),
            "stats": partial(stats.stats, self),
            "stop": self._stop,
            "pause": partial(lifecycle_verbs.pause, self),
            "resume": partial(lifecycle_verbs.resume, self),
            "extend": partial(lifecycle_verbs.extend, self),
            "snapshot": partial(snapshot_verbs.snapshot, self),
            "fork": partial(snapshot_verbs.fork, self),
            "snapshots": partial(snapshot_verbs.snapshots, self),
            "sql": partial(sql_verb.sql, self),
            "clean": self._clean,
            "engine": self._engine,
            "templates": self._templates,
            "dashboard": dashboard_verb.dashboard,
            "help": self._help,
            **{verb: partial(action, self) for verb, action in file_actions.items()},
        }

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def sandbox(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Any:
        """Containers from a notebook cell: ``%sandbox help`` says what there is."""
        names = {**self._shell.user_ns, **(local_ns or {})}
        try:
            if cell is None and (asked := sql_verb.read(line)) is not None:
                return self._actions[asked.command](asked, names)
            words = split(line, names, _as_text)
            if cell is None:
                arguments = parse(words)
                return self._actions[arguments.command](arguments, names)
            arguments = parse(words, CELL_COMMANDS)
            if arguments.command == "help":
                return self._help(arguments, names)
            return ACTIONS[arguments.command](self, arguments, cell, names)
        except OrkeeError as error:
            failure = SandboxError.of(error)
        # Raised outside the handler: IPython prints a traceback for some chained errors.
        show_last_lines(failure)
        raise failure

    def _create(self, arguments: Arguments, names: Mapping[str, Any]) -> Sandbox:
        ports = [values.port_at_host(text) for text in arguments.all("port")]
        waiting = values.seconds("--wait-timeout", arguments.one("wait_timeout"))
        try:
            with self.progress() as progress:
                sandbox = Sandbox.create(
                    arguments.words[0] if arguments.words else None,
                    name=arguments.one("name"),
                    image=arguments.one("image"),
                    snapshot=arguments.one("from"),
                    project=arguments.one("project"),
                    ports=ports or None,
                    wait=arguments.all("wait"),
                    wait_timeout=waiting or 60.0,
                    timeout=arguments.one("timeout"),
                    memory=arguments.one("memory"),
                    cpus=values.number("--cpus", arguments.one("cpus")),
                    pids=values.whole("--pids", arguments.one("pids")),
                    env=values.pairs("--env", arguments.all("env")) or None,
                    secrets=secrets_of(arguments.all("secret")) or None,
                    network=arguments.one("network"),
                    links=arguments.all("link") or None,
                    labels=values.pairs("--label", arguments.all("label")) or None,
                    ttl=arguments.one("ttl"),
                    on_expiry=arguments.one("on_expiry"),
                    command=arguments.tail,
                    mount=arguments.one("mount"),
                    gitignore=arguments.has("gitignore"),
                    on_progress=progress,
                )
        except KeyboardInterrupt:
            raise SandboxInterrupted(_NOT_WAITED_FOR) from None
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
        sandbox = self.find(arguments.words[0], names)
        read_all = f"orkee sandbox logs {sandbox.short_id} > sandbox.log"
        try:
            with (
                self.writer(read_all) as writer,
                sandbox.log_entries(follow=follow, tail=lines, since=begin) as entries,
            ):
                for entry in entries:
                    if entry.stream == "dropped":
                        writer.missing(entry.dropped)
                    else:
                        writer.feed(entry.stream, entry.data)
        except KeyboardInterrupt:
            say(f"Interrupted: {called(sandbox)} goes on running, its log is not shown further.")
            return
        if follow:
            say(_end_of_log(sandbox.refresh()))

    def _exec(self, arguments: Arguments, names: Mapping[str, Any]) -> ExitCode | Background:
        command = list(arguments.tail or ())
        sandbox = self.find(arguments.words[0], names)
        if arguments.has("detach"):
            return process_verbs.detach(sandbox, command)
        shown = shlex.join(command)
        shown = one_line(shown) if len(shown) <= _LONGEST_COMMAND else "COMMAND"
        read_all = f"orkee sandbox exec {sandbox.short_id} -- {shown} > output.txt"
        try:
            with self.writer(read_all) as writer, sandbox.stream(command) as stream:
                for name, data in stream:
                    writer.feed(name, data)
        except KeyboardInterrupt:
            raise SandboxInterrupted(
                f"Interrupted: the command was ended, {called(sandbox)} goes on running."
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
            chosen = [self.find(word, names) for word in arguments.words]
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

    def progress(self, first_step: str = "creating the sandbox") -> ProgressLine:
        """Return the line that shows the steps of what takes long."""
        paint = (
            cell_painter(self._shell.display_pub.publish)
            if self._in_notebook
            else terminal_painter()
        )
        return ProgressLine(first_step, paint)

    def make(self, template: str) -> Sandbox:
        """Start a sandbox for cells that name none."""
        try:
            with self.progress() as progress:
                sandbox = Sandbox.create(template, on_progress=progress)
        except KeyboardInterrupt:
            raise SandboxInterrupted(_NOT_WAITED_FOR) from None
        self.used(sandbox)
        return sandbox

    def used(self, sandbox: Sandbox) -> None:
        """Remember a sandbox as the last one used."""
        self._last = sandbox.id

    def close(self) -> None:
        """End the interpreters that run in sandboxes for this shell."""
        while self.interpreters:
            self.interpreters.popitem()[1].close()

    @property
    def in_notebook(self) -> bool:
        """Whether a kernel shows this, which can change what it has shown."""
        return self._in_notebook

    def put(self, name: str, value: object) -> None:
        """Set a variable of the user's."""
        self._shell.user_ns[name] = value

    def publish(
        self, data: Bundle, metadata: Bundle, *, display_id: str | None = None, update: bool = False
    ) -> None:
        """Show a MIME bundle in the cell; with an id, or in place of the one that has it."""
        transient = {"display_id": display_id} if display_id else {}
        self._shell.display_pub.publish(
            data=data, metadata=metadata, transient=transient, update=update and bool(display_id)
        )

    def clear(self, *, wait: bool) -> None:
        """Take away what the cell has shown."""
        self._shell.display_pub.clear_output(wait)

    def find(self, ref: str, names: Mapping[str, Any]) -> Sandbox:
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

    @property
    def takes_input(self) -> bool:
        """Whether the front end of the running cell can be asked for input."""
        return takes_input(self._shell)

    def writer(self, read_all: str) -> CellWriter:
        """Return what writes a sandbox's output to the cell."""
        return CellWriter(read_all, limits=NOTEBOOK if self._in_notebook else None)


def _as_text(value: object) -> str:
    return value.id if isinstance(value, Sandbox) else str(value)


def _end_of_log(sandbox: Sandbox) -> str:
    if sandbox.status not in _LIVE:
        return f"End of the log: {called(sandbox)} is {one_line(sandbox.status)}."
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
    """Take the magics and their completion away, if they are there; end their interpreters."""
    magics = ipython.magics_manager.registry.pop("SandboxMagics", None)
    if isinstance(magics, SandboxMagics):
        magics.close()
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("sandbox", None)
    kept = [m for m in ipython.Completer.custom_matchers if not _is_ours(m)]
    ipython.Completer.custom_matchers = kept


def _is_ours(match: Any) -> bool:
    return getattr(match, "matcher_identifier", None) == "orkee.sandbox"
