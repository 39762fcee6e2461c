"""Fixtures of the browser tests: a real JupyterLab on a real engine, and Chromium."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.integration.conftest import world
from tests.integration.world import ROOT, World

from .board import Board
from .chromium import chromium
from .lab import LIGHT, Lab
from .pages import LabPage
from .watch import Complaints

__all__ = ["world"]
PICTURES = ROOT / "build" / "browser"
HERE = __file__.rpartition("/")[0]
#: Playwright's own 5 s are few for a busy machine.
expect.set_options(timeout=30_000)
SIZE = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs the engine and a browser."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of each page of a test that has failed, in build/browser."""
    report = yield
    context = item.funcargs.get("context") if isinstance(item, pytest.Function) else None
    if report.when == "call" and report.failed and context is not None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(context.pages):
            with suppress(Error):
                page.screenshot(path=PICTURES / f"{item.name}-{number}.png")
    return report


@pytest.fixture(scope="package")
def shared_lab(world: World) -> Iterator[Lab]:
    """Give the JupyterLab of all tests that do not break it."""
    made = Lab(world, "lab")
    try:
        made.start()
        yield made
    finally:
        made.stop()


# The package's, not the session's: while Playwright runs, no other event loop can.
@pytest.fixture(scope="package")
def browser(world: World) -> Iterator[Browser]:
    """Give one Chromium for all tests here."""
    home = world.folder / "chromium"
    home.mkdir()
    with chromium(home) as made:
        yield made


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give the profile of all pages: what JupyterLab is made of is loaded once."""
    with browser.new_context(viewport=SIZE, accept_downloads=True) as made:
        made.grant_permissions(["clipboard-read", "clipboard-write"])
        yield made


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """Give the shared JupyterLab with nothing in it."""
    yield shared_lab
    shared_lab.use_theme(LIGHT)
    shared_lab.clear()


@pytest.fixture
def new_page(context: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Give what makes pages for one test; each must end without a complaint."""
    watched: list[Complaints] = []

    def make(absence: bool = False) -> Page:
        page = context.new_page()
        page.set_default_timeout(15_000)
        watched.append(Complaints(page, absence))
        return page

    yield make
    found = [each for complaints in watched for each in complaints.all()]
    for complaints in watched:
        complaints.page.close(run_before_unload=False)
    assert found == []


@pytest.fixture
def lab_page(lab: Lab, new_page: Callable[[], Page]) -> LabPage:
    """Give an open page of the shared JupyterLab."""
    return LabPage(new_page(), lab).open()


@pytest.fixture
def panel(lab_page: LabPage) -> Board:
    """Give the panel of an open page of the shared JupyterLab."""
    return Board(lab_page.panel())
