from __future__ import annotations

from connectors.mapping.message import MESSAGES, LocalCode, message
from connectors.source import ProblemCode
from hub.protocol.verdict import LANGUAGES, Code


def test_every_code_has_a_sentence_in_every_language() -> None:
    """Whatever happens to a row, its office reads why in its own language."""
    for code in (*LocalCode, *ProblemCode, *Code):
        for language in LANGUAGES:
            assert message(code, language) not in ("", code)
    assert set(MESSAGES) == {*LocalCode, *ProblemCode}


def test_unknown_code_is_shown_as_it_is() -> None:
    """A newer HQ may send a code that this connector does not know."""
    assert message("NEW_CODE", "ru") == "NEW_CODE"
