"""Tab behind ``%sandbox``."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.magics.completion import Lookup, candidates, from_server
from orkee_jupyter.magics.magics import load
from tests.client.stub_server import StubServer


def words_of(kind: str) -> Sequence[str]:
    return {"reference": ["web", "0001"], "template": ["node", "python"]}[kind]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("logs ", ["web", "0001"]),
        ("logs web ", []),
        ("logs -f ", ["web", "0001"]),
        ("logs --tail ", []),
        ("stop web ", ["0001"]),
        ("create ", ["node", "python"]),
        ("create --name x ", ["node", "python"]),
        ("create node ", []),
        ("list --status ", ["creating", "active", "paused", "terminated", "failed"]),
        ("list --status=act", ["creating", "active", "paused", "terminated", "failed"]),
        ("exec web -- ", []),
        ("exec web -", ["--detach", "--"]),
        ("logs --follow -", ["--tail", "--since"]),
        ("nonsense ", []),
        ("logs =", []),
    ],
)
def test_what_may_follow(rest: str, expected: list[str]) -> None:
    assert candidates(rest, words_of) == expected


def complete(shell: InteractiveShell, line: str) -> list[str]:
    with provisionalcompleter():
        for _ in range(20):  # an answer that comes late is used at the next Tab
            found = list(shell.Completer.completions(line, len(line)))
            if found:
                break
    return [line[: c.start] + c.text + line[c.end :] for c in found]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("%sandbox cr", "%sandbox create"),
        ("box = %sandbox exec qui", "box = %sandbox exec quick-web"),
        ("%sandbox logs 0001", "%sandbox logs 000100010001"),
        ("%sandbox create no", "%sandbox create node"),
        ("%sandbox create --na", "%sandbox create --name"),
        ("%sandbox list --status=ac", "%sandbox list --status=active"),
        ("sandbox sto", "sandbox stop"),
        ("x = 1\n%sandbox he", "x = 1\n%sandbox help"),
    ],
)
def test_tab_in_a_real_shell(
    shell: InteractiveShell, stub: StubServer, line: str, completed: str
) -> None:
    stub.add(name="quick-web")
    assert complete(shell, line) == [completed]


def test_loading_twice_completes_once(shell: InteractiveShell) -> None:
    load(shell)
    assert complete(shell, "%sandbox cr") == ["%sandbox create"]


def test_a_variable_named_sandbox_is_left_alone(shell: InteractiveShell) -> None:
    shell.user_ns["sandbox"] = 1
    assert "sandbox create" not in complete(shell, "sandbox cr")


def test_no_server_is_started_for_a_tab(machine: object) -> None:
    assert from_server("reference") == ()
    assert "node" in from_server("template")


def test_a_silent_server_holds_nobody_up() -> None:
    release = threading.Event()

    def slow(kind: str) -> Sequence[str]:
        assert release.wait(10)
        return ["web"]

    lookup = Lookup(slow, patience=0.05)
    began = time.monotonic()
    assert lookup.words("reference") == ()
    assert time.monotonic() - began < 1
    release.set()
    lookup._running["reference"].join(5)
    assert lookup.words("reference") == ["web"]


def test_a_failing_server_is_no_error() -> None:
    def broken(kind: str) -> Sequence[str]:
        raise OSError

    assert Lookup(broken).words("template") == ()
