"""The main path as an ordinary user, whose home is closed to everybody else.

Run by root, which alone can make such a user. Run by an ordinary user, all the other tests
here are that.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ordinary import Ordinary
from .processes import containers_of, host_traces, kill, until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make a user")


@pytest.fixture
def user() -> Iterator[Ordinary]:
    made = Ordinary("debian")
    try:
        yield made
    finally:
        for pid in made.processes():
            kill(pid, signal.SIGTERM)
        until(lambda: not made.processes(), 20, what="the end of the user's processes")
        made.remove()


def test_an_ordinary_user_creates_uses_and_stops_a_sandbox(user: Ordinary) -> None:
    before = host_traces()
    started = user.orkee("engine", "start")
    assert started.returncode == 0, started
    made = user.orkee("sandbox", "create", "debian", "--json", "--", "sleep", "600")
    assert made.returncode == 0, made
    sandbox = json.loads(made.stdout)
    assert (sandbox["status"], sandbox["link"]) == ("active", "direct")
    ran = user.orkee("sandbox", "exec", sandbox["id"], "--", "sh", "-c", "id -u; echo err >&2")
    assert (ran.returncode, ran.stdout) == (0, "0\n")
    assert ran.stderr.endswith("err\n")  # behind what it says of a slow server
    (sleep, *_) = containers_of([sandbox["id"]])
    owner = Path(f"/proc/{sleep}").stat().st_uid
    assert owner not in (0, user.home.stat().st_uid), "root in there is nobody here"
    stopped = user.orkee("sandbox", "stop", sandbox["id"])
    assert stopped.returncode == 0, stopped
    assert containers_of([sandbox["id"]]) == []
    assert user.orkee("engine", "stop").returncode == 0
    assert host_traces() == before


def test_what_it_has_is_closed_to_others(user: Ordinary) -> None:
    assert user.orkee("sandbox", "ls", "--json").stdout.strip() == "[]"
    assert user.home.stat().st_mode & 0o777 == 0o700
    sockets = list((user.home / "run" / "orkee").glob("server-*.sock"))
    assert [each.stat().st_mode & 0o777 for each in sockets] == [0o600]
