"""What every store promises. Each engine's hot writes are its own; tests/contract runs one suite over all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from hub.domain.clock import Correction
from hub.domain.hq_lane import HqStretch
from hub.ledger.control import SignedTimes
from hub.ledger.derived import Partition, Reach
from hub.ledger.halt import Halt
from hub.ledger.lane import Intake
from hub.ledger.notary import NOTHING_KNOWN, Addition, Log, Stored, Unlogged
from hub.ledger.publication import Publication
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Fatal, Retriable
from hub.protocol.remark import RepeatedIds
from hub.protocol.tree import Edge
from hub.store.access_store import AccessStore
from hub.store.invitation_store import InvitationStore
from hub.store.log_rows import Heard
from hub.store.owed_store import OwedStore
from hub.store.repeat_store import NOTHING_SENT, RepeatStore, Sent
from hub.store.topic_store import TopicStore
from hub.store.workers import LivingWorker

QUARANTINE_QUOTA_BYTES: Final = 64 * 1024 * 1024  # of each center: what its quarantined records take of the database
KEPT_BYTES_MAX: Final = 4 * 1024  # of one record's canonical bytes, once the center has used its share for whole ones
KEPT_KEY_BYTES_MAX: Final = 1024
KEPT_BYTES_MAX_BEFORE_0_3: Final = 64 * 1024
ROW_BYTES: Final = 256  # of a row in quarantine beside its texts and bytes, with its index
WHOLE_SHARE: Final = 0.25  # of the quota: so much of it may go to records that are kept whole
JUNK_SHARE: Final = 0.75  # of the quota: the rest is for what is signed, and speaks against HQ itself
WHY_CHARS_MAX: Final = 300

NOWHERE: Final[Mapping[Partition, Reach]] = MappingProxyType({})


class FencedError(Retriable):
    """Another owner has claimed the intake. The caller drops what it holds of it and reads no further."""


class TakenError(Fatal):
    """What a step writes stands in the ledger already: it was committed before, and its caller does not know it."""


class Damaged(Fatal):
    """What stands in the database can't be read: somebody has edited it, or its disk is damaged.

    Where it is one center's, that center is parked by whoever meets it; anywhere else the process ends.
    """

    def __init__(self, location: str, what: str, why: object) -> None:
        said = str(why) or type(why).__name__
        self.reason = f"{what}: {said[:WHY_CHARS_MAX]}"
        super().__init__(
            f"{location}: {what} can't be read: {said[:WHY_CHARS_MAX]}. The database was edited, or its disk is"
            " damaged: `hub audit verify` says more; put the newest copy back, and start the worker again"
        )


class OvertakenError(Retriable):
    """Somebody else has appended to HQ's log. The caller drops what it knows of it and reads it again."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An intake and the owner term under which this process may write it.

    `is_damaged` tells that its rows can't be read: it is parked, with what is wrong, and no step may be taken on it.
    """

    intake: Intake
    term: int
    is_damaged: bool = False


class Spoken(NamedTuple):
    """What a center and HQ have said to each other last.

    Shapes: the text of its newest presence, and of the status note of its newest standing; the times of its presences.
            None where there is none, or it can't be read.
    """

    presence: str | None
    told: str | None
    times: SignedTimes | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a worker looks at between fetches: the hq lane's size, every intake's term and status, what is remarked."""

    basis: int
    intakes: dict[str, tuple[int, str]]
    hq_lane: str = ""  # its origin, '' while there is none
    remarks: Mapping[str, str] = field(default_factory=dict)  # what audits found, to be told, by center
    said_late: frozenset[str] = frozenset()  # centers of whom states are to go out again; see RepeatStore


@dataclass(frozen=True, slots=True)
class HqRows:
    """A page of the hq lane as it is stored, read in one transaction; nobody has verified any of it.

    Shapes: `origins` are the lanes that HQ has, one where all is well; `size` is what their rows say; `stretches`
            follow one another. `named` is the largest basis that the newest receipt of any lane names, 0 where it
            was not looked at: that is done with the first page alone.
    """

    origins: tuple[str, ...]
    size: int
    stretches: tuple[HqStretch, ...]
    named: int = 0


class LogStore(Protocol):
    """HQ's log in the same database: what the notary asks and writes."""

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """Return whether `owner` is the notary, and stays it till then; nobody else is asked for that long.

        That spares work and is no safety: two notaries at once can't give one place two leaves, or one size two roots.
        """

    async def follow(self, owner: str) -> None:
        """Be the notary no longer, if `owner` was."""

    async def read(self, origin: str) -> Log:
        """Return the log as it stands, nothing checked. Errors: Malformed where it is no log."""

    async def unlogged(self, limit: int, known: Mapping[int, int] = NOTHING_KNOWN) -> list[Unlogged]:
        """Return up to `limit` receipts that are no leaf yet: of every lane the next ones in order.

        Shapes: `known` has by lane the last sequence up to which its receipts are left out.
        """

    async def append(self, addition: Addition) -> None:
        """Write leaves, tiles, cursors and checkpoint in one transaction, or nothing.

        Errors: OvertakenError when the log is not at the size that the addition builds on; Malformed when what is
        stored behind that size contradicts it.
        """

    async def stored(self, after: int, limit: int) -> list[Stored]:
        """Return up to `limit` checkpoints of more than `after` leaves as they are published, in order."""

    async def notes(self, sizes: Collection[int]) -> dict[int, bytes]:
        """Return the notes of the checkpoints of exactly these sizes, as far as there are any."""

    async def note(self, size: int) -> bytes | None:
        """Return the checkpoint of exactly this size, byte for byte as HQ signed it, None where there is none."""

    async def root(self, size: int) -> bytes | None:
        """Return the log's root at any size that it has had, None where it is not that long."""

    async def rolled_back(self, witnesses: Witnesses) -> Halt | None:
        """Return why this log is not what HQ or its witnesses signed, by what is kept of that; None where it is."""

    async def hearing(self, witnesses: Witnesses) -> Mapping[str, Heard]:
        """Return how far HQ has heard each center that has a witness key, by its id."""


