"""What goes on while something is broken: nothing, a create, a followed log, a push."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from orkee_jupyter.client import OrkeeError
from tests.integration.kernels import Kernel
from tests.integration.processes import until

from .scene import TICK, Scene

#: Seconds in which whoever waits must have an answer, good or bad.
ANSWER = 60.0


class Moment:
    """At rest: nothing goes on."""

    name = "at rest"

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.began = threading.Event()
        self.outcome = ""
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        """Start it, and return when it is under way."""
        self._thread.start()
        assert self.began.wait(ANSWER), self.outcome

    def _run(self) -> None:
        try:
            self.act()
        except OrkeeError as error:
            self.outcome = error.code
        except BaseException as error:  # told by `end`, in the test's own thread
            self.outcome = f"unexpected: {error!r}"
            raise
        finally:
            self.began.set()

    def act(self) -> None:
        """What is done in a thread of its own."""
        self.outcome = "nothing went on"

    def end(self, goes_on: bool) -> str:
        """See that it goes on after the fault, if it should, then end it; return how it went."""
        self._thread.join(ANSWER)
        assert not self._thread.is_alive(), f"{self.name}: no answer in {ANSWER:g} s"
        assert not self.outcome.startswith("unexpected"), self.outcome
        return f"{self.name}: {self.outcome or 'done'}"


class Create(Moment):
    """A sandbox is being made; ``slow`` has it in its set-up, else in its first steps."""

    name = "during create"
    slow = True

    def write_template(self) -> None:
        """Have a template ``made``; its set-up is a new one each time, so never cached."""
        folder = self.scene.server.project / ".orkee" / "templates"
        folder.mkdir(parents=True, exist_ok=True)
        setup = f'setup = ["sleep 2; echo {time.time()}"]' if self.slow else ""
        (folder / "made.toml").write_text(f'image = "debian:bookworm-slim"\n{setup}\n')

    def act(self) -> None:
        self.write_template()

        def on_progress(step: str) -> None:
            if not self.slow or step.startswith("setup"):
                self.began.set()

        with self.scene.server.client() as client:
            made = client.create("made", name="made", command=TICK, on_progress=on_progress)
            self.outcome = str(made.status)


class QuickCreate(Create):
    """A sandbox whose container is there in a moment."""

    slow = False


class Follow(Moment):
    """Somebody reads the log of the kept sandbox as it grows."""

    name = "during a log follow"
    lines = 0

    def act(self) -> None:
        with self.scene.server.client() as client:
            for _ in client.get("kept").logs(follow=True):
                self.lines += 1
                self.began.set()
        self.outcome = "it ended with the container"

    def end(self, goes_on: bool) -> str:
        if goes_on:
            before = self.lines
            until(lambda: self.lines > before + 5, 20, what="more of the log")
            self.scene.kept.pause()
        return super().end(goes_on)


class Push(Moment):
    """Files are written into the kept sandbox, one after the other."""

    name = "during a file push"
    enough = False

    def act(self) -> None:
        with self.scene.server.client() as client:
            kept = client.get("kept")
            while not self.enough:
                name = f"w{len(self.scene.written)}"
                kept.files.write(name, name.encode() * 50_000)
                self.scene.written[name] = name.encode() * 50_000
                if len(self.scene.written) > 3:
                    self.began.set()

    def end(self, goes_on: bool) -> str:
        if goes_on:
            before = len(self.scene.written)
            until(lambda: len(self.scene.written) > before + 2, 20, what="more writes")
        self.enough = True
        return super().end(goes_on)


class InKernel(Moment):
    """The same, done by a cell of a notebook's kernel."""

    def __init__(self, scene: Scene, moment: type[Moment]) -> None:
        super().__init__(scene)
        self.name = moment.name
        self.kernel = Kernel(scene.server)
        self._acknowledged = scene.server.project / "acknowledged"
        self._cell, self._is_on = self._cells()[moment]

    def _cells(self) -> dict[type[Moment], tuple[str, Callable[[], Any]]]:
        server = self.scene.server
        write = (
            "import itertools\nfrom orkee_jupyter import Sandbox\nsb = Sandbox.get('kept')\n"
            "for n in itertools.count():\n    sb.files.write(f'w{n}', f'w{n}' * 50_000)\n"
            f"    open({str(self._acknowledged)!r}, 'a').write(f'w{{n}}\\n')\n"
        )
        return {
            Moment: ("1", lambda: True),
            Create: ("%sandbox create debian --name made", lambda: server.rows(name="made")),
            Follow: ("%sandbox logs kept -f", lambda: True),
            Push: (write, self._acknowledged.exists),
        }

    def begin(self) -> None:
        self.kernel.begin(self._cell)
        until(self._is_on, 30, what=self.name)

    def end(self, goes_on: bool) -> str:
        if self._acknowledged.exists():
            for name in self._acknowledged.read_text().split():
                self.scene.written[name] = name.encode() * 50_000
        self.kernel.close()
        return f"{self.name}: by a kernel"


MOMENTS: tuple[type[Moment], ...] = (Moment, Create, Follow, Push)
