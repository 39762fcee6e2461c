"""Tables as Arrow files: pandas, polars, pyarrow, and files that lie."""

from __future__ import annotations

import builtins
import io
import sys
from typing import Any

import pytest

from orkee_jupyter.client import AsyncSandbox, OrkeeError, Sandbox, frames

from .stub_server import StubServer

pa = pytest.importorskip("pyarrow")
COLUMNS = {"n": [1, 2, None], "text": ["a", "ü", None]}


def make(kind: str) -> Any:
    """Return a table of a kind."""
    if kind == "arrow":
        return pa.table(COLUMNS)
    return pytest.importorskip(kind).DataFrame(COLUMNS)


def test_a_table_of_each_kind_goes_there_and_comes_back(stub: StubServer) -> None:
    sandbox = Sandbox.create()
    for kind in frames.KINDS:
        frame = make(kind)
        assert sandbox.put_frame(kind, frame) == f".orkee/frames/{kind}.arrow"
        back = sandbox.get_frame(kind, kind)
        assert type(back) is type(frame)
        assert back.equals(frame)


def test_any_kind_is_read_as_any_other(stub: StubServer) -> None:
    sandbox = Sandbox.create()
    sandbox.put_frame("x", make("polars"))
    assert sandbox.get_frame("x", "arrow").to_pydict() == COLUMNS
    assert type(sandbox.get_frame("x")).__module__.startswith("pandas")


def test_an_index_of_pandas_is_kept(stub: StubServer) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"v": [1.5, 2.5]}, index=pandas.Index(["a", "b"], name="key"))
    sandbox = Sandbox.create()
    sandbox.put_frame("x", frame)
    assert sandbox.get_frame("x").equals(frame)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 200, ".hidden", "a b"])
def test_a_name_is_one_name(name: str) -> None:
    with pytest.raises(OrkeeError) as caught:
        frames.path_of(name)
    assert caught.value.code == "invalid_path"


@pytest.mark.parametrize("value", [[1, 2], {"a": [1]}, "text", None, object()])
def test_what_is_no_table_is_refused(value: object) -> None:
    with pytest.raises(OrkeeError) as caught:
        frames.write(value, io.BytesIO())
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("data", [b"", b"no arrow file", b"ARROW1\0\0" + b"x" * 100])
def test_a_file_that_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(OrkeeError) as caught:
        frames.read(io.BytesIO(data), "arrow")
    assert caught.value.code == "invalid_archive"


def test_offsets_that_lie_are_not_followed() -> None:
    good = io.BytesIO()
    frames.write(pa.table({"s": ["abc", "defg"]}), good)
    data = good.getvalue()
    at = data.index(
        (0).to_bytes(4, "little") + (3).to_bytes(4, "little") + (7).to_bytes(4, "little")
    )
    bad = data[: at + 4] + (10**6).to_bytes(4, "little") + data[at + 8 :]
    with pytest.raises(OrkeeError) as caught:
        frames.read(io.BytesIO(bad), "arrow")
    assert caught.value.code == "invalid_archive"


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OrkeeError) as caught:
        frames.read(io.BytesIO(), "spreadsheet")
    assert caught.value.code == "invalid_request"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("pyarrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(frames.importlib, "import_module", without)
    with pytest.raises(OrkeeError) as caught:
        frames.read(io.BytesIO(), None)
    assert caught.value.code == "missing_package"
    assert "orkee-jupyter[frames]" in caught.value.remedy


@pytest.mark.asyncio
async def test_the_async_face_takes_tables_too(stub: StubServer) -> None:
    sandbox = await AsyncSandbox.create()
    await sandbox.put_frame("x", make("arrow"))
    assert (await sandbox.get_frame("x", "arrow")).to_pydict() == COLUMNS
    with pytest.raises(OrkeeError) as caught:
        await sandbox.get_frame("none")
    assert caught.value.code == "file_not_found"
