"""Every alarm of HQ says what is wrong, what it means and what to do, by the catalogue."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from hub.hq.alarms import PARTS, HqAlarm, alarm_line
from schemas.words import LANGUAGES, words

HUB = Path(__file__).parents[4] / "hub"
VALUES = {
    "reason": "two roots at size 2",
    "center": "kz",
    "cosignatures": "3 cosignatures",
    "lanes": 2,
    "origin": "hub.example/hq/1a2b3c4d",
    "until": "2027-03-01 12:00:00 UTC",
    "at": "2027-03-01 12:00:00",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("alarm", list(HqAlarm))
def test_alarm_says_what_is_wrong_what_it_means_and_what_to_do(alarm: HqAlarm, language: Any) -> None:
    """An operator who has never met it knows from the line itself what to do next."""
    said = alarm_line(alarm, language, **VALUES)
    assert said.startswith("ALARM ")
    for part in PARTS:
        assert words("alarms").say(f"hq.{alarm}.{part}", language, **VALUES) in said
    assert "{" not in said


def test_no_other_line_of_the_hub_begins_so() -> None:
    """Whatever is told as an alarm comes from the catalogue: no module but one writes the word."""
    writers = {
        str(path.relative_to(HUB))
        for path in HUB.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("ALARM")
    }
    assert writers == {"hq/alarms.py"}
