"""The list of what a check may find is closed, and every case has words and a remedy."""

from __future__ import annotations

from hub.hq.doctor.examined import CASES, Check, Mark, examined
from schemas.words import LANGUAGES, words
from schemas.words.said import said


def test_every_check_has_a_case_that_is_well_and_one_that_is_not() -> None:
    """A check that can't be passed, or can't fail to be, tells nothing."""
    assert set(CASES) == set(Check)
    for cases in CASES.values():
        assert Mark.OK in cases.values()
        assert set(cases.values()) - {Mark.OK}


def test_what_is_not_well_says_what_to_do() -> None:
    """In each language; what is well asks for nothing."""
    texts = words("doctor").texts
    for check, cases in CASES.items():
        for case, mark in cases.items():
            assert set(texts[f"{check}.{case}.message"]) == set(LANGUAGES)
            assert (f"{check}.{case}.remedy" in texts) == (mark is not Mark.OK)


def test_plain_values_have_codes_for_scripts_and_text_for_people() -> None:
    """What is in the way stands apart, by its own code."""
    at = said("obstacles.at", address="hq:9093", reason=said("obstacles.unknown_to_system"))
    found = examined(Check.BROKER_AS_ADMIN, "away", obstacles=(at,), user="admin").plain()
    assert (found["check"], found["mark"], found["code"]) == ("broker_as_admin", "fails", "broker_as_admin.away")
    assert found["obstacles"] == [{"code": "unknown_to_system", "values": {"address": "hq:9093"}}]
    assert found["said"].startswith("hq:9093: the broker's certificate is signed by nobody")
    assert "hub.yaml" in found["remedy"]
