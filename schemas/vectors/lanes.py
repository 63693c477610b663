"""Vectors of taking: what HQ makes of the records of a center's topic, fetch by fetch, and of its control records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hub.ledger.keyring import CenterKeys, Keyring
from hub.ledger.lane import Intake
from hub.ledger.reading import Reading
from hub.ledger.take import take
from hub.protocol.checkpoint import Checkpoint, seal
from hub.protocol.limits import TAIL_EVENTS_MAX
from hub.protocol.note import COSIGNATURE_MLDSA44, Note, Signer
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.rules import RULES
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
from schemas.vectors.logs import line
from schemas.vectors.records import LANE_SCHEMA, NOTE_SCHEMA, START, Headers, schema_of, value_of

Row = dict[str, Any]
NEXT_EPOCH: Final = "1b2c3d4e"
STRANGER: Final = signer(f"{HUB}/{CENTER}", 9)
EPOCHS: Final = {"a": EPOCH, "b": NEXT_EPOCH, "c": "2c3d4e5f"}
SIZE: Final = 8  # of lane a, as its center has it; the others have three records
Record = tuple[Headers, bytes]
# Records with so many zero bytes as their value: with a5^ a tail has exactly as many canonical bytes as it may.
ZEROS: Final = {"a2^": 262_144, "a3^": 262_144, "a4^": 262_144, "a5^": 260_088, "a5^^": 260_089}


class Pool:
    """The records and seals that the rows name: `a3` is the third of lane a, `a3*` another with its number."""

    def __init__(self) -> None:
        self.records = {
            f"{lane}{n}": _record(lane, n) for lane in EPOCHS for n in range(1, (SIZE if lane == "a" else 3) + 1)
        }
        self.records["a3*"] = _record("a", 3, "Another technology")
        self.records["a1-"] = _record("a", 1, "No opening")
        self._made()
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
            "a2-by-a-stranger": self._seal("a", 2, STRANGER),
            "a2-spoiled": self._seal("a", 2, SEAL)[:-20],
            "a2-and-more": self._seal("a", 2, SEAL, extensions=("more",)),
            "a256": self._seal("a", TAIL_EVENTS_MAX, SEAL),
            "a257": self._seal("a", TAIL_EVENTS_MAX + 1, SEAL),
            "a4-of-long-ones": self._seal("a", 4, SEAL, {f"a{n}": f"a{n}^" for n in range(2, 5)}),
            "a5-of-long-ones": self._seal("a", 5, SEAL, {f"a{n}": f"a{n}^" for n in range(2, 6)}),
            "a5-of-longer-ones": self._seal("a", 5, SEAL, {f"a{n}": f"a{n}^" for n in range(2, 5)} | {"a5": "a5^^"}),
        }
        self.seals |= self._long_seals()

    def edge(self, lane: str, size: int, instead: dict[str, str]) -> Edge:
        """Return the edge of a lane at this size, where some records stand in place of others."""
        names = [instead.get(f"{lane}{n}", f"{lane}{n}") for n in range(1, size + 1)]
        return Edge().append(leaf_hash(canonical(*self.records[name])) for name in names)

    def _seal(
        self, lane: str, size: int, key: Signer, instead: dict[str, str] | None = None, extensions: tuple[str, ...] = ()
    ) -> bytes:
        return seal(origin_of(HUB, CENTER, EPOCHS[lane]), self.edge(lane, size, instead or {}), key, extensions)

    def _long_seals(self) -> dict[str, bytes]:
        """Return seals of a2 with a second line: by the center's long-lived key, by another one, of other records."""
        origin, plain = origin_of(HUB, CENTER, EPOCH), Note.from_bytes(self.seals["a2"])
        stranger = Signer(SEAL.name, signer(SEAL.name, 4).seed, COSIGNATURE_MLDSA44)
        right, other = Checkpoint.from_text(plain.text), Checkpoint(origin, 2, bytes(32))
        lines = {
            "a2-by-both-keys": line(right, LONG.named(origin)),
            "a2-by-a-strange-long-key": line(right, stranger.named(origin)),
            "a2-with-the-long-line-of-another": line(other, LONG.named(origin)),
        }
        return {name: Note(plain.text, (*plain.signatures, by)).to_bytes() for name, by in lines.items()}

    def _made(self) -> None:
        """Make the records that nobody wants to read: many, and long ones."""
        for n in range(SIZE + 1, TAIL_EVENTS_MAX + 2):
            headers, value = self.records[f"a{SIZE}"]
            self.records[f"a{n}"] = (
                [(name, str(n).encode() if name == "ce_sequence" else content) for name, content in headers], value,
            )  # fmt: skip
        for name, zeros in ZEROS.items():
            self.records[name] = (self.records[name.rstrip("^")][0], bytes(zeros))


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


