"""Parsing of the line behind ``%sandbox``."""

from __future__ import annotations

import pytest

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.magics import help as help_pages
from orkee_jupyter.magics.arguments import COMMANDS, parse
from orkee_jupyter.magics.words import split


def test_create_takes_all_its_options_and_a_command() -> None:
    found = parse(
        split(
            "create node --name web --image i --project p -p 3000 --port=3001 "
            "-e A=1 --env B=2 --label k=v --ttl 30m -- node -e x --name y"
        )
    )
    assert found.words == ("node",)
    assert (found.one("name"), found.one("ttl"), found.one("image")) == ("web", "30m", "i")
    assert found.all("port") == ("3000", "3001")
    assert found.all("env") == ("A=1", "B=2")
    assert found.tail == ("node", "-e", "x", "--name", "y")


def test_no_words_and_help_flags_give_help() -> None:
    assert parse([]).command == "help"
    assert parse(["--help"]).command == "help"
    assert parse(["logs", "-h"]).words == ("logs",)


def test_ls_is_list() -> None:
    assert parse(["ls", "-a"]).command == "list"
    assert parse(["ls", "-a"]).has("all")


def test_help_after_the_dashes_belongs_to_the_command() -> None:
    assert parse(["exec", "web", "--", "ls", "--help"]).tail == ("ls", "--help")


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        ("crate", '"crate"', "Did you mean `create`?"),
        ("xyzzy", '"xyzzy"', "`%sandbox help`"),
        ("logs web --folow", "`--folow`", "Did you mean `--follow`?"),
        ("logs", "needs the sandbox's id", "`_` for the last"),
        ("logs a b", '"b"', "Usage"),
        ("exec web ls", '"ls"', "Put `--` before"),
        ("exec web", "needs a command", "-- COMMAND"),
        ("exec web --", "no command behind", "Usage"),
        ("stop web -- ls", "takes no command", "Usage"),
        ("create --name", "`--name` needs a value", "NAME"),
        ("create --name a --name b", "given twice", "once"),
        ("list --all=1", "takes no value", "Usage"),
        ("create 'node", "quote is not closed", "Close the '"),
    ],
)
def test_a_wrong_line_names_the_cause_and_the_remedy(line: str, cause: str, remedy: str) -> None:
    with pytest.raises(OrkeeError) as caught:
        parse(split(line))
    assert caught.value.code == "invalid_request"
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy


def test_help_names_every_sub_command_and_every_option() -> None:
    overview = help_pages.overview()
    for name, command in COMMANDS.items():
        assert f"  {name} " in overview
        page = help_pages.of_command(name)
        assert command.usage in page
        assert all(option.flag in page for option in command.options)


def test_every_example_parses() -> None:
    for command in COMMANDS.values():
        if command.example:
            words = split(command.example.removeprefix("%sandbox "))
            assert parse(words).command == command.name
