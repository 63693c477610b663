"""`hub status`: how every center stands, and the totals. It works without the broker, and says so."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import ago, as_json, count, line, table
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async
from hub.hq.folder import HubFolder

if TYPE_CHECKING:
    from hub.hq.status import CenterStanding, LogStatus
    from hub.store.read.totals import Totals
    from hub.store.read.witnesses import WitnessStanding

LATE: Final = timedelta(minutes=2)  # HQ says its newest checkpoint every minute
WHY_SHOWN_MAX: Final = 80
COLUMNS: Final = ("center", "status", "events", "accepted", "rejected", "forks", "position", "lag")


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
) -> None:
    """Show every center's position, lag, status and receipts, and the totals. Example: hub status --json"""
    from hub.hq.status import read_status

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the last line says how the broker is
    where = hub_folder(ctx, data_dir)
    found = run_async(read_status(where, where.known_cluster(hub_settings(ctx, where).settings, bootstrap)))
    if json:
        as_json(found.model_dump())
        return
    table(
        "centers",
        [*COLUMNS, "receipt", "seen", "backlog", "why"],
        (_row(center) for center in found.centers),
        right=[*COLUMNS[2:], "backlog"],
    )
    _tell_totals(found.totals)
    _tell_log(found.log)
    if not found.log.keys_signed:
        line(f"the keys of HQ's log are not in the trust note, so no center can check the log: {_renewal(where)}")
    line(f"broker {found.broker.bootstrap or '-'}: {found.broker.state}")


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


def _tell_log(log: LogStatus) -> None:
    """Print how HQ's log stands with its witnesses, and what they have against it."""
    from hub.hq.alarms import HqAlarm, alarm_line

    behind = f", {log.behind:,} more not in it yet" if log.behind else ""
    cosigned = f"checkpoint cosigned by {log.cosigned} of {log.witnesses}"
    # The newest checkpoint is a second old: that it is not believed yet tells nothing.
    believed = f"believed up to {log.believed_size:,}" if log.believed_size else "none is believed yet"
    line(f"log: {log.size:,} receipts, {cosigned}, {believed}{behind}")
    late = [text for witness in log.centers if (text := _late(witness, log.believed_size))]
    if late:
        line("not cosigning: " + ", ".join(late))
    if log.rolled_back:
        line(alarm_line(HqAlarm.LOG_STOPPED, reason=log.rolled_back))
    if log.strange_cosignatures:
        strange = count(log.strange_cosignatures, "cosignature")
        line(alarm_line(HqAlarm.STRANGE_COSIGNATURES, cosignatures=strange))
    for witness in log.centers:
        if witness.alarm is not None:
            line(alarm_line(HqAlarm.WITNESS, center=witness.center, reason=witness.alarm.reason))


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


def _row(center: CenterStanding) -> list[Any]:
    why = center.why.splitlines()[0][:WHY_SHOWN_MAX] if center.why else ""
    if center.missing:
        why = f"{center.missing} events missing. {why}".strip()
    return [
        center.center,
        center.status,
        center.events,
        center.accepted,
        sum(center.rejected.values()),
        center.forks,
        center.position,
        center.lag,
        ago(center.last_receipt_at),
        ago(center.seen_at),
        center.presence.backlog if center.presence else None,
        why,
    ]


def _renewal(where: HubFolder) -> str:
    """Return the commands that make a trust note with all keys, by where the root key is."""
    from hub.hq.status import has_root_key

    if has_root_key(where):
        return "`hub key renew`"
    return "`hub key renew --request FILE`, then `hub key sign` where the root key is, then `hub key install`"
