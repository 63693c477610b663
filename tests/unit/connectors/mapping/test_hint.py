"""Promises about columns that are not there: a person is told what most likely happened to them."""

from __future__ import annotations

import pytest

from connectors.mapping.hint import hint_at

KNOWN = {"№", "Название", "Кратко"}


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (["№", "НАЗВАНИЕ", "Кратко"], "the mapping writes 'Название', the sheet 'НАЗВАНИЕ'"),
        (["№", "Названия", "Кратко"], "is it 'Названия' now?"),
        (["Отчёт за", "март 2024"], "format: {header_row: N}"),
        (["Ь", "Ќазвание", "Љратко"], "format: {encoding: NAME}"),
        (["№", "Haзвание", "Кратко"], "LATIN CAPITAL LETTER H"),
    ],
)
def test_hint_names_what_is_likely(header: list[str], hint: str) -> None:
    """Another spelling, another row, another encoding, another keyboard."""
    assert hint in hint_at("Название", header, KNOWN)


def test_hint_says_nothing_where_nothing_is_like_it() -> None:
    """A column that was deleted is missing, and that is all."""
    assert hint_at("Название", ["№", "Кратко"], KNOWN) == ""
