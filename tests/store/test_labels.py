"""Whatever text a label has, the real store finds by it what the fake finds."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from orkee_jupyter.sandbox.model import ListQuery
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox
from tests.fakes.store import FakeStore

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
labels = st.dictionaries(text | st.sampled_from(["a", "b"]), text | st.just("a"), max_size=3)


async def agree(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        real, fake = await DuckDBStore.open(Path(folder) / "s.duckdb"), FakeStore()
        for store in (real, fake):
            sandboxes = [make_sandbox(n, labels=row) for n, row in enumerate(rows)]
            await asyncio.gather(*(store.insert(sandbox) for sandbox in sandboxes))
        for row in rows:
            for query in (row, dict(list(row.items())[:1])):
                asked = ListQuery(labels=query)
                assert await real.list(asked, None) == await fake.list(asked, None)
        await real.close()


@settings(max_examples=10, deadline=None)
@given(st.lists(labels, max_size=4))
def test_labels_match_alike_in_both_stores(rows: list[dict[str, str]]) -> None:
    asyncio.run(agree(rows))
