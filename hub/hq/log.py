"""HQ's log for people: one checkpoint of it, and the proof that an event's receipt is in it."""

from __future__ import annotations

from hub.hq.folder import HubFolder
from hub.protocol.errors import NotFound
from hub.protocol.proof import EXTRA_BYTES_MAX, TlogProof
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
