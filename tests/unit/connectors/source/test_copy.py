"""Copies are known by what programs and people add to names, in the languages of those who use them."""

from __future__ import annotations

import time
import unicodedata
from typing import Literal

import pytest

from connectors.source.copy import find_copies, is_copy, original_name

COPIES = (
    "offers (copy).csv",
    "offers (copy 2).csv",
    "offers copy.csv",
    "offers copy 3.csv",
    "offers - Copy.csv",
    "offers - Copy (2).csv",
    "offers - Kopie.csv",
    "offers — копия.csv",
    "offers - копия (3).csv",
    "offers копия 2.csv",
    "offers - 副本.csv",
    "offers - 副本 (2).csv",
    "offers副本.csv",
    "offers 的副本.csv",
    "offers（副本）.csv",
    "offers(1).csv",
    "offers (12).csv",
    "offers（1）.csv",
    "offers (Anna's conflicted copy 2026-01-02).csv",
    "offers (conflicted copy 2026-01-02 101112).csv",
    "offers (конфликтующая копия Anna 2026-01-02).csv",
    "offers (SFConflict anna@example.org 2026-01-02-10-11-12).csv",
    "offers (冲突的副本 2026-01-02).csv",
    "offers [conflict].csv",
    "offers.sync-conflict-20260102-101112-ABCDEFG.csv",
    "offers_conflict-20260102-101112.csv",
    "offers_ANNA_Jan-02-101112-2026_Conflict.csv",
    "offers-DESKTOP-4F2K1.csv",
    "Copy of offers.csv",
    "Copy (2) of offers.csv",
    "Копия offers.csv",
    "Kopie von offers.csv",
    "副本 offers.csv",
)
OTHERS = (
    "offers.csv",
    "offers 2.csv",
    "offers 2025.csv",
    "offers (2025).csv",
    "offers (Алматы).csv",
    "offers-KZ.csv",
    "photocopy.csv",
    "copyright.csv",
    "copy.csv",
    "копия.csv",
    "(1).csv",
    "conflict.csv",
    "副本.csv",
)


def find_original(name: str, names: list[str]) -> str | None:
    return find_copies([*names, name]).get(name)


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_copy_is_one_of_the_file_that_is_there(name: str, form: Literal["NFC", "NFD"]) -> None:
    """Whatever wrote the name, and however its letters are composed."""
    written = unicodedata.normalize(form, name)
    assert find_original(written, ["deals.csv", "Offers.csv", written]) == "Offers.csv"
    assert find_original(f"old/{written}", ["Offers.csv", "old/Offers.csv"]) == "old/Offers.csv"


@pytest.mark.parametrize("name", OTHERS)
def test_name_of_a_sheet_of_its_own_is_no_copys(name: str) -> None:
    """A year, a town or a country behind a name makes no copy of it."""
    assert not is_copy(name)
    assert find_original(name, [name, "offers.csv", "photo.csv"]) is None


def test_copy_without_its_original_is_a_sheet() -> None:
    """A file that a browser saved a second time, and whose first is gone, is read as any other."""
    assert find_original("offers (1).csv", ["offers (1).csv", "offers (2).csv", "offers.xlsx"]) is None


def test_names_that_look_the_same_are_copies_of_the_first() -> None:
    """A share may have both forms of a name that a Mac and Windows write."""
    composed, decomposed = (unicodedata.normalize(form, "Мой список.csv") for form in ("NFC", "NFD"))
    first, second = sorted([composed, decomposed])
    assert find_copies([composed, decomposed, "a.csv", "A.csv"]) == {second: first, "a.csv": "A.csv"}


def test_copy_of_a_copy_is_one_of_the_first() -> None:
    """As far as that is there."""
    name = "offers - Copy - Copy (2).csv"
    assert find_original(name, ["offers.csv", "offers - Copy.csv"]) == "offers.csv"
    assert find_original(name, ["offers - Copy.csv"]) == "offers - Copy.csv"
    assert original_name("sub/offers (1).csv") == "sub/offers.csv"


@pytest.mark.parametrize("text", ["(", "-", " copy", "(1)", "_a", "copy of "])
def test_long_names_take_no_time(text: str) -> None:
    """A name has 255 bytes at most, and one of any form is looked at in a moment."""
    started = time.perf_counter()
    find_original(text * 200, ["offers.csv"])
    assert time.perf_counter() - started < 1
