"""HQ's log for people: one checkpoint of it, and the proof that an event's receipt is in it."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.hq.folder import HubFolder, refuse_unheard
from hub.ledger.halt import Why
from hub.protocol.errors import Conflict, NotFound, UsageError
from hub.protocol.proof import EXTRA_BYTES_MAX, TlogProof
from hub.protocol.receipt import LINE_BYTES_MAX, is_line
from hub.store.log import LogReader, LogStanding


def standing(where: HubFolder) -> LogStanding:
    """Return how the log stands. Errors: NotFound where there is no hub."""
    with where.snapshot() as now:
        return now.log_standing()


def checkpoint(where: HubFolder, size: int | None = None, *, believed: bool = False) -> bytes:
    """Return the checkpoint of `size`, or the newest, or the newest `believed` one, with up to 16 signatures.

    Errors: NotFound.
    """
    with where.log() as log:
        newest = log.newest_believed() if believed else log.newest()
        if size is None and newest is not None:
            size = newest.size
        found = log.cosigned_note(size) if size is not None else None
    if found is None:
        what = "no checkpoint is believed yet" if believed and newest is None else "HQ's log has no such checkpoint"
        raise NotFound(f"{what}; `hub log status` says how the log stands")
    return found


async def begin_anew(where: HubFolder, size: int, reason: str, *, all_of_it: bool = False) -> int:
    """Let HQ's log go on behind `size` without what can't be had again; return how many receipts are given up.

    Only what a person confirms in these words is ever lost: the size has to be the one that the log stands still for,
    and what may still come by itself is given up only with `all_of_it`.
    Errors: NotFound where there is no hub; Conflict where nothing is missing, the log stands still for another size, or
    receipts may still come; UsageError where a restore is not done, or no worker has heard yet what HQ had signed.
    """
    if not is_line(reason):
        raise UsageError(f"--reason: expected one line of at most {LINE_BYTES_MAX} bytes")
    where.refuse_half_restored()
    async with where.store() as store:
        await refuse_unheard(store)
        _refuse_size(standing(where), size)
        begun = await store.owed.begin_log(size, reason, datetime.now(UTC), all_of_it=all_of_it)
    if begun.awaited:
        named = ", ".join(f"{center} {count}" for center, count in sorted(begun.awaited.items()))
        raise Conflict(
            f"receipts that may still come by themselves, by center: {named[:300]}. HQ comes to them when it reads "
            "those centers' events, so let the worker and the centers' connectors run, and look at `hub log status`: "
            "while their number falls, wait. Nothing was given up; --all-of-it gives these up too, for good"
        )
    # From here on a worker takes the log in with what is lost; and judges anew what it had held back.
    return begun.given_up


def _refuse_size(found: LogStanding, size: int) -> None:
    """Return if there is something to give up, and it is behind this size. Errors: Conflict."""
    halt = found.rolled_back
    if halt is None and not found.owed:
        raise Conflict("HQ's log lacks nothing: there is nothing to give up")
    if halt is not None and halt.why not in (Why.SIGNED_BEYOND, Why.COSIGNED_BEYOND):
        raise Conflict(f"HQ's log stands still for another reason ({halt.why}), which `hub log status` says")
    wanted = int(halt.values["size"]) if halt is not None else found.size
    if size != wanted:
        raise Conflict(f"the newest checkpoint that was signed is of size {wanted}, and you have named {size}")


def prove(where: HubFolder, lane: str, sequence: int) -> TlogProof:
    """Return the proof that the receipt of an event is in the log.

    `lane` is a lane's origin, or a center: then its newest lane. The checkpoint in the proof is the first believed one
    that covers the receipt, or the newest where none is believed.
    Errors: NotFound.
    """
    with where.snapshot() as now:
        known = [found.origin for found in now.lanes() if lane in (found.origin, found.center)]
        if not known:
            raise NotFound(f"HQ has no lane {lane}; `hub lane list` has what there is")
        index = now.leaf_of(known[-1], sequence)
    if index is None:
        raise NotFound(f"{known[-1]}: no receipt in the log covers sequence {sequence} yet")
    # What is a leaf stays one at its place, so the log may grow between the two.
    with where.log() as log:
        return _proof(log, index)


def _proof(log: LogReader, index: int) -> TlogProof:
    chosen = log.believed_covering(index) or log.newest()
    assert chosen is not None  # a leaf is written with its checkpoint
    signed = log.cosigned_note(chosen.size)
    assert signed is not None
    ((_, text),) = log.entries(index, index + 1)
    path = tuple(log.inclusion(index, chosen.size))
    return TlogProof(index, path, signed, text if len(text) <= EXTRA_BYTES_MAX else None)
