"""How every center stands, the totals, HQ's log, the broker: what `hub status` shows. It works without the broker."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pydantic import Field

from hub.base import files
from hub.hq.clock import ClockStanding, clock_standing
from hub.hq.folder import HubFolder
from hub.hq.identity import ROOT, TRUST_FILE
from hub.hq.pulse import WorkerStanding, owner_is_gone, worker_standing
from hub.hq.rules import WorkerRules, living
from hub.ledger.halt import Halt
from hub.ledger.lane import Status
from hub.protocol.control import is_center_id
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.topics import topic_in
from hub.protocol.trust import open_trust
from hub.store.read.centers import RegisteredCenter
from hub.store.read.intakes import IntakeStanding
from hub.store.read.invitations import InvitationStanding
from hub.store.read.model import ReadModel
from hub.store.read.reads import Snapshot
from hub.store.read.totals import Totals
from hub.store.read.witnesses import WitnessStanding

if TYPE_CHECKING:
    from hub.kafka.cluster import Cluster

UNKNOWN: Final = "not known: no worker has run here; bootstrap in hub.yaml or --bootstrap names one"

Intake = TypeVar("Intake", bound=IntakeStanding)
Need = Literal["worker", "clock", "lanes", "keys", "log", "witnesses", "invitations"]
Ends = dict[str, tuple[int, int]]


class CenterStanding(IntakeStanding):
    """Where HQ stands with a registered center. `status` is the center's own where it is not active."""

    registered: str = Field(description="active, suspended or closed")
    lag: int | None = Field(
        description="How many records of `in.<center>` are not read yet; None: nobody could be asked"
    )


class LogStatus(ReadModel):
    """How HQ's log stands, who has cosigned it how far, and what is held against it."""

    size: int = Field(description="How many receipts the newest checkpoint covers")
    signed_at: datetime | None = Field(description="When HQ signed that checkpoint")
    cosigned: int = Field(description="How many active centers have cosigned it")
    witnesses: int = Field(description="How many active centers there are")
    believed: bool = Field(description="Whether more than half of them have")
    believed_size: int = Field(description="The newest size that more than half of them have cosigned")
    behind: int = Field(description="How many receipts are not in the log yet")
    rolled_back: Halt | None = Field(description="Why nothing is signed any more; None where all is well")
    owed: int = Field(default=0, description="Receipts that HQ has signed, to come to again since a restore")
    lost: int = Field(default=0, description="Leaves whose receipts a person has given up")
    centers: tuple[WitnessStanding, ...] = Field(description="How far each active center has cosigned")
    strange_cosignatures: int = Field(description="Good cosignatures of checkpoints that HQ's database does not have")
    keys_signed: bool = Field(description="Whether the trust note names the log's keys, so that centers can check it")


class BrokerStanding(ReadModel):
    """Whether the broker could be asked for lags."""

    bootstrap: str | None = Field(description="Its address, where one is known")
    state: str = Field(description="up, or why it could not be asked")


class HubStatus(ReadModel):
    """How a hub stands."""

    at: datetime = Field(description="When this was read")
    worker: WorkerStanding = Field(description="Whether the worker lives, without which all below stands still")
    needs: tuple[Need, ...] = Field(description="Why a person is needed; without any, all is well")

    centers: tuple[CenterStanding, ...] = Field(description="Every registered center, by id")
    totals: Totals = Field(description="The sums over all of them")
    invitations: tuple[InvitationStanding, ...] = Field(
        description="The centers' newest invitations that are open, expired, or tell of somebody else"
    )
    rules: int = Field(description="The number of the rules that HQ judges by")
    workers: tuple[WorkerRules, ...] = Field(
        description="Every worker that lives, of which release it is, and what it knows"
    )
    log: LogStatus = Field(description="HQ's log")
    clock: ClockStanding = Field(description="Whether lanes stand at times to come, since HQ's clock was ahead")
    broker: BrokerStanding = Field(description="The broker")