class Store(Protocol):
    """One HQ database.

    Every call suspends, and other tasks run meanwhile: what was read before it may be old after it. A call that raises
    Retriable, or that is cancelled, may have been done or not; only its typed errors say that nothing was written. No
    error of a driver comes through: what may pass (a lock, a full disk) is Retriable, what will not is Fatal.
    """

    @property
    def log(self) -> LogStore:
        """HQ's log."""

    @property
    def topics(self) -> TopicStore:
        """What HQ's topics have."""

    @property
    def repeats(self) -> RepeatStore:
        """States that have to go out again."""

    @property
    def access(self) -> AccessStore:
        """How centers reach HQ."""

    @property
    def invitations(self) -> InvitationStore:
        """Who was invited to be a center."""

    @property
    def owed(self) -> OwedStore:
        """What HQ has signed that this database has still to come to, since it was put back from a copy."""

    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """Take over these intakes, making them where they are new; every older term is void from then on."""

    async def commit(self, step: Step, term: int) -> None:
        """Write all of `step` in one transaction, or nothing; what it has to write its docstring says.

        Errors: FencedError when `term` is not the intake's any more; TakenError when events of it are written already.
        """

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, KnownEntity]:
        """Return those of `keys` that HQ knows."""

    async def hq_lane(self, after: int) -> HqRows:
        """Return what is stored of the hq lane behind `after`, as much as one page holds; nothing of it is believed."""

    async def say_alive(self, worker: LivingWorker) -> None:
        """Record that a worker lives and which rules it knows; what others said long before that is forgotten."""

    async def workers(self) -> list[LivingWorker]:
        """Return what workers said of themselves, those too that live no more, by their names."""

    async def changes(self) -> Changes:
        """Return what may have changed behind a worker's back; cheap enough to ask every second."""

    async def newest_recorded_at(self, but: Correction | None = None) -> datetime | None:
        """Return the newest recorded_at of all lanes, but for those that stand at a time that HQ took back."""

    async def edge_at(self, origin: str, size: int) -> Edge | None:
        """Return the edge of a lane at any size that HQ has."""

    async def receipt_at(self, origin: str, sequence: int) -> bytes | None:
        """Return the stored receipt that covers a sequence, byte for byte as it was sent."""

    async def set_status(self, center: str, term: int, status: str, why: str) -> None:
        """Record that an intake waits, is parked or forked, without moving it. Errors: FencedError."""

    async def told(self, centers: Collection[str]) -> dict[str, Spoken]:
        """Return what each center and HQ have said to each other last. Shapes: only of intakes that there are."""

    async def keep_told(self, center: str, term: int, text: str) -> None:
        """Keep the status note of a center's new standing. Errors: FencedError."""

    async def remark(self, found: Mapping[str, RepeatedIds], now: datetime) -> list[str]:
        """Put what an audit of the whole ledger found about centers' events in the place of what the last one did.

        Returns the centers that are told anything now. `changes` says what.
        """

    async def resume(self, center: str) -> str | None:
        """Let a parked or forked intake read again; return the status it had, or None where there is no such intake.

        The term stays: the owner sees the new status in `changes` and goes on. Any other status is left as it is.
        """

    async def keep_evidence(self, origin: str, size: int, ours: bytes, theirs: bytes, recorded_at: datetime) -> None:
        """Keep the two notes that prove a fork."""

    async def unpublished(self, centers: Collection[str]) -> list[tuple[str, int, int]]:
        """Return (origin, published, size) of every lane of `centers` with something to publish, the oldest first."""

    async def cursors(self, centers: Collection[str]) -> list[tuple[str, int]]:
        """Return (origin, published) of every lane of `centers`."""

    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """Return the next whole receipts of a lane behind sequence `after`, about `limit` events."""

    async def valued(self, entities: Collection[KnownEntity]) -> list[KnownEntity]:
        """Return entities, of any stream but `lane`, with the values that their records came with; as they are else."""

    async def set_published(
        self,
        cursors: Mapping[str, int],
        reach: Mapping[Partition, Reach] = NOWHERE,
        sent: Mapping[str, Sent] = NOTHING_SENT,
    ) -> frozenset[str]:
        """Move the publisher's cursors, after the broker acknowledged, and note how far it has these partitions.

        Nothing of it ever moves back here. Returns the centers whose states were `sent`, by lane, under a term that is
        over: in the same transaction it is noted that they are to go out again.
        """

    async def close(self) -> None:
        """Close every connection. Idempotent."""