# Rows under a keyring of their own: its name, the fetches.
KEYRINGS: Final = {"rules 2": replace(KEYRING, rules=RULES[2]), "a long-lived key": WITH_LONG}
FURTHER: Final = {
    "as_many_records_as_one_seal_may_cover": ("", ["a1..a256+a256"]),
    "one_record_more_than_a_seal_may_cover": ("", ["a1..a257+a257"]),
    "tail_that_grows_over_its_limit": ("", ["a1..a200", "a201..a257", "a1..a256+a256"]),
    "tail_that_grows_over_its_limit_under_a_bad_seal": ("", ["a1..a4 a5+a5-spoiled a6..a257"]),
    "tail_over_its_limit_that_waits_for_a_key": ("", ["a1..a4 a5+a5-by-a-stranger a6..a257+a257", "a256+a256"]),
    "gap_behind_a_tail_that_waits_for_a_key": ("", ["a1+a1 a2+a2-by-a-stranger a4", "a3 a4+a4"]),
    "sealed_gap_behind_a_tail_that_waits_for_a_key": ("", ["a1+a1 a2+a2-by-a-stranger a4+a4", "a3 a4+a4"]),
    "as_many_bytes_as_one_seal_may_cover": ("", ["a1 a2^ a3^ a4^ a5^+a5-of-long-ones"]),
    "one_byte_more_than_a_seal_may_cover": ("", ["a1 a2^ a3^ a4^ a5^^+a5-of-longer-ones"]),
    "bytes_of_two_seals": ("", ["a1 a2^ a3^ a4^+a4-of-long-ones a5^^+a5-of-longer-ones"]),
    "extension_line_under_rules_1": ("", ["a1 a2+a2-and-more"]),
    "extension_line_under_rules_2": ("rules 2", ["a1 a2+a2-and-more", "a2+a2"]),
    "two_seals_under_rules_1": ("", ["a1 a2+a2-spoiled+a2"]),
    "two_seals_the_last_no_note_under_rules_1": ("", ["a1 a2+a2+a2-spoiled"]),
    "two_seals_under_rules_2": ("rules 2", ["a1 a2+a2-spoiled+a2"]),
    "two_seals_alike_under_rules_2": ("rules 2", ["a1 a2+a2+a2", "a2+a2"]),
    "two_seals_on_what_is_taken_under_rules_2": ("rules 2", ["a1 a2+a2", "a2+a2+a2"]),
    "extension_line_on_what_is_taken_under_rules_2": ("rules 2", ["a1 a2+a2", "a2+a2-and-more"]),
    "long_key_missing": ("a long-lived key", ["a1 a2+a2", "a2+a2-by-both-keys"]),
    "long_key_of_another": ("a long-lived key", ["a1 a2+a2-by-a-strange-long-key"]),
    "long_line_of_another_root": ("a long-lived key", ["a1 a2+a2-with-the-long-line-of-another"]),
    "long_line_before_its_key_is_known": ("", ["a1 a2+a2-by-both-keys"]),
}


def expanded(fetches: Sequence[str]) -> list[list[str]]:
    """Return the words of each fetch: `a1..a3+a3` is `a1 a2 a3+a3`."""
    out = []
    for fetch in fetches:
        words: list[str] = []
        for word in fetch.split():
            first, dots, last = word.partition("..")
            end, plus, sealed = last.partition("+")
            words += [f"a{n}" for n in range(int(first[1:]), int(end[1:]) + 1)] if dots else [word]
            words[-1] += f"+{sealed}" if plus else ""
        out.append(words)
    return out


