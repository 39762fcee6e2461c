"""Templates: built in and own ones, which wins, and errors that name file and key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Template
from orkee_jupyter.sandbox.templates import TemplateCatalogue

FULL = """
image = "python:3.11-slim"
description = "A web server"
setup = ["pip install flask"]
ports = [8000, 8001]
command = ["python", "-m", "http.server"]
working_directory = "/srv"
ttl = "30m"
network = "allow:Pypi.org"
[env]
DEBUG = "1"
[labels]
team = "data"
"""


@pytest.fixture
def user(tmp_path: Path) -> Path:
    return _folder(tmp_path / "user")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return _folder(tmp_path / "project" / ".orkee" / "templates")


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def refusal(catalogue: TemplateCatalogue, name: str) -> OrkeeError:
    with pytest.raises(OrkeeError) as caught:
        catalogue.get(name)
    return caught.value


def test_the_built_in_ones_are_there() -> None:
    found = {item.name: (item.image, item.ports) for item in TemplateCatalogue().all()}
    assert found == {
        "node-web": ("node:18-alpine", (3000,)),
        "debian": ("debian:bookworm-slim", ()),
        "node": ("node:18-alpine", (3000,)),
        "python": ("python:3.11-slim", (8000,)),
    }


def test_a_file_gives_every_field(user: Path) -> None:
    (user / "web.toml").write_text(FULL)
    assert TemplateCatalogue(user).get("web") == Template(
        name="web",
        image="python:3.11-slim",
        description="A web server",
        setup=("pip install flask",),
        env={"DEBUG": "1"},
        ports=(8000, 8001),
        command=("python", "-m", "http.server"),
        working_directory="/srv",
        ttl=1800,
        network="allow:pypi.org",
        labels={"team": "data"},
        source=str(user / "web.toml"),
    )


def test_a_command_as_a_string_is_for_the_shell(user: Path) -> None:
    (user / "web.toml").write_text('image = "x"\ncommand = "cd /srv && ./run"')
    assert TemplateCatalogue(user).get("web").command == ("sh", "-c", "cd /srv && ./run")


def test_the_project_wins_over_the_user_and_the_user_over_built_in(
    user: Path, project: Path
) -> None:
    for folder, image in ((user, "user"), (project, "project")):
        (folder / "node.toml").write_text(f'image = "{image}"')
    (user / "python.toml").write_text('image = "user"')
    catalogue = TemplateCatalogue(user, project)
    images = {item.name: item.image for item in catalogue.all()}
    assert (images["node"], images["python"]) == ("project", "user")


def test_folders_that_do_not_exist_are_no_error(tmp_path: Path) -> None:
    catalogue = TemplateCatalogue(tmp_path / "a", tmp_path / "b")
    assert catalogue.names() == ["debian", "node", "node-web", "python"]
    assert catalogue.problems == []


def test_a_changed_new_or_removed_file_is_noticed(user: Path) -> None:
    catalogue = TemplateCatalogue(user)
    file = user / "web.toml"
    file.write_text('image = "one"')
    assert catalogue.get("web").image == "one"
    file.write_text('image = "two"')
    os.utime(file, ns=(1, 1))
    assert catalogue.get("web").image == "two"
    file.unlink()
    assert refusal(catalogue, "web").code == "unknown_template"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('image = "x"\nport = [1]', "port", "Did you mean 'ports'?"),
        ('image = "x"\nports = ["1"]', "ports", "no port"),
        ('image = "x"\nttl = "soon"', "ttl", "no duration"),
        ('image = "x"\nnetwork = "some"', "network", "some"),
        ('image = "x"\nenv = {A = 1}', "env", "not a string"),
        ('image = "x"\nsetup = "apk add"', "setup", "not a list"),
        ('image = "x"\nsetup = [" "]', "setup", "empty command"),
        ('image = "x"\ncommand = []', "command", "not a list"),
        ('image = "x"\ncommand = ""', "command", "not a list"),
        ('image = "x"\nworking_directory = "app"', "working_directory", "not absolute"),
        ('image = "x"\nlabels = {"a b" = "1"}', "labels", "no name of a label"),
        ("image = 5", "image", "not a string"),
        ('description = "x"', None, "'image' is missing"),
        ("image = ", None, "not TOML"),
        ("\udcff", None, "not TOML"),
    ],
)
def test_an_error_names_file_and_key(user: Path, text: str, key: str | None, words: str) -> None:
    file = user / "bad.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    error = refusal(TemplateCatalogue(user), "bad")
    assert error.code == "invalid_template"
    assert words in str(error)
    assert str(file) in error.cause
    assert error.details == {"file": str(file), "key": key}
    assert key is None or repr(key) in error.cause


def test_a_broken_file_hides_no_other_and_is_listed_as_a_problem(user: Path) -> None:
    (user / "bad.toml").write_text("image = ")
    (user / "Bad Name.toml").write_text('image = "x"')
    (user / "good.toml").write_text('image = "x"')
    (user / "folder.toml").mkdir()
    catalogue = TemplateCatalogue(user)
    assert catalogue.names() == ["debian", "good", "node", "node-web", "python"]
    assert [Path(error.details["file"]).name for error in catalogue.problems] == [
        "Bad Name.toml",
        "bad.toml",
        "folder.toml",
    ]


def test_a_huge_file_is_not_read(user: Path) -> None:
    (user / "huge.toml").write_text("#" * 300_000)
    assert "larger than" in refusal(TemplateCatalogue(user), "huge").cause


@pytest.mark.parametrize("name", ["../../etc/passwd", "nope", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    error = refusal(TemplateCatalogue(), name)
    assert (error.code, error.details) == (
        "unknown_template",
        {"templates": ["debian", "node", "node-web", "python"]},
    )


def test_a_template_that_says_nothing_has_the_default_lifetime(user: Path) -> None:
    (user / "web.toml").write_text('image = "x"')
    catalogue = TemplateCatalogue(user, default_ttl=60)
    assert catalogue.get("web").ttl == 60
    catalogue.default_ttl = 90
    assert (catalogue.get("web").ttl, catalogue.get("node").ttl) == (90, 90)
