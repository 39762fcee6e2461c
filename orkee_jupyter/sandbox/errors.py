"""The one error type of Orkee: a stable code, a sentence of cause, a sentence of remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Every code there is, with what it means. The HTTP status of each stands in
#: :mod:`orkee_jupyter.problems`.
CODES: Final[Mapping[str, str]] = {
    "invalid_request": "The request is not what the interface takes.",
    "invalid_json": "The body is not JSON.",
    "invalid_port": "A port is not a number from 1 to 65535.",
    "invalid_ttl": "A lifetime is not a duration within the limits.",
    "invalid_limit": "A limit of memory, processors, processes or time cannot be kept.",
    "invalid_template": "A template's file has an error.",
    "unknown_template": "There is no template of that name.",
    "unknown_image": "The image does not exist or no registry that has it answers.",
    "setup_failed": "A setup command of the template failed.",
    "command_not_found": "The command is not in the image.",
    "command_not_executable": "The command exists but may not be executed.",
    "command_exited": "The sandbox's command ended at once.",
    "command_failed": "A command that was to succeed ended with another code than 0.",
    "invalid_directory": "The working directory does not exist in the sandbox.",
    "process_not_found": "No process of that id was started in the sandbox.",
    "no_such_address": "The interface has no such address.",
    "sandbox_not_found": "There is no sandbox of that id or name.",
    "ambiguous_id": "More than one sandbox begins with that prefix.",
    "sandbox_not_active": "The sandbox is in a state that does not allow this.",
    "port_taken": "The wanted port of the host is in use.",
    "wait_timeout": "What was waited for did not come in time.",
    "name_taken": "An active sandbox has that name already.",
    "too_many_sandboxes": "The limit of active sandboxes is reached.",
    "sandbox_lost": "The sandbox ended while the call was under way.",
    "limit_exceeded": "The sandbox used more than its limits allow, and was ended.",
    "body_too_large": "The body is larger than the interface takes.",
    "unauthenticated": "The request carries no valid identity.",
    "forbidden": "This user may not do that.",
    "no_engine": "No Dagger engine can be used.",
    "engine_lost": "The Dagger engine or its session died.",
    "engine_timeout": "The Dagger engine did not answer in time.",
    "engine_failed": "The Dagger engine refused or failed.",
    "network_policy_unsupported": "The engine can't keep a container from the network.",
    "links_unsupported": "The engine can't let one container reach another.",
    "not_allowed_by_policy": "Whoever runs the server does not allow this.",
    "secret_missing": "The value of a secret has to be given again.",
    "freeze_unsupported": "The engine can't have a container stand still.",
    "link_failed": "The daemon in the container did not connect in time.",
    "disk_full": "A disk is full.",
    "terminal_not_found": "The sandbox has no terminal of that name.",
    "terminal_exists": "The sandbox has a terminal of that name already.",
    "terminal_taken": "Somebody else attached to the terminal.",
    "too_many_terminals": "The sandbox has as many terminals as it may have.",
    "no_terminals": "The server has no terminals.",
    "file_not_found": "There is no file or folder of that path.",
    "file_exists": "There is already a file or folder of that path.",
    "file_too_large": "A file is larger than what is to be taken.",
    "file_forbidden": "The file or folder may not be read or changed.",
    "not_a_directory": "The path is not a folder.",
    "is_a_directory": "The path is a folder.",
    "directory_not_empty": "The folder is not empty.",
    "invalid_path": "A path cannot be used, or leads out of where it has to stay.",
    "invalid_project_folder": "The project folder is not one inside the server's root folder.",
    "invalid_archive": "An archive is damaged or holds what may not be unpacked.",
    "snapshot_not_found": "There is no snapshot of that name.",
    "snapshot_exists": "There is already a snapshot of that name.",
    "snapshot_failed": "A snapshot cannot be kept or read.",
    "missing_package": "A Python package that this needs is not installed.",
    "archive_too_large": "An archive is larger than what is to be taken.",
    "store_locked": "Another process holds the database.",
    "store_failed": "The database cannot be used.",
    "invalid_sql": "The query is not one that can be answered.",
    "query_too_large": "The query needs more time, memory or room than a query may have.",
    "server_unreachable": "No Orkee server answers.",
    "internal": "A defect in Orkee.",
}


class OrkeeError(Exception):
    """An error with a stable ``code``, one sentence of cause and one of remedy.

    ``details`` holds JSON-ready facts for programs (such as ``exit_code`` or
    the last log lines); it never holds a secret.
    """

    def __init__(
        self, code: str, cause: str, remedy: str = "", *, details: Mapping[str, Any] | None = None
    ) -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(f"{cause} {remedy}".strip())
        self.code = code
        self.cause = cause
        self.remedy = remedy
        self.details: dict[str, Any] = dict(details or {})
