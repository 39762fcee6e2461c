"""A large file into a container and back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from .. import programs
from ..subjects import Subject
from . import Figure, Measure, Sample, Scale, timed

MIB = 1 << 20


class Files(Measure):
    """One file that nothing compresses; both copies are removed in between.

    Of 1 GiB; on the forwarded link of an eighth, for which a file of its own is made.
    """

    name = "files"
    needs = frozenset({"files"})
    figures = (
        Figure("push", "push of a file of 1 GiB (forwarded: 128 MiB)", "MB/s", more=True),
        Figure("pull", "pull of it", "MB/s", more=True),
    )

    def __init__(self, scale: Scale) -> None:
        super().__init__(scale)
        self._folder = tempfile.TemporaryDirectory(prefix="orkee-bench-")

    def rounds(self) -> int:
        return self.scale.few()

    def prepare(self, subject: Subject) -> Any:
        source = self._source(subject)
        if not source.exists():
            with source.open("wb") as file:
                for _ in range(self.scale.size(1024, 8, subject.share)):
                    file.write(os.urandom(MIB))
        return subject.start(programs.SLEEP)

    def _source(self, subject: Subject) -> Path:
        return Path(self._folder.name) / f"source-{subject.share:g}"

    def sample(self, subject: Subject, shared: Any) -> Sample:
        target = Path(self._folder.name) / "target"
        source = self._source(subject)
        size = source.stat().st_size
        pushed = timed(lambda: shared.push(source, "large"))
        pulled = timed(lambda: shared.pull("large", target))
        assert target.stat().st_size == size
        target.unlink()
        shared.exec("rm", f"{shared.folder}large")
        return {"push": [size / 1e3 / pushed], "pull": [size / 1e3 / pulled]}

    def finish(self, subject: Subject, shared: Any) -> None:
        shared.stop()
