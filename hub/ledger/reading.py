"""What taking works on and what it brings: a center's topic as it is read, and one fetch of it put in place. Values."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.ledger.lane import Intake, Lane
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import Presence
from hub.protocol.leaf import Common, LeafReader
from hub.protocol.receipt import Resend
from hub.protocol.record import KafkaRecord
from hub.protocol.tree import Edge
from hub.protocol.value import value_class
from hub.protocol.witness import Alarm, Cosigned


@value_class
class Pending:
    """A record with its number, headers, canonical bytes, digest (leaf) and the newest seal seen on it."""

    sequence: int
    record: KafkaRecord
    headers: dict[str, bytes | None]
    data: bytes
    leaf: bytes
    seal: bytes | None
    common: Common | None = None  # what it shares with other records of the lane; None where its headers are unusual


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that is kept without becoming an event. `reason` is a fixed code, `detail` says more."""

    reason: str
    detail: str
    record: KafkaRecord
    data: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive events of one lane that are decided together and get one receipt.

    `lane` is the lane before them, `edge` its edge after them, `closes` the lane that ends where this one opens.
    """

    lane: Lane
    events: tuple[Pending, ...]
    edge: Edge
    closes: Lane | None = None

    @property
    def seal(self) -> bytes:
        """The seal that the events were taken under: their last one carries it."""
        seal = self.events[-1].seal
        assert seal is not None
        return seal


@dataclass(frozen=True, slots=True)
class Claim:
    """A well-signed seal over what HQ has already: the stored receipt answers it, another root proves a fork."""

    origin: str
    checkpoint: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A good line of the center's witness key under a checkpoint of HQ's log; `weigh` says whether HQ signed that."""

    said: Cosigned
    record: KafkaRecord
    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What a center was heard to say besides new events. Nothing of it is judged: a step has it as it was taken.

    `duplicates` counts the events that HQ had already, `claims` has the seals on them. `presence` and `alarm` are the
    last of their kind, None where the fetch had none.
    """

    presence: Presence | None = None
    alarm: Alarm | None = None
    claims: tuple[Claim, ...] = ()
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in a lane: how often a resend was asked for, and when the next may be."""

    tries: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Reading:
    """An intake and what is only in memory: the lane the tail builds on, the unsealed tail, and an open gap.

    `reader` remembers what the last records looked like. It makes reading faster and changes nothing of what is read.
    """

    intake: Intake
    lane: Lane | None = None
    tail: tuple[Pending, ...] = ()
    gap: Gap | None = None
    reader: LeafReader = field(default_factory=LeafReader, compare=False, repr=False)

    @classmethod
    def of(cls, intake: Intake) -> Reading:
        """Return a reading that starts where `intake` stands."""
        return cls(intake, intake.lane)


@dataclass(frozen=True, slots=True)
class Taken:
    """One fetch put in place: the events to decide, what is quarantined, what to ask for, what else was said.

    `reading` is where reading goes on, but for what deciding adds to its lanes: the step's reading has that too.
    """

    reading: Reading
    stretches: tuple[Stretch, ...]
    quarantine: tuple[Quarantined, ...]
    resends: tuple[Resend, ...]
    cosignatures: tuple[Cosignature, ...]
    heard: Heard
