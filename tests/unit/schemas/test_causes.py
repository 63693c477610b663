"""Every cause that HQ can name has words in all languages, for the office and for HQ, and none needs what it lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.hq.alarms import why_line
from hub.protocol.cause import VALUES, CauseCode
from hub.store.read.intakes import IntakeStanding
from schemas.words import LANGUAGES, Language
from schemas.words.causes import cause_said, remedy_said
from schemas.words.said import Said
from tests.support.causes import EXAMPLES, example


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CauseCode)
def test_every_cause_has_words_at_both_ends(code: CauseCode, language: Language) -> None:
    """What is so names every value of the cause; what to do is said, and a person's text is quoted behind it."""
    line = example(code).to_text()
    told = cause_said(line).text(language)
    assert all(EXAMPLES.get(name, "7") in told for name in VALUES[code])
    quoted = cause_said(replace(example(code), text="text\nof more lines").to_text()).text(language)
    assert quoted.startswith(told)
    assert "text" in quoted[len(told) :]
    assert "lines" not in quoted
    for remedy in (remedy_said(line, "office"), remedy_said(line, "hq", "uz")):
        assert remedy.text(language)
    assert why_line(IntakeStanding(center="uz", cause=line), language).startswith(told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_line_that_is_not_known_is_shown_as_it_is(language: Language) -> None:
    """A later HQ's code, and an HQ that says nothing."""
    assert "MOON_TOO_HIGH 7 x" in cause_said("MOON_TOO_HIGH 7 x").text(language)
    assert remedy_said("MOON_TOO_HIGH 7 x", "office").text(language)
    assert cause_said("").text(language)


def test_text_of_another_file_is_kept_with_its_file() -> None:
    """What is kept as JSON and said later is said of the same file."""
    told = cause_said("SUSPENDED an audit")
    assert Said.from_json(told.to_json()).text("ru") == told.text("ru")
