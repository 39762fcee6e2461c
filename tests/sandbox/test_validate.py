"""What is accepted from users, and how a refusal reads."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orkee_jupyter.sandbox import validate
from orkee_jupyter.sandbox.errors import OrkeeError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("45s", 45),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        (" 1D2h ", 93600),
        (90, 90),
        (0.2, 1),
        (59.5, 60),
    ],
)
def test_lifetimes_are_read_in_every_form(text: object, seconds: int) -> None:
    assert validate.parse_ttl(text) == seconds


@pytest.mark.parametrize(
    "bad",
    [
        *("", "m", "0", "0s", "-5", "1.5h", "30m1h", "1 h", "soon", "\u0663", "9" * 40),
        *(0, -1, math.nan, math.inf, True, None, []),
    ],
)
def test_what_is_no_lifetime_is_refused(bad: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        validate.parse_ttl(bad)
    assert caught.value.code == "invalid_ttl"


def test_a_lifetime_must_be_within_the_limit() -> None:
    assert validate.validate_ttl(60, 60) == 60
    with pytest.raises(OrkeeError, match="outside the limits"):
        validate.validate_ttl(61, 60)


@pytest.mark.parametrize(
    "bad",
    [[0], [65536], [-1], [True], ["80"], [80.0], [80, 80], list(range(1, 52)), "80", 80, None],
)
def test_what_are_no_ports_is_refused(bad: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        validate.validate_ports(bad)
    assert caught.value.code == "invalid_port"


def test_ports_keep_their_order() -> None:
    assert validate.validate_ports([8000, 1, 65535]) == (8000, 1, 65535)


CASES: dict[str, list[Any]] = {
    "validate_name": ["", "A", "-a", "a b", "a" * 64, "0" * 32, "a\n", "ü", 5, None],
    "validate_image": ["", "-x", "a b", "a\nb", "x" * 513, "$(x)", 5],
    "validate_env": [
        *([], {"": "x"}, {"A=B": "x"}, {"A": 1}, {"A\0": ""}, {"A": "\0"}, {1: ""}),
        *({"A": "x" * 70_000}, {"A": "\ud800"}),
    ],
    "validate_labels": [
        *({"": "x"}, {"a b": ""}, {"a": "x\n"}, {"a": "x" * 256}, {"a": 1}),
        {f"l{n}": "" for n in range(51)},
    ],
    "validate_command": ["ls", [], [""], ["a", 1], ["a\0"], ["x" * 140_000], {}, None],
    "validate_directory": ["", "app", "./app", "/a\0", "/a\nb", 5, "/" + "x" * 1024],
    "validate_timeout": [-1, math.nan, math.inf, "5", True, None, 10**9],
    "validate_line": ["", "  ", "a\nb", "a\x1b", 5],
}


@pytest.mark.parametrize(("check", "bad"), [(name, bad) for name in CASES for bad in CASES[name]])
def test_bad_values_are_refused_with_cause_remedy_and_field(check: str, bad: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        getattr(validate, check)(bad, "thing")
    error = caught.value
    assert error.code == "invalid_request"
    assert error.cause.endswith(".")
    assert error.remedy
    assert error.details["field"].startswith(("thing", "a name in thing"))
    assert len(error.cause) < 200


@pytest.mark.parametrize("name", ["a", "web-1", "0", "my_app.v2", "a" * 63, "0" * 31])
def test_good_names_are_taken(name: str) -> None:
    assert validate.validate_name(name) == name


def test_good_values_come_back() -> None:
    assert validate.validate_image("reg.example:5000/a/b:1@sha256:00")
    assert validate.validate_env({"A": "", "b.c": "ü\n"}) == {"A": "", "b.c": "ü\n"}
    assert validate.validate_labels({"team/x": "ü"}) == {"team/x": "ü"}
    assert validate.validate_command(["sh", "", "\n"]) == ("sh", "", "\n")
    assert validate.validate_directory("/a//./b/../c/") == "/a/c"
    assert validate.validate_directory("/../..") == "/"
    assert validate.validate_timeout(1) == 1.0


def test_an_error_about_the_environment_never_shows_a_value() -> None:
    for bad in (
        {"KEY": "geheim\0"},
        {"KEY": ["geheim"]},
        {"A=B": "geheim"},
        {"KEY=geheim": ""},
        {"K": "geheim\ud800"},
        {1: "geheim"},
        ["KEY=geheim"],
        "KEY=geheim",
    ):
        with pytest.raises(OrkeeError) as caught:
            validate.validate_env(bad)
        assert "geheim" not in f"{caught.value} {caught.value.details}"
