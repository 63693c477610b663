"""What taking works on and what it brings: a center's topic as it is read, and one fetch of it put in place. Values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from hub.ledger.gap import Gap
from hub.ledger.keyring import Keyring
from hub.ledger.lane import Intake, Lane
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import Presence
from hub.protocol.leaf import Common, LeafReader
from hub.protocol.receipt import Resend
from hub.protocol.record import KafkaRecord, is_signed
from hub.protocol.tree import Edge
from hub.protocol.value import value_class
from hub.protocol.witness import Alarm, Cosigned


class Reason(StrEnum):
    """Why a record is quarantined, where taking says so. The bytes are kept, and are nobody's word."""

    NOT_ATTRIBUTABLE = "NOT_ATTRIBUTABLE"  # no readable epoch and sequence
    UNREADABLE_BATCH = "UNREADABLE_BATCH"  # a batch of records that can't be unpacked, or is over its limits
    OVERSIZED = "OVERSIZED"  # more headers, or more beside what a seal covers, than any record needs
    BAD_SEAL = "BAD_SEAL"  # it lay under a seal that was not good
    UNKNOWN_KEY = "UNKNOWN_KEY"  # it lay under a seal by a key that HQ did not know
    SUPERSEDED = "SUPERSEDED"  # it was cut from the tail by a newer record, or by another epoch
    OVERLONG_TAIL = "OVERLONG_TAIL"  # its tail grew over the limit without a seal
    CLOSED_LANE = "CLOSED_LANE"  # it lies beyond the size at which its lane was closed


@value_class
class Refusal:
    """Why a seal is not good: the reason and detail with which the records under it go to quarantine, if they do.

    `is_word` tells that a key of the center has signed it all the same: the center has sealed its lane to that size.
    `keys` are the ids of those that HQ does not know, where that is the reason.
    """

    reason: Reason
    detail: str
    is_word: bool = False
    keys: str = ""

    def cause(self, epoch: str, sequence: int) -> Cause:
        """Return why HQ does not take what lies under this seal, which stands at that place."""
        if self.reason is Reason.UNKNOWN_KEY:
            return Cause.of(CauseCode.UNKNOWN_KEY, self.keys, epoch)
        return Cause.of_seal(self.detail, epoch, sequence)


@value_class
class Pending:
    """A record with its number, headers, canonical bytes, digest (leaf) and the newest seal seen on it.

    `refusal` says why that seal is not good, once it was looked at.
    """

    sequence: int
    record: KafkaRecord
    headers: dict[str, bytes | None]
    data: bytes
    leaf: bytes
    seal: bytes | None
    common: Common | None = None  # what it shares with other records of the lane; None where its headers are unusual
    refusal: Refusal | None = None

    @property
    def headers_count(self) -> int:
        """How many headers came, repeated ones that nobody signs left out: they are not in the ledger's bytes."""
        listed = self.record.headers
        if len(listed) == len(self.headers):
            return len(listed)
        signed = [name for name, _ in listed if is_signed(name)]
        return len(self.headers) + len(signed) - len(set(signed))


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that is kept without becoming an event. `reason` is a fixed code, `detail` says more.

    `is_again` tells that it was quarantined before, and is only read again: whoever counts passes over it.
    """

    reason: str
    detail: str
    record: KafkaRecord
    data: bytes
    is_again: bool = False


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

    `duplicates` counts the events that HQ had already, `claims` has the seals on them. `presences` and `alarms` are all
    that the fetch had, as they came: which of them is news, `hub.ledger.control` says, for an old one may come behind a
    newer one. `strangers` counts the control records that were passed over, for HQ does not know the key that signed
    them.
    """

    presences: tuple[Presence, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    claims: tuple[Claim, ...] = ()
    duplicates: int = 0
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """A seal by a key that HQ does not know: what lies under it is read again from `offset` when HQ knows the key."""

    offset: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Opening:
    """A lane that begins, and is not open before a good seal covers its first record: with its records so far."""

    lane: Lane
    tail: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """An intake and what is only in memory: what came of the open lane and of an opening one without a good seal.

    Shapes: `unsealed` follows on the intake's lane. `gap` is a hole in it, `lost` one in a lane that is not open.
            `wait` is there while a key is waited for. All of it comes back when the topic is read again from the
            intake's offset, but for the holes: their lanes are sent again.
    `keyring` is the one that the tails' seals were looked at with.
    `reader` remembers what the last records looked like. It makes reading faster and changes nothing of what is read.
    """

    intake: Intake
    unsealed: tuple[Pending, ...] = ()
    opening: Opening | None = None
    gap: Gap | None = None
    lost: Gap | None = None
    wait: Wait | None = None
    reader: LeafReader = field(default_factory=LeafReader, compare=False, repr=False)
    keyring: Keyring | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, intake: Intake) -> Reading:
        """Return a reading that starts where `intake` stands."""
        return cls(intake)

    def again(self, intake: Intake) -> Reading:
        """Return a reading that starts where `intake` stands, and asks anew for what its lane was found to lack."""
        return Reading(intake, gap=self.gap and replace(self.gap, tries=0, due=0.0))

    @property
    def tail(self) -> tuple[Pending, ...]:
        """All records that no good seal covers."""
        return self.unsealed if self.opening is None else self.unsealed + self.opening.tail

    def may_heal(self, keyring: Keyring) -> bool:
        """Return whether a seal that is not good may be good by now, for HQ has said something else of keys.

        Where a key is waited for, the topic is read again from the intake's offset, with all that was passed over.
        """
        known = self.keyring
        if known is None or known is keyring or self.wait is not None:
            return False
        return any(pending.refusal is not None for pending in self.tail) and not keyring.says_the_same(known)

    def is_due(self, tick: float) -> bool:
        """Return whether there is something to ask for, or to give up, though no record came."""
        return any(gap is not None and gap.due <= tick for gap in (self.gap, self.lost))


@dataclass(frozen=True, slots=True)
class Taken:
    """One fetch put in place: the events to decide, what is quarantined, what to ask for, what else was said.

    `reading` is where reading goes on, but for what deciding adds to its lanes: the step's reading has that too.
    `restates` tells whether the intake's status, or why, is another than before.
    """

    reading: Reading
    stretches: tuple[Stretch, ...]
    quarantine: tuple[Quarantined, ...]
    resends: tuple[Resend, ...]
    cosignatures: tuple[Cosignature, ...]
    heard: Heard
    restates: bool
