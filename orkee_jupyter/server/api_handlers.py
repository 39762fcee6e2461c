"""The REST verbs that answer at once: decode, one call of the manager, encode."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from tornado import web

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from ..sandbox.lifecycle_requests import decode_after
from ..sandbox.model import Template
from .base import OrkeeHandler, authorized
from .openapi import document

RESOURCE: Final = "orkee"


class SandboxHandler(OrkeeHandler):
    """``/sandbox/REF``: one sandbox, by id, unique prefix or name."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self, ref: str) -> None:
        manager = await self.manager()
        sandbox = await manager.get(ref, self.owner)
        self.answer(sandbox=self.sandbox_json(manager, sandbox))

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def delete(self, ref: str) -> None:
        manager = await self.manager()
        after = decode_after(self.query())
        if after is None:
            sandbox = await manager.stop(ref, self.owner)
        else:
            sandbox = await manager.stop_later(ref, after, self.owner)
        self.answer(200 if after is None else 202, sandbox=self.sandbox_json(manager, sandbox))


class CleanHandler(OrkeeHandler):
    """``/clean``: end what has expired."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        manager = await self.manager()
        self.json_body()
        cleaned = await manager.clean(self.owner)
        self.answer(cleaned=[self.sandbox_json(manager, each) for each in cleaned])


class TemplatesHandler(OrkeeHandler):
    """``/templates``: what sandboxes can be made from."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        manager = await self.manager()
        self.answer(
            templates=[template_json(each) for each in manager.templates.all()],
            problems=[to_problem(each) for each in manager.templates.problems],
        )


class EngineHandler(OrkeeHandler):
    """``/engine``: which engine is in use, and why the others are not."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        manager = await self.manager()
        self.answer(engine=dict(await manager.engine_status()))


class OpenAPIHandler(OrkeeHandler):
    """``/openapi.json``: the description of this interface."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        self.finish(document(self.base_url))


class UnknownHandler(OrkeeHandler):
    """Whatever else is below the interface: a problem object, as everywhere in it."""

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler has it
        await super().prepare()
        raise OrkeeError(
            "no_such_address",
            "The interface has no such address.",
            "See openapi.json for what there is.",
        )


def template_json(template: Template) -> dict[str, Any]:
    """Return a template as JSON. Of the environment it shows the names only."""
    members = {field.name: getattr(template, field.name) for field in fields(template)}
    return {
        **members,
        "env": sorted(template.env),
        "labels": dict(template.labels),
        "limits": template.limits.to_json(),
        "setup": list(template.setup),
        "ports": list(template.ports),
        "command": None if template.command is None else list(template.command),
    }
