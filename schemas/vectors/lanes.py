"""Vectors of taking: what HQ makes of the records of a center's topic, fetch by fetch, and of its control records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

from hub.ledger.keyring import CenterKeys, Keyring
from hub.ledger.lane import Intake
from hub.ledger.reading import Reading
from hub.ledger.take import take
from hub.protocol.checkpoint import seal
from hub.protocol.note import Signer
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.schema import DATASCHEMA, parse_schema
from hub.protocol.tree import Edge, leaf_hash
from schemas.vectors.keys import (
    CENTER,
    COSIGNER,
    EPOCH,
    FOREIGN,
    HUB,
    LONG,
    SEAL,
    SEAL_NEXT,
    signer,
    text_or_hex,
)
from schemas.vectors.records import LANE_SCHEMA, NOTE_SCHEMA, START, Headers, schema_of, value_of

Row = dict[str, Any]
NEXT_EPOCH: Final = "1b2c3d4e"
STRANGER: Final = signer(f"{HUB}/{CENTER}", 9)
EPOCHS: Final = {"a": EPOCH, "b": NEXT_EPOCH, "c": "2c3d4e5f"}
SIZE: Final = 8  # of lane a, as its center has it; the others have three records
Record = tuple[Headers, bytes]


class Pool:
    """The records and seals that the rows name: `a3` is the third of lane a, `a3*` another with its number."""

    def __init__(self) -> None:
        self.records = {
            f"{lane}{n}": _record(lane, n) for lane in EPOCHS for n in range(1, (SIZE if lane == "a" else 3) + 1)
        }
        self.records["a3*"] = _record("a", 3, "Another technology")
        self.records["a1-"] = _record("a", 1, "No opening")
        self.records["x"] = ([h for h in _record("a", 2)[0] if h[0] != "ce_epoch"], _record("a", 2)[1])
        self.seals: dict[str, bytes] = {}
        for lane, size in (("a", SIZE), ("b", 3), ("c", 3)):
            for at in range(1, size + 1):
                self.seals[f"{lane}{at}"] = self._seal(lane, at, SEAL)
        self.seals |= {
            "a5-by-a-revoked-key": self._seal("a", 5, SEAL_NEXT),
            "a5-by-a-stranger": self._seal("a", 5, STRANGER),
            "a5-by-another-center": self._seal("a", 5, FOREIGN),
            "a5-of-a3*": self._seal("a", 5, SEAL, {"a3": "a3*"}),
            "a3-of-a3*": self._seal("a", 3, SEAL, {"a3": "a3*"}),
            "a2-of-a1-": self._seal("a", 2, SEAL, {"a1": "a1-"}),
            "a5-spoiled": self._seal("a", 5, SEAL)[:-20],
        }

    def edge(self, lane: str, size: int, instead: dict[str, str]) -> Edge:
        """Return the edge of a lane at this size, where some records stand in place of others."""
        names = [instead.get(f"{lane}{n}", f"{lane}{n}") for n in range(1, size + 1)]
        return Edge().append(leaf_hash(canonical(*self.records[name])) for name in names)

    def _seal(self, lane: str, size: int, key: Signer, instead: dict[str, str] | None = None) -> bytes:
        return seal(origin_of(HUB, CENTER, EPOCHS[lane]), self.edge(lane, size, instead or {}), key)


def _record(lane: str, sequence: int, title: str = "") -> Record:
    epoch, note = EPOCHS[lane], parse_schema(NOTE_SCHEMA)
    if sequence == 1 and not title:
        schema, kind, subject = schema_of(LANE_SCHEMA), "net.cohub.lane.opened.v1", f"{CENTER}:{epoch}"
        value = value_of(schema, {
            "origin": origin_of(HUB, CENTER, epoch), "previous_origin": None, "previous_size": 0, "previous_root": None,
            "reason": "first start",
        })  # fmt: skip
    else:
        schema, kind, subject = note, "net.cohub.example.noted.v1", f"{CENTER}:note-{sequence}"
        value = value_of(note, {"title": title or f"Technology {sequence}", "amount": b"\x01", "year": None})
    headers = write_headers(
        center=CENTER,
        epoch=epoch,
        sequence=sequence,
        event_id=f"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d{sequence:02x}",
        event_type=kind,
        subject=subject,
        time=START,
        dataschema=DATASCHEMA + schema.sha256,
    )
    return list(headers), value


KEYRING: Final = Keyring(
    17,
    {
        CENTER: CenterKeys(
            active=True,
            keys={SEAL.verifier.public: True, SEAL_NEXT.verifier.public: False},
            witness_keys={COSIGNER.verifier.public: True},
        ),
        "kz": CenterKeys(active=True, keys={FOREIGN.verifier.public: True}),
    },
)
WITH_LONG: Final = Keyring(
    17, {CENTER: CenterKeys(active=True, keys={SEAL.verifier.public: True}, long_keys={LONG.verifier.public: True})}
)

# Each word is a record, with a seal behind `+` where it carries one: `a5+a5`. A list is a fetch.
GOOD: Final = {
    "one_batch": ["a1 a2 a3 a4 a5+a5"],
    "batch_over_three_fetches": ["a1 a2", "a3", "a4 a5+a5"],
    "two_batches": ["a1+a1", "a2 a3 a4 a5+a5"],
    "tail_without_a_seal": ["a1+a1 a2 a3"],
    "seal_on_a_tail_that_came_again": ["a1 a2", "a1 a2+a2"],
    "newer_seal_in_the_tail": ["a1 a2 a3", "a2+a2 a3+a3"],
    "batch_sent_again": ["a1 a2+a2", "a1 a2+a2", "a3+a3"],
    "batch_sent_again_without_its_seal": ["a1 a2+a2", "a1 a2", "a3+a3"],
    "overlapping_batches": ["a1 a2+a2", "a2 a3+a3 a4 a5+a5"],
    "seal_of_a_smaller_size_again": ["a1+a1 a2 a3+a3", "a1+a1"],
    "gap_that_is_filled": ["a1+a1 a3", "a2 a3+a3"],
    "gap_at_the_beginning": ["a2 a3", "a1 a2 a3+a3"],
    "second_lane": ["a1 a2+a2", "b1 b2+b2"],
    "second_lane_opened_but_not_sealed": ["a1 a2+a2", "b1"],
    "late_record_of_a_closed_lane": ["a1 a2+a2 b1+b1 a2 b2+b2"],
    "late_seal_of_a_closed_lane": ["a1 a2+a2 b1+b1", "a2+a2", "b2+b2"],
    "number_alike_in_another_lane": ["a1 a2 a3+a3", "b1 b2 b3+b3"],
    "revoked_key_on_what_is_taken": ["a1 a2 a3 a4 a5+a5", "a5+a5-by-a-revoked-key"],
}
BAD: Final = {
    "record_without_a_place": ["a1 x a2+a2"],
    "other_bytes_in_the_tail": ["a1 a2 a3 a4 a3* a4 a5+a5-of-a3*"],
    "other_bytes_in_the_tail_over_fetches": ["a1 a2 a3", "a3*+a3-of-a3*"],
    "other_bytes_where_it_is_taken": ["a1 a2 a3+a3", "a3*", "a4+a4"],
    "fork_at_a_size_that_is_taken": ["a1 a2 a3+a3", "a3*+a3-of-a3*"],
    "gap_at_the_beginning_of_another_lane": ["a1 a2+a2", "b2"],
    "beyond_the_end_of_a_closed_lane": ["a1 a2+a2 b1+b1 a3+a3", "b2+b2"],
    "tail_of_the_lane_that_is_closed": ["a1 a2+a2 a3", "b1+b1"],
    "two_lanes_begin": ["b1 c1+c1"],
}
# A seal that is not good is no seal: the tail stays, and what comes later tells what becomes of it.
BAD_SEALS: Final = {
    "seal_over_other_records": ["a1 a2+a2 a3 a4 a5+a5-of-a3*"],
    "seal_over_other_records_at_the_beginning": ["a1 a2 a3+a3-of-a3*"],
    "lane_without_its_opening": ["a1- a2+a2-of-a1-"],
    "seal_by_a_revoked_key": ["a1 a2+a2 a3 a4 a5+a5-by-a-revoked-key"],
    "seal_by_another_center": ["a1 a2+a2 a3 a4 a5+a5-by-another-center"],
    "seal_that_is_no_note": ["a1 a2+a2 a3 a4 a5+a5-spoiled"],
    "seal_of_another_record": ["a1 a2+a2 a3 a4+a5"],
    "seal_by_an_unknown_key": ["a1 a2+a2 a3 a4 a5+a5-by-a-stranger"],
    "right_seal_behind_a_bad_one": ["a1 a2 a3 a4 a5+a5-of-a3*", "a5+a5"],
    "right_seal_behind_one_by_an_unknown_key": ["a1 a2 a3 a4 a5+a5-by-a-stranger", "a5+a5"],
    "longer_seal_behind_a_bad_one": ["a1 a2 a3 a4 a5+a5-spoiled", "a6 a7+a7"],
    "right_bytes_behind_a_bad_seal": ["a1+a1 a2 a3* a4 a5+a5", "a3 a4 a5+a5"],
    "right_bytes_behind_an_unknown_key": ["a1+a1 a2 a3* a4 a5+a5-by-a-stranger", "a3 a4 a5+a5"],
    "gap_behind_a_tail": ["a1+a1 a2 a4", "a3 a4+a4"],
    "another_lane_behind_a_bad_seal": ["a1+a1 a2 a3+a3-of-a3*", "b1+b1"],
}


def lane_vectors() -> Row:
    """Return sequences of fetches, and what HQ makes of them."""
    pool = Pool()
    return {
        "about": "What HQ makes of the records of in.uz, in the fetches in which they come; where one ends changes"
        " nothing but whether a resend is asked for. A record is a name of records, behind + the name of the seal that"
        " it carries. taken: in order, of all lanes; quarantined, with the reason; resends: origin and sequence, each"
        " once; answered: the stored receipt of that size is sent again; forks: two good seals of one size. keys: who"
        " may seal, and still may.",
        "hub": HUB,
        "center": CENTER,
        "keys": keys_shown(KEYRING),
        "records": {name: shown(*record) for name, record in pool.records.items()},
        "seals": {name: text_or_hex(data) for name, data in pool.seals.items()},
        "good": [_row(name, fetches, pool) for name, fetches in GOOD.items()],
        "bad": [_row(name, fetches, pool) for name, fetches in BAD.items()]
        + [_row(name, fetches, pool) for name, fetches in BAD_SEALS.items()],
    }


def keys_shown(keyring: Keyring) -> list[Row]:
    """Return the keys of a keyring, for people and programs."""
    rows = []
    for center, known in keyring.centers.items():
        for purpose, signers in (("seal", (SEAL, SEAL_NEXT, FOREIGN)), ("witness", (COSIGNER,))):
            keys = known.keys if purpose == "seal" else known.witness_keys
            rows += [
                {
                    "center": center,
                    "purpose": purpose,
                    "vkey": key.verifier.to_text(),
                    "active": keys[key.verifier.public],
                }
                for key in signers
                if key.verifier.public in keys
            ]
    return rows


def shown(headers: Headers, value: bytes | None) -> Row:
    """Return a record as JSON."""
    return {
        "headers": [{"name": n, **({"null": True} if c is None else text_or_hex(c))} for n, c in headers],
        "value": None if value is None else value.hex(),
    }


def outcome_of(fetches: Sequence[Sequence[str]], pool: Pool, keyring: Keyring) -> Row:
    """Return what `take` makes of these fetches."""
    names: list[str] = []
    reading, out = Reading.of(Intake(CENTER)), _nothing()
    for fetch in fetches:
        records = []
        for word in fetch:
            name, _, sealed = word.partition("+")
            headers, value = pool.records[name]
            sent = [*headers, (SEAL_HEADER, pool.seals[sealed])] if sealed else headers
            key = dict(headers)["ce_subject"]
            records.append(PlainRecord(key, value, sent, len(names)))
            names.append(name)
        taken = take(reading, records, keyring, HUB, tick=0.0)
        reading = taken.reading
        for stretch in taken.stretches:
            out["taken"] += [names[p.record.offset] for p in stretch.events]
        out["quarantined"] += [[names[q.record.offset], str(q.reason)] for q in taken.quarantine]
        out["resends"] += [found for r in taken.resends if (found := [r.origin, r.first]) not in out["resends"]]
        for claim in taken.heard.claims:
            checkpoint = claim.checkpoint
            lane = next(n for n, epoch in EPOCHS.items() if checkpoint.origin.endswith(epoch))
            known = pool.edge(lane, checkpoint.size, {}).root == checkpoint.root
            out["answered" if known else "forks"].append([checkpoint.origin, checkpoint.size])
    opened = reading.intake.lane
    return out | {
        "open": None if opened is None else opened.origin,
        "size": 0 if opened is None else opened.size,
        "root": None if opened is None else base64.b64encode(opened.edge.root).decode(),
    }


def _nothing() -> dict[str, list[Any]]:
    return {"taken": [], "quarantined": [], "resends": [], "answered": [], "forks": []}


def _row(name: str, fetches: Sequence[str], pool: Pool) -> Row:
    words = [fetch.split() for fetch in fetches]
    return {"name": name, "fetches": words, "outcome": outcome_of(words, pool, KEYRING)}
