"""What the kernel carries of what a page says, and what it refuses."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.widget import messages
from orkee_jupyter.widget.messages import Refused, Unreadable, checked_path, decode


@pytest.mark.parametrize(
    "path",
    [
        "templates",
        "sandbox?status=active,creating&label=a%3Db&limit=5",
        "sandbox/0123abcd/files/content?path=src%2F..%2Fa.txt",
        "sandbox/a%20name",
        "sandbox/a%2Fb",
        "sandbox/a:b/logs?tail=5",
        "sandbox/%C3%A4/keep",
    ],
)
def test_a_path_below_the_interface_is_carried(path: str) -> None:
    assert checked_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "//evil.example/x",
        "http://evil.example/",
        "http:evil",
        "..",
        "../api/kernels",
        "sandbox/../../../api/contents",
        "sandbox/%2e%2e/%2E%2e/x",
        "sandbox/%252e%252e/x",
        "sandbox/%25252e%25252e/x",
        "sandbox/a%2F..%2F..%2Fx",
        "sandbox/..%5Cx",
        "sandbox/./x",
        "sandbox//x",
        "sandbox/x/",
        "sandbox/a b",
        "sandbox/a\nHost: b",
        "sandbox/a\\b",
        "sandbox/a#b",
        "sandbox/%zz",
        "sandbox?a=b c",
        "sandbox?a=b#c",
        "sandbox/ä",
        "x" * 9000,
        None,
        5,
        ["sandbox"],
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        checked_path(path)
    assert caught.value.code == "invalid_path"


@given(st.text(alphabet="ab./%2eE5cCfF\\:?#", max_size=24))
def test_no_path_that_is_carried_has_a_step_up_for_anybody(path: str) -> None:
    from urllib.parse import unquote

    try:
        checked_path(path)
    except OrkeeError:
        return
    before_query = path.partition("?")[0]
    for seen in (before_query, unquote(before_query), unquote(unquote(before_query))):
        assert not {"", ".", ".."} & set(seen.replace("\\", "/").split("/"))


@pytest.mark.parametrize("method", ["PATCH", "get", "", None, 5, "GET /x HTTP/1.1\r\n"])
def test_other_methods_are_refused_with_an_answer_to_who_asked(method: object) -> None:
    with pytest.raises(Refused) as caught:
        decode({"view": "v", "kind": "request", "id": 3, "method": method, "path": "sandbox"})
    assert (caught.value.view, caught.value.id) == ("v", 3)
    assert caught.value.problem.code == "invalid_request"


@pytest.mark.parametrize(
    "content",
    [
        None,
        "text",
        [],
        {},
        {"kind": "request", "id": 1},
        {"view": "v", "kind": "exec", "id": 1},
        {"view": "v", "kind": ["request"], "id": 1},
        {"view": "v" * 65, "kind": "alive"},
        {"view": "a b", "kind": "alive"},
        {"view": "v", "kind": "alive", "id": True},
        {"view": "v", "kind": "alive", "id": -1},
        {"view": "v", "kind": "alive", "id": "1"},
        {"view": "v", "kind": "alive", "id": 1.5},
    ],
)
def test_what_does_not_say_who_asks_for_what_is_dropped(content: object) -> None:
    with pytest.raises(Unreadable):
        decode(content)


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": "not base64!"},
        {"data": None},
        {"part": -1},
        {"part": "0"},
        {"data": base64.b64encode(bytes(messages.PIECE_LIMIT + 1)).decode()},
    ],
)
def test_a_piece_of_a_file_that_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    right = {"view": "v", "kind": "write", "id": 1, "path": "x", "part": 0, "data": "QQ=="}
    assert decode(right) == messages.Write("v", 1, "x", 0, b"A", False)
    with pytest.raises(Refused):
        decode(right | wrong)
