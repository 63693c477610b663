"""`hub status`: how every center stands, and the totals. It works without the broker, and says so."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import ago, as_json, count, line, shown, span, table
from hub.cli.invitation import invitation_line
from hub.cli.options import DataDir, InLanguage, Json, hub_folder, hub_settings, read_language, run_async
from hub.hq.folder import HubFolder

if TYPE_CHECKING:
    from hub.hq.clock import ClockStanding
    from hub.hq.pulse import WorkerStanding
    from hub.hq.rules import WorkerRules
    from hub.hq.status import CenterStanding, LogStatus
    from hub.store.read.totals import Totals
    from hub.store.read.witnesses import WitnessStanding
    from schemas.words import Language

LATE: Final = timedelta(minutes=2)  # HQ says its newest checkpoint every minute
COLUMNS: Final = (
    "center", "status", "events", "rejected", "refused", "lag", "backlog", "oldest", "receipt", "heard",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    ctx: typer.Context,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="The broker to ask for lags. Default: hub.yaml's, or the last worker's."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
    language: InLanguage = "en",
) -> None:
    """Show every center's status, lag and receipts, the totals, HQ's log, and whether the worker lives.

    `heard` is how long ago HQ received a center's presence, `receipt` how long ago it gave one. What the center then
    said: `refused`, how many rows its office refused itself; `backlog`, how many events wait for an answer; `oldest`,
    how old the oldest of these was. --json has all, `hub center show` all of one center.

    Exit status 0: all is well; 1: a person is needed, and a line says why (the worker has stopped or does nothing, a
    lane is parked, forked or waits for a key, HQ's log stands still, a witness holds something against it, HQ's clock
    was ahead, an office has asked to join, or its file was used twice).

    Example: hub status --json
    """
    from hub.hq.status import read_status

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the last line says how the broker is
    where, told_in = hub_folder(ctx, data_dir), read_language(language)
    found = run_async(read_status(where, where.known_cluster(hub_settings(ctx, where).settings, bootstrap)))
    if json:
        as_json(found.model_dump())
        raise typer.Exit(1 if found.needs else 0)
    line(_worker(found.worker))
    table("centers", COLUMNS, (_row(center) for center in found.centers), right=COLUMNS[2:7])
    for center in found.centers:
        if why := _why(center, told_in):
            line(f"{center.center}: {why}")
    for invited in found.invitations:
        line(f"{invited.center}: {invitation_line(invited)}")
    _tell_totals(found.totals)
    line(_rules(found.rules))
    for living in found.workers if len(found.workers) > 1 else ():
        line(_living(living))
    _tell_log(found.log, told_in)
    _tell_clock(found.clock, told_in)
    if not found.log.keys_signed:
        line(f"the keys of HQ's log are not in the trust note, so no center can check the log: {_renewal(where)}")
    line(f"broker {found.broker.bootstrap or '-'}: {found.broker.state}")
    if found.needs:
        line(f"a person is needed: {', '.join(found.needs)}")
        raise typer.Exit(1)


def _tell_totals(totals: Totals) -> None:
    rejected = ", ".join(f"{code} {number}" for code, number in totals.rejected.items()) or "none"
    line(
        f"events {totals.events}: accepted {totals.accepted}, rejected: {rejected}; "
        f"duplicates {totals.duplicates}, missing {totals.missing}, forks {totals.forks}"
    )
    line("entities " + (", ".join(f"{stream} {number}" for stream, number in totals.entities.items()) or "none"))
    line(
        f"receipts {totals.receipts}, quarantined {totals.quarantined}, "
        f"not yet published {totals.published_backlog}, basis {totals.basis}"
    )


def _living(worker: WorkerRules) -> str:
    """Return which of several workers it is, and what it knows."""
    schemas = "" if worker.schemas is None else f" and {count(worker.schemas, 'schema')}"
    rules = ", ".join(map(str, worker.rules)) or "none"
    return f"worker {worker.owner}: {worker.release or 'a release before 0.3'}, knows the rules {rules}{schemas}"


def _rules(number: int) -> str:
    """Return which rules are in force, and how newer ones come into force."""
    from hub.protocol.rules import NEWEST

    newer = f"; this release has the rules {NEWEST.number}: `hub rules` says more" if NEWEST.number > number else ""
    return f"rules {number} are in force{newer}"


def _tell_log(log: LogStatus, language: Language) -> None:
    """Print how HQ's log stands with its witnesses, and what they have against it."""
    from hub.hq.alarms import HqAlarm, alarm_line, halt_line

    behind = f", {log.behind:,} more not in it yet" if log.behind else ""
    cosigned = f"checkpoint cosigned by {log.cosigned} of {log.witnesses}"
    # The newest checkpoint is a second old: that it is not believed yet tells nothing.
    believed = f"believed up to {log.believed_size:,}" if log.believed_size else "none is believed yet"
    line(f"log: {log.size:,} receipts, {cosigned}, {believed}{behind}")
    late = [text for witness in log.centers if (text := _late(witness, log.believed_size))]
    if late:
        line("not cosigning: " + ", ".join(late))
    if log.rolled_back:
        line(halt_line(log.rolled_back, language))
    if log.strange_cosignatures:
        strange = count(log.strange_cosignatures, "cosignature")
        line(alarm_line(HqAlarm.STRANGE_COSIGNATURES, language, cosignatures=strange))
    for witness in log.centers:
        if witness.alarm is not None:
            line(alarm_line(HqAlarm.WITNESS, language, center=witness.center, reason=witness.alarm.reason))


