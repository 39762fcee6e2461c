"""Where the value of a secret comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orkee_jupyter.client import OrkeeError
from orkee_jupyter.client.secret_values import secrets_of


def test_a_secret_is_a_value_a_variable_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOKEN", "from here")
    file = tmp_path / "key"
    file.write_text("two\nlines\n")
    found = secrets_of(["TOKEN", "A=env:TOKEN", f"B=file:{file}", "C=a=b", "D="])
    assert found == {
        "TOKEN": "from here",
        "A": "from here",
        "B": "two\nlines",
        "C": "a=b",
        "D": "",
    }


@pytest.mark.parametrize(
    "text", ["=x", "NO_SUCH_VARIABLE", "A=env:NO_SUCH_VARIABLE", "A=file:/no/such", "A=file:/"]
)
def test_a_source_that_is_not_there_is_told(text: str) -> None:
    with pytest.raises(OrkeeError) as caught:
        secrets_of([text])
    assert caught.value.code == "invalid_request"
    assert caught.value.remedy


def test_a_file_that_is_no_text_or_too_large_is_told(tmp_path: Path) -> None:
    for data in (b"\xff", b"x" * 70_000):
        (tmp_path / "key").write_bytes(data)
        with pytest.raises(OrkeeError):
            secrets_of([f"A=file:{tmp_path / 'key'}"])
