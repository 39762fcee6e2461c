"""Splitting a line into words, with Python variables."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.magics import values
from orkee_jupyter.magics.words import split

NAMES = {"name": "web", "code": 'f("a b"); {}', "n": 3, "d": {"a b": "c"}}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exec $name -- echo {n + 1}", ["exec", "web", "--", "echo", "4"]),
        ("-- node -e {code}", ["--", "node", "-e", 'f("a b"); {}']),
        ("'$name' '{n}'", ["$name", "{n}"]),
        ('"$name and {n}"', ["web and 3"]),
        ("x{n}y'{n}'", ["x3y{n}"]),
        ("$unknown {n}", ["$unknown", "3"]),
        ("{ } {console.log(1)}", ["{", "}", "{console.log(1)}"]),
        ("\\$name a\\ b", ["$name", "a b"]),
        ("$$name", ["$name"]),
        ("{d['a b']} {d['no']}", ["c", "{d[no]}"]),
        ("${name}", ["$web"]),
        ("'' \"\"", ["", ""]),
        ("", []),
    ],
)
def test_words_are_expanded_one_by_one(line: str, words: list[str]) -> None:
    assert split(line, NAMES) == words


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_quoted_words_come_back_as_they_were(words: list[str]) -> None:
    assert split(shlex.join(words), NAMES) == words


@given(st.text(max_size=60))
def test_any_line_gives_words_or_an_error_of_ours(line: str) -> None:
    with contextlib.suppress(OrkeeError):
        assert all(isinstance(word, str) for word in split(line, NAMES))


def test_a_pair_without_a_key_is_refused_and_not_repeated() -> None:
    with pytest.raises(OrkeeError) as caught:
        values.pairs("--env", ["secret-value"])
    assert "secret-value" not in str(caught.value)
    assert values.pairs("--env", ["A=b=c", "B="]) == {"A": "b=c", "B": ""}


def test_since_takes_ages_and_times() -> None:
    now = 1_800_000_000.0
    assert values.since("1h30m", now) == now - 5400
    assert values.since("1700000000", now) == 1_700_000_000
    assert values.since("2026-01-31T14:30+00:00", now) == 1_769_869_800
    assert abs(values.since("9:05", now) - now) < 86400


@pytest.mark.parametrize("text", ["soon", "10", "25:00", "9" * 400 + "d", "1m2"])
def test_since_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(OrkeeError):
        values.since(text, 1.8e9)
