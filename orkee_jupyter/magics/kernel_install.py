"""``%%sandbox python --install-kernel``: an ipykernel for a sandbox whose image has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..client import OrkeeError, Sandbox
from .saying import called, say
from .terminal import one_line

if TYPE_CHECKING:
    from .magics import SandboxMagics

#: Debian's own Python takes Debian's package; any other one takes pip's. The container is a
#: throw-away, so a distribution's word against pip in its own folders does not count here.
_SCRIPT: Final = """
python=$(command -v python3 || command -v python) || { echo 'there is no Python' >&2; exit 1; }
"$python" -c 'import ipykernel' 2>/dev/null && exit 0
case $(readlink -f "$python") in
/usr/bin/*) if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q && exec apt-get install -q --yes --no-install-recommends python3-ipykernel
  exit 1
fi ;;
esac
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
exec "$python" -m pip install --no-input --progress-bar off ipykernel
"""
_TIMEOUT: Final = 600.0  # seconds
_KEPT: Final = 20  # last lines of an installation that failed
REMEDY: Final = (
    "Without `--install-kernel` the built-in interpreter runs, which needs no package; a template "
    "whose image or `setup` has an ipykernel needs no network later."
)


def install(magics: SandboxMagics, sandbox: Sandbox) -> None:
    """Install an ipykernel in a running sandbox; returns at once where there is one.

    Raises ``command_failed`` with the installation's last lines where that cannot be.
    """
    lines: list[str] = []
    with magics.progress("installing ipykernel in the sandbox") as progress:
        with sandbox.popen(_SCRIPT, text=True, timeout=_TIMEOUT) as process:
            for _, piece in process:
                lines += [line for line in str(piece).splitlines() if line.strip()]
                if lines:
                    progress(f"installing ipykernel: {one_line(lines[-1], 80)}")
                del lines[:-_KEPT]
            end = process.wait()
        if end.exit_code != 0:
            raise OrkeeError(
                "command_failed",
                f"ipykernel could not be installed in {called(sandbox)}: "
                f"{one_line(lines[-1], 200) if lines else 'the installation said nothing'}.",
                REMEDY,
                details={"exit_code": end.exit_code, "lines": lines},
            )
    if lines:
        say(f"Installed ipykernel in {called(sandbox)}, for as long as it lives.")
