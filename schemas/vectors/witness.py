"""Vectors of a witness: what it makes of the records of hub.checkpoints, poll by poll."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.runtime.witness import Break, Log, read, signed_at, step
from hub.protocol.errors import Malformed
from hub.protocol.head import Checkpoint
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer, Verifier
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER
from schemas.vectors.keys import HUB, signer, text_or_hex
from schemas.vectors.logs import LOG, LOG_KEY, LOG_LONG, line
from schemas.vectors.records import START

Row = dict[str, Any]
LOG_NEXT: Final = signer(LOG, 3)
LONG_NEXT: Final = Signer(LOG, signer(LOG, 4).seed, COSIGNATURE_MLDSA44)
OLD: Final = (LOG_KEY, LOG_LONG)
NEXT: Final = (LOG_NEXT, LONG_NEXT)
STRANGERS: Final = (signer(LOG, 5), LOG_LONG)
OTHER: Final = f"{HUB}/other"
SIZE: Final = 8
ENTRIES: Final = [b"receipt %d" % n for n in range(SIZE)]
# The same log to size 3, and another one behind it.
FORKED: Final = [*ENTRIES[:3], *(b"other %d" % n for n in range(3, SIZE))]
OTHERS: Final = [b"other %d" % n for n in range(SIZE)]
RETIRED: Final = START.replace(microsecond=0) + timedelta(seconds=60)


def _leaves(entries: Sequence[bytes]) -> list[bytes]:
    return [leaf_hash(entry) for entry in entries]


def _root(entries: Sequence[bytes], size: int) -> bytes:
    return Edge().append(_leaves(entries[:size])).root


@dataclass(frozen=True)
class Said:
    """A record of hub.checkpoints: its note, and its two headers (None: not there)."""

    note: bytes
    after: bytes | None
    leaves: bytes | None


def _said(
    size: int,
    after: int,
    entries: Sequence[bytes] = ENTRIES,
    by: Sequence[Signer] = OLD,
    *,
    seconds: int = 0,
    origin: str = LOG,
) -> Said:
    head = Checkpoint(origin, size, _root(entries, size))
    note = Note(head.to_text(), tuple(line(head, key, seconds) for key in by)).to_bytes()
    return Said(note, b"%d" % after, b"".join(_leaves(entries[after:size])))


def _pool() -> dict[str, Said]:
    seven = _said(7, 3)
    assert seven.leaves is not None
    return {
        "0": _said(0, 0),
        "3": _said(3, 0),
        "4": _said(4, 3),
        "5": _said(5, 3),
        "5-after-1": _said(5, 1),
        "5-after-0": _said(5, 0),
        "7": _said(7, 5),
        "7-after-3": seven,
        "8": _said(8, 7),
        "4-forked": _said(4, 3, FORKED),
        "5-forked": _said(5, 3, FORKED),
        "7-forked": _said(7, 5, FORKED),
        "7-forked-after-3": _said(7, 3, FORKED),
        "7-forked-after-0": _said(7, 0, FORKED),
        "3-other": _said(3, 0, OTHERS),
        "5-without-leaves": Said(_said(5, 3).note, b"3", None),
        "5-forked-without-leaves": Said(_said(5, 3, FORKED).note, b"3", None),
        "7-after-5-with-other-leaves": Said(seven.note, b"5", _said(7, 5, FORKED).leaves),
        "7-with-other-leaves": Said(seven.note, b"3", _said(7, 3, FORKED).leaves),
        "7-with-a-leaf-less": Said(seven.note, b"3", seven.leaves[:-32]),
        "7-with-a-byte-more": Said(seven.note, b"3", seven.leaves + b"\0"),
        "7-without-leaves": Said(seven.note, b"3", None),
        "7-without-after": Said(seven.note, None, seven.leaves),
        "7-after-03": Said(seven.note, b"03", seven.leaves),
        "7-after-8": Said(seven.note, b"8", b""),
        "3-without-headers": Said(_said(3, 0).note, None, None),
        "7-by-01-alone": _said(7, 3, by=(LOG_KEY,)),
        "7-by-06-alone": _said(7, 3, by=(LOG_LONG,)),
        "7-by-a-stranger": _said(7, 3, by=STRANGERS),
        "7-of-another-log": _said(7, 3, origin=OTHER),
        "7-no-note": Said(seven.note[:-30], b"3", seven.leaves),
        "7-by-the-next-keys": _said(7, 3, by=NEXT, seconds=60),
        "7-at-the-retirement": _said(7, 3, seconds=60),
        "7-before-the-retirement": _said(7, 3, seconds=59),
        "8-after-the-retirement-dated-before": _said(8, 7, seconds=59),
    }  # fmt: skip


GOOD: Final = {
    "from_nothing": ["3 5", "7 8"],
    "empty_log": ["0", "3"],
    "the_newest_again": ["3 5", "5", "5 3 5"],
    "some_leaves_again": ["3", "5-after-1"],
    "all_leaves_again": ["3 5-after-0"],
    "smaller_one_that_was_passed": ["3 5", "4"],
    "gap_that_is_filled": ["3 7", "5"],
    "gap_that_stays": ["3", "7"],
    "two_beyond_a_gap": ["3", "8 7", "5"],
    "known_size_without_headers": ["3 5", "3-without-headers"],
    "leaf_missing": ["3", "7-with-a-leaf-less", "7-after-3"],
    "leaf_and_a_byte": ["3", "7-with-a-byte-more", "7-after-3"],
    "leaves_missing": ["3", "7-without-leaves", "7-after-3"],
    "after_missing": ["3", "7-without-after", "7-after-3"],
    "after_with_zero_in_front": ["3", "7-after-03", "7-after-3"],
    "after_beyond_the_size": ["3", "7-after-8", "7-after-3"],
    "other_leaves": ["3", "7-with-other-leaves", "7-after-3"],
    "other_leaves_behind_the_right_ones": ["3", "7-after-3 7-with-other-leaves"],
    "leaves_missing_from_the_first": ["3-without-headers 5 7", "3"],
    "leaves_missing_before_others": ["3", "5-without-leaves 7 8", "5"],
    "leaves_that_lead_to_another_root_than_is_signed": ["3 5", "7-forked", "8"],
    "other_leaves_beyond_a_gap": ["3", "7-after-5-with-other-leaves 7", "5"],
    "other_leaves_past_what_is_waited_for": ["3", "5-without-leaves 7-with-other-leaves", "5 7"],
    "smaller_one_by_its_note_alone": ["5-after-0", "3-without-headers"],
    "not_hqs_word": ["3", "7-by-01-alone 7-by-06-alone 7-by-a-stranger 7-of-another-log 7-no-note", "5"],
}
BAD: Final = {
    "two_roots_of_the_newest_size": ["3 5", "5-forked"],
    "two_roots_of_a_size_before": ["3 4 5", "4-forked"],
    "forked_behind_what_is_known": ["3 5", "4-forked"],
    "forked_from_what_is_known": ["3 4", "5-forked"],
    "forked_beyond_a_gap": ["3", "7 7-forked"],
    "forked_behind_where_it_stands": ["3 5", "7-forked-after-3"],
    "forked_behind_where_it_stands_and_other_leaves_first": ["3 5", "7-forked", "7-forked-after-3"],
    "forked_from_nothing": ["3 5", "7-forked-after-0"],
    "signed_twice_and_no_leaves": ["3", "7-without-leaves", "7-forked"],
    "goes_on_past_what_it_does_not_lead_to": ["3", "5-forked-without-leaves", "7-after-3"],
    "smaller_one_of_another_log": ["5-after-0", "3-other"],
    "broken_stays_broken": ["3 5", "5-forked", "7 8"],
}
# The keys of `OLD` are retired: `retired` of a row says when.
KEYS_RETIRED: Final = {
    "retired_keys_before_their_end": ["3", "7-before-the-retirement"],
    "retired_keys_at_their_end": ["3", "7-at-the-retirement"],
    "new_keys_go_on": ["3", "7-by-the-next-keys"],
    "retired_keys_behind_the_new_ones": ["3", "7-by-the-next-keys", "8-after-the-retirement-dated-before"],
}


def witness_vectors() -> Row:
    """Return what a witness reads, and what it comes to."""
    pool = _pool()
    return {
        "about": "Records of hub.checkpoints as a new witness reads them, in polls; when it is to read again, it reads"
        " all of them so far at the end of the poll. Behind each poll: stands (by the checkpoint of this size, which it"
        " cosigns where it is new), waits (what HQ has signed is not led to; size is how far it leads), or broken. A"
        " record that is not HQ's word changes nothing. keys: HQ's log keys; those in retired sign nothing from that"
        " time on.",
        "keys": [key.verifier.to_text() for key in (*OLD, *NEXT)],
        "records": {
            name: {
                **text_or_hex(said.note),
                "after": None if said.after is None else said.after.decode(),
                "leaves": None if said.leaves is None else said.leaves.hex(),
            }
            for name, said in pool.items()
        },
        "good": [_row(*row, pool) for row in GOOD.items()]
        + [_row(*row, pool, dict.fromkeys((k.verifier for k in OLD), RETIRED)) for row in KEYS_RETIRED.items()],
        "bad": [_row(*row, pool) for row in BAD.items()],
    }  # fmt: skip


def _row(
    name: str, polls: Sequence[str], pool: dict[str, Said], retired: dict[Verifier, datetime] | None = None
) -> Row:
    words = [poll.split() for poll in polls]
    row: Row = {"name": name, "polls": words}
    if retired:
        row["retired"] = [{"vkey": key.to_text(), "since": write_time(at)} for key, at in retired.items()]
    return row | {"outcome": outcome_of([[pool[word] for word in poll] for poll in words], retired or {})}


def outcome_of(polls: Sequence[Sequence[Said]], retired: dict[Verifier, datetime]) -> list[Row]:
    """Return what a witness says behind each poll."""
    witness = _Witness(retired)
    return [witness.poll(poll) for poll in polls]


class _Witness:
    def __init__(self, retired: dict[Verifier, datetime]) -> None:
        self.retired = retired
        self.keys = [key.verifier for key in (*OLD, *NEXT)]
        self.log = Log()
        self.topic: list[Said] = []
        self.known: dict[int, bytes] = {}
        self.newest: tuple[int, datetime | None] = (0, None)
        self.is_broken = False

    def poll(self, records: Sequence[Said]) -> Row:
        self.topic += records
        self.feed(records)
        if not self.is_broken and (self.log.doubted or not self.log.is_whole):
            self.log = self.log.from_beginning()
            self.feed(self.topic)
        if self.is_broken:
            return {"state": "broken"}
        if self.log.is_whole:
            self.log = self.log.settled()
        return {"state": "stands" if self.log.is_whole else "waits", "size": self.log.size}

    def feed(self, records: Sequence[Said]) -> None:
        for said in records:
            headers = [(AFTER_HEADER, said.after), (LEAVES_HEADER, said.leaves)]
            try:
                signed = read(said.note, headers, LOG, self.keys, self.retired, self.newest)
            except Malformed:
                continue
            done = step(self.log, signed, self.known.get)
            if self.is_broken or isinstance(done, Break):
                self.is_broken = True
                return
            self.log = done.log
            if self.log.size:
                self.known[self.log.size] = self.log.note
            if signed.size == self.log.size:
                self.newest = (signed.size, signed_at(Note.from_bytes(signed.note), self.keys))
