"""Steps in which something is killed, at rest or in the midst of a call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from orkee_jupyter.client import OrkeeError
from tests.integration.processes import (
    command_line,
    containers_of,
    kill,
    session_of,
    until,
)

from .model import KILLED, NAMES, Known
from .walk import SETTLE, Difference, Walk

#: Codes of a call whose server died, or whose sandbox did.
_CUT = {"server_unreachable", "sandbox_lost", "link_failed", "engine_lost", "sandbox_not_active"}


class Kills:
    """What kills, on behalf of a walk."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.restarts = 0

    def command(self) -> None:
        """Kill a main command: the sandbox lives on."""
        walk = self.walk
        if (known := walk.pick("active")) is None or known.exit_code is not None:
            return
        kill(self._inside(known, lambda line: line.startswith("sleep 1000000")))
        known.exit_code = KILLED
        walk.becomes("the exit code", lambda: walk.client.get(known.id).exit_code, KILLED)

    def daemon(self) -> None:
        """Kill a sandboxd: its sandbox is paused."""
        walk = self.walk
        if (known := walk.pick("active")) is not None:
            kill(self._inside(known, lambda line: "sandboxd" in line.split(" ", maxsplit=1)[0]))
            self._all_paused(known)

    def session(self) -> None:
        """Kill `dagger session`: all sandboxes are paused."""
        if running := self.walk.model.running():
            kill(session_of(self.walk.server.pid))
            self._all_paused(*running)

    def engine(self) -> None:
        """Kill the soak's own engine: all sandboxes are paused."""
        if running := self.walk.model.running():
            kill(int(str(self.walk.world.engine_status()["engine_pid"])))
            self._all_paused(*running)

    def server(self) -> None:
        """Kill the server at rest, and start it again."""
        self.walk.server.kill()
        self._restart()

    def _inside(self, known: Known, wanted: Callable[[str], bool]) -> int:
        def look() -> list[int]:
            return [pid for pid in containers_of([known.id]) if wanted(command_line(pid))]

        return until(look, SETTLE, what="the process in the container")[0]

    def _all_paused(self, *known: Known) -> None:
        walk = self.walk
        for each in known:
            walk.becomes("status", lambda each=each: self._state(each), ("paused", False))
        walk.model.pause(*known)

    def _state(self, known: Known) -> tuple[str, bool]:
        seen = self.walk.client.get(known.id)
        return seen.status, seen.frozen

    def _restart(self) -> None:
        walk = self.walk
        walk.client.close()
        self.restarts += 1
        walk.server.start()
        walk.client = walk.server.client()
        walk.model.pause(*walk.model.running())

    # -- in the midst of a call --------------------------------------------------

    def _cut(self, call: Callable[[], object]) -> bool:
        """Have the server killed while it is called; return whether the call was answered."""
        answered: list[object] = []

        def run() -> None:
            try:
                call()
                answered.append(True)
            except OrkeeError as error:
                answered.append(error.code)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(self.walk.random.choice([0.0, 0.002, 0.01, 0.03, 0.1, 0.3]))  # any moment
        self.walk.server.kill()
        thread.join(SETTLE)
        self.walk.note("answered" if answered == [True] else answered)
        if thread.is_alive() or (answered != [True] and answered[0] not in _CUT):
            raise Difference(f"a call whose server was killed: {answered or 'no answer'}")
        self._restart()
        return answered == [True]

    def during_write(self) -> None:
        walk = self.walk
        if (known := walk.pick("active")) is None or walk.model.is_full:
            return
        path, data = "torn", walk.content()
        handle = walk.client.get(known.id)
        before = known.files.get(path)
        answered = self._cut(lambda: handle.files.write(path, data))
        sandbox = walk.client.get(known.id).resume()
        walk.model.resume(known)
        walk.wait_for_log(known)
        seen = sandbox.files.read(path) if sandbox.files.exists(path) else None
        if seen != data and (answered or seen != before):
            size = None if seen is None else len(seen)
            raise Difference(f"{path}: {size} bytes after a kill, answered: {answered}")
        known.files.pop(path, None)
        if seen is not None:
            known.files[path] = seen

    def during_create(self) -> None:
        walk = self.walk
        name = walk.random.choice(NAMES)
        if walk.model.refusal(name) is not None:
            return
        answered = self._cut(lambda: walk.make(name))
        rows = [each for each in walk.client.list(name=name) if each.id not in walk.model.ended]
        rows = [each for each in rows if each.status != "failed"]
        failed = len(walk.client.list(status="failed"))
        if not rows:
            walk.equal("whether a create that failed was answered", answered, False)
            walk.note(f"{failed - walk.model.failed} failed")
            if failed - walk.model.failed not in (0, 1):
                raise Difference(f"{failed} failed ones, not {walk.model.failed} or one more")
            walk.model.failed = failed
            return
        walk.equal("failed ones", failed, walk.model.failed)
        (row,) = rows
        walk.equal("status", row.status, "paused")
        number = row.labels["number"]
        lines = [f"begin {number}", f"of {name}"]
        known = Known(row.id, name, lines, {"number": number}, status="paused")
        walk.model.live[row.id] = known
        row.resume()
        walk.model.resume(known)
        walk.wait_for_log(known)

    def during_pause(self) -> None:
        walk = self.walk
        if (known := walk.pick("active")) is not None:
            self._cut(walk.client.get(known.id).pause)

    def during_resume(self) -> None:
        walk = self.walk
        if (known := walk.pick("paused")) is not None and not walk.model.is_full:
            self._cut(walk.client.get(known.id).resume)
            known.torn = True

    def during_stop(self) -> None:
        walk = self.walk
        if (known := walk.pick()) is None:
            return
        answered = self._cut(walk.client.get(known.id).stop)
        stays = {"paused", "terminated"} - ({"paused"} if answered else set())
        # A stop that had begun is done to its end by the next server.
        if known.status == "paused":
            until(lambda: walk.client.get(known.id).status in stays, SETTLE, what="the status")
        status = self._settled(known)
        if status not in stays:
            raise Difference(f"{status} after a stop, answered: {answered}")
        walk.note(status)
        if status == "terminated":
            walk.model.stop(known)

    def _settled(self, known: Known) -> str:
        """Return a status that does not change any more: no stop is under way."""
        walk = self.walk
        until(lambda: walk.client.get(known.id).data.get("step") is None, SETTLE, what="its end")
        return walk.client.get(known.id).status
