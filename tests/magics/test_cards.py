"""What a notebook shows of sandboxes, and that nothing from inside becomes markup."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.client.record import SandboxRecord
from orkee_jupyter.magics.cards import (
    EngineStatus,
    ExitCode,
    SandboxList,
    TemplateList,
    duration,
    sandbox_card,
)
from tests.client.stub_stats import STATS

EVIL = "<script>alert(1)</script><img src=x onerror=y>\x1b]52;c;x\x07\u202e\"'&/etc/hostname"


def record(**facts: Any) -> SandboxRecord:
    now = int(time.time())
    data = {"id": "ab" * 16, "status": "active", "template": "node", "image": "node:18-alpine"}
    data |= {"name": "web", "ports": [3000], "created_at": now, "last_active_at": now}
    return SandboxRecord({**data, "expires_at": now + 3600, **facts})


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_a_card_says_what_it_is_and_what_to_do_next() -> None:
    card = sandbox_card(record(command=["node", "x.js"]))
    for text in card.values():
        for fact in ("web", "active", "abababababab", "node:18-alpine", "3000", "1 h, renewed"):
            assert fact in text
        assert "%sandbox exec web -- COMMAND" in text
        assert "%sandbox logs web -f" in text


def test_an_ended_sandbox_offers_nothing_further_and_says_why() -> None:
    card = sandbox_card(record(status="failed", reason="out of memory", exit_code=137))
    assert "%sandbox" not in card["text/html"]
    assert "137" in card["text/plain"]
    assert "out of memory" in card["text/plain"]


FIELDS = ("name", "template", "image", "project_id", "reason", "host_url", "status", "id")
HOSTILE = dict.fromkeys(FIELDS, EVIL)


def shown(value: Any) -> dict[str, str]:
    return dict(value._repr_mimebundle_())


@pytest.mark.parametrize(
    "bundle",
    [
        sandbox_card(record(**HOSTILE, labels={EVIL: EVIL}, command=[EVIL])),
        sandbox_card(record(host_url="javascript:alert(1)")),
        shown(SandboxList([record(**HOSTILE)])),
        shown(TemplateList([{"name": EVIL, "image": EVIL, "description": EVIL, "ports": [EVIL]}])),
        shown(EngineStatus({EVIL: EVIL, "x": [{"name": EVIL, EVIL: EVIL}], "y": {EVIL: [EVIL]}})),
        shown(EngineStatus({"chosen": EVIL, "candidates": [{"kind": EVIL, "reason": EVIL}, EVIL]})),
        shown(ExitCode(1, signal=EVIL)),
    ],
)
def test_hostile_text_stays_text(bundle: dict[str, str]) -> None:
    tags = Tags()
    tags.feed(bundle["text/html"])
    assert tags.tags <= {"div", "span", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags.attributes <= {"class", "style", "scope", "aria-hidden"}
    for text in bundle.values():
        assert not any(c in text for c in "\x1b\x07\u202e")


def test_an_empty_list_says_so() -> None:
    assert shown(SandboxList())["text/plain"] == "No active sandboxes"


def test_a_list_lines_up_in_text() -> None:
    found = [record(stats=STATS), record(name=None, status="terminated")]
    head, first, second = shown(SandboxList(found))["text/plain"].splitlines()
    assert head.split() == [
        *("ID", "NAME", "STATUS", "TEMPLATE", "PORTS", "PROJECT", "CPU", "MEMORY", "TIME", "LEFT")
    ]
    assert "12.5 %" in first[head.index("CPU") :]
    assert "64 MiB" in first[head.index("MEMORY") :]
    assert first.index("●") == second.index("○") == head.index("STATUS")


def test_values_stay_what_they_are(shell: InteractiveShell) -> None:
    assert ExitCode(3) == 3
    assert ExitCode(0) == 0
    for value, text in [(ExitCode(3), "✕ exit code 3"), (SandboxList(), "No active sandboxes")]:
        data, _ = shell.display_formatter.format(value)
        assert data["text/plain"] == text
    killed = ExitCode(137, "KILL", 90.0)
    assert shown(killed)["text/plain"] == "✕ exit code 137, ended by SIGKILL, after 2 min"


def test_the_engine_status_is_flat_and_in_words() -> None:
    status = {"engine": "native", "ok": True, "others": [{"name": "docker", "reason": None}]}
    text = shown(EngineStatus(status))["text/plain"]
    assert "others.docker.reason  -" in text
    assert "ok                    yes" in text


def test_the_engine_in_use_comes_first_and_the_others_say_why_not() -> None:
    candidates = [
        {"kind": "configured", "usable": False, "reason": "none is configured"},
        {"kind": "native", "usable": True, "reason": "installed"},
    ]
    status = EngineStatus({"chosen": "native", "remedy": None, "candidates": candidates})
    _, first, second, _ = shown(status)["text/plain"].splitlines()
    assert first.split(maxsplit=1) == ["native", "● in use: installed"]
    assert second.split(maxsplit=1) == ["configured", "✕ not usable: none is configured"]


def test_durations_are_told_in_words() -> None:
    told = {-5: "0 s", 59: "59 s", 60: "1 min", 3599: "1 h", 5400: "1 h 30 min", 93600: "1 d 2 h"}
    assert {seconds: duration(seconds) for seconds in told} == told
