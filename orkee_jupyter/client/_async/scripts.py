"""Code in one of the languages, run in a sandbox by its interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orkee_jupyter.sandbox.errors import OrkeeError

from ..languages import ARGUMENT_LIMIT, WRITE_FILE, Language, language, language_of
from .process import AsyncProcess

if TYPE_CHECKING:
    from .sandbox import AsyncSandbox


async def async_open_code(
    sandbox: AsyncSandbox, code: str, lang: str | None, options: dict[str, Any]
) -> AsyncProcess:
    """Start an interpreter with code; ``options`` are those of ``popen``.

    Raises ``command_not_found`` if the sandbox has no interpreter for it.
    """
    wanted = language(lang) if lang else language_of(sandbox.template, sandbox.image)
    path = None
    if len(code.encode()) > ARGUMENT_LIMIT:
        path = wanted.path(code)
        await sandbox.exec([*WRITE_FILE, path], stdin=code, check=True)
    for program in wanted.programs:
        command = wanted.command_for_file(program, path) if path else wanted.command(program, code)
        try:
            return await sandbox.popen(command, **options)
        except OrkeeError as error:
            if error.code != "command_not_found":
                raise
    raise _missing(wanted)


def _missing(wanted: Language) -> OrkeeError:
    return OrkeeError(
        "command_not_found",
        f"The sandbox has no {' or '.join(wanted.programs)}.",
        f"Use another language, or a sandbox from a template that has {wanted.name}.",
    )
