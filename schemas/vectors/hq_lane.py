"""Vectors of HQ's own lane as it stands on `hub.lane`: what a reader folds from it, and what it passes over."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from connectors.runtime.lane_window import LaneWindow
from hub.domain.catalogue import KINDS
from hub.domain.hq_lane import HqLane, hq_readers
from hub.domain.stream import HQ
from hub.protocol.checkpoint import seal
from hub.protocol.note import Signer, sign_note
from hub.protocol.plain_record import PlainRecord
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import RECEIPT_HEADER, SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.schema import DATASCHEMA
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.trust import HqKeys
from schemas.vectors.keys import HUB, RECEIPTS, signer, text_or_hex
from schemas.vectors.lanes import Record, shown
from schemas.vectors.records import START, schema_of, value_of
from schemas.vectors.samples import KEYS, sample_of

Row = dict[str, Any]
EPOCH: Final = "a939b661"
OTHER_EPOCH: Final = "b939b661"
HQ_KEY: Final = signer(f"{HUB}/hq")
HQ_OLD: Final = signer(f"{HUB}/hq", 2)
RECEIPTS_OLD: Final = signer(f"{HUB}/receipts", 2)
STRANGER: Final = signer(f"{HUB}/hq", 9)
RETIRED_AT: Final = START + timedelta(seconds=30)
TRUSTED: Final = HqKeys(
    HUB,
    (HQ_OLD.verifier, HQ_KEY.verifier),
    (RECEIPTS_OLD.verifier, RECEIPTS.verifier),
    ((RETIRED_AT, HQ_OLD.verifier), (RETIRED_AT, RECEIPTS_OLD.verifier)),
)
EVENTS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("lane.opened.v1", EPOCH, {"origin": origin_of(HUB, HQ, EPOCH), "previous_origin": None, "previous_size": 0,
                               "previous_root": None}),
    ("center.registered.v1", "uz", {}),
    ("code_list.published.v1", "technology", {}),
    ("schema.announced.v1", KEYS["schema"], {}),
    ("rules.adopted.v1", "rules", {}),
    ("clock.corrected.v1", "clock", {}),
    ("center.suspended.v1", "uz", {}),
)  # fmt: skip
BATCHES: Final = {"A": (1, 2), "B": (3, 4), "C": (5, 5), "D": (6, 6), "E": (7, 7)}

GOOD: Final = {
    "whole": "h1 h2+A h3 h4+B h5+C h6+D h7+E",
    "opening_alone": "h1 h2+A",
    "tail_without_a_seal": "h1 h2+A h3 h4",
    "said_twice": "h1 h2+A h1 h2+A h3 h4+B h3 h4+B",
    "in_another_order": "h4+B h2+A h3 h1",
    "newest_for_a_place_counts": "h1 h2+A h3* h4 h3 h4+B",
    "strange_records_between": "h1 x h2+A o1 h3 h4+B",
    "right_batch_behind_one_by_a_stranger": "h1 h2+A h3 h4+B-by-a-stranger h4+B",
    "keys_that_were_retired_later": "h1 h2+A h3 h4+B-by-old-keys",
    "event_that_its_receipt_says_was_not_accepted": "h1 h2+A h3 h4+B-with-a-decision",
    "event_of_an_unknown_type": "h1 h2+A h3 h4+B h5n+C-of-h5n",
    "several_batches_the_last_is_over_all": "h2+A h3 h4+B-sealed-by-a-stranger h5+C h1",
}
BAD: Final = {
    "copied_seal_and_receipt": "h1 h2+A h3 h4+A",
    "copied_seal": "h1 h2+A h3 h4+B-under-the-seal-of-A",
    "receipt_missing": "h1 h2+A h3 h4+B-without-receipt",
    "seal_missing": "h1 h2+A h3 h4+B-without-seal",
    "gap": "h1 h2+A h4+B",
    "other_bytes": "h1 h2+A h3* h4+B",
    "seal_by_a_stranger": "h1 h2+A h3 h4+B-sealed-by-a-stranger",
    "receipt_by_a_stranger": "h1 h2+A h3 h4+B-with-a-receipt-by-a-stranger",
    "seal_and_receipt_by_a_stranger": "h1 h2+A h3 h4+B-by-a-stranger",
    "seal_by_the_receipts_key": "h1 h2+A h3 h4+B-sealed-by-the-receipts-key",
    "keys_that_were_retired_before": "h1 h2+A h3 h4+B-by-old-keys-too-late",
    "receipt_of_one_event_of_two": "h1 h2+A h3 h4+B-for-one",
    "lane_without_its_opening": "h1- h2+A-of-h1-",
    "lane_of_another_hub": "h1 h2+A-of-another-hub",
    "lane_of_a_center": "h1 h2+A-of-a-center",
    "another_lane_of_the_hub_behind_it": "h1 h2+A o1+O h3 h4+B",
}


class Pool:
    """The records and the signatures that the rows name."""

    def __init__(self) -> None:
        self.records = {f"h{n}": _record(n, *event) for n, event in enumerate(EVENTS, 1)}
        self.records["h3*"] = _record(3, "code_list.published.v1", "technology", {"codes": []})
        self.records["h1-"] = _record(1, "center.registered.v1", "qd", {"keys": []})
        self.records["h5n"] = _record(5, *EVENTS[4], event_type="net.cohub.weather.said.v1")
        self.records["o1"] = _record(1, *EVENTS[0], epoch=OTHER_EPOCH)
        self.records["x"] = ([h for h in self.records["h2"][0] if h[0] != "ce_epoch"], self.records["h2"][1])
        self.signed = {name: self._signed(*range_, at=n) for n, (name, range_) in enumerate(BATCHES.items())}
        late, b = 60, BATCHES["B"]
        self.signed |= {
            "B-by-a-stranger": self._signed(*b, hq=STRANGER, receipts=STRANGER.named(RECEIPTS.name)),
            "B-with-a-receipt-by-a-stranger": self._signed(*b, receipts=STRANGER.named(RECEIPTS.name)),
            "B-with-a-decision": self._signed(*b, decisions=(Decision(3, "BAD_FIELD", "codes"),)),
            "B-sealed-by-a-stranger": self._signed(*b, hq=STRANGER),
            "B-sealed-by-the-receipts-key": self._signed(*b, hq=RECEIPTS),
            "B-by-old-keys": self._signed(*b, hq=HQ_OLD, receipts=RECEIPTS_OLD),
            "B-by-old-keys-too-late": self._signed(*b, hq=HQ_OLD, receipts=RECEIPTS_OLD, at=late),
            "B-for-one": self._signed(4, 4),
            "A-of-h1-": self._signed(1, 2, instead={"h1": "h1-"}),
            "A-of-another-hub": self._signed(1, 2, origin=origin_of("other.example", HQ, EPOCH)),
            "A-of-a-center": self._signed(1, 2, origin=origin_of(HUB, "uz", EPOCH)),
            "C-of-h5n": self._signed(5, 5, instead={"h5": "h5n"}),
            "O": self._signed(1, 1, instead={"h1": "o1"}, origin=origin_of(HUB, HQ, OTHER_EPOCH)),
        }
        a, b_signed = self.signed["A"], self.signed["B"]
        self.signed["B-under-the-seal-of-A"] = {"seal": a["seal"], "receipt": b_signed["receipt"]}
        self.signed["B-without-receipt"] = {"seal": b_signed["seal"]}
        self.signed["B-without-seal"] = {"receipt": b_signed["receipt"]}

    def _signed(
        self,
        first: int,
        last: int,
        *,
        hq: Signer = HQ_KEY,
        receipts: Signer = RECEIPTS,
        at: int = 1,
        instead: Mapping[str, str] | None = None,
        origin: str = "",
        decisions: tuple[Decision, ...] = (),
    ) -> dict[str, bytes]:
        """Return the seal of the lane at `last`, and the receipt from `first` on, said `at` seconds after the first."""
        names = [(instead or {}).get(f"h{n}", f"h{n}") for n in range(1, last + 1)]
        edge = Edge().append(leaf_hash(canonical(*self.records[name])) for name in names)
        origin = origin or origin_of(HUB, HQ, EPOCH)
        receipt = Receipt(origin, first, last, edge.root, START + timedelta(seconds=at), first - 1, decisions)
        return {
            "seal": seal(origin, edge, hq.named(origin)),
            "receipt": sign_note(receipt.to_text(), [receipts]).to_bytes(),
        }


def _record(
    number: int, kind: str, key: str, changes: Mapping[str, Any], *, epoch: str = EPOCH, event_type: str = ""
) -> Record:
    event = f"net.cohub.{kind}"
    schema = schema_of(KINDS[event].schema_path)
    headers = write_headers(
        center=HQ,
        epoch=epoch,
        sequence=number,
        event_id=f"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c9d{number:02x}",
        event_type=event_type or event,
        subject=f"{HQ}:{key}",
        time=START,
        dataschema=DATASCHEMA + schema.sha256,
    )
    return list(headers), value_of(schema, sample_of(event, **changes))


def hq_lane_vectors() -> Row:
    """Return sequences of records of `hub.lane`, and what a reader has of the lane behind the last of them."""
    pool = Pool()
    return {
        "about": "What a reader makes of the records of hub.lane, in the order in which they come. A record is a name"
        " of records, behind + the name of the signatures that it carries: seal under cohub-seal, receipt under"
        " cohub-receipt. outcome: the lane that is taken, null and 0 where none is; its entities, by stream and"
        " id, of a center also what it may report and which of its keys are active; the rules in force; corrected:"
        " the size of the lane at the newest word of HQ's clock, 0 without one; newer: types of events that this"
        " version does not know. In a bad row something is not taken that looks as if it could be.",
        "hub": HUB,
        "hq": [key.to_text() for key in TRUSTED.hqs],
        "receipts": [key.to_text() for key in TRUSTED.receipts],
        "retired": [{"time": _time(since), "vkey": key.to_text()} for since, key in TRUSTED.retired],
        "records": {name: shown(*record) for name, record in pool.records.items()},
        "signatures": {
            name: {part: text_or_hex(note) for part, note in row.items()} for name, row in pool.signed.items()
        },
        "good": [_row(name, words, pool) for name, words in GOOD.items()],
        "bad": [_row(name, words, pool) for name, words in BAD.items()],
    }


def records_of(words: Sequence[str], pool: Pool) -> list[Record]:
    """Return the records that the words name, with the headers of their signatures."""
    out = []
    for word in words:
        name, _, by = word.partition("+")
        headers, value = pool.records[name]
        signed = pool.signed[by] if by else {}
        more = [(header, signed[part]) for part, header in _HEADERS.items() if part in signed]
        out.append(([*headers, *more], value))
    return out


_HEADERS: Final = {"seal": SEAL_HEADER, "receipt": RECEIPT_HEADER}


def read(fetches: Sequence[Sequence[Record]]) -> HqLane:
    """Return the lane that these records come to."""
    window = LaneWindow(READERS)
    window.keys = TRUSTED
    for fetch in fetches:
        window.take([PlainRecord(None, value, headers) for headers, value in fetch])
    return window.lane


READERS: Final = hq_readers({kind.schema_path: schema_of(kind.schema_path) for kind in KINDS.values()})


def outcome_of(lane: HqLane) -> Row:
    """Return what a reader has of the lane."""
    said = lane.registry()
    entities = []
    for (stream, entity), found in sorted(lane.entities.items()):
        row: Row = {"stream": stream, "id": entity, "status": found.status}
        if stream == "center":
            keys = [key["vkey"] for key in found.record["keys"] if key["status"] == "active"]
            row |= {"streams": found.record["streams"], "keys": keys}
        entities.append(row)
    return {
        "origin": lane.origin or None,
        "size": lane.size,
        "root": base64.b64encode(lane.root).decode() if lane.size else None,
        "entities": entities,
        "rules": said.rules,
        "corrected": lane.corrected_at,
        "newer": list(lane.newer),
    }


def _row(name: str, words: str, pool: Pool) -> Row:
    return {"name": name, "records": words.split(), "outcome": outcome_of(read([records_of(words.split(), pool)]))}


def _time(moment: Any) -> str:
    return str(moment.isoformat(timespec="microseconds").replace("+00:00", "Z"))
