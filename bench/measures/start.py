"""How long a container takes until it can be used."""

from __future__ import annotations

import time
from typing import Any

from .. import programs
from ..subjects import Subject
from ..subjects.orkee import Orkee
from ..subjects.sdk import Sdk
from . import Figure, Measure, Sample, timed


class Start(Measure):
    """From the wish to a container that runs, and to the end of the first command in it."""

    name = "start"
    needs = frozenset({"start"})
    figures = (
        Figure("create", "create to active", "ms"),
        Figure("create_command", "with a command of its own, watched for 150 ms", "ms"),
        Figure("first_byte", "service up to its first byte", "ms"),
        Figure("first_command", "create to the end of a first command", "ms"),
        Figure("stop", "stop and remove", "ms"),
    )

    def sample(self, subject: Subject, shared: Any) -> Sample:
        begun = time.perf_counter()
        box = subject.start(() if isinstance(subject, Orkee) else programs.SLEEP)
        created = time.perf_counter()
        sample = {"create": [(created - begun) * 1e3]}
        if "exec" in subject.can:
            box.exec("true")
            sample["first_command"] = [(time.perf_counter() - begun) * 1e3]
        sample["stop"] = [timed(box.stop)]
        if isinstance(subject, Orkee):
            begun = time.perf_counter()
            box = subject.start(programs.SLEEP)
            sample["create_command"] = [(time.perf_counter() - begun) * 1e3]
            box.stop()
        if isinstance(subject, Sdk):
            begun = time.perf_counter()
            box = subject.first_byte()
            sample["first_byte"] = [(time.perf_counter() - begun) * 1e3]
            box.stop()
            sample["first_command"] = [timed(lambda: subject.with_exec("true"))]
        return sample
