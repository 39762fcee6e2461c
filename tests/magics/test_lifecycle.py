"""``%sandbox pause``, ``resume`` and ``extend`` in a real IPython shell on a stub server."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from orkee_jupyter.client import Sandbox
from tests.client.stub_server import StubServer

from .test_magics import fails, run


def test_sandboxes_are_paused_and_one_is_resumed(shell: InteractiveShell, stub: StubServer) -> None:
    stub.add(name="web")
    stub.add(name="api")
    assert [each.status for each in run(shell, "pause web api")] == ["paused", "paused"]
    resumed = run(shell, "resume web")
    assert isinstance(resumed, Sandbox)
    assert resumed.status == "active"


def test_the_last_sandbox_gets_more_time(shell: InteractiveShell, stub: StubServer) -> None:
    stub.add(name="web")
    run(shell, "pause web")
    assert run(shell, "extend _ 2h").name == "web"
    assert stub.requests[-1][2] == {"ttl": "2h"}


@pytest.mark.parametrize("line", ["pause", "resume", "extend web"])
def test_a_line_that_lacks_a_word_is_refused(shell: InteractiveShell, line: str) -> None:
    assert fails(shell, line).code == "invalid_request"


def test_one_wrong_name_pauses_none(shell: InteractiveShell, stub: StubServer) -> None:
    data = stub.add(name="web")
    assert fails(shell, "pause web nope").code == "sandbox_not_found"
    assert data["status"] == "active"
