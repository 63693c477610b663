"""What fields say of themselves: which hold our own codes, which name streams."""

from __future__ import annotations

from hub.domain.catalogue import STREAMS
from hub.domain.codes import lists
from hub.domain.marks import own_codes, stream_fields


def test_own_codes_are_found_in_lists_unions_and_nested_models() -> None:
    """A field of a list's item goes by its path; a code of a standard is not ours."""
    assert own_codes(STREAMS["offer"].record) == {
        "zone": lists.ZONES,
        "export_control": lists.EXPORT_CONTROLS,
        "partnership_kinds": lists.PARTNERSHIP_KINDS,
        "stage": lists.STAGES,
        "ip_status": lists.IP_STATUSES,
    }
    assert own_codes(STREAMS["center"].record) == {
        "direction": lists.DIRECTIONS,
        "zone": lists.ZONES,
        "keys.purpose": lists.KEY_PURPOSES,
        "keys.status": lists.KEY_STATUSES,
    }


def test_fields_of_one_name_have_the_codes_of_their_own_stream() -> None:
    """A deal's kind is not a partner's."""
    assert own_codes(STREAMS["deal"].record)["kind"] == lists.DEAL_KINDS
    assert own_codes(STREAMS["partner"].record)["kind"] == lists.PARTNER_KINDS


def test_every_list_of_ours_belongs_to_a_field() -> None:
    """A list that no field takes would need no words."""
    taken = {codes for stream in STREAMS.values() for codes in own_codes(stream.record).values()}
    assert taken == {codes for codes in vars(lists).values() if isinstance(codes, tuple)}


def test_a_center_names_the_streams_that_it_may_report() -> None:
    """Those are said by the streams' own titles."""
    assert stream_fields(STREAMS["center"].record) == {"streams"}
    assert stream_fields(STREAMS["deal"].record) == frozenset()
