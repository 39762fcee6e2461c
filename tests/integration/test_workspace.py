"""The working directory: a volume of the sandbox's own, filled from the image, then emptied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orkee_jupyter.client import Client, OrkeeError

from .engine_view import contents
from .servers import Server
from .world import World

Template = Callable[[str, str], None]


@pytest.fixture
def template(server: Server) -> Template:
    """Give what writes a template of the shared server's project."""
    folder = server.project / ".orkee" / "templates"
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, text: str) -> None:
        Path(folder, f"{name}.toml").write_text(f'image = "debian:bookworm-slim"\n{text}')

    return write


def test_a_file_stays_from_one_command_to_the_next(client: Client) -> None:
    with client.create("debian") as sandbox:
        assert sandbox.exec(["sh", "-c", "echo kept > file"]).ok
        assert sandbox.exec(["cat", "/app/file"]).stdout == "kept\n"


def test_each_sandbox_has_a_workspace_of_its_own(client: Client) -> None:
    with client.create("debian") as one, client.create("debian") as other:
        one.exec(["touch", "mine"])
        assert other.exec(["ls", "-A"]).stdout == ""


def test_it_is_filled_from_the_image_and_emptied_at_the_end(
    world: World, client: Client, template: Template
) -> None:
    template("filled", 'setup = ["mkdir -p /app/sub", "echo image > /app/sub/x"]')
    with client.create("filled") as sandbox:
        assert sandbox.exec(["cat", "sub/x"]).stdout == "image\n"
        sandbox.exec(["sh", "-c", "echo changed > sub/x; mkdir .d; touch .d/y; chmod 0 .d"])
        assert {"sub/x", ".d/y"} <= set(contents(world, sandbox.id)[sandbox.id])
    assert contents(world, sandbox.id) == {sandbox.id: []}
    with client.create("filled") as again:
        assert again.exec(["cat", "sub/x"]).stdout == "image\n", "the image itself is unchanged"


def test_a_template_gives_all_that_it_says(client: Client, template: Template) -> None:
    template(
        "whole",
        """
        description = "All of it"
        setup = ["echo layer > /opt/layer"]
        env = { GREETING = "hi" }
        ports = [8001]
        command = "echo $GREETING $(cat /opt/layer) $PWD; sleep 60"
        working_directory = "/srv/work"
        ttl = "2h"
        labels = { kind = "test" }
        """,
    )
    assert "whole" in [each["name"] for each in client.templates()]
    with client.create("whole") as sandbox:
        assert (sandbox.ports, sandbox.ttl, sandbox.labels) == ([8001], 7200, {"kind": "test"})
        with sandbox.log_entries(follow=True) as entries:
            assert next(entries).data == b"hi layer /srv/work\n"


def test_a_second_sandbox_with_the_same_setup_starts_from_the_cache(
    client: Client, template: Template
) -> None:
    template("slow", 'setup = ["sleep 1.5; date +%s%N > /stamp"]')
    with client.create("slow") as one, client.create("slow") as other:
        assert one.exec(["cat", "/stamp"]).stdout == other.exec(["cat", "/stamp"]).stdout


def test_a_setup_command_that_fails_is_shown(client: Client, template: Template) -> None:
    template("broken", 'setup = ["true", "echo what is wrong >&2; exit 7"]')
    with pytest.raises(OrkeeError) as caught:
        client.create("broken", name="never")
    error = caught.value
    assert error.code == "setup_failed"
    assert "code 7" in error.cause
    assert "what is wrong" in error.cause
    assert (error.details["exit_code"], error.details["lines"]) == (7, ["what is wrong"])
    assert client.list(name="never", status="creating") == []
    assert client.list(name="never")[0].status == "failed"


def test_a_template_that_is_wrong_says_where(client: Client, template: Template) -> None:
    template("wrong", "ports = [0]")
    with pytest.raises(OrkeeError) as caught:
        client.create("wrong")
    assert caught.value.code == "invalid_template"
    assert "wrong.toml" in caught.value.cause
    assert "'ports'" in caught.value.cause
