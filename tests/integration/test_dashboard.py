"""The dashboard in a real kernel: the comm is driven as a page would, the engine is real."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .kernels import Kernel
from .pages import Page
from .processes import until
from .servers import Server

THREADS = "[t.name for t in __import__('threading').enumerate()]"


@pytest.fixture
def kernel(servers: dict[str, Server]) -> Iterator[Kernel]:
    with Kernel(servers["direct"]) as made:
        yield made


def row(page: Page, live: int, name: str) -> dict[str, Any] | None:
    """Return a sandbox as it was pushed last."""
    rows = [
        each
        for push in page.pushes(live, "sandboxes")
        for each in push["sandboxes"]
        if each["name"] == name
    ]
    return rows[-1] if rows else None


def is_in(page: Page, live: int, name: str, status: str) -> bool:
    found = row(page, live, name)
    return found is not None and found["status"] == status


def test_a_sandbox_is_made_watched_read_and_stopped_through_the_kernel(kernel: Kernel) -> None:
    page = Page(kernel)
    live = page.live()
    body = {
        "template": "debian",
        "name": "carried",
        "wait": False,
        "command": ["sh", "-c", "echo to be read; sleep 600"],
    }
    answer = page.request("POST", "sandbox", body)
    assert answer["body"]["sandbox"]["status"] == "creating", answer
    page.hear(lambda: is_in(page, live, "carried", "active"), 60)
    page.send(live, type="logs", id=7, ref="carried", tail=None, after=None, follow=True)
    (first,) = page.hear(lambda: page.pushes(live, "log"))[:1]
    assert first["entries"][0]["text"] == "to be read\n"
    page.request("DELETE", "sandbox/carried")
    page.hear(lambda: is_in(page, live, "carried", "terminated"))
    # What the kernel says belongs to no cell, and nothing of it was printed.
    assert not any(page.parents)
    assert not [kind for kind, _ in page.others if kind in ("stream", "error", "display_data")]


def test_closing_the_dashboard_ends_its_thread_and_its_connection(kernel: Kernel) -> None:
    page = Page(kernel)
    page.live()
    assert "orkee-relay" in kernel.value(THREADS)
    assert kernel.value("dashboard.live_connections") == 1
    assert kernel.run("dashboard.close()").status == "ok"
    until(lambda: "orkee-relay" not in kernel.value(THREADS), 10)
    again = Page(kernel, "v2")
    again.live()
    assert kernel.value(THREADS).count("orkee-relay") == 1


def test_pushes_arrive_while_a_cell_runs(kernel: Kernel, direct: Server) -> None:
    page = Page(kernel)
    live = page.live()
    kernel.begin("import time; time.sleep(30)")
    with direct.client() as client, client.create("debian", name="elsewhere"):
        page.hear(lambda: is_in(page, live, "elsewhere", "active"))
    page.hear(lambda: is_in(page, live, "elsewhere", "terminated"))
    kernel.interrupt()


def test_a_click_is_carried_while_a_cell_runs_where_comms_have_a_subshell(
    kernel: Kernel,
) -> None:
    page = Page(kernel)
    page.subshell = kernel.subshell()
    page.live()
    kernel.begin("import time; time.sleep(30)")
    began = time.monotonic()
    assert page.request("GET", "templates")["body"]["templates"]
    assert time.monotonic() - began < 5
    kernel.interrupt()


def test_a_click_waits_for_the_cell_where_there_is_no_subshell(kernel: Kernel) -> None:
    page = Page(kernel)
    page.live()
    kernel.begin("import time; time.sleep(3); print('over')")
    number = page.ask("request", method="GET", path="templates")
    page.hear(lambda: ("stream", {"name": "stdout", "text": "over\n"}) in page.others)
    assert not page.of("answer", number)
    page.hear(lambda: page.of("answer", number))


def test_two_views_of_one_dashboard_hear_their_own_answers(kernel: Kernel) -> None:
    one = Page(kernel, "one")
    other = Page(kernel, "other", one.comm)
    first = one.ask("request", method="GET", path="templates")
    second = other.ask("request", method="GET", path="sandbox?limit=1")
    one.beside = other
    one.hear(lambda: one.of("answer", first) and other.of("answer", second))
    assert "templates" in one.of("answer", first)[0]["body"]
    assert "sandboxes" in other.of("answer", second)[0]["body"]
    assert (len(one.items), len(other.items)) == (1, 1)


def test_a_flood_of_log_stays_within_the_servers_limits_and_loses_nothing(kernel: Kernel) -> None:
    page = Page(kernel)
    live = page.live()
    lines = 400_000
    body = {"template": "debian", "name": "flood", "command": ["seq", "-w", "1", str(lines)]}
    page.request("POST", "sandbox", body, 60)
    page.send(live, type="logs", id=1, ref="flood", tail=None, after=None, follow=True)
    acked = 0

    def ended() -> bool:
        nonlocal acked
        for _ in range(len(page.pushes(live, "log")) - acked):
            page.send(live, type="ack", id=1)
            acked += 1
        return bool(page.pushes(live, "log_end"))

    page.hear(ended, 60)
    entries = [each for push in page.pushes(live, "log") for each in push["entries"]]
    text = "".join(each["text"] for each in entries)
    assert text.split() == [f"{number:06}" for number in range(1, lines + 1)]
    assert page.numbers == list(range(1, len(page.numbers) + 1))
    for begin, _ in page.sizes:
        window = [size for at, size in page.sizes if begin <= at < begin + 3]
        assert sum(window) < 3_000_000
        assert len(window) < 1_000
    page.request("DELETE", "sandbox/flood")


def test_a_file_goes_there_and_back_through_the_kernel(kernel: Kernel) -> None:
    page = Page(kernel)
    page.request("POST", "sandbox", {"template": "debian", "name": "files"}, 60)
    path, data = "sandbox/files/files/content?path=a%20b.bin", bytes(range(256)) * 2000
    number = page.ask("write", path=path, part=0, data=_base64(data[:300_000]), last=False)
    page.say("write", number, path=path, part=1, data=_base64(data[300_000:]), last=True)
    (answer,) = page.hear(lambda: page.of("answer", number))
    assert answer["body"]["success"], answer
    number = page.ask("read", path=path, limit=1 << 20)
    page.hear(lambda: page.of("end", number))
    back = b"".join(base64.b64decode(each["data"]) for each in page.of("chunk", number))
    assert back == data
    page.request("DELETE", "sandbox/files")


def test_the_text_for_places_without_widgets_counts_the_active_ones(
    kernel: Kernel, direct: Server
) -> None:
    with direct.client() as client, client.create("debian"):
        assert Page(kernel).text == "Dashboard: 1 active sandbox"


def test_the_magic_shows_a_dashboard(kernel: Kernel) -> None:
    shown = kernel.run("%sandbox dashboard").only("execute_result")["data"]
    assert "application/vnd.jupyter.widget-view+json" in shown


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
