"""Cells that ask, and an ipykernel installed on request, in real kernels and sandboxes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .kernels import Kernel
from .programs import put_template
from .servers import Server
from .world import World

# An installation comes from Debian's servers.
pytestmark = pytest.mark.timeout(500)

ASK = """%%sandbox python asking
import getpass
print('before')
(input('name? '), getpass.getpass('key? '))"""


@pytest.fixture(scope="module")
def kernel(world: World, servers: dict[str, Server]) -> Iterator[Kernel]:
    """Give a kernel with a sandbox called asking, whose Python has no ipykernel."""
    server = servers["direct"]
    template = put_template(world)
    with (
        server.client() as client,
        client.create(template, name="asking"),
        Kernel(server) as made,
    ):
        yield made


def asks_here(kernel: Kernel) -> None:
    ran = kernel.run(ASK, answer="Ada")
    assert ran.status == "ok", ran
    assert ran.questions == [
        {"prompt": "name? ", "password": False},
        {"prompt": "key? ", "password": True},
    ]
    assert ran.text("stdout") == "before\n"
    assert ran.only("display_data")["data"] == {"text/plain": "('Ada', 'Ada')"}


def test_the_built_in_interpreter_asks_in_the_notebook(kernel: Kernel) -> None:
    first = kernel.run("%%sandbox python asking --restart\n1")
    assert "because the image has no ipykernel" in first.text("stderr")
    asks_here(kernel)


def test_an_ipykernel_is_installed_on_request_and_asks_in_the_notebook(kernel: Kernel) -> None:
    first = kernel.run("%%sandbox python asking --install-kernel\n!echo from a shell", limit=400)
    assert first.status == "ok", first
    assert "Installed ipykernel in sandbox asking" in first.text("stderr")
    assert "ipykernel 6" in first.text("stderr")
    assert "from a shell" in first.text("stdout")
    asks_here(kernel)
    again = kernel.run("%%sandbox python asking --install-kernel\n1")
    assert "ipykernel" not in again.text("stderr"), "it is there, and nothing begins anew"


def test_what_cannot_be_installed_is_said(kernel: Kernel) -> None:
    made = kernel.run("lost = %sandbox create debian --name lost")
    assert made.status == "ok", made
    ran = kernel.run("%%sandbox python lost --install-kernel\n1")
    assert ran.status == "error"
    assert "there is no Python" in ran.error[0]
    assert "built-in interpreter" in ran.error[1]
    kernel.run("%sandbox stop lost")
