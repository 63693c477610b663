"""Settling: how far the good seals in a tail carry it, and why the other seals in it are not good. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.ledger.keyring import Keyring, Standing, signed_by
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Reason, Refusal
from hub.protocol.cause import CauseCode
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed
from hub.protocol.record import LANE_OPENED
from hub.protocol.tree import Edge

# A receipt's text is an entry of HQ's log, which has at most 65,535 bytes: 520 for its head, 201 for each event's line.
# A tail is shorter than that: no seal covers more than one receipt has room for.
RECEIPT_EVENTS_MAX: Final = 320


@dataclass(frozen=True, slots=True)
class Settled:
    """How many records of a tail the last good seal covers (0: there is none), and the lane's edge behind them.

    `refused` says of the seals behind that one, by their place in the tail, why they are not good.
    """

    count: int
    edge: Edge
    refused: Mapping[int, Refusal]


def settle(lane: Lane, tail: Sequence[Pending], keyring: Keyring, places: Iterable[int]) -> Settled:
    """Return what the seals at `places` of `tail`, which follows on `lane`, settle.

    Shapes: `places` descend. The first good seal stands for all before it, which need not be looked at.
    """
    refused: dict[int, Refusal] = {}
    for place in places:
        if tail[place].seal is not None:
            found = look(lane, tail[: place + 1], keyring)
            if isinstance(found, Edge):
                return Settled(place + 1, found, refused)
            refused[place] = found
    return Settled(0, lane.edge, refused)


def look(lane: Lane, events: Sequence[Pending], keyring: Keyring) -> Edge | Refusal:
    """Return the lane's edge behind `events` if the seal on the last of them is good for all of them; else why not."""
    last = events[-1]
    assert last.seal is not None
    try:
        checkpoint, note = open_seal(last.seal)
    except Malformed as exc:
        return Refusal(Reason.BAD_SEAL, str(exc))
    if keyring.no_seal(checkpoint):
        return Refusal(Reason.BAD_SEAL, "expected a seal of three lines, got one with extension lines")
    if checkpoint.origin != lane.origin or checkpoint.size != last.sequence:
        said = f"{checkpoint.origin[:100]} at size {checkpoint.size}"
        return Refusal(Reason.BAD_SEAL, f"expected {lane.origin} at size {last.sequence}, got {said}")
    standing, why = keyring.check_seal(lane.center, lane.origin, note)
    if standing is Standing.BAD:
        return Refusal(Reason.BAD_SEAL, why)
    # Also asked of a key that HQ does not know: only what could become good is waited for.
    is_word = standing is Standing.GOOD
    if not lane.size and events[0].headers.get("ce_type") != LANE_OPENED.encode():
        return Refusal(Reason.BAD_SEAL, f"{CauseCode.NO_OPENING}: expected {LANE_OPENED} as sequence 1", is_word)
    edge = lane.edge.append(p.leaf for p in events)
    if checkpoint.root != edge.root:
        detail = f"{CauseCode.WRONG_ROOT}: the records do not give the root sealed at size {checkpoint.size}"
        return Refusal(Reason.BAD_SEAL, detail, is_word)
    return edge if is_word else Refusal(Reason.UNKNOWN_KEY, why, keys=signed_by(note, lane.origin))


def is_sealed(center: str, origin: str, pending: Pending, keyring: Keyring) -> bool:
    """Return whether a key of the center has sealed its lane up to this record, over whatever root."""
    if pending.seal is None:
        return False
    try:
        checkpoint, note = open_seal(pending.seal)
    except Malformed:
        return False
    if (checkpoint.origin, checkpoint.size) != (origin, pending.sequence):
        return False
    if keyring.no_seal(checkpoint):
        return False
    return keyring.check_seal(center, origin, note)[0] is Standing.GOOD
