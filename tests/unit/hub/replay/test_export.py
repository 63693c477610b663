"""A range of the ledger, to be published again: which events, in which order, with which bytes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from hub.protocol.errors import UsageError
from hub.protocol.record import SEAL_HEADER, canonical
from hub.protocol.tree import leaf_hash
from hub.replay.decoding import Decoder
from hub.replay.export import Filter, RepublishedEvent, Selection, again, place_of, spans
from hub.replay.files import event_file
from hub.replay.source import Ledger
from tests.support.lived import day

HUB = "hub.example"


def chosen(ledger: Ledger, **bounds: Any) -> list[RepublishedEvent]:
    lanes = bounds.pop("lanes", None) or [lane for lane in ledger.lanes if lane.center != "hq"]
    return [found for found, _ in again(ledger, Decoder(ledger), Selection(lanes, **bounds))]


def places(found: list[RepublishedEvent]) -> list[str]:
    return [f"{one.lane.center}{one.lane.id}:{one.event.sequence}" for one in found]


ALL = [
    "uz2:1",
    "uz2:2",
    "uz2:3",
    "kz3:1",
    "uz2:4",
    "uz2:5",
    "kz3:2",
    "uz2:6",
    "kz3:3",
    "kz3:4",
    "kz3:5",
    "uz4:1",
    "uz4:2",
]


def test_lanes_are_merged_by_the_time_of_recording(ledger: Ledger) -> None:
    assert places(chosen(ledger, rejected=True)) == ALL


def test_rejected_events_are_left_out_unless_asked_for(ledger: Ledger) -> None:
    assert places(chosen(ledger)) == [place for place in ALL if place not in {"uz2:5", "kz3:2"}]


def test_bounds_are_whole_commits_and_inclusive(ledger: Ledger) -> None:
    assert places(chosen(ledger, begins=day(2), ends=day(3), rejected=True)) == ["uz2:4", "uz2:5", "kz3:2", "uz2:6"]


def test_bounds_in_one_lane_are_sequences(ledger: Ledger) -> None:
    lane = ledger.lanes[1]
    assert places(chosen(ledger, lanes=[lane], first=3, last=5, rejected=True)) == ["uz2:3", "uz2:4", "uz2:5"]
    assert places(chosen(ledger, lanes=[lane], first=7)) == []


@pytest.mark.parametrize("number", range(len(ALL)))
def test_any_place_is_enough_to_go_on_from(ledger: Ledger, number: int) -> None:
    """What was published up to a place, and what is published after it, is everything once."""
    found = chosen(ledger, rejected=True)
    after = place_of(ledger, found[number].place)
    assert places(chosen(ledger, rejected=True, after=after)) == ALL[number + 1 :]
    assert after == found[number].order


def test_pages_change_nothing(ledger: Ledger, decoder: Decoder) -> None:
    selection = Selection(ledger.lanes, rejected=True)
    whole = [found.place for found, _ in again(ledger, decoder, selection)]
    for page in (1, 2, 5):
        assert [found.place for found, _ in again(ledger, decoder, selection, page=page)] == whole


def test_place_that_the_ledger_does_not_have_is_refused(ledger: Ledger) -> None:
    """Neither a damaged text nor another lane's sequence is taken for a place."""
    for text in ("", "uz", "uz/0000aaaa:0", "uz/0000aaaa:7", "uz/0000aaaa:x", "uz/nothere:1"):
        with pytest.raises(UsageError):
            place_of(ledger, text)
    assert place_of(ledger, "uz/0000aaaa:6") == place_of(ledger, "hub.example/uz/0000aaaa:6")


