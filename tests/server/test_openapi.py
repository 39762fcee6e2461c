"""The OpenAPI document and the server say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from orkee_jupyter.problems import STATUS
from orkee_jupyter.sandbox.errors import CODES, OrkeeError
from orkee_jupyter.sandbox.model import LogEntry, Output
from orkee_jupyter.server.openapi import document
from tests.server.conftest import BASE, Running
from tests.server.stub import StubExec
from tests.server.test_auth import live_verbs

pytestmark = pytest.mark.asyncio


def check(name: str, value: Any) -> None:
    """Fail unless a value is what the document's schema of that name says."""
    whole = {"$ref": f"#/components/schemas/{name}", "components": document("/")["components"]}
    Draft202012Validator(whole).validate(value)


async def test_the_document_is_valid_and_served(server: Running) -> None:
    answer = (await server.http.get("/openapi.json")).json()
    validate(answer)
    assert answer["openapi"].startswith("3.1")
    assert answer["servers"] == [{"url": f"{BASE}orkee/api"}]


def templated(path: str) -> str:
    path = path.replace("/snapshots/web", "/snapshots/{name}")
    return path.replace("/web", "/{ref}").replace("/3000", "/{port}").replace("/7/", "/{pid}/")


async def test_live_routes_and_documented_ones_are_the_same(server: Running) -> None:
    live = {
        (verb, templated(path.removeprefix(f"{BASE}orkee/api")))
        for verb, path in live_verbs(server.app.web_app)
        if path.startswith(f"{BASE}orkee/api")  # the proxy's answers are the sandboxes'
    }
    documented = {
        (verb.upper(), path)
        for path, item in document("/")["paths"].items()
        for verb in item
        if verb in ("get", "post", "put", "patch", "delete")
    }
    assert live == documented


@pytest.mark.parametrize(
    ("verb", "path", "schema"),
    [
        ("POST", "/sandbox", "SandboxAnswer"),
        ("GET", "/sandbox", "SandboxPage"),
        ("GET", "/sandbox/web", "SandboxAnswer"),
        ("GET", "/sandbox/web/stats", "StatsAnswer"),
        ("DELETE", "/sandbox/web", "SandboxAnswer"),
        ("DELETE", "/sandbox/web?after=5", "SandboxAnswer"),
        ("POST", "/sandbox/web/pause", "SandboxAnswer"),
        ("POST", "/sandbox/web/resume", "SandboxAnswer"),
        ("POST", "/sandbox/web/keep", "SandboxAnswer"),
        ("POST", "/clean", "CleanAnswer"),
        ("POST", "/sql", "SqlAnswer"),
        ("GET", "/sandbox/web/events", "EventsAnswer"),
        ("GET", "/templates", "TemplatesAnswer"),
        ("GET", "/engine", "EngineAnswer"),
        ("GET", "/engine/cache", "CacheAnswer"),
        ("POST", "/engine/cache/clean", "CacheCleanAnswer"),
        ("POST", "/engine/install", "InstallAnswer"),
        ("GET", "/sandbox/nope", "Problem"),
        ("GET", "/sandbox/web/processes", "ProcessesAnswer"),
        ("POST", "/sandbox/web/processes/7/signal", "Done"),
    ],
)
async def test_answers_are_what_the_document_says(
    server: Running, verb: str, path: str, schema: str
) -> None:
    body = {"query": "FROM execs"} if path == "/sql" else None
    check(schema, (await server.http.request(verb, path, json=body)).json())


@pytest.mark.parametrize(
    ("verb", "path", "body", "schema"),
    [
        ("POST", "/sandbox", {}, "CreateLine"),
        ("POST", "/sandbox/web/exec", {"command": ["x"]}, "ExecLine"),
        ("POST", "/sandbox/web/exec", {"command": ["x"], "detach": True}, "ExecLine"),
        ("GET", "/sandbox/web/processes/7/attach", None, "ExecLine"),
        ("GET", "/sandbox/web/logs", None, "LogLine"),
    ],
)
async def test_streamed_lines_are_what_the_document_says(
    server: Running, verb: str, path: str, body: Any, schema: str
) -> None:
    lost = OrkeeError("sandbox_lost", "Gone.")
    pieces = [Output("dropped", b"", 5), Output("stdout", b"a"), Output("stderr", b"\xff")]
    server.manager.exec_stream = StubExec(pieces, lost)
    server.manager.entries = [
        LogEntry(1, 0.0, "dropped", b"", 3),
        LogEntry(2, 1.0, "stdout", b"a"),
        LogEntry(3, 1.0, "stderr", b"\xff"),
    ]
    headers = {"Accept": "application/x-ndjson"}
    answer = await server.http.request(verb, path, json=body, headers=headers)
    for line in answer.text.splitlines():
        check(schema, json.loads(line))


async def test_every_code_is_documented() -> None:
    problem = document("/")["components"]["schemas"]["Problem"]
    assert set(problem["properties"]["code"]["enum"]) == set(CODES) == set(STATUS)