def lane_vectors() -> Row:
    """Return sequences of fetches, and what HQ makes of them."""
    pool = Pool()
    return {
        "about": "What HQ makes of the records of in.uz, in the fetches in which they come; where one ends changes"
        " nothing but whether a resend is asked for. A record is a name of records, behind + the name of the seal that"
        " it carries. taken: in order, of all lanes; quarantined, with the reason; resends: origin and sequence, each"
        " once; answered: the stored receipt of that size is sent again; forks: two good seals of one size. keys: who"
        " may seal, and still may; a row with keys of its own has no others. rules: 1, where a row says nothing."
        " a2..a5+a5 stands for a2 a3 a4 a5+a5, in what comes and in what is said of it; +s+t is two headers. Not shown"
        " are the records a9 to a257: each is a8 but for its ce_sequence; and those of zeros: the headers of the record"
        " before the ^, and a value of so many zero bytes.",
        "hub": HUB,
        "center": CENTER,
        "keys": keys_shown(KEYRING),
        "records": {name: shown(*record) for name, record in pool.records.items() if is_shown(name)},
        "zeros": ZEROS,
        "seals": {name: text_or_hex(data) for name, data in pool.seals.items()},
        "good": [_row(name, fetches, pool) for name, fetches in GOOD.items()],
        "bad": [_row(name, fetches, pool) for name, fetches in BAD.items()]
        + [_row(name, fetches, pool) for name, fetches in BAD_SEALS.items()]
        + [_row(name, fetches, pool, under) for name, (under, fetches) in FURTHER.items()],
    }


def is_shown(name: str) -> bool:
    """Return whether a record is not made by a rule."""
    return name not in ZEROS and (not name[1:].isdecimal() or int(name[1:]) <= SIZE)


def keys_shown(keyring: Keyring) -> list[Row]:
    """Return the keys of a keyring, for people and programs."""
    rows = []
    for center, known in keyring.centers.items():
        for purpose, signers in (("seal", (SEAL, SEAL_NEXT, FOREIGN, LONG)), ("witness", (COSIGNER,))):
            keys = {**known.keys, **known.long_keys} if purpose == "seal" else known.witness_keys
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
            name, *sealed = word.split("+")
            headers, value = pool.records[name]
            sent = [*headers, *((SEAL_HEADER, pool.seals[seal]) for seal in sealed)]
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


def _row(name: str, fetches: Sequence[str], pool: Pool, under: str = "") -> Row:
    keyring = KEYRINGS.get(under, KEYRING)
    row: Row = {"name": name, "fetches": [fetch.split() for fetch in fetches]}
    if keyring.rules.number != 1:
        row["rules"] = keyring.rules.number
    if keyring.centers is not KEYRING.centers:
        row["keys"] = keys_shown(keyring)
    return row | {"outcome": runs_of(outcome_of(expanded(fetches), pool, keyring))}


def runs_of(said: Row) -> Row:
    """Return an outcome as the rows have it: many records that follow on each other are one name."""
    taken = [run for run, _ in _runs([(name, "") for name in said["taken"]])]
    quarantined = [list(run) for run in _runs([(name, reason) for name, reason in said["quarantined"]])]
    return {**said, "taken": taken, "quarantined": quarantined}


def _runs(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows with `a1..a200` for many that follow on each other."""
    out: list[list[tuple[str, str]]] = []
    for row in rows:
        before = out[-1][-1] if out else ("", "")
        if (
            row[1] == before[1]
            and all(is_number(name) for name in (row[0], before[0]))
            and (int(row[0][1:]) == int(before[0][1:]) + 1)
        ):
            out[-1].append(row)
        else:
            out.append([row])
    return [row for run in out for row in ([(f"{run[0][0]}..{run[-1][0]}", run[0][1])] if len(run) > SIZE else run)]


def is_number(name: str) -> bool:
    """Return whether a name is of lane a, and nothing more than a number in it."""
    return name[:1] == "a" and name[1:].isdecimal()
