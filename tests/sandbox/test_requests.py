"""From JSON and query parameters to requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import CreateRequest, ExecRequest, ListQuery, LogQuery, Status
from orkee_jupyter.sandbox.requests import (
    decode_create,
    decode_exec,
    decode_list,
    decode_logs,
)


def refusal(decode: Any, value: object) -> OrkeeError:
    with pytest.raises(OrkeeError) as caught:
        decode(value)
    json.dumps(caught.value.details)
    return caught.value


def test_a_create_has_defaults_for_everything() -> None:
    assert decode_create({}) == CreateRequest()
    assert decode_create({"command": None, "name": None}) == CreateRequest()


def test_a_create_takes_every_field() -> None:
    request = decode_create(
        {
            "template": "python",
            "name": "web",
            "image": "python:3.12",
            "project": "Demo 1",
            "ports": [8000],
            "env": {"A": "1"},
            "labels": {"team": "x"},
            "ttl": "30m",
            "command": ["sleep", "1"],
            "working_directory": "/srv",
        }
    )
    assert request == CreateRequest(
        "python", "web", "python:3.12", "Demo 1", (8000,), {"A": "1"}, {"team": "x"}, 1800,
        ("sleep", "1"), "/srv",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "invalid_request"),
        (None, "invalid_request"),
        ("x", "invalid_request"),
        ({"ports": ["3000"]}, "invalid_port"),
        ({"ttl": "soon"}, "invalid_ttl"),
        ({"name": "A B"}, "invalid_request"),
        ({"template": 5}, "invalid_request"),
        ({"command": "ls"}, "invalid_request"),
        ({"env": []}, "invalid_request"),
        ({1: 2}, "invalid_request"),
    ],
)
def test_bad_creates_are_refused(body: object, code: str) -> None:
    assert refusal(decode_create, body).code == code


def test_an_unknown_key_names_the_nearest() -> None:
    error = refusal(decode_create, {"comand": ["ls"]})
    assert "'comand'" in error.cause
    assert error.remedy == "Did you mean 'command'?"
    assert "working_directory" in refusal(decode_create, {"xyzzy": 1}).remedy


def test_an_exec_takes_every_field_and_its_stdin() -> None:
    assert decode_exec({"command": ["ls"]}) == (ExecRequest(("ls",)), None)
    body = {"command": ["cat"], "env": {"A": "1"}, "cwd": "/tmp", "timeout": 5, "stdin": "a\0ü"}
    request, stdin = decode_exec(body)
    assert request == ExecRequest(("cat",), {"A": "1"}, "/tmp", stdin=True, timeout=5.0)
    assert stdin == b"a\0\xc3\xbc"


def test_stdin_may_be_base64_and_empty_is_not_none() -> None:
    assert decode_exec({"command": ["cat"], "stdin_base64": "AP8="})[1] == b"\x00\xff"
    assert decode_exec({"command": ["cat"], "stdin": ""}) == (
        ExecRequest(("cat",), stdin=True),
        b"",
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": []},
        {"command": ["ls"], "stdin": "a", "stdin_base64": "AA=="},
        {"command": ["ls"], "stdin_base64": "?"},
        {"command": ["ls"], "stdin_base64": "ü"},
        {"command": ["ls"], "stdin": "\ud800"},
        {"command": ["ls"], "stdin": 5},
        {"command": ["ls"], "cwd": "tmp"},
        {"command": ["ls"], "timeout": "5"},
        {"command": ["ls"], "workdir": "/"},
    ],
)
def test_bad_execs_are_refused(body: object) -> None:
    assert refusal(decode_exec, body).code == "invalid_request"


def test_a_list_takes_filters_and_a_page() -> None:
    assert decode_list({}) == ListQuery()
    query = decode_list(
        {
            "status": ["active,creating", "paused"],
            "project": ["p"],
            "name": ["web"],
            "label": ["a=1", "b=x=y"],
            "limit": ["5"],
            "cursor": ["abc"],
        }
    )
    statuses = frozenset({Status.ACTIVE, Status.CREATING, Status.PAUSED})
    assert query == ListQuery(statuses, "p", "web", {"a": "1", "b": "x=y"}, 5, "abc")


def test_an_unknown_status_names_the_nearest() -> None:
    error = refusal(decode_list, {"status": ["activ"]})
    assert error.remedy == "Did you mean 'active'?"


@pytest.mark.parametrize(
    "params",
    [
        {"limit": ["0"]},
        {"limit": ["1001"]},
        {"limit": ["-1"]},
        {"limit": ["x"]},
        {"limit": ["\u0663"]},
        {"limit": ["5", "6"]},
        {"label": ["a"]},
        {"label": ["=a"]},
        {"state": ["active"]},
        {"cursor": ["x" * 600]},
    ],
)
def test_bad_lists_are_refused(params: Mapping[str, list[str]]) -> None:
    assert refusal(decode_list, params).code == "invalid_request"


def test_a_log_query_takes_every_parameter() -> None:
    assert decode_logs({}) == LogQuery()
    params = {"follow": ["1"], "tail": ["0"], "after": ["7"], "since": ["1.5"], "format": ["raw"]}
    assert decode_logs(params) == LogQuery(True, 0, 7, 1.5)
    assert decode_logs({"follow": ["false"], "tail": [""]}) == LogQuery()


@pytest.mark.parametrize(
    "params",
    [
        {"follow": ["maybe"]},
        {"tail": ["-1"]},
        {"after": ["x"]},
        {"since": ["nan"]},
        {"since": ["-1"]},
        {"since": ["yesterday"]},
        {"format": ["xml"]},
        {"folow": ["1"]},
        {"tail": ["9" * 30]},
    ],
)
def test_bad_log_queries_are_refused(params: Mapping[str, list[str]]) -> None:
    assert refusal(decode_logs, params).code == "invalid_request"
