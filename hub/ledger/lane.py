"""A lane and the intake that reads it: the values that SQL keeps, as plain frozen objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hub.protocol.moment import EPOCH_START
from hub.protocol.tree import HASH_BYTES, Edge


class Status(StrEnum):
    """What an intake is doing, and what it needs. An intake is read while it is READING, or `reads_on`."""

    READING = "reading"
    WAITING = "waiting"  # unknown or suspended center; an unknown key, and then it reads on: for HQ to say more
    PARKED = "parked"  # a gap that was not filled, and then it reads on; a fault in the engine: `hub lane resume`
    FORKED = "forked"  # two valid seals of one size with different roots: the two notes are the evidence


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane as HQ has taken it: the right edge of its tree and the running digest of its state.

    `state_digest` is a chain: SHA-256(previous ‖ entity digest) for every accepted event, from 32 zero bytes. A lane's
    order is total, so the chain is a function of the lane alone, whatever the interleaving of lanes was.
    """

    origin: str
    center: str
    epoch: str
    edge: Edge = field(default_factory=Edge)
    state_digest: bytes = bytes(HASH_BYTES)
    recorded_at: datetime = EPOCH_START
    basis: int = 0  # under which its newest events were judged

    @property
    def size(self) -> int:
        """The sequence of the last event taken."""
        return self.edge.size


@dataclass(frozen=True, slots=True)
class Intake:
    """Where HQ stands in one center's topic.

    `offset` is the next Kafka offset to read again after a crash (None: from the earliest); the unsealed tail lies at
    or behind it, and what waits for a key. `why` is a cause's text (`hub.protocol.cause`): why it is not read, or what
    of it waits or can't be taken; empty where all is well, and free words where an older release has written them.
    `closed` has the epochs that were closed and the size at which they were. `reads_on` tells that reading goes on
    though the status is not READING. `read_upto` is the offset behind all that was ever read: what comes from before it
    was counted then. That alone is nothing to write down.
    """

    center: str
    offset: int | None = None
    status: Status = Status.READING
    why: str = ""
    lane: Lane | None = None
    closed: Mapping[str, int] = field(default_factory=dict)
    reads_on: bool = False
    read_upto: int = field(default=0, compare=False)

    @property
    def is_read(self) -> bool:
        """Whether the topic is read: of what waits, is parked or forked, only what may heal by itself."""
        return self.status is Status.READING or self.reads_on
