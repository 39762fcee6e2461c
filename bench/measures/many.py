"""Many containers at once, and what each takes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import memory, programs
from ..subjects import Subject
from . import Figure, Measure, Sample


class Many(Measure):
    """50 containers started four at a time, active at once, and ended."""

    name = "many"
    needs = frozenset({"many"})
    figures = (
        Figure("many_start", "50 started, until all run", "s"),
        Figure("many_memory", "memory of each, all processes that came with it", "MB"),
        Figure("many_server", "of that: growth of what ran before", "MB"),
        Figure("many_stop", "50 stopped", "s"),
    )

    def rounds(self) -> int:
        return 1

    def sample(self, subject: Subject, shared: Any) -> Sample:
        count = self.scale.size(50, 3)
        before = memory.proportional(subject)
        begun = time.perf_counter()
        with ThreadPoolExecutor(4) as threads:
            boxes = list(threads.map(lambda _: subject.start(programs.SLEEP), range(count)))
            started = time.perf_counter()
            after = memory.proportional(subject)
            assert len(boxes) == count
            ending = time.perf_counter()
            list(threads.map(lambda box: box.stop(), boxes))
        grown = sum(after[pid] - before[pid] for pid in before.keys() & after.keys())
        new = sum(after[pid] for pid in after.keys() - before.keys())
        return {
            "many_start": [started - begun],
            "many_memory": [(new + grown) / count / 1e6],
            "many_server": [grown / count / 1e6],
            "many_stop": [time.perf_counter() - ending],
        }
