"""What a person at an office reads of a problem: a sentence and a next step for every code, in their language."""

from __future__ import annotations

import pytest

from connectors.mapping import LocalCode
from connectors.mapping.problem import Problem
from connectors.runtime.explanation import NOT_THE_SHEETS_FAULT, PARAMS, explain, message, remedy
from connectors.source import ProblemCode
from hub.protocol.verdict import Code
from schemas.words import LANGUAGES, Language, words

CODES = (*LocalCode, *ProblemCode, *Code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_in_every_language(language: Language) -> None:
    """Whatever happens to a row, its office reads why in its own language."""
    for code in CODES:
        assert message(code, language) not in ("", code)


def test_unknown_code_is_shown_as_it_is() -> None:
    """A newer HQ may send a code that this connector does not know."""
    assert message("NEW_CODE", "ru") == "NEW_CODE"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_remedy_in_every_language(language: Language) -> None:
    """No code leaves a person without a next step, but the one that needs none."""
    ask_hq = remedy("NEW_CODE", language)
    for code in CODES:
        assert remedy(code, language) not in ("", ask_hq) or code == Code.ACCEPTED
    assert remedy(Code.ACCEPTED, language) == ""
    assert remedy("NEW_CODE", "en") == "Ask HQ."


def test_what_no_cell_can_mend_is_sent_to_hq() -> None:
    """A person is not told to correct a sheet for what the connector wrote by itself."""
    assert all("connector.log" in remedy(code, "en") for code in NOT_THE_SHEETS_FAULT)
    assert "connector.log" not in remedy(Code.BAD_FIELD, "en")


def test_parameters_are_translated() -> None:
    """Nothing of our own vocabulary is left in English by mistake; a bound is a sign."""
    said = explain(Problem("标题", "title", Code.TOO_LONG, "max=256 length=300"), "zh")
    assert said == "标题: 文字过长 (上限：256；长度：300)"
    assert (
        explain(Problem("", "trl", Code.OUT_OF_RANGE, "ge=1 le=9"), "en") == "trl: the value is out of range (≥ 1; ≤ 9)"
    )
    assert set(words("sheets").group("params", "ru")) == set(PARAMS)


def test_statuses_events_and_fields_are_said_in_the_words_of_their_stream() -> None:
    """A person who reads Chinese or Russian sees no code that has a word; what has none stays as it is."""
    moved = Problem("", "", Code.ILLEGAL_TRANSITION, "event=revised status=withdrawn")
    assert explain(moved, "zh", "offer") == "当前状态下不允许该事件 (事件：修订供给；状态：已撤回)"
    assert explain(Problem("", "trl", Code.OUT_OF_RANGE, "ge=1 le=9"), "ru", "offer").startswith("уровень готовности")
    assert explain(Problem("", "countries[2]", Code.BAD_FIELD, ""), "zh", "offer") == "国家[2]: 该项的值无效"
    assert "(类别：交易)" in explain(Problem("", "", Code.STREAM_NOT_ALLOWED, "stream=deal"), "zh", "offer")
    assert "(status: asleep)" in explain(Problem("", "", Code.ILLEGAL_TRANSITION, "status=asleep"), "en", "offer")
    assert explain(Problem("Status", "status", Code.UNKNOWN_CODE, "value=on"), "en", "offer").startswith("Status: ")
