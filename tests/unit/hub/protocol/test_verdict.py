"""The list of verdicts is closed; errors form one tree. What verdicts say is tested with the catalogue of words."""

from __future__ import annotations

import re

from hub.protocol import errors
from hub.protocol.errors import CohubError, Fatal, Malformed, Rejected, Retriable, UsageError
from hub.protocol.verdict import Code


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
