"""A random walk through the REST interface beside the model: both are compared at each step."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orkee_jupyter.client import Client, OrkeeError, Sandbox
from tests.integration.processes import containers_of, until
from tests.integration.servers import Server
from tests.integration.world import World

from .model import MOST, NAMES, Known, Model

#: Seconds in which what has died is noticed and taken down: an engine checks slowly.
SETTLE = 30.0
_PATHS = tuple(f"{folder}f{number}" for folder in ("", "d/") for number in range(4))


class Difference(AssertionError):
    """The server and the model do not say the same."""


class Walk:
    """The steps that somebody could take, each with the answer that the model expects."""

    def __init__(self, world: World, server: Server, seed: int) -> None:
        self.world = world
        self.server = server
        self.random = random.Random(seed)
        self.model = Model()
        self.client: Client = server.client()
        self.steps: Counter[str] = Counter()
        self.past: list[str] = []  # what was done, to be shown with a difference
        self._number = 0

    # -- the walk ------------------------------------------------------------

    def step(self, weights: dict[str, int], owner: object | None = None) -> None:
        """Take a step out of those, by its name; then compare."""
        (name,) = self.random.choices(list(weights), list(weights.values()))
        self.take(name, owner)

    def take(self, name: str, owner: object | None = None) -> None:
        """Take a step, and compare."""
        self.steps[name] += 1
        self.past.append(f"{time.strftime('%H:%M:%S')} {name}")
        getattr(owner or self, name)()
        self.compare()

    def note(self, *words: object) -> None:
        """Tell more of the step that is under way."""
        self.past[-1] += " " + " ".join(map(str, words))

    def pick(self, status: str | None = None) -> Known | None:
        """Return any sandbox, or any in a state."""
        found = list(self.model) if status is None else self.model.of(status)
        known = self.random.choice(found) if found else None
        if known is not None:
            self.note(known.name, known.status)
        return known

    def handle(self, known: Known) -> Sandbox:
        """Return a sandbox by its id, a part of it, or its name."""
        ref = self.random.choice([known.id, known.id[:12], known.name])
        found = self.client.get(ref)
        self.equal("the id", found.id, known.id)
        return found

    def equal(self, what: str, seen: object, wanted: object) -> None:
        """Fail with what is other than it should be."""
        if seen != wanted:
            raise Difference(f"{what}: {seen!r:.2000}, not {wanted!r:.2000}")

    def refused(self, code: str, call: Callable[..., Any], *arguments: Any) -> None:
        """See that a call is refused with a code."""
        try:
            given = call(*arguments)
        except OrkeeError as error:
            self.equal("the refusal", error.code, code)
        else:
            raise Difference(f"{given!r:.200}, though it should be refused with {code}")

    def becomes(self, what: str, seen: Callable[[], object], wanted: object) -> None:
        """Wait until something is as it should be."""
        deadline = time.monotonic() + SETTLE
        while (last := seen()) != wanted:
            if time.monotonic() > deadline:
                raise Difference(f"{what} is still {last!r:.2000}, not {wanted!r:.2000}")
            time.sleep(0.02)

    # -- steps ---------------------------------------------------------------

    def create(self) -> None:
        name = self.random.choice(NAMES)
        code = self.model.refusal(name)
        self.note(name, code or "")
        if code is not None:
            self.refused(code, lambda: self.make(name))
        else:
            self.adopt(self.make(name))

    def make(self, name: str) -> Sandbox:
        """Create a sandbox whose command says who it is and goes on."""
        self._number += 1
        script = f"echo begin {self._number}; echo of {name}; exec sleep 1000000"
        return self.client.create(
            "debian",
            name=name,
            command=["sh", "-c", script],
            labels={"number": str(self._number)},
            ttl="2h",
        )

    def adopt(self, made: Sandbox) -> Known:
        """Take a sandbox that was made into the model."""
        number = made.labels["number"]
        lines = [f"begin {number}", f"of {made.name}"]
        known = Known(made.id, str(made.name), lines, {"number": number})
        known.expires = int(time.time()) + 7190
        self.model.live[known.id] = known
        self.wait_for_log(known)
        return known

    def wait_for_log(self, known: Known) -> None:
        """Wait until the command has said all that it says."""
        self.becomes("the log", lambda: list(self.client.get(known.id).logs()), known.lines)

    def create_in_vain(self) -> None:
        if self.model.is_full:
            return
        self.refused("command_not_found", lambda: self.client.create("debian", command=["no-such"]))
        self.model.failed += 1

    def exec(self) -> None:
        if (known := self.pick()) is None:
            return
        code, word = self.random.randrange(256), self.random.randbytes(8).hex()
        command = ["sh", "-c", f"echo {word}; cat; echo {word} >&2; exit {code}"]
        data = self.random.randbytes(self.random.choice([0, 10, 100_000]))
        if not known.is_active:
            self.refused("sandbox_not_active", self.handle(known).exec, command)
            return
        result = self.handle(known).exec(command, stdin=data)
        self.equal("the exit code", result.exit_code, code)
        self.equal("stdout", result.stdout_bytes, f"{word}\n".encode() + data)
        self.equal("stderr", result.stderr, f"{word}\n")

    def write(self) -> None:
        if (known := self.pick()) is None:
            return
        path, data = self.random.choice(_PATHS), self.content()
        files = self.handle(known).files
        if not known.is_active:
            self.refused("sandbox_not_active", files.write, path, data)
            return
        files.write(path, data)
        known.files[path] = data

    def content(self) -> bytes:
        """Return bytes that no file had before."""
        return self.random.randbytes(self.random.choice([1, 1000, 70_000, 600_000]))

    def read(self) -> None:
        if (known := self.pick("active")) is None:
            return
        path = self.random.choice(_PATHS)
        files = self.handle(known).files
        if path not in known.files:
            self.refused("file_not_found", files.read, path)
            return
        self.equal(path, files.read(path), known.files[path])

    def remove(self) -> None:
        if (known := self.pick("active")) is None or not known.files:
            return
        path = self.random.choice(sorted(known.files))
        self.handle(known).files.remove(path)
        del known.files[path]

    def push(self) -> None:
        if (known := self.pick("active")) is None:
            return
        folder = self.world.folder / "push"
        folder.mkdir(exist_ok=True)
        given = {path: self.content() for path in ("f0", "f1")}
        for name, data in given.items():
            (folder / name).write_bytes(data)
        self.equal("pushed", self.handle(known).push(folder, "d").files, len(given))
        known.files |= {f"d/{name}": data for name, data in given.items()}

    def pull(self) -> None:
        if (known := self.pick("active")) is None or not known.files:
            return
        path = self.random.choice(sorted(known.files))
        place = self.world.folder / "pulled"
        place.unlink(missing_ok=True)
        self.handle(known).pull(path, place)
        self.equal(path, Path(place).read_bytes(), known.files[path])

    def pause(self) -> None:
        if (known := self.pick()) is None:
            return
        self.equal("status", self.handle(known).pause().status, "paused")
        self.model.pause(known)

    def resume(self) -> None:
        if (known := self.pick("paused") or self.pick()) is None:
            return
        sandbox = self.handle(known)
        if known.is_active:
            self.equal("status", sandbox.resume().status, "active")
        elif known.frozen:
            self.equal("status", sandbox.resume().status, "active")
            self.model.thaw(known)
        elif self.model.is_full:
            self.refused("too_many_sandboxes", sandbox.resume)
        else:
            self.equal("status", sandbox.resume().status, "active")
            self.model.resume(known)
            self.wait_for_log(known)

    def freeze(self) -> None:
        if (known := self.pick()) is None:
            return
        frozen = known.has_container
        self.equal("whether it froze", self.handle(known).pause(freeze=True).frozen, frozen)
        if frozen:
            self.model.freeze(known)

    def fork(self) -> None:
        self._copy(lambda known, name: self.handle(known).fork(name))

    def snapshot(self) -> None:
        def make(known: Known, name: str) -> Sandbox:
            self.handle(known).snapshot("kept", replace=True)
            return self.client.create(snapshot="kept", name=name)

        self._copy(make)

    def _copy(self, make: Callable[[Known, str], Sandbox]) -> None:
        """Make a sandbox of another's files; it has the same command, and so the same log."""
        known, name = self.pick("active"), self.random.choice(NAMES)
        if known is None or self.model.refusal(name) is not None:
            return
        made = make(known, name)
        copy = Known(made.id, name, known.lines, known.labels, files=dict(known.files))
        copy.expires = int(time.time()) + 7190
        self.model.live[copy.id] = copy
        self.wait_for_log(copy)

    def extend(self) -> None:
        if (known := self.pick()) is None:
            return
        seconds = self.random.choice([60, 3 * 3600, 5 * 86400, 8 * 86400])
        self.note(seconds)
        if seconds > 7 * 86400:
            self.refused("invalid_ttl", self.handle(known).extend, seconds)
            return
        promised = int(time.time()) + seconds
        self.handle(known).extend(seconds)
        known.expires = max(known.expires, promised)

    def stop(self) -> None:
        if (known := self.pick()) is None:
            return
        self.equal("status", self.handle(known).stop().status, "terminated")
        self.model.stop(known)

    def stop_and_keep(self) -> None:
        if (known := self.pick()) is None:
            return
        sandbox = self.handle(known).stop_later(60)
        self.equal("whether it has a stop to come", sandbox.stop_at is not None, True)
        self.equal("the stop", sandbox.keep().stop_at, None)

    def stop_again(self) -> None:
        if not self.model.ended:
            return
        identity = self.random.choice(list(self.model.ended))
        sandbox = self.client.get(identity)
        self.equal("status", sandbox.status, self.model.ended[identity])
        for call in (sandbox.stop, sandbox.pause, sandbox.resume, lambda: sandbox.exec(["true"])):
            self.refused("sandbox_not_active", call)

    def list(self) -> None:
        status = self.random.choice(["active", "paused", "terminated", "failed"])
        seen = {each.id for each in self.client.list(status=status)}
        wanted = {each.id for each in self.model.of(status)}
        if status == "terminated":
            wanted = {identity for identity, s in self.model.ended.items() if s == status}
        if status == "failed":
            self.equal("failed ones", len(seen), self.model.failed)
            return
        self.equal(f"{status} ones", seen, wanted)

    def logs(self) -> None:
        if (known := self.pick()) is not None:
            lines = list(self.handle(known).logs())
            if known.torn:
                self.equal("the log", lines, known.lines[: len(lines)])
                return
            self.equal("the log", lines, known.lines)
            self.equal("its end", list(self.handle(known).logs(tail=1)), known.lines[-1:])

    # -- the look --------------------------------------------------------------

    def compare(self) -> None:
        """Fail unless the server, its containers and the files are as the model has them."""
        seen = {each.id: each for each in self.client.list(status="creating,active,paused")}
        facts = {
            identity: {
                "name": each.name,
                "status": each.status,
                "frozen": each.frozen,
                "exit_code": each.exit_code,
                "labels": each.labels,
            }
            for identity, each in seen.items()
        }
        self.equal("the rows", facts, {each.id: each.facts() for each in self.model})
        for known in self.model:
            if seen[known.id].expires_at < known.expires:
                raise Difference(f"{known.name} expires {seen[known.id].expires_at}, too early")
            self.becomes(
                f"whether {known.name} has a container",
                lambda known=known: bool(containers_of([known.id])),
                known.has_container,
            )
        if (active := self.model.of("active")) and len(active) <= MOST:
            self.compare_files(self.random.choice(active))
        gone = list(self.model.ended)[-5:]
        until(lambda: not containers_of(gone), SETTLE, what="the end of ended containers")

    def compare_files(self, known: Known) -> None:
        """Fail unless a workspace holds what was put into it, and nothing else."""
        files = self.client.get(known.id).files
        sizes = {each.path: each.size for each in files.list(recursive=True) if each.type == "file"}
        self.equal("files", sizes, {path: len(data) for path, data in known.files.items()})
        if known.files:
            path = self.random.choice(sorted(known.files))
            self.equal(path, files.read(path), known.files[path])
