"""How long a command takes that does nothing."""

from __future__ import annotations

from typing import Any

from .. import programs
from ..subjects import Subject
from ..subjects.orkee import OrkeeBox
from ..subjects.sdk import Sdk
from . import Figure, Measure, Sample, several, timed


class Execute(Measure):
    """``true`` in a container that runs."""

    name = "exec"
    needs = frozenset({"exec", "with_exec"})
    figures = (
        Figure("exec", "exec of `true` (orkee: Sandbox.exec)", "ms"),
        Figure("rest_unix", "exec by REST, unix socket, kept connection", "ms"),
        Figure("rest_tcp", "exec by REST, TCP with a token, kept connection", "ms"),
        Figure("popen", "exec by websocket (Sandbox.popen)", "ms"),
        Figure("with_exec", "`with_exec`: a container of its own", "ms"),
    )

    def rounds(self) -> int:
        return self.scale.rounds * self.scale.size(3, 1)

    def prepare(self, subject: Subject) -> Any:
        if "exec" not in subject.can:
            return None
        box = subject.start(programs.SLEEP)
        box.exec("true")
        if not isinstance(box, OrkeeBox):
            return box, {"exec": lambda: box.exec("true")}
        works = {
            "exec": lambda: box.exec("true"),
            "rest_unix": box.rest("unix"),
            "rest_tcp": box.rest("tcp"),
            "popen": lambda: box.popen("true"),
        }
        several(works)  # opens the connections
        return box, works

    def sample(self, subject: Subject, shared: Any) -> Sample:
        if isinstance(subject, Sdk):
            return {"with_exec": [timed(lambda: subject.with_exec("true"))]}
        return several(shared[1])

    def finish(self, subject: Subject, shared: Any) -> None:
        if shared is not None:
            shared[0].stop()
