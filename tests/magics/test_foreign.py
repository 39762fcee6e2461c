"""What an interpreter in a sandbox wants shown cannot do more than be looked at."""

from __future__ import annotations

import base64
import html
import re

import pytest

from orkee_jupyter.magics.foreign import LIMIT, frame, plain, safe_bundle

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def shown(data: dict[str, object]) -> dict[str, str]:
    return safe_bundle(data, {})[0]


def test_html_is_framed_without_any_right() -> None:
    text = shown({"text/html": f"<table><tr><td>1</td></tr></table>{EVIL}"})["text/html"]
    found = re.fullmatch(r'<iframe sandbox="" ([^<>]*) srcdoc="([^"<>]*)"></iframe>', text)
    assert found is not None
    document = html.unescape(found.group(2))
    assert document.endswith(EVIL)
    assert "Content-Security-Policy" in document
    assert "default-src 'none'" in html.unescape(document)


def test_a_frame_is_as_high_as_its_rows_within_bounds() -> None:
    def height(text: str) -> int:
        found = re.search(r"height:(\d+)px", frame(text))
        assert found is not None
        return int(found.group(1))

    assert height("x") < height("<tr>" * 5) < height("<tr>" * 15) < height("<tr>" * 10_000) == 600


def test_a_drawing_is_an_image() -> None:
    text = shown({"image/svg+xml": f"<svg>{EVIL}</svg>"})["text/html"]
    found = re.fullmatch(r'<img [^<>]* src="data:image/svg\+xml;base64,([^"<>]*)">', text)
    assert found is not None
    assert base64.b64decode(found.group(1)).decode() == f"<svg>{EVIL}</svg>"


def test_a_table_comes_before_a_drawing_and_a_picture_beside_both() -> None:
    data = {"text/html": "<b>", "image/svg+xml": "<svg/>", "image/png": PNG, "text/plain": "t"}
    assert set(shown(data)) == {"text/plain", "text/html", "image/png"}
    assert "iframe" in shown(data)["text/html"]


@pytest.mark.parametrize(
    "picture",
    [
        "no base64!",
        base64.b64encode(b"GIF89a").decode(),
        "<script>",
        "",
        7,
        None,
        "A" * (LIMIT + 4),
    ],
)
def test_only_pictures_are_pictures(picture: object) -> None:
    assert set(shown({"image/png": picture})) == {"text/plain"}


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "text/markdown",
        "text/latex",
        "application/vnd.jupyter.widget-view+json",
        "application/json",
        "application/vnd.plotly.v1+json",
    ],
)
def test_kinds_that_a_notebook_trusts_are_left_out(mime: str) -> None:
    assert set(shown({mime: EVIL, "text/plain": "t"})) == {"text/plain"}


def test_text_keeps_colours_and_loses_the_rest() -> None:
    assert plain("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b[2J") == "\x1b[31mred\x1b[0m link"


def test_of_metadata_a_pictures_size_is_kept() -> None:
    given = {"image/png": {"width": 10, "height": "onload=x", "needs_background": "light"}, "x": 1}
    _, metadata = safe_bundle({"image/png": PNG, "text/html": "<b>"}, given)
    assert metadata == {"image/png": {"width": 10}}


@pytest.mark.parametrize("value", [None, 7, {"a": 1}, [1, 2], b"x"])
def test_what_is_no_text_is_no_text(value: object) -> None:
    assert shown({"text/plain": value, "text/html": value}) == {"text/plain": ""}