def test_spans_tell_how_much_there_is(ledger: Ledger) -> None:
    found = spans(ledger, Selection(ledger.lanes[1:], day(2), day(3)))
    assert [(lane.center, first, last) for lane, first, last in found] == [("uz", 4, 6), ("kz", 2, 2)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("stream == 'deal'", ["kz3:3", "kz3:4", "kz3:5"]),
        ("value.trl >= `5` && center == 'uz'", ["uz2:3", "uz2:4", "uz4:2"]),
        ("contains(value.countries || `[]`, 'CN')", ["uz2:4"]),
        ("correlation_id", ["uz2:2", "kz3:3"]),
        ("verdict != 'ACCEPTED'", []),
        ("value.nothing", []),
    ],
)
def test_filter_is_jmespath_over_what_people_see(ledger: Ledger, expression: str, expected: list[str]) -> None:
    assert places(chosen(ledger, filter=Filter(expression))) == expected


@pytest.mark.parametrize("expression", ["a[", "", "nope(@)"])
def test_filter_that_cannot_be_worked_out_is_refused(ledger: Ledger, expression: str) -> None:
    with pytest.raises(UsageError, match="--filter"):
        chosen(ledger, filter=Filter(expression))


def test_record_has_the_original_bytes_and_three_headers_more(ledger: Ledger) -> None:
    """Its digest is the ledger's; the seal stands where it stood, on the last record of a commit."""
    found = chosen(ledger, rejected=True)
    for one in found:
        key, value, headers = one.record(HUB, day(9))
        assert leaf_hash(canonical(headers, value)) == one.event.digest
        assert key == (one.event.key or one.event.subject.encode())
        own = {name: content for name, content in headers if name.startswith("cohub-") and name != SEAL_HEADER}
        assert own["cohub-replay"] == b"hub.example 2026-03-09T12:00:00.000000Z"
        assert own["cohub-verdict"] == one.event.code.encode()
        assert len(own) == 3
    sealed = [
        f"{o.lane.center}{o.lane.id}:{o.event.sequence}" for o in found if SEAL_HEADER in dict(o.record(HUB, day(9))[2])
    ]
    assert sealed == ["uz2:3", "kz3:1", "uz2:5", "kz3:2", "uz2:6", "kz3:3", "kz3:5", "uz4:2"]


def test_container_file_gives_the_records_back(ledger: Ledger, decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "events.avro"
    found = chosen(ledger, rejected=True)
    with event_file(path, decoder, HUB, day(9)) as out:
        for one in found:
            out.write(one, None)
        assert not path.exists()
    with path.open("rb") as data:
        reader = fastavro.reader(data)
        assert (reader.codec, reader.metadata["cohub.hub"]) == ("deflate", HUB)
        rows: list[Any] = list(reader)
    assert len(rows) == len(found)
    for row, one in zip(rows, found, strict=True):
        headers = [(header["name"].decode(), header["content"]) for header in row["headers"]]
        assert leaf_hash(canonical(headers, row["value"])) == row["digest"] == one.event.digest
        assert (row["origin"], row["sequence"], row["verdict"]) == (one.lane.origin, one.event.sequence, one.event.code)
    assert rows[0]["recorded_at"] == day(1)


def test_json_lines_are_for_people_and_keep_the_bytes(ledger: Ledger, decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with event_file(path, decoder, HUB, day(9)) as out:
        for one in chosen(ledger, rejected=True):
            out.write(one, None)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["verdict"] for line in lines if line["verdict"] != "ACCEPTED"] == ["OUT_OF_RANGE", "WRONG_CENTER"]
    signed = next(line for line in lines if line["event"] == "signed")
    assert (signed["value"]["signed_on"], signed["subject"]) == ("2026-03-05", "kz:D-1")
    for line in lines:
        kept = line["bytes"]
        headers = [(name, base64.b64decode(content)) for name, content in kept["headers"]]
        assert leaf_hash(canonical(headers, base64.b64decode(kept["value"]))).hex() == line["digest"]


def test_file_appears_whole_or_not_at_all(ledger: Ledger, decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    event = chosen(ledger)[0]

    def interrupted() -> None:
        with event_file(path, decoder, HUB, day(9)) as out:
            out.write(event, None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    path.write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="already"), event_file(path, decoder, HUB, day(9)):
        pass
    assert path.read_text("utf-8") == "mine"
