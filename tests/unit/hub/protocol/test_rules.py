"""The numbers of rules: what each means is settled for ever."""

from __future__ import annotations

from dataclasses import astuple, fields

import pytest

from hub.protocol.errors import Newer
from hub.protocol.rules import FIRST, NEWEST, RULES, RULES_KNOWN, Rules, rules


def test_numbers_count_from_one_without_a_gap() -> None:
    """A basis names a number; this release has each of them up to its newest."""
    assert tuple(range(1, NEWEST.number + 1)) == RULES_KNOWN
    assert [rules(number).number for number in RULES_KNOWN] == list(RULES_KNOWN)
    assert rules(1) is FIRST
    assert RULES[NEWEST.number] is NEWEST


def test_what_a_number_means_never_changes() -> None:
    """These lines are only ever added to: a ledger of each number is judged again by them."""
    assert [field.name for field in fields(Rules)] == [
        "number", "uuid_ids", "kafka_key_judged", "exact_text", "repeats_known", "strict_seals",
    ]  # fmt: skip
    assert astuple(rules(1)) == (1, False, True, False, False, False)
    assert astuple(rules(2)) == (2, True, False, True, True, True)


@pytest.mark.parametrize("number", [0, 3, 2**53])
def test_number_that_is_not_known_is_newer_than_this_release(number: int) -> None:
    """It is no fault of what was read, and nothing is said against it."""
    with pytest.raises(Newer, match=f"rules {number} are in force"):
        rules(number)
