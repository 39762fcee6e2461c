"""The benchmark's own arithmetic, and that its page can be written."""

from __future__ import annotations

from typing import Any

import pytest

from bench.measures import Figure
from bench.page import BEGIN, END, with_figures
from bench.results import Results, p95
from bench.targets import outcomes

EXEC = Figure("exec", "exec", "ms")
RATE = Figure("log_rate", "log", "MB/s", more=True)


def results() -> Results:
    made = Results()
    made.add((EXEC,), "orkee direct", {"exec": [10.0, 12.0, 14.0]})
    made.add((EXEC,), "docker", {"exec": [120.0]})
    made.add((RATE,), "orkee direct", {"log_rate": [40.0, 60.0]})
    return made


@pytest.mark.parametrize(("more", "worst"), [(False, 19.0), (True, 2.0)])
def test_p95_is_the_value_that_95_of_100_are_not_worse_than(more: bool, worst: float) -> None:
    assert p95([float(number) for number in range(1, 21)], more) == worst
    assert p95([3.0], more) == 3.0


def test_targets_are_told_as_reached_missed_and_not_measured() -> None:
    told = {each.sentence: each.reached for each in outcomes(results())}
    assert told["orkee direct: `docker exec` / Sandbox.exec"] is True
    assert told["orkee direct: log without loss"] is True
    assert told["orkee direct: create to the end of a first command"] is None
    slow = results()
    slow.add((EXEC,), "orkee direct", {"exec": [90.0] * 9})
    told = {each.sentence: each.reached for each in outcomes(slow)}
    assert told["orkee direct: `docker exec` / Sandbox.exec"] is False


def test_the_page_gets_the_figures_of_a_run_in_the_place_of_the_old_ones() -> None:
    machine: dict[str, Any] = dict.fromkeys(
        ("date", "cpus", "processor", "memory_gb", "kernel", "python", "load_before", "load_after")
    )
    machine["versions"] = dict.fromkeys(("dagger-io", "docker", "testcontainers"))
    figures = results().to_json()
    content = {"machine": machine, "figures": figures, "failures": [], "peak_bytes": {"x": 5e6}}
    page = with_figures(f"before {BEGIN} old {END} after", content)
    assert page.startswith(f"before {BEGIN}\n")
    assert page.endswith(f"{END} after")
    assert " old " not in page
    assert "| exec, ms " in page
    assert "12.0 (14.0)" in page
    assert with_figures(page, content) == page
