"""Which engine the tests run on: the native one, or one that ``ORKEE_TEST_RUNNER`` names.

``make test-docker`` names an engine in Docker. What is about the native engine alone is left
out there, and said so.
"""

from __future__ import annotations

import os

import pytest

#: The engine's address, as the ``runner_host`` setting has it; None for the native engine.
RUNNER = os.environ.get("ORKEE_TEST_RUNNER") or None
#: Beginnings of the paths of tests about the native engine alone: how it is installed, started
#: and watched, who may run it, and how fast it is beside others.
NATIVE = ("dagger/test_native", "integration/test_bench", "integration/test_ordinary_user")


def left_out(item: pytest.Item, path: str) -> str | None:
    """Return why a test is not run on this engine, None if it is; ``path`` is below tests."""
    if RUNNER is None:
        marked = item.get_closest_marker("docker") is not None
        return "about an engine in Docker: `make test-docker`" if marked else None
    if item.get_closest_marker("engine") is None:
        return None
    if path.startswith(NATIVE) or item.get_closest_marker("native"):
        return "about the native engine: its install, its supervisor, its end"
    call = getattr(item, "callspec", None)
    if call is not None and "direct" in call.params.values():
        return "over the direct link, which only the native engine has"
    return None


def sort_out(config: pytest.Config, items: list[pytest.Item], paths: dict[str, str]) -> None:
    """Deselect what is not for this engine; :func:`reasons` has why."""
    found = config.stash.setdefault(_KEY, {})
    out = []
    for item in list(items):
        reason = left_out(item, paths[item.nodeid])
        if reason is not None:
            found[reason] = found.get(reason, 0) + 1
            items.remove(item)
            out.append(item)
    if out:
        config.hook.pytest_deselected(items=out)


def reasons(config: pytest.Config) -> dict[str, int]:
    """Return how many tests were left out, by reason."""
    return config.stash.get(_KEY, {})


_KEY = pytest.StashKey[dict[str, int]]()
