"""What a person reads hides nothing: every character is seen, or stands as its number."""

from __future__ import annotations

import json

import pytest

from hub.base.text import in_one_line, visible, visible_json


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
    ],
)
def test_what_nobody_can_see_stands_as_its_number(character: str, shown: str) -> None:
    text = f"Печь{character}한글"
    assert visible(text) == in_one_line(text) == f"Печь{shown}한글"
    told = visible_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(told) == text
    assert character not in told


@pytest.mark.parametrize("text", ["plain", "Печь № 1", "泵", "هەڵە\u200cی", "한글", "Oʻzbekiston", "e\u0301"])
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == in_one_line(text) == visible_json(text) == text
