"""Code lists: read from a text, published first, replaced as a whole afterwards."""

from __future__ import annotations

import pytest

from hub.hq.code_lists import Term, publish, read_terms
from hub.hq.folder import HubFolder
from hub.protocol.errors import AgainstRules, UsageError
from hub.protocol.verdict import Code


async def test_list_is_published_first_and_then_replaced(where: HubFolder) -> None:
    first = await publish(where, "market", [Term("FOOD", en="food"), Term("WATER")])
    second = await publish(where, "market", [Term("HEALTH", ru="здоровье")])
    assert (first.is_new, second.is_new) == (True, False)
    with where.snapshot() as now:
        held = now.entity("code_list", "hq:market")
    assert held is not None
    assert held.record["codes"] == [{"code": "HEALTH", "zh": None, "en": None, "ru": "здоровье"}]


async def test_same_code_twice_is_against_the_rules(where: HubFolder) -> None:
    with pytest.raises(AgainstRules) as told:
        await publish(where, "market", [Term("FOOD"), Term("FOOD")])
    assert told.value.code == Code.INCONSISTENT


def test_text_is_read_with_the_names_that_it_has() -> None:
    """Spaces around are nobody's, an empty cell says nothing."""
    assert read_terms("code, en\nAERO , aviation\nAGRI,\n", "it") == [Term("AERO", en="aviation"), Term("AGRI")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nAERO\n", "it: expected a first line of code, zh, en, ru, came name"),
        ('code\nAERO\n""\n', "it line 3: expected a code, came an empty cell"),
        ("", "it: expected a first line of"),
        ("code\n" + "x" * 200_000, "it: expected CSV"),
    ],
)
def test_text_that_is_no_list_names_the_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_terms(text, "it")
