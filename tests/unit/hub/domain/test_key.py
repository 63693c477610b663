from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.key import make_key, show_key, typed_id
from hub.protocol.limits import KEY_CHARS_MAX

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(lambda t: t.strip())


def test_plain_key_stays_as_it_is() -> None:
    """What most offices write needs no encoding."""
    assert make_key(["K-12/2024"]) == "K-12/2024"
    assert make_key(["A", "7"], "D-") == "D-A|7"


def test_reserved_and_foreign_characters_are_encoded() -> None:
    """The marks of the form itself, spaces and other scripts are percent-encoded UTF-8."""
    assert make_key(["50%|~"]) == "50%25%7C%7E"
    assert make_key([" К  1 "]) == "%D0%9A%201"
    assert show_key(make_key(["К 1", "б"])) == "К 1 | б"


def test_composed_and_decomposed_characters_are_one_key() -> None:
    """A Mac writes й as two characters, Windows as one."""
    assert make_key(["\u0438\u0306"]) == make_key(["\u0439"])


@given(st.lists(TEXT, min_size=1, max_size=3))
def test_any_cells_give_a_legal_key(parts: list[str]) -> None:
    """Whatever stands in the cells, the key is 1 to 120 visible ASCII characters, and always the same."""
    key = make_key(parts)
    assert re.fullmatch(r"[!-~]{1,120}", key)
    assert key == make_key(parts)


@given(st.text("ab|%~ ", min_size=1, max_size=60), st.text("ab|%~ ", min_size=1, max_size=60))
def test_different_texts_give_different_keys(one: str, other: str) -> None:
    """Two entities never share an id."""
    if one.split() and other.split() and " ".join(one.split()) != " ".join(other.split()):
        assert make_key([one]) != make_key([other])
        assert make_key([one, other]) != make_key([other, one])


def test_long_keys_are_cut_and_still_differ() -> None:
    """A Chinese title as a key is over 120 characters when encoded; the digest keeps two apart."""
    one, other = make_key(["技" * 60 + "一"]), make_key(["技" * 60 + "二"])
    assert one != other
    assert len(one) <= KEY_CHARS_MAX
    assert "~" in one
    assert show_key(one).endswith("…")


@given(st.lists(TEXT, min_size=1, max_size=3))
def test_typed_id_equals_what_is_shown(parts: list[str]) -> None:
    """Who types a key as a list or a verdict shows it means that key, spaces around its bars or not."""
    key = make_key(parts)
    if "~" not in key and "|" not in "".join(parts):  # a cut key is typed as it is; a bar in a cell is written %7C
        assert typed_id(f"kz:{' | '.join(parts)}") == f"kz:{key}"
        assert typed_id(f"kz:{'|'.join(parts)}") == f"kz:{key}"
