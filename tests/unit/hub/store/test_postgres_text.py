"""How a text with a NUL is kept where no column takes one."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hub.store.postgres_text import kept, kept_bytes, kept_column, kept_list, said, said_bytes

TEXTS = st.text(st.sampled_from("\0\x01\x02\x03az\u00e9"), max_size=8) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)


@given(TEXTS, TEXTS)
def test_text_comes_back_and_is_in_the_same_order(one: str, other: str) -> None:
    """Whatever it holds, and what is kept has no NUL."""
    assert said(kept(one)) == one == said_bytes(kept_bytes(one))
    assert "\0" not in kept(one)
    assert (kept(one) < kept(other)) == (one < other)


@given(st.lists(TEXTS | st.none()))
def test_column_and_list_are_kept_text_by_text(texts: list[str | None]) -> None:
    wanted = [None if text is None else kept(text) for text in texts]
    assert list(kept_column(texts)) == json.loads(kept_list(json.dumps(texts))) == wanted


def test_other_columns_come_as_they_are() -> None:
    for column in ([], [1, 2], [b"\0", b"x"], [None, b"\0"], [None, 1]):
        assert list(kept_column(column)) == column
