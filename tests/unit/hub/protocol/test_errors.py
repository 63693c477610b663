"""The error tree: what a shell tells apart, and what a command's exit status makes of it."""

from __future__ import annotations

import re

import pytest

from hub.protocol import errors
from hub.protocol.errors import AgainstRules, CohubError, Conflict, Fatal, Malformed, NotFound, Retriable, UsageError
from hub.protocol.verdict import Code

STATUSES = {NotFound: 404, Conflict: 409, AgainstRules: 422, UsageError: 400, Retriable: 503}


def answered(error: CohubError) -> int:
    """Return the status of the first class that fits, as the module says."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (AgainstRules("x", Code.OUT_OF_RANGE, "trl", "max=9"), 422),
        (UsageError("x"), 400),
        (Retriable("x"), 503),
        (Fatal("x"), 500),
        (Malformed("x"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_web_shell_answers_with_the_first_class_that_fits(error: CohubError, status: int) -> None:
    """No class stands in two of the answers, so their order is all that a shell needs."""
    assert answered(error) == status


def test_error_against_the_rules_keeps_the_verdict_apart_from_its_text() -> None:
    error = AgainstRules("in words", Code.OUT_OF_RANGE, "trl", "max=9")
    assert (str(error), error.code, error.field, error.params) == ("in words", Code.OUT_OF_RANGE, "trl", "max=9")


def test_errors_form_the_tree_that_their_module_draws() -> None:
    """A caller chooses by the branch what to do next, and finds every class in the drawing."""
    drawn: dict[str, str] = {}
    above = ["CohubError"]
    for indent, name in re.findall(r"^    ((?:│   |    )*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 4 + 1
        drawn[name], above = above[depth - 1], [*above[:depth], name]
    made = {
        name: kind.__mro__[1].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, CohubError) and kind is not CohubError
    }
    assert drawn == made
