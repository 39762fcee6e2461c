"""Debian's Chromium, driven by Playwright: one for all tests here, gone when they have ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.integration.processes import children, command_line, kill, until

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: What a browser on a proxied network would send our requests through.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def _below(pid: int) -> list[int]:
    """Return the processes that descend from one."""
    found = children(pid)
    return found + [each for child in found for each in _below(child)]


def _alive_below(pid: int) -> list[int]:
    return _below(pid) if Path(f"/proc/{pid}").exists() else []


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """Run Chromium with its profile below ``home``; fail if a process of it stays."""
    path = shutil.which("chromium")
    assert path, "Chromium is missing: run `make setup`"
    env = {k: v for k, v in os.environ.items() if k.lower() not in _PROXIES}
    before = set(_below(os.getpid()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=list(ARGUMENTS),
            env=env | {"HOME": str(home), "TMPDIR": str(home)},
        )
        ours = set(_below(os.getpid())) - before
        try:
            yield browser
        finally:
            ours |= {each for pid in ours for each in _alive_below(pid)}
            browser.close()
    _end(ours)


def _end(pids: set[int]) -> None:
    """Wait for the end of these processes; end what stays, by its id, and fail."""
    try:
        until(lambda: not any(map(command_line, pids)), 10, what="the end of Chromium")
    except AssertionError:
        for pid in filter(command_line, pids):
            kill(pid)
        raise
