"""What a stream's model says of itself: form, bounds, codes, and what each field names."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from connectors.mapping.path import mapped_streams
from connectors.propose.facts import facts_of
from hub.domain.catalogue import STREAMS
from hub.domain.codes.country import COUNTRIES

OFFER, PARTNER, DEAL = (facts_of(STREAMS[name]) for name in ("offer", "partner", "deal"))


def test_streams_that_sheets_are_of_leave_out_what_hq_and_the_connector_write() -> None:
    """A mapping is never for a lane, a center or a schema."""
    assert {stream.name for stream in mapped_streams()} == {
        "activity", "deal", "deal_confirmation", "investment", "offer", "output", "partner", "project", "request",
        "revenue", "service",
    }  # fmt: skip


def test_text_is_told_by_its_lines_and_its_length() -> None:
    """Where a line break is refused, the office is told so before it writes one."""
    title, summary = OFFER.of("title"), OFFER.of("summary")
    assert (title.form, title.required, title.chars_min, title.chars_max) == ("line", True, 1, 256)
    assert (summary.form, summary.required, summary.chars_max) == ("lines", False, 500)


def test_numbers_and_dates_are_told_by_their_bounds() -> None:
    """Both kinds of bound, and how many decimals."""
    amount, rate, trl, day = DEAL.of("amount"), DEAL.of("rate"), OFFER.of("trl"), OFFER.of("expires_on")
    assert (amount.form, amount.least, amount.below, amount.decimals) == ("number", 0, Decimal(10) ** 15, 4)
    assert (rate.above, rate.least, rate.decimals) == (0, None, 8)
    assert (trl.form, trl.least, trl.most) == ("whole", 1, 9)
    assert (day.form, day.least, day.most) == ("date", dt.date(1900, 1, 1), dt.date(2200, 1, 1))


def test_codes_are_ours_of_a_standard_or_of_a_list() -> None:
    """Ours have words; those of a standard and of HQ's lists are named by it."""
    stage, country, countries, keywords = (
        OFFER.of("stage"), PARTNER.of("country"), OFFER.of("countries"), OFFER.of("technology_keywords"),
    )  # fmt: skip
    assert (stage.form, stage.standard, stage.codes[0]) == ("code", None, "concept")
    assert (country.standard, set(country.codes)) == ("country", set(COUNTRIES))
    assert (countries.standard, countries.items_max) == ("country", 60)
    assert (keywords.form, keywords.code_list, keywords.items_max) == ("listed", "technology", 5)


def test_fields_that_name_something_say_what() -> None:
    """Another entity, another center's entity, another center, a person."""
    theirs = facts_of(STREAMS["deal_confirmation"]).of("deal")
    assert (DEAL.of("partner").form, DEAL.of("partner").refers_to, DEAL.of("partner").foreign) == (
        "entity",
        "partner",
        False,
    )
    assert (theirs.refers_to, theirs.foreign) == ("deal", True)
    assert DEAL.of("counterpart_center").form == "center"
    assert PARTNER.of("contact").form == "person"


def test_life_of_an_entity_is_told_once_by_its_newest_events() -> None:
    """A second version of an event is no second event; only a change of status says why and when."""
    assert [kind.name for kind in PARTNER.events] == ["registered", "revised", "signed", "ended"]
    assert PARTNER.statuses == ("registered", "signed", "ended")
    assert [field.path for field in PARTNER.changes] == ["reason", "effective_on"]
    assert DEAL.changes == ()


@pytest.mark.parametrize("stream", mapped_streams(), ids=lambda stream: stream.name)
def test_every_field_of_a_record_has_a_form_that_is_known(stream: object) -> None:
    """No field falls through: a text without any rule would be told as `text`, which says nothing."""
    facts = facts_of(stream)  # type: ignore[arg-type]
    assert [field.path for field in facts.fields] == list(STREAMS[facts.name].record.model_fields)
    assert all(field.form != "text" for field in facts.fields)
    with pytest.raises(KeyError):
        facts.of("nothing")
