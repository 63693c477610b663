"""Settling: how far the seals in a tail carry it, and how much of it lies under a bad one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hub.ledger.keyring import Keyring, Standing
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed
from hub.protocol.record import LANE_OPENED
from hub.protocol.tree import Edge

# A receipt's text is an entry of HQ's log, which has at most 65,535 bytes: 520 for its head, 201 for each event's line.
RECEIPT_EVENTS_MAX: Final = 320
SEALS_TRIED_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """The next `count` records of a tail, under a good seal; `edge` is the lane's edge after them."""

    count: int
    edge: Edge


@dataclass(frozen=True, slots=True)
class Settled:
    """What the seals in a tail settle: the parts that are taken, in order, and how many records behind them are bad.

    `bad` counts the records behind the parts down to the last seal, which is bad: `detail` says why. `waits` says what
    HQ has to say first; nothing is settled then.
    """

    parts: tuple[Part, ...] = ()
    bad: int = 0
    detail: str = ""
    waits: str | None = None


def settle(lane: Lane, tail: Sequence[Pending], keyring: Keyring) -> Settled:
    """Return what the seals in `tail`, which follows on `lane`, settle: its last good one counts."""
    sealed = [i for i, p in enumerate(tail) if p.seal is not None]
    detail = ""
    for index in reversed(sealed[-SEALS_TRIED_MAX:]):
        standing, why, edge = _check_seal(lane, tail[: index + 1], keyring)
        if standing is Standing.WAITS:
            return Settled(waits=why)
        if standing is Standing.GOOD:
            parts = _parts(lane, tail[: index + 1], keyring)
            taken = sum(part.count for part in parts)
            whole = (*parts, Part(index + 1 - taken, edge))
            return Settled(whole, sealed[-1] - index, detail)
        detail = detail or why
    # Every seal that was tried is bad: the records down to the last of them are not the center's word.
    return Settled((), sealed[-1] + 1 if detail else 0, detail)


def _parts(lane: Lane, tail: Sequence[Pending], keyring: Keyring) -> list[Part]:
    """Return the parts, under seals on the way, of what one receipt has no room for.

    Where no seal on the way is good (its key was revoked since), one receipt covers more.
    """
    parts: list[Part] = []
    while len(tail) > RECEIPT_EVENTS_MAX:
        sealed = [i for i, p in enumerate(tail[:RECEIPT_EVENTS_MAX]) if p.seal is not None]
        for inner in reversed(sealed[-SEALS_TRIED_MAX:]):
            standing, _, edge = _check_seal(lane, tail[: inner + 1], keyring)
            if standing is Standing.GOOD:
                parts.append(Part(inner + 1, edge))
                lane, tail = replace(lane, edge=edge), tail[inner + 1 :]
                break
        else:
            break
    return parts


def _check_seal(lane: Lane, events: Sequence[Pending], keyring: Keyring) -> tuple[Standing, str, Edge]:
    """Return whether the seal on the last of `events` stands for all of them; with what is wrong, and their edge."""
    last, edge = events[-1], lane.edge
    assert last.seal is not None
    try:
        checkpoint, note = open_seal(last.seal)
    except Malformed as exc:
        return Standing.BAD, str(exc), edge
    if checkpoint.origin != lane.origin or checkpoint.size != last.sequence:
        said = f"{checkpoint.origin[:100]} at size {checkpoint.size}"
        return Standing.BAD, f"expected {lane.origin} at size {last.sequence}, got {said}", edge
    standing, why = keyring.check_seal(lane.center, lane.origin, note)
    if standing is not Standing.GOOD:
        return standing, why, edge
    if not lane.size and events[0].headers.get("ce_type") != LANE_OPENED.encode():
        return Standing.BAD, f"NO_OPENING: expected {LANE_OPENED} as sequence 1", edge
    edge = edge.append(p.leaf for p in events)
    if checkpoint.root != edge.root:
        return Standing.BAD, f"WRONG_ROOT: the records do not give the root sealed at size {checkpoint.size}", edge
    return Standing.GOOD, "", edge
