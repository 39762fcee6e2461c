"""The kernel's work for one view: answers, files, the live connection, and what is lost."""

from __future__ import annotations

import base64
import json

import pytest

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.widget import view as view_module

from .conftest import LiveServer, Page, Server

pytestmark = pytest.mark.asyncio


async def test_a_request_is_carried_as_it_is(page: Page, server: Server) -> None:
    page.say("request", 1, method="POST", path="sandbox?x=1", body={"template": "node"})
    answer = await page.answer(1)
    assert answer["body"] == {"success": True, "path": "sandbox?x=1"}
    assert server.asked == [("POST", "sandbox?x=1", {"template": "node"})]


async def test_a_failure_is_answered_with_its_problem(page: Page, server: Server) -> None:
    server.failure = OrkeeError("name_taken", "It is taken.", "Take another.", details={"a": 1})
    page.say("request", 1, method="GET", path="sandbox")
    problem = (await page.answer(1))["problem"]
    assert (problem["code"], problem["detail"]) == ("name_taken", "It is taken.")
    assert (problem["remedy"], problem["details"]) == ("Take another.", {"a": 1})


async def test_a_defect_is_answered_and_never_shown_elsewhere(page: Page, server: Server) -> None:
    server.call = None  # type: ignore[method-assign,assignment]
    page.say("request", 1, method="GET", path="sandbox")
    assert (await page.answer(1))["problem"]["code"] == "internal"


async def test_a_slow_call_is_said_to_be_heard(
    page: Page, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "HEARD_AFTER", 0.01)
    server.go_on.clear()
    page.say("request", 1, method="GET", path="sandbox")
    await page.until(lambda: page.of("heard", 1))
    server.go_on.set()
    await page.answer(1)


async def test_a_cancelled_call_is_left(page: Page, server: Server) -> None:
    server.go_on.clear()
    page.say("request", 1, method="GET", path="sandbox")
    page.say("request", 2, method="GET", path="sandbox")
    await page.until(lambda: len(server.asked) == 2)
    page.say("cancel", 1)
    await page.until(lambda: server.left)
    server.go_on.set()
    await page.answer(2)
    assert not page.of("answer", 1)


async def test_a_file_is_read_in_pieces(page: Page, server: Server) -> None:
    server.file = bytes(range(256)) * 2000
    page.say("read", 1, path="sandbox/a/files/content?path=x", limit=1 << 20)
    (end,) = await page.until(lambda: page.of("end", 1))
    pieces = [base64.b64decode(each["data"]) for each in page.of("chunk", 1)]
    assert b"".join(pieces) == server.file
    assert end["size"] == len(server.file)


async def test_a_file_that_is_too_large_is_refused(page: Page, server: Server) -> None:
    server.file = bytes(200_000)
    page.say("read", 1, path="x", limit=100_000)
    assert (await page.answer(1))["problem"]["code"] == "file_too_large"
    assert not page.of("end", 1)


async def test_a_file_is_written_in_pieces_and_each_is_acknowledged(
    page: Page, server: Server
) -> None:
    pieces = [b"a" * 1000, b"b" * 500, b""]
    for part, piece in enumerate(pieces):
        data = base64.b64encode(piece).decode()
        page.say("write", 1, path="x", part=part, data=data, last=part == 2)
    answer = await page.answer(1)
    assert answer["body"]["received"] == 1500
    assert server.put_bodies == [b"a" * 1000 + b"b" * 500]
    assert [each["sent"] for each in page.of("took", 1)] == [1000, 1500, 1500]


async def test_a_file_of_which_a_piece_is_missing_is_given_up(page: Page, server: Server) -> None:
    page.say("write", 1, path="x", part=0, data="QQ==", last=False)
    page.say("write", 1, path="x", part=2, data="QQ==", last=True)
    assert "problem" in await page.answer(1)
    assert server.put_bodies == []


async def test_answers_that_were_lost_are_given_again(page: Page, server: Server) -> None:
    page.say("request", 1, method="GET", path="sandbox")
    await page.answer(1)
    page.say("again", 0, ids=[1, 99])
    await page.until(lambda: len(page.of("answer", 1)) == 2)
    assert page.of("answer", 1)[0] == page.of("answer", 1)[1]
    assert "problem" in (await page.answer(99))  # never heard of: it has to be asked anew
    assert len(server.asked) == 1


async def test_messages_are_numbered_without_a_gap(page: Page, server: Server) -> None:
    for number in range(1, 60):
        page.say("request", number, method="GET", path="sandbox")
    await page.answer(59)
    assert [message["n"] for message in page.messages] == list(range(1, len(page.messages) + 1))


async def test_more_calls_than_can_be_kept_in_mind_are_refused(page: Page, server: Server) -> None:
    server.go_on.clear()
    for number in range(1, 70):
        page.say("request", number, method="GET", path="sandbox")
    assert (await page.answer(69))["problem"]["code"] == "invalid_request"
    server.go_on.set()
    assert "body" in await page.answer(1)


async def test_the_live_connection_is_carried_word_for_word(
    page: Page, live_server: LiveServer
) -> None:
    said = ['{"type": "hello",  "x":"\\u00e4 ä 𝄞"}', '{"type":"tick"}']
    live_server.to_send = said
    page.say("live-open", 5)
    page.say("live-send", 5, data='{"type":"watch","stats":true}')
    await page.until(lambda: len(page.of("live", 5)) == 2)
    assert [each["data"] for each in page.of("live", 5)] == said
    await page.until(lambda: live_server.heard)
    assert live_server.heard == ['{"type":"watch","stats":true}']


async def test_closing_the_live_connection_closes_the_websocket(
    page: Page, live_server: LiveServer
) -> None:
    page.say("live-open", 5)
    await page.until(lambda: live_server.connections == 1)
    page.say("live-close", 5)
    await page.until(lambda: live_server.connections == 0)
    await page.until(lambda: page.view.live_connections == 0)


async def test_the_end_of_the_live_connection_is_told(page: Page, live_server: LiveServer) -> None:
    live_server.close_first = True
    live_server.to_send = ["{}"]
    page.say("live-open", 5)
    await page.until(lambda: page.of("live-closed", 5))
    kinds = [each["kind"] for each in page.items if each.get("id") == 5]
    assert kinds == ["live", "live-closed"]


async def test_a_server_that_is_not_there_is_told_with_its_problem(page: Page) -> None:
    page.say("live-open", 5)
    (closed,) = await page.until(lambda: page.of("live-closed", 5))
    assert closed["problem"]["code"] == "server_unreachable"


async def test_what_is_said_on_a_live_connection_that_is_gone_is_answered(page: Page) -> None:
    page.say("live-send", 9, data="{}")
    await page.until(lambda: page.of("live-closed", 9))


async def test_a_flood_waits_in_the_server_and_not_in_the_kernel(
    page: Page, live_server: LiveServer
) -> None:
    live_server.to_send = [json.dumps({"n": n, "text": "x" * 60_000}) for n in range(200)]
    page.say("live-open", 5)
    await page.until(lambda: len(page.of("live", 5)) >= 10)
    behind = live_server.sent - len(page.of("live", 5))
    assert behind < 60  # the sockets' buffers and a few messages, not all of it
    page.say("request", 6, method="GET", path="sandbox")
    await page.answer(6)
    assert len(page.of("live", 5)) < 100  # the answer did not wait for the flood
