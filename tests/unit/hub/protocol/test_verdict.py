"""The list of verdicts is closed; errors form one tree. What verdicts say is tested with the catalogue of words."""

from __future__ import annotations

import re

from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code


def test_codes_are_words_that_fit_a_receipt_line() -> None:
    """A reader takes every code that HQ can write."""
    for code in Code:
        assert code.value == code.name
        assert re.fullmatch(r"[A-Z][A-Z_]{0,39}", code)


def test_rejection_says_code_field_and_parameters() -> None:
    """The message of a rejection is enough to find the place."""
    assert str(Rejected(Code.BAD_FIELD, "offer/trl", "got 12")) == "BAD_FIELD offer/trl got 12"
    assert str(Rejected(Code.NO_VALUE)) == "NO_VALUE"
