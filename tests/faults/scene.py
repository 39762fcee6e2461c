"""What is broken, and the look at it afterwards that is the same for every fault."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil

from orkee_jupyter.client import OrkeeError, Sandbox
from tests.integration.processes import (
    children,
    command_line,
    containers_of,
    host_traces,
    mentioning,
    until,
)
from tests.integration.servers import Server
from tests.integration.world import World

Start = Callable[..., Server]
TICK = ["sh", "-c", "while :; do echo on; sleep 0.05; done"]
#: Seconds for what has died to be noticed and taken down: an engine checks slowly.
SETTLE = 20.0


class Scene:
    """A server with a sandbox that somebody works in."""

    def __init__(self, world: World, start: Start, *options: str, **arguments: object) -> None:
        self.world = world
        self.traces = host_traces()
        self.server = start(*options, **arguments)
        self.client = self.server.client()
        self.kept = self.client.create("debian", name="kept", command=TICK, ports=[3000])
        self.written: dict[str, bytes] = {}
        self.write("before")
        self.host_ports = self._ports(self.server.rows())

    def write(self, name: str) -> None:
        """Write a file into the kept sandbox; from here on it must not be lost."""
        data = name.encode() * 1000
        self.kept.files.write(name, data)
        self.written[name] = data

    def restart(self) -> None:
        """Start the server again, without what it was told to fail at."""
        self.client.close()
        self.server.env.pop("ORKEE_FAILPOINTS", None)
        self.server.start()
        self.client = self.server.client()
        self.kept = self.client.get(self.kept.id)

    @staticmethod
    def _ports(rows: list[dict[str, object]]) -> set[int]:
        return {
            each["host_port"]
            for row in rows
            for each in row["port_map"]  # type: ignore[attr-defined]
            if each["host_port"]
        }

    # -- the look ----------------------------------------------------------

    def aftermath(self) -> str:
        """Fail if anything is lost, left or said wrongly; return what was seen."""
        until(lambda: not self.server.rows(status="creating"), 60, what="the end of creations")
        for row in self.server.rows():
            what = f"that a sandbox is {row['status']}, as its row says,"
            until(lambda identity=row["id"]: self._is_true(identity), SETTLE, what=what)
        rows = self.server.rows()
        up = sum(row["status"] == "active" or row["frozen"] for row in rows)
        frozen = self.host_ports if any(row["frozen"] for row in rows) else set()
        self._nothing_is_left(up, self._ports(rows) | frozen)
        seen = [f"{self.kept.refresh().status} ({self.kept.reason or 'as before'})"]
        others = [f"{row['status']}" for row in rows if row["id"] != self.kept.id]
        if others:
            seen.append(f"other rows: {', '.join(others)}")
        seen.append(self._nothing_is_lost())
        with self.client.create("debian") as again:
            assert again.exec(["echo", "again"]).stdout == "again\n", "the next create works"
        for row in rows:
            if row["status"] in ("active", "paused"):
                self.client.get(row["id"]).stop()
        until(lambda: not containers_of(row["id"] for row in rows), SETTLE)
        self._nothing_is_left(0, set())
        return "; ".join(seen)

    def _is_true(self, identity: str) -> bool:
        """Whether what runs of a sandbox is what its row of now says."""
        sandbox = self.client.get(identity)
        if sandbox.status != "active":
            return bool(containers_of([identity])) == sandbox.frozen
        try:
            works = sandbox.exec(["echo", "on"]).stdout == "on\n"
        except OrkeeError:
            return False  # it died a moment ago, and the row is about to say so
        return works and bool(containers_of([identity]))

    def _nothing_is_left(self, active: int, ports: set[int]) -> None:
        """Sockets, listeners, sessions, mounts and bridges are those of what is active."""
        sockets = self.world.sockets / "s"
        until(lambda: len(list(sockets.glob("*.sock"))) <= active, SETTLE, what="closed sockets")
        ended = self.host_ports - ports
        until(lambda: not ended & self._listening(), SETTLE, what="the end of listeners")
        ours = set(children(self.server.pid))
        until(lambda: set(self._sessions()) <= ours, SETTLE, what="the end of old sessions")
        assert host_traces() == self.traces

    def _listening(self) -> set[int]:
        """Ports of this server alone: a free one may be somebody else's by now."""
        sockets = psutil.Process(self.server.pid).net_connections("tcp")
        return {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN}

    def _sessions(self) -> list[int]:
        everybody = mentioning(str(self.world.folder))
        return [pid for pid, line in everybody.items() if line.endswith(" session")]

    def _nothing_is_lost(self) -> str:
        if self.kept.status == "terminated":
            return "stopped as asked"
        if self.kept.status == "paused":
            self.kept.resume()
        read = {name: self.kept.files.read(name) for name in self.written}
        assert read == self.written
        return f"{len(read)} acknowledged writes there"


def inside(sandbox: Sandbox | str, wanted: Callable[[str], bool]) -> int:
    """Return the process in a sandbox's container whose command line is wanted, once it is."""
    identity = sandbox if isinstance(sandbox, str) else sandbox.id

    def look() -> list[int]:
        return [pid for pid in containers_of([identity]) if wanted(command_line(pid))]

    return until(look, 30, what="the process in the container")[0]


def is_daemon(line: str) -> bool:
    return "sandboxd" in line.split(" ", maxsplit=1)[0]


def is_command(line: str) -> bool:
    return line.startswith("sh -c while")


SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGSTOP, 3 s": signal.SIGSTOP}