async def read_status(where: HubFolder, cluster: Cluster | None = None) -> HubStatus:
    """Return how the hub stands. A broker that does not answer is no error: then the lags are not known.

    Errors: NotFound where there is no hub; Retriable while its database is locked.
    """
    with where.snapshot() as now:
        registered, intakes = now.centers(), {intake.center: intake for intake in now.intakes()}
        totals, rules = now.totals(), now.rules()
        said = now.workers()
        invitations = _telling(now.invitations(datetime.now(UTC)))
        log = _log(now, keys_signed=_log_keys_signed(where))
        clock = clock_standing(now, datetime.now(UTC))
    ends, state = await _ends(cluster, registered)
    at = datetime.now(UTC)
    worker = worker_standing(where.worker_file, at)
    centers = tuple(
        _standing(center, intakes.get(center.id), ends.get(topic_in(center.id)), worker) for center in registered
    )
    return HubStatus(
        at=at,
        worker=worker,
        needs=_needs(worker, clock, centers, log, invitations),
        centers=centers,
        totals=totals,
        invitations=invitations,
        rules=rules,
        workers=living(said, tuple(intakes.values()), worker, at),
        log=log,
        clock=clock,
        broker=BrokerStanding(bootstrap=None if cluster is None else cluster.bootstrap, state=state),
    )


def has_root_key(where: HubFolder) -> bool:
    """Return whether the root key is here, so that a trust note can be signed at once."""
    return (where.keys / ROOT).exists()


def _needs(
    worker: WorkerStanding,
    clock: ClockStanding,
    centers: tuple[CenterStanding, ...],
    log: LogStatus,
    invitations: tuple[InvitationStanding, ...],
) -> tuple[Need, ...]:
    found: list[Need] = ["worker"] if worker.state in ("silent", "stopped") else []
    if clock.stops:
        found.append("clock")
    if any(center.status in (Status.PARKED, Status.FORKED) for center in centers):
        found.append("lanes")
    if any(center.registered == "active" and center.status == Status.WAITING for center in centers):
        found.append("keys")
    if log.rolled_back is not None:
        found.append("log")
    if any(witness.alarm is not None for witness in log.centers):
        found.append("witnesses")
    if any(invited.stage == "asked" or invited.alarm or invited.unfinished for invited in invitations):
        found.append("invitations")
    return tuple(found)


def _telling(found: tuple[InvitationStanding, ...]) -> tuple[InvitationStanding, ...]:
    """Return of each center the newest invitation, where it has anything to tell."""
    newest = {invited.center: invited for invited in found}
    quiet = {"withdrawn", "confirmed"}
    return tuple(one for _, one in sorted(newest.items()) if one.stage not in quiet or one.alarm or one.unfinished)


def as_it_lives(found: Intake, worker: WorkerStanding) -> Intake:
    """Return an intake as it is now: nobody reads where no worker lives, whatever was true when it stopped."""
    is_gone = worker.state == "stopped" or owner_is_gone(found.owner)
    if found.status != Status.READING or not (is_gone or worker.state == "silent"):
        return found
    seen = "" if worker.seen_at is None else f", the last one was seen at {worker.seen_at:%Y-%m-%d %H:%M:%S} UTC"
    why = f"no worker runs{seen}: start it" if is_gone else f"the worker does nothing{seen}: see its log"
    return found.model_copy(update={"status": "stopped" if is_gone else "silent", "why": why, "cause": ""})


def _standing(
    center: RegisteredCenter, intake: IntakeStanding | None, ends: tuple[int, int] | None, worker: WorkerStanding
) -> CenterStanding:
    found = as_it_lives(intake or IntakeStanding(center=center.id), worker)
    lag = None if ends is None else max(0, ends[1] - max(found.position or 0, ends[0]))
    status = found.status if center.status == "active" else center.status
    return CenterStanding(**{**dict(found), "status": status}, registered=center.status, lag=lag)


def _log(now: Snapshot, *, keys_signed: bool) -> LogStatus:
    return LogStatus(
        **asdict(now.log_standing()),
        centers=now.witnesses(),
        strange_cosignatures=now.strange_cosignatures(),
        keys_signed=keys_signed,
    )


def _log_keys_signed(where: HubFolder) -> bool:
    """Return whether the trust note names the keys of HQ's log: one of version 0.1.0 does not.

    It is read as it is: the status changes nothing. Where there is none that reads, other commands say so.
    """
    try:
        return bool(open_trust(files.read(where.keys / TRUST_FILE)).logs)
    except (OSError, Malformed):
        return True


async def _ends(cluster: Cluster | None, centers: tuple[RegisteredCenter, ...]) -> tuple[Ends, str]:
    """Return how far every center's topic reaches, and in words how the broker is."""
    if cluster is None:
        return {}, UNKNOWN
    from hub.kafka.ends import topic_ends  # noqa: PLC0415 -- only who asks a broker waits for the client

    try:
        return await topic_ends(cluster, [topic_in(c.id) for c in centers if is_center_id(c.id)]), "up"
    except Retriable as exc:
        return {}, f"does not answer, so lags are unknown ({exc})"
