"""What belongs to a bundle follows from what the streams say of their fields."""

from __future__ import annotations

from hub.evidence.subject import Subject, Why, answers_to, others_named, related


def test_answers_are_found_by_what_the_streams_declare() -> None:
    """The confirmation of a deal is the one stream whose entities must be another center's word on it."""
    assert answers_to("deal") == (("deal_confirmation", "deal"),)
    assert answers_to("offer") == ()
    assert others_named("deal", {"counterpart_center": "kz", "partner": "uz:P-1"}) == {"kz"}
    assert others_named("deal", {"counterpart_center": None}) == set()


def test_confirmation_by_the_counterpart_is_told_from_others() -> None:
    """Anybody may confirm a deal; only the center that it names is its counterpart."""
    records = {
        ("deal", "uz:1"): [{"counterpart_center": "kz", "offer": "kz:7"}],
        ("deal_confirmation", "kz:C"): [{"deal": "uz:1"}],
        ("deal_confirmation", "cn:C"): [{"deal": "uz:1"}],
        ("deal_confirmation", "cn:D"): [{"deal": "uz:2"}],
    }
    why, absent = related(Subject("deal", "uz:1"), records)
    assert why == {
        ("deal", "uz:1"): Why("subject"),
        ("deal_confirmation", "cn:C"): Why("confirmation", is_counterpart=False),
        ("deal_confirmation", "kz:C"): Why("confirmation"),
    }
    assert absent == {("offer", "kz:7")}
