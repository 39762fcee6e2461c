"""The templates there are: built in, the user's own and the project's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from .errors import OrkeeError
from .model import DEFAULT_TTL, Sandbox, Template
from .suggest import remedy_for
from .template_file import read_template
from .validate import NAME, show

#: Makes a page to begin with where there is none, and serves it anew after each change of it.
_WEB = """[ -e server.js ] || cat >server.js <<'END'
const http = require('http');

const page = `<!doctype html>
<meta charset="utf-8">
<title>It works</title>
<body style="font: 18px system-ui; margin: 15vh auto; max-width: 32em">
<h1>It works</h1>
<p>This page comes from <code>server.js</code> in the sandbox. Change it, and load again.</p>
`;

http.createServer((request, response) => {
  console.log(request.method, request.url);
  response.setHeader('Content-Type', 'text/html');
  response.end(page);
}).listen(3000, () => console.log('listening on port 3000'));
END
exec node --watch server.js"""

BUILT_IN: Final[Mapping[str, Template]] = {
    template.name: template
    for template in (
        Template(
            name="node",
            image="node:18-alpine",
            description="Node.js 18 on Alpine Linux",
            ports=(3000,),
        ),
        Template(
            name="node-web",
            image="node:18-alpine",
            description="A page served by Node.js, to begin with",
            env={"NODE_NO_WARNINGS": "1"},
            ports=(3000,),
            command=("sh", "-c", _WEB),
        ),
        Template(
            name="python",
            image="python:3.11-slim",
            description="Python 3.11 on Debian",
            ports=(8000,),
        ),
        Template(
            name="debian",
            image="debian:bookworm-slim",
            description="Debian 12 with a shell",
        ),
    )
}

#: What decides whether a file is read again.
_Stamp = tuple[int, int, int]


class TemplateCatalogue:
    """Finds templates by name: the project's win over the user's, those over built-in ones.

    A file ``NAME.toml`` in either folder is the template NAME. Files are read again when
    they have changed. A broken file hides none of the others.
    """

    def __init__(
        self,
        user_folder: Path | None = None,
        project_folder: Path | None = None,
        default_ttl: int = DEFAULT_TTL,
    ) -> None:
        """Folders that hold ``*.toml``; the project's is its ``.orkee/templates``."""
        self._folders = [folder for folder in (user_folder, project_folder) if folder is not None]
        self.default_ttl = default_ttl  # seconds, for templates that say nothing
        self._read: dict[Path, tuple[_Stamp, int, Template | OrkeeError]] = {}

    def setup_of(self, sandbox: Sandbox) -> tuple[str, ...]:
        """Return the layers of a sandbox's image; of a row of an old server its template has them.

        Raises ``unknown_template`` if there is none of that name any more.
        """
        if sandbox.setup is not None:
            return sandbox.setup
        return self.get(sandbox.template).setup

    def get(self, name: str) -> Template:
        """Return a template. Raises ``unknown_template`` and ``invalid_template``."""
        found = self._find().get(name)
        if found is None:
            names = self.names()
            raise OrkeeError(
                "unknown_template",
                f"There is no template {show(name)}.",
                remedy_for(name, names),
                details={"templates": list(names)},
            )
        if isinstance(found, OrkeeError):
            raise found
        return found

    def names(self) -> Sequence[str]:
        """Return the names of the templates that can be used, sorted."""
        return [template.name for template in self.all()]

    def all(self) -> Sequence[Template]:
        """Return the templates that can be used, sorted by name."""
        found = self._find()
        return [item for _, item in sorted(found.items()) if isinstance(item, Template)]

    @property
    def problems(self) -> Sequence[OrkeeError]:
        """What is wrong with files that cannot be used: ``invalid_template`` errors."""
        found = self._find()
        return [error for _, error in sorted(found.items()) if isinstance(error, OrkeeError)]

    def _find(self) -> dict[str, Template | OrkeeError]:
        found: dict[str, Template | OrkeeError] = {
            name: self._with_ttl(template) for name, template in BUILT_IN.items()
        }
        seen: set[Path] = set()
        for folder in self._folders:
            for path in _files(folder):
                seen.add(path)
                found[path.stem] = self._file(path)
        for gone in self._read.keys() - seen:
            del self._read[gone]
        return found

    def _file(self, path: Path) -> Template | OrkeeError:
        """Return what a file holds, from memory if it has not changed since."""
        try:
            info = path.stat()
            stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
        except OSError:
            stamp = (0, 0, 0)
        known = self._read.get(path)
        if known is not None and known[:2] == (stamp, self.default_ttl):
            return known[2]
        result = self._parse(path)
        self._read[path] = (stamp, self.default_ttl, result)
        return result

    def _parse(self, path: Path) -> Template | OrkeeError:
        if not NAME.fullmatch(path.stem):
            return OrkeeError(
                "invalid_template",
                f"The template file {path} has no good name.",
                "Use a-z, 0-9, '.', '_' and '-' before '.toml'.",
                details={"file": str(path), "key": None},
            )
        try:
            return read_template(path, path.stem, self.default_ttl)
        except OrkeeError as error:
            return error

    def _with_ttl(self, template: Template) -> Template:
        return replace(template, ttl=self.default_ttl)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError:
        return []  # no such folder: no own templates
