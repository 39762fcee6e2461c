"""What the package exports, and that both faces are the same."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from orkee_jupyter import client

ROOT = Path(__file__).resolve().parents[2]
PAIRS = [("AsyncSandbox", "Sandbox"), ("AsyncClient", "Client"), ("AsyncLogStream", "LogStream"),
         ("AsyncExecStream", "ExecStream"), ("AsyncProcess", "Process"),
         ("AsyncBackground", "Background")]  # fmt: skip


def test_everything_exported_is_there_and_listed_in_order() -> None:
    assert client.__all__ == sorted(client.__all__)
    assert set(client.__all__) == set(client._HOMES)
    for name in client.__all__:
        assert getattr(client, name).__name__ == name
        assert name in dir(client)
    with pytest.raises(AttributeError):
        _ = client.nothing


def test_the_generated_face_is_not_stale() -> None:
    script = ROOT / "scripts" / "unasync.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("source", "made"), PAIRS)
def test_both_faces_take_the_same_arguments(source: str, made: str) -> None:
    def face(name: str) -> dict[str, list[str]]:
        return {
            member.removeprefix("a") if member == "aclose" else member: list(
                inspect.signature(value).parameters
            )
            for member, value in inspect.getmembers(getattr(client, name), callable)
            if not member.startswith("_")
        }

    assert face(source) == face(made)


def test_importing_the_client_imports_nothing_heavy() -> None:
    heavy = "{'dagger', 'duckdb', 'jupyter_server', 'tornado', 'IPython'}"
    code = f"import sys, orkee_jupyter.client; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
