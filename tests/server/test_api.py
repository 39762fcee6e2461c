"""The verbs that answer at once, over a real server."""

from __future__ import annotations

import asyncio
import json

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ListQuery, Status
from tests.server.conftest import Running, until
from tests.server.stub import ID

pytestmark = pytest.mark.asyncio


async def test_create_answers_201_with_the_sandbox(server: Running) -> None:
    answer = await server.http.post("/sandbox", json={"template": "python", "ttl": "30m"})
    assert answer.status_code == 201
    assert answer.json()["success"] is True
    assert answer.json()["sandbox"]["id"] == ID
    name, request, owner = server.manager.calls[0]
    assert (name, request.template, request.ttl, owner) == ("create", "python", 1800, "local")


async def test_an_empty_create_means_the_defaults(server: Running) -> None:
    assert (await server.http.post("/sandbox")).status_code == 201
    assert server.manager.calls[0][1].template == "node"


async def test_list_passes_filters_and_gives_the_next_cursor(server: Running) -> None:
    query = "status=active,creating&label=a=1&label=b=2&limit=5&project=p"
    answer = await server.http.get(f"/sandbox?{query}")
    assert [each["name"] for each in answer.json()["sandboxes"]] == ["web"]
    assert answer.json()["next"] == "more"
    assert server.manager.calls[0][1] == ListQuery(
        statuses=frozenset({Status.ACTIVE, Status.CREATING}),
        project="p",
        labels={"a": "1", "b": "2"},
        limit=5,
    )


async def test_get_finds_by_name(server: Running) -> None:
    answer = await server.http.get("/sandbox/web")
    assert answer.json()["sandbox"]["short_id"] == ID[:12]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_delete_answers_the_terminated_sandbox(server: Running) -> None:
    answer = await server.http.delete(f"/sandbox/{ID}")
    assert (answer.status_code, answer.json()["sandbox"]["status"]) == (200, "terminated")


async def test_clean_answers_what_was_ended(server: Running) -> None:
    answer = await server.http.post("/clean")
    assert [each["id"] for each in answer.json()["cleaned"]] == [ID]


async def test_templates_show_names_of_the_environment_only(server: Running) -> None:
    (template,) = (await server.http.get("/templates")).json()["templates"]
    assert (template["name"], template["env"], template["command"]) == (
        "node",
        ["SECRET"],
        ["node"],
    )


async def test_engine_shows_the_status(server: Running) -> None:
    assert (await server.http.get("/engine")).json() == {
        "success": True,
        "engine": {"kind": "none"},
    }


async def test_an_error_becomes_a_problem_with_its_status(server: Running) -> None:
    answer = await server.http.get("/sandbox/nothere")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["detail"], problem["remedy"]) == (
        "sandbox_not_found",
        "There is no sandbox nothere.",
        "List them.",
    )


async def test_a_defect_tells_nothing_of_itself(server: Running) -> None:
    server.manager.error = RuntimeError("password=hunter2")
    answer = await server.http.get("/engine")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b'{"ttl": NaN}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_request"),
        (b'{"tll": 3}', "invalid_request"),
        (b'{"ports": [0]}', "invalid_port"),
    ],
)
async def test_a_bad_body_is_refused(server: Running, body: bytes, code: str) -> None:
    answer = await server.http.post("/sandbox", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert server.manager.calls == []


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 20 * 1024 * 1024])
async def test_a_large_body_is_refused_without_cutting_the_connection(
    server: Running, size: int
) -> None:
    answer = await server.http.post("/sandbox", content=b" " * size)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_verb_that_is_not_there_is_a_problem_too(server: Running) -> None:
    answer = await server.http.put("/sandbox/web", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "invalid_request")
    assert answer.json()["status"] == 405


async def test_a_request_waits_while_the_server_starts(server: Running) -> None:
    context = server.extension.context
    context._settled.clear()
    pending = asyncio.ensure_future(server.http.get("/engine"))
    await until(lambda: context.requests == 1)
    context.ready(server.manager)  # type: ignore[arg-type]
    assert (await pending).status_code == 200


async def test_a_failed_start_is_answered_at_each_request(server: Running) -> None:
    server.extension.context.failed(OrkeeError("store_locked", "Process 5 holds it.", "Stop it."))
    for _ in range(2):
        answer = await server.http.get("/sandbox")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_locked")


async def test_requests_count_as_activity_for_cullers(server: Running) -> None:
    server.app.web_app.settings.pop("orkee_last_activity", None)
    await server.unix.get("/engine")
    assert server.app.web_app.last_activity() >= server.app.web_app.settings["orkee_last_activity"]
    assert server.extension.context.requests == 0


async def test_answers_are_json_objects(server: Running) -> None:
    answer = await server.http.get("/sandbox")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(json.loads(answer.text)) == {"success", "sandboxes", "next"}
