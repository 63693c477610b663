"""Tables at every width: nothing is lost, nothing is longer than the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hub.base.layout import WIDTH_MIN, fact_lines, lines_of, wrapped

TEXTS = st.text(alphabet="ab 技 жé\n-", max_size=40)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4), st.integers(WIDTH_MIN, 120))
def test_no_line_is_longer_and_no_character_is_lost(rows: list[tuple[str, str, str]], width: int) -> None:
    """Whatever stands in the cells, and however narrow it is."""
    lines = list(lines_of(["one", "two", "three"], rows, width, {"two"}))
    assert all(cell_len(text) <= width for text in lines)
    there = sorted("".join("".join(row) for row in rows).replace(" ", "").replace("\n", ""))
    shown = "".join(lines).replace(" ", "").replace("─", "")
    for name in ("one", "two", "three"):
        shown = shown.replace(name, "")
    assert sorted(shown) == there


def test_words_that_fit_are_not_broken_and_short_columns_stay_whole() -> None:
    """The widest column gives way."""
    lines = list(lines_of(["id", "what"], [["1", "several words that need more than one line"]], 24))
    assert lines == ["id  what", "─" * 24, "1   several words that", "    need more than one", "    line"]


def test_rows_that_fit_into_no_columns_become_blocks() -> None:
    """A digest and a name beside each other are longer than the line: each field has its own."""
    lines = list(lines_of(["digest", "name"], [["f" * 20, "uz-tashkent"], ["e" * 20, "kz"]], 30))
    assert lines == [f"digest  {'f' * 20}", "name    uz-tashkent", "", f"digest  {'e' * 20}", "name    kz"]


def test_only_a_word_longer_than_a_line_is_cut() -> None:
    """There is no other way to show it."""
    assert wrapped("x" * 12 + " y", 5) == ["xxxxx", "xxxxx", "xx y"]
    assert list(fact_lines([("name", "a b"), ("n", "")], 20)) == ["name  a b", "n"]
