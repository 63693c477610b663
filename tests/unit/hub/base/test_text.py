"""What a person reads hides nothing: every character is seen, or stands as its number."""

from __future__ import annotations

import json
import sys
from unicodedata import category

import pytest

from hub.base.text import MARKS_MAX, in_one_line, visible, visible_json


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\x1b", "\\x1b"),
        ("\x9b", "\\x9b"),
        ("\u200b", "\\u200b"),
        ("\u202e", "\\u202e"),
        ("\u3164", "\\u3164"),  # a filler: a letter to Unicode, and nothing to the eye
        ("\uffa0", "\\uffa0"),
        ("\u115f", "\\u115f"),
        ("\u034f", "\\u034f"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufe00", "\\ufe00"),
        ("\ufe0f", "\\ufe0f"),
        ("\u180b", "\\u180b"),
        ("\u180f", "\\u180f"),
        ("\u2800", "\\u2800"),
        ("\u061c", "\\u061c"),
        ("\xad", "\\xad"),
        ("\u2065", "\\u2065"),
        ("\U0001d159", "\\U0001d159"),
        ("\U0001d173", "\\U0001d173"),
        ("\U00016fe4", "\\U00016fe4"),
        ("\U000e0100", "\\U000e0100"),
        ("\U000e01ef", "\\U000e01ef"),
    ],
)
def test_what_nobody_can_see_stands_as_its_number(character: str, shown: str) -> None:
    text = f"Печь{character}한글"
    assert visible(text) == in_one_line(text) == f"Печь{shown}한글"
    told = visible_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(told) == text
    assert character not in told


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "Печь № 1",
        "泵",
        "هەڵە\u200cی",
        "한글",
        "Oʻzbekiston",
        "e\u0301",
        "नमस्ते",
        "न\u094d\u200dय",
        "ที่นี่",
        "བརྒྱུད",
        "😀",
        "a" + "\u0301" * MARKS_MAX,
        "«…»—“№”、。·„‹›",
    ],
)
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == in_one_line(text) == visible_json(text) == text


@pytest.mark.parametrize("marks", ["\u0301", "\u0335\u0489", "\u0301\u200d", "\u200c\u20dd\u200d", "\u0e34\u093e"])
def test_marks_behind_the_eighth_in_a_row_stand_as_numbers(marks: str) -> None:
    """Hundreds on one letter would draw over the lines around it; a joiner between them ends no row."""
    text = f"a{marks * 200}b"
    for told in (visible(text), in_one_line(text), visible_json(json.dumps(text, ensure_ascii=False))):
        assert sum(category(character).startswith("M") for character in told) == MARKS_MAX
        assert told.strip('"').startswith(f"a{marks}")
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text
    acute = "\u0301"
    assert visible(f"a{acute * 10}b{acute * 8}") == f"a{acute * 8}\\u0301\\u0301b{acute * 8}"


def test_no_mark_escapes_the_quick_look() -> None:
    """It looks for what is neither a letter nor a digit, and a mark is neither."""
    marks = [sign for sign in map(chr, range(0x80, sys.maxunicode + 1)) if category(sign).startswith("M")]
    assert len(marks) > 2000
    assert [mark for mark in marks if mark.isalnum()] == []