def _tell_clock(clock: ClockStanding, language: Language) -> None:
    """Print that HQ records nothing until the time has come that a wrong clock gave."""
    from hub.hq.alarms import HqAlarm, alarm_line

    if clock.stops:
        furthest = clock.stops[0]
        values = {"lanes": len(clock.stops), "origin": furthest.origin, "until": f"{shown(furthest.recorded_at)} UTC"}
        line(alarm_line(HqAlarm.CLOCK, language, **values))


def _late(witness: WitnessStanding, believed_size: int) -> str:
    """Return why a center's word is missing where others have cosigned, '' where it is not, or not for long."""
    if witness.key != "active":
        key = "no witness key" if witness.key == "none" else "its witness key is revoked"
        return f"{witness.center} ({key})"
    if witness.cosigned >= believed_size:
        return ""
    if witness.cosigned_at is None:
        return f"{witness.center} (never did)"
    if datetime.now(UTC) - witness.cosigned_at < LATE:
        return ""
    return f"{witness.center} (up to {witness.cosigned:,}, {ago(witness.cosigned_at)})"


def _worker(worker: WorkerStanding) -> str:
    """Return whether the worker lives, and what to do where it does not."""
    seen = f"it looked at its lanes {ago(worker.seen_at)}"
    return {
        "running": f"worker: running, process {worker.pid}, {seen}",
        "silent": f"worker: process {worker.pid} lives and does nothing, {seen}; see its log, and start it again",
        "stopped": f"worker: stopped, {seen}; `hub up` or `hub worker` starts it",
        "unknown": "worker: none has run with this data directory; `hub up` or `hub worker` starts one",
    }[worker.state]


def _row(center: CenterStanding) -> list[Any]:
    said = center.presence
    return [
        center.center,
        center.status,
        center.events,
        sum(center.rejected.values()),
        None if said is None else said.refused,
        center.lag,
        None if said is None else said.backlog,
        None if said is None or said.oldest_s is None else span(said.oldest_s),
        ago(center.last_receipt_at),
        ago(center.seen_at),
    ]


def _why(center: CenterStanding, language: Language) -> str:
    """Return what is to be known of a center beside its figures, in one line."""
    from hub.hq.alarms import why_line

    found = [why_line(center, language)] if center.why else []
    if center.presence is not None and center.presence.ended:
        found.append(f"its connector ended {ago(center.seen_at)}: {center.presence.ended}")
    if center.strangers:
        found.append(f"{count(center.strangers, 'control record')} passed over, by keys that HQ does not know")
    if center.unkept:
        found.append(f"{count(center.unkept, 'record')} over its quota of quarantine")
    if center.missing:
        found.append(f"{count(center.missing, 'event')} missing")
    if center.forks:
        found.append(f"{count(center.forks, 'fork')}, `hub lane show {center.center}` has the proofs")
    return "; ".join(found)


def _renewal(where: HubFolder) -> str:
    """Return the commands that make a trust note with all keys, by where the root key is."""
    from hub.hq.status import has_root_key

    if has_root_key(where):
        return "`hub key renew`"
    return "`hub key renew --request FILE`, then `hub key sign` where the root key is, then `hub key install`"
