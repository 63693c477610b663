"""The list of verdicts is closed and speaks three languages; errors form one tree."""

from __future__ import annotations

import re

import pytest

from hub.protocol import errors
from hub.protocol.errors import CohubError, Fatal, Malformed, Rejected, Retriable, UsageError
from hub.protocol.verdict import LANGUAGES, MESSAGES, Code, Language, message


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_in_every_language(code: Code, language: Language) -> None:
    """No office ever sees an empty reason."""
    assert message(code, language).strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_one_language_differ(language: Language) -> None:
    """A person can tell two verdicts apart."""
    sentences = [message(code, language) for code in Code]
    assert len(set(sentences)) == len(sentences)


def test_sentences_are_written_in_their_own_script() -> None:
    """No translation is missing or stands in another language's place."""
    for said in MESSAGES.values():
        assert re.search(r"[\u4e00-\u9fff]", said["zh"])
        assert re.search(r"[а-я]", said["ru"])
        assert said["en"].isascii()


def test_codes_are_words_that_fit_a_receipt_line() -> None:
    """A reader takes every code that HQ can write."""
    for code in Code:
        assert code.value == code.name
        assert re.fullmatch(r"[A-Z][A-Z_]{0,39}", code)


def test_errors_form_the_tree_that_their_module_draws() -> None:
    """A caller chooses by one of four branches what to do next."""
    assert {UsageError.__mro__[1], Fatal.__mro__[1]} == {Fatal, CohubError}
    assert {Retriable.__mro__[1], Rejected.__mro__[1], Malformed.__mro__[1]} == {CohubError}
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == ["Retriable", "Rejected", "Malformed", "Fatal", "UsageError"]


def test_rejection_says_code_field_and_parameters() -> None:
    """The message of a rejection is enough to find the place."""
    assert str(Rejected(Code.BAD_FIELD, "offer/trl", "got 12")) == "BAD_FIELD offer/trl got 12"
    assert str(Rejected(Code.NO_VALUE)) == "NO_VALUE"
