"""How every center stands, the totals, HQ's log, the broker: what `hub status` shows. It works without the broker."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import Field

from hub.hq.folder import HubFolder
from hub.hq.identity import ROOT, TRUST_FILE
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.topics import topic_in
from hub.protocol.trust import open_trust
from hub.store.read.centers import RegisteredCenter
from hub.store.read.intakes import IntakeStanding
from hub.store.read.model import ReadModel
from hub.store.read.reads import Snapshot
from hub.store.read.totals import Totals
from hub.store.read.witnesses import WitnessStanding

if TYPE_CHECKING:
    from hub.kafka.cluster import Cluster

UNKNOWN: Final = "not known: no worker has run here; bootstrap in hub.yaml or --bootstrap names one"

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
    rolled_back: str | None = Field(description="Why nothing is signed any more; None where all is well")
    centers: tuple[WitnessStanding, ...] = Field(description="How far each active center has cosigned")
    strange_cosignatures: int = Field(description="Good cosignatures of checkpoints that HQ's database does not have")
    keys_signed: bool = Field(description="Whether the trust note names the log's keys, so that centers can check it")


class BrokerStanding(ReadModel):
    """Whether the broker could be asked for lags."""

    bootstrap: str | None = Field(description="Its address, where one is known")
    state: str = Field(description="up, or why it could not be asked")


class HubStatus(ReadModel):
    """How a hub stands."""

    centers: tuple[CenterStanding, ...] = Field(description="Every registered center, by id")
    totals: Totals = Field(description="The sums over all of them")
    log: LogStatus = Field(description="HQ's log")
    broker: BrokerStanding = Field(description="The broker")


async def read_status(where: HubFolder, cluster: Cluster | None = None) -> HubStatus:
    """Return how the hub stands. A broker that does not answer is no error: then the lags are not known.

    Errors: NotFound where there is no hub; Retriable while its database is locked.
    """
    with where.snapshot() as now:
        registered, intakes = now.centers(), {intake.center: intake for intake in now.intakes()}
        totals = now.totals()
        log = _log(now, keys_signed=_log_keys_signed(where))
    ends, state = await _ends(cluster, registered)
    centers = tuple(_standing(center, intakes.get(center.id), ends.get(topic_in(center.id))) for center in registered)
    return HubStatus(
        centers=centers,
        totals=totals,
        log=log,
        broker=BrokerStanding(bootstrap=None if cluster is None else cluster.bootstrap, state=state),
    )


def has_root_key(where: HubFolder) -> bool:
    """Return whether the root key is here, so that a trust note can be signed at once."""
    return (where.keys / ROOT).exists()


def _standing(center: RegisteredCenter, intake: IntakeStanding | None, ends: tuple[int, int] | None) -> CenterStanding:
    found = intake or IntakeStanding(center=center.id)
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
        return bool(open_trust((where.keys / TRUST_FILE).read_bytes()).logs)
    except (OSError, Malformed):
        return True


async def _ends(cluster: Cluster | None, centers: tuple[RegisteredCenter, ...]) -> tuple[Ends, str]:
    """Return how far every center's topic reaches, and in words how the broker is."""
    if cluster is None:
        return {}, UNKNOWN
    from hub.kafka.ends import topic_ends  # noqa: PLC0415 -- only who asks a broker waits for the client

    try:
        return await topic_ends(cluster, [topic_in(center.id) for center in centers]), "up"
    except Retriable as exc:
        return {}, f"does not answer, so lags are unknown ({exc})"
