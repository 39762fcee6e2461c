"""The languages that code can be run in, and how an interpreter is given the code.

The code is an argument, so that stdin stays free and no file is left. Interpreters then name
lines of it in what they say of errors; Python also shows them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orkee_jupyter.sandbox.errors import OrkeeError

#: Bytes of code that go as an argument; the kernel's bound is 128 KiB, the link's 256 KB in all.
ARGUMENT_LIMIT: Final = 100_000
#: Writes stdin to the file that is its first argument.
WRITE_FILE: Final = ("sh", "-c", 'umask 077; cat >"$0"')

#: Runs its last argument, or the file that it names behind "@", as ``__main__``, with its
#: lines in tracebacks and without frames of this text.
_BOOT: Final = """\
def _orkee():
    import linecache, sys, traceback
    source, name = sys.argv.pop(), "<cell>"
    if source[:1] == "@":
        with open(source[1:], encoding="utf-8") as file:
            source = file.read()
    else:
        source = source[1:]
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    def hook(kind, error, trace):
        while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
            trace = trace.tb_next
        traceback.print_exception(kind, error, trace)
    sys.excepthook = hook
    return compile(source, name, "exec", dont_inherit=True)
exec(globals().pop("_orkee")())
"""


@dataclass(frozen=True, slots=True)
class Language:
    """A language: the programs that run it, the first one there is, and their flags."""

    name: str
    template: str  # of a sandbox that has it
    programs: tuple[str, ...]
    flags: tuple[str, ...]  # before the code
    suffix: str
    booted: bool = False  # the code is run by a program of ours

    def command(self, program: str, code: str) -> list[str]:
        """Return the command that runs code."""
        if self.booted:
            code = f" {code}"
        return [program, *self.flags, code]

    def command_for_file(self, program: str, path: str) -> list[str]:
        """Return the command that runs a file."""
        return [program, *self.flags, f"@{path}"] if self.booted else [program, path]

    def path(self, code: str) -> str:
        """Return where code that is too long for an argument is put inside the sandbox."""
        digest = hashlib.sha256(code.encode()).hexdigest()[:12]
        return f"/tmp/orkee-cell-{digest}{self.suffix}"  # noqa: S108  # in the container


_ALL: Final = (
    Language("bash", "debian", ("bash",), ("-c",), ".sh"),
    Language("sh", "debian", ("sh",), ("-c",), ".sh"),
    Language("python", "python", ("python3", "python"), ("-u", "-c", _BOOT), ".py", booted=True),
    Language("node", "node", ("node",), ("-e",), ".js"),
    Language("ruby", "debian", ("ruby",), ("-e",), ".rb"),
    Language("perl", "debian", ("perl",), ("-e",), ".pl"),
    Language("php", "debian", ("php",), ("-r",), ".php"),
    Language("r", "debian", ("Rscript",), ("-e",), ".R"),
)
LANGUAGES: Final[Mapping[str, Language]] = {language.name: language for language in _ALL}
ALIASES: Final[Mapping[str, str]] = {
    "shell": "sh",
    "python3": "python",
    "py": "python",
    "js": "node",
    "javascript": "node",
    "rscript": "r",
}
#: A shell, whichever there is.
SHELL: Final = Language("bash", "debian", ("bash", "sh"), ("-c",), ".sh")


def language(name: str) -> Language:
    """Return a language. Raises OrkeeError ``invalid_request`` for an unknown one."""
    word = name.lower()
    found = LANGUAGES.get(ALIASES.get(word, word))
    if found is None:
        raise OrkeeError(
            "invalid_request",
            f"There is no language {name!r}.",
            f"Use {', '.join(LANGUAGES)}, or run a command with the interpreter that you need.",
        )
    return found


def language_of(template: str, image: str) -> Language:
    """Return the language of a sandbox: what its template or its image is named after."""
    for name in (template, image.rpartition("/")[2].partition(":")[0]):
        if name in ("python", "node"):
            return LANGUAGES[name]
    return SHELL
