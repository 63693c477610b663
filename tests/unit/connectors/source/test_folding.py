"""Promises of folding: what nobody can see makes no difference, and letters that only look the same are told."""

from __future__ import annotations

import unicodedata

import pytest

from connectors.source.folding import (
    ambiguous_words,
    difference,
    fold,
    fold_name,
    key_text,
    odd_letters,
    skeleton,
    visible,
)

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069\u061c\ufe0f\U000e0101\u034f\u180e"


@pytest.mark.parametrize("character", INVISIBLE, ids=lambda c: f"U+{ord(c):04X}")
def test_invisible_character_makes_no_difference(character: str) -> None:
    """Zero widths, soft hyphens, directions and variations stand nowhere that a name or a key is compared."""
    text = f"{character}Наз{character}вание{character}"
    assert visible(text) == key_text(text) == fold_name(text) == "Название"


@pytest.mark.parametrize("space", "\u00a0\u2007\u202f\u2009\u3000\t\n", ids=lambda c: f"U+{ord(c):04X}")
def test_every_space_is_a_space(space: str) -> None:
    """A space is a space, however wide, and a run of them is one."""
    assert visible(f" Рег.{space}{space}номер{space}") == "Рег. номер"


def test_composition_and_width_make_no_difference() -> None:
    """A Mac takes letters apart, an input method makes them wide."""
    assert visible(unicodedata.normalize("NFD", "Мой ёж")) == "Мой ёж"
    assert key_text("ＡＢ－１２") == "AB-12"
    assert fold("Ｓｕｍ，№") == fold("sum,No")


def test_key_keeps_what_a_person_sees() -> None:
    """A key isn't changed beyond that: no compatibility form, no case, no dash that is seen."""
    assert key_text("№ 5²–А") == "№ 5²–А"
    assert key_text("T‑1") == "T-1"


@pytest.mark.parametrize("apostrophe", "\u02bb\u02bc\u2018\u2019`\u00b4", ids=lambda c: f"U+{ord(c):04X}")
def test_apostrophes_of_uzbek_are_one(apostrophe: str) -> None:
    """O with an apostrophe is typed in six ways."""
    assert fold(f"O{apostrophe}lcham") == fold("o'lcham")


@pytest.mark.parametrize(
    "text", ["Т-1", "РВ-12", "kaspi-ТОО", "Kaspi ТОО", "кВт", "KZ-12/Б", "ё-1", "Nº 5", "Ə-1", "项目A"]
)
def test_words_of_one_alphabet_are_not_odd(text: str) -> None:
    """Two alphabets in one key are no fault as long as each word can be read in one way."""
    assert odd_letters(text) == ()


@pytest.mark.parametrize(
    ("text", "odd"),
    [("PВ-12", "P"), ("Cловесное", "C"), ("Насоc", "c"), ("АF-12", "А"), ("РВ-12-A", "A"), ("ΤР-1", "Τ")],
)
def test_letter_of_another_alphabet_is_named(text: str, odd: str) -> None:
    """What looks like one word, and is typed with two keyboards, is told by the odd letter."""
    assert odd_letters(text) == (odd,)


def test_words_that_look_the_same_have_one_skeleton() -> None:
    """The Latin and the Cyrillic PB-12 look the same; ё and the Latin e with two points do, too."""
    assert skeleton("РВ-12") == skeleton("PB-12")
    assert skeleton("ёж") == skeleton("ëж")
    assert skeleton("Үй") != skeleton("Уй")
    assert ambiguous_words("РВ-12") == {"PB": "Cyrillic"}
    assert ambiguous_words("PB-12") == {"PB": "Latin"}


def test_difference_says_which_letter() -> None:
    """The message names what no eye can find."""
    said = difference("Cловесное", "Словесное")
    assert "LATIN CAPITAL LETTER C" in said
    assert "CYRILLIC CAPITAL LETTER ES" in said
