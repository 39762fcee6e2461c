"""What every handler shares: the manager, bodies, answers and errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

from jupyter_server.auth.decorator import authorized as _authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from ..problems import to_problem
from ..sandbox.errors import OrkeeError
from ..sandbox.model import Sandbox, to_json
from .context import KEY, ServerContext

if TYPE_CHECKING:
    from types import TracebackType

    from ..sandbox.manager import SandboxManager

#: Bytes that a request's body may have.
BODY_LIMIT: Final = 1024 * 1024
#: Query arguments that are Jupyter's, not ours.
JUPYTERS_ARGUMENTS: Final = frozenset({"token", "_xsrf", "no_track_activity"})
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"
#: Where pages of sandboxes are, below the server's base URL.
PROXY: Final = "/orkee/proxy"

Verb = Callable[..., Awaitable[None] | None]
#: Jupyter's decorator, whose own annotation fits its use without arguments only. Those are
#: always given here: without them the first handler's would be frozen for all that inherit.
authorized = cast("Callable[..., Callable[[Verb], Verb]]", _authorized)


@web.stream_request_body
class OrkeeHandler(APIHandler):
    """A REST handler. A verb raises OrkeeError; it becomes a problem with the code's status.

    Bodies are taken as they come, so that one that is too large costs no memory
    and still gets an answer instead of a cut connection.
    """

    def initialize(self) -> None:
        self._body = bytearray()
        self._too_large = False
        self._counted = False

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler has it
        self._counted = True
        self.context.begin()
        await super().prepare()

    def on_finish(self) -> None:
        self._count_end()

    def on_connection_close(self) -> None:
        """The client went away before its answer was complete."""
        super().on_connection_close()  # wakes who waits for the rest of the body
        self._count_end()

    def _count_end(self) -> None:
        if self._counted:
            self._counted = False
            self.context.end()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if len(self._body) + len(chunk) > BODY_LIMIT:
            self._too_large = True
            self._body.clear()
        if not self._too_large:
            self._body += chunk
        return None

    # -- what verbs use -------------------------------------------------

    @property
    def context(self) -> ServerContext:
        context = self.settings[KEY]
        assert isinstance(context, ServerContext)
        return context

    async def manager(self) -> SandboxManager:
        """Return the manager, or raise why there is none."""
        return await self.context.manager()

    @property
    def owner(self) -> str:
        """Return whose sandboxes this request is about."""
        return self.context.owner(self.settings["identity_provider"], self.current_user)

    def json_body(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty body is an empty object.

        Raises OrkeeError ``body_too_large``, ``invalid_json``, ``invalid_request``.
        """
        if self._too_large:
            raise OrkeeError(
                "body_too_large",
                f"The body is larger than {BODY_LIMIT} bytes.",
                "Send less; large data goes into a sandbox as a file.",
            )
        if not self._body.strip():
            return {}
        try:
            value = json.loads(self._body.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise OrkeeError(
                "invalid_json",
                f"The body is not JSON: {_reason(error)}.",
                "Send one JSON object in UTF-8.",
            ) from error
        if not isinstance(value, dict):
            raise OrkeeError(
                "invalid_request", "The body is not a JSON object.", "Send an object: {…}."
            )
        return value

    def query(self) -> dict[str, list[str]]:
        """Return the query's arguments, decoded. Raises OrkeeError ``invalid_request``."""
        try:
            return {
                name: [value.decode() for value in values]
                for name, values in self.request.query_arguments.items()
                if name not in JUPYTERS_ARGUMENTS
            }
        except UnicodeDecodeError as error:
            raise OrkeeError("invalid_request", "A query argument is not UTF-8.") from error

    def sandbox_json(self, manager: SandboxManager, sandbox: Sandbox) -> dict[str, Any]:
        """Return the ``sandbox`` object of an answer, with the step of a creation."""
        value = to_json(sandbox, step=manager.step(sandbox.id))
        stats = manager.last_stats(sandbox.id)
        value["stats"] = None if stats is None else stats.to_json()
        for each in value["port_map"]:
            each["proxy"] = f"{self.base_url.rstrip('/')}{PROXY}/{sandbox.id}/{each['port']}/"
        return value

    def answer(self, status: int = 200, **members: Any) -> None:
        """End the request with ``{"success": true, …}``."""
        self.set_status(status)
        self.finish({"success": True, **members})

    # -- errors --------------------------------------------

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log defects only: a user's mistake is answered, not logged, and a closed
        connection is nobody's mistake."""
        if isinstance(value, StreamClosedError | OrkeeError):
            self.log.debug("orkee: %s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a problem object; of a defect it tells nothing but that."""
        exception = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(exception, StreamClosedError):
            self.set_status(499, "Client Closed Request")  # nobody reads it but the log
            self.finish()
            return
        problem = to_problem(self._translated(status_code, exception))
        if isinstance(exception, web.HTTPError) and status_code == 405:
            problem["status"] = 405
        self.set_status(problem["status"])
        if problem["status"] == 401:
            self.set_header("WWW-Authenticate", 'token realm="orkee"')
        self.finish(json.dumps(problem), set_content_type=PROBLEM)

    def _translated(self, status: int, exception: BaseException | None) -> OrkeeError:
        if isinstance(exception, OrkeeError):
            return exception
        if not isinstance(exception, web.HTTPError):
            return defect(exception)
        if status in (401, 403) and not self.current_user:  # of a 405 nobody was asked yet
            return OrkeeError(
                "unauthenticated",
                "The request carries no valid token or login.",
                "Send the server's token in the Authorization header.",
            )
        if status in (403, 404):  # 404 is what Jupyter answers to a foreign Origin
            reason = exception.log_message or "The request comes from another origin."
            return OrkeeError("forbidden", reason, "Ask the server's owner for access.")
        reason = exception.log_message or exception.reason or "The request cannot be used"
        if status == 405:
            reason = f"{self.request.method} is not possible here."
        return OrkeeError("invalid_request", reason, "See openapi.json for what there is.")


def defect(exception: BaseException | None) -> OrkeeError:
    """Return the ``internal`` error for an exception that nobody foresaw.

    Its text stays in the log: it may hold what the asker must not see.
    """
    kind = type(exception).__name__ if exception is not None else "unknown"
    return OrkeeError(
        "internal", f"Orkee failed unexpectedly ({kind}).", "The server's log has the traceback."
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).rstrip(".")
