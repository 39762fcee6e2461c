"""Errors on the wire: the one table from code to HTTP status, and RFC 9457 problem objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .sandbox.errors import CODES, OrkeeError

STATUS: Final[Mapping[str, int]] = {
    "invalid_request": 400,
    "invalid_json": 400,
    "invalid_port": 400,
    "invalid_ttl": 400,
    "invalid_limit": 400,
    "invalid_template": 400,
    "unknown_template": 400,
    "unknown_image": 422,
    "setup_failed": 422,
    "command_not_found": 422,
    "command_not_executable": 422,
    "command_exited": 422,
    "command_failed": 422,
    "invalid_directory": 422,
    "no_such_address": 404,
    "sandbox_not_found": 404,
    "process_not_found": 404,
    "ambiguous_id": 409,
    "sandbox_not_active": 409,
    "port_taken": 409,
    "wait_timeout": 504,
    "name_taken": 409,
    "too_many_sandboxes": 429,
    "sandbox_lost": 410,
    "limit_exceeded": 410,
    "body_too_large": 413,
    "unauthenticated": 401,
    "forbidden": 403,
    "no_engine": 503,
    "engine_lost": 503,
    "engine_timeout": 504,
    "engine_failed": 502,
    "freeze_unsupported": 501,
    "secret_missing": 409,
    "not_allowed_by_policy": 403,
    "network_policy_unsupported": 501,
    "links_unsupported": 501,
    "link_failed": 502,
    "disk_full": 507,
    "terminal_not_found": 404,
    "terminal_exists": 409,
    "terminal_taken": 409,
    "too_many_terminals": 429,
    "no_terminals": 501,
    "file_not_found": 404,
    "file_exists": 409,
    "file_too_large": 413,
    "file_forbidden": 403,
    "not_a_directory": 409,
    "is_a_directory": 409,
    "directory_not_empty": 409,
    "invalid_path": 400,
    "invalid_project_folder": 400,
    "invalid_archive": 400,
    "archive_too_large": 413,
    "snapshot_not_found": 404,
    "snapshot_exists": 409,
    "snapshot_failed": 500,
    "missing_package": 501,
    "store_locked": 503,
    "store_failed": 500,
    "invalid_sql": 400,
    "query_too_large": 422,
    "server_unreachable": 503,
    "internal": 500,
}


def to_problem(error: OrkeeError) -> dict[str, Any]:
    """Return an error as JSON: RFC 9457 members, ``code``, ``remedy`` and ``details``."""
    return {
        "success": False,
        "type": f"urn:orkee:error:{error.code}",
        "title": CODES[error.code],
        "status": STATUS[error.code],
        "detail": error.cause,
        "code": error.code,
        "remedy": error.remedy,
        "details": error.details,
    }


def from_problem(body: object, status: int) -> OrkeeError:
    """Return the error that a response's body stands for, also when it is none of ours."""
    if isinstance(body, dict) and body.get("code") in CODES:
        details = body.get("details")
        return OrkeeError(
            str(body["code"]),
            str(body.get("detail", "")),
            str(body.get("remedy", "")),
            details=details if isinstance(details, dict) else None,
        )
    code = {401: "unauthenticated", 403: "forbidden", 404: "sandbox_not_found"}.get(
        status, "internal"
    )
    message = body.get("message") if isinstance(body, dict) else None
    return OrkeeError(code, f"The server answered {status}: {message or 'no reason given'}.")
