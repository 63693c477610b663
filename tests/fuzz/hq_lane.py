"""What an office finds of HQ's own lane on a topic that anybody may write to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from connectors.runtime.codecs import released_readers
from connectors.runtime.lane_window import BYTES_MAX, LaneWindow
from hub.protocol.trust import HqKeys
from tests.fuzz.target import Script, Target
from tests.support.center import Center
from tests.support.hq_lane import TRUST, LaneWriter

HEADERS = ("ce_epoch", "ce_sequence", "ce_type", "ce_subject", "ce_time", "cohub-seal", "cohub-receipt")
READERS = released_readers()


@dataclass(frozen=True)
class Read:
    """A record as a consumer has it."""

    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@cache
def genuine() -> tuple[Read, ...]:
    """Return the records of a lane of several stretches."""
    said = LaneWriter().open("net.cohub.lane.opened.v1", "net.cohub.offer.published.v1")
    said = said.register(Center("uz")).register(Center("kz", "00001234"))
    return tuple(Read(value, tuple(headers)) for _, value, headers in said.records())


def damaged(script: Script) -> Read:
    """Return one of the genuine records, damaged or not."""
    record: Read = script.one(genuine())
    change, name = script.number(6), script.one(HEADERS)
    if change == 1:
        record = replace(record, headers=tuple((n, script.some() if n == name else v) for n, v in record.headers))
    elif change == 2:
        record = replace(record, headers=tuple(h for h in record.headers if h[0] != name))
    elif change == 3:
        record = replace(record, headers=(*record.headers, (name, script.one((None, script.some())))))
    elif change == 4:
        record = replace(record, value=script.one((None, b"", script.some())))
    elif change == 5:
        number = b"%d" % script.number(1 << 16)
        record = replace(record, headers=tuple((n, number if n == "ce_sequence" else v) for n, v in record.headers))
    return record


def _hq_lane(data: bytes) -> None:
    script, window = Script(data), LaneWindow(READERS)
    window.keys = HqKeys.of(TRUST)
    whole = LaneWindow(READERS)
    whole.keys = window.keys
    whole.take(genuine())
    while not script.is_empty:
        window.take([damaged(script) for _ in range(1 + script.number(16))])
        assert window.lane.size <= whole.lane.size
        assert window.held_bytes <= BYTES_MAX
    # Whatever came before: HQ has to say it once more, and it is read.
    window.take(genuine())
    assert (window.lane.size, window.lane.root) == (whole.lane.size, whole.lane.root)


def _in_order() -> list[bytes]:
    return [b"", bytes([len(genuine()) - 1]) + b"".join(bytes([n, 0, 0]) for n in range(len(genuine())))]


HQ_LANE = (Target("hq-lane", _hq_lane, _in_order, refusals=()),)
