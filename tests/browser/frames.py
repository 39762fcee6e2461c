"""How smooth a page is: the longest time between two frames, and the longest task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

_BEGIN = """
() => {
  const seen = window.__seen = {frame: 0, task: 0, over: false};
  let before = performance.now();
  const next = now => {
    seen.frame = Math.max(seen.frame, now - before);
    before = now;
    if (!seen.over) requestAnimationFrame(next);
  };
  requestAnimationFrame(now => { before = now; requestAnimationFrame(next); });
  seen.observer = new PerformanceObserver(list => {
    for (const each of list.getEntries()) seen.task = Math.max(seen.task, each.duration);
  });
  seen.observer.observe({type: 'longtask'});
}
"""
_END = """
() => {
  const seen = window.__seen;
  seen.over = true;
  seen.observer.disconnect();
  return [seen.frame, seen.task];
}
"""


@dataclass
class Smoothness:
    """What was measured, in milliseconds; a task below 50 counts as 0."""

    frame: float = 0.0
    task: float = 0.0


@contextmanager
def watched(page: Page) -> Iterator[Smoothness]:
    """Measure a page until the block has ended."""
    measured = Smoothness()
    page.evaluate(_BEGIN)
    yield measured
    measured.frame, measured.task = page.evaluate(_END)
