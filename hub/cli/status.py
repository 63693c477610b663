"""`hub status`: how every center stands, and the totals. It works without the broker, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import ago, as_json, count, line, table
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async
from hub.hq.folder import HubFolder
from hub.protocol.topics import center_of, topic_in

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.kafka.cluster import Cluster

KAFKA_DEADLINE_S: Final = 3.0
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
    """Show every center's position, lag, status and receipts, and the totals. Example: hub status --json."""
    where = hub_folder(ctx, data_dir)
    found = run_async(read_status(where, where.known_cluster(hub_settings(ctx, where).settings, bootstrap)))
    if json:
        as_json(found)
        return
    table(
        "centers",
        [*COLUMNS, "receipt", "seen", "backlog", "why"],
        (_row(c) for c in found["centers"]),
        right=[*COLUMNS[2:], "backlog"],
    )
    totals = found["totals"]
    rejected = ", ".join(f"{code} {count}" for code, count in totals["rejected"].items()) or "none"
    line(
        f"events {totals['events']}: accepted {totals['accepted']}, rejected: {rejected}; "
        f"duplicates {totals['duplicates']}, missing {totals['missing']}, forks {totals['forks']}"
    )
    line("entities " + (", ".join(f"{s} {n}" for s, n in totals["entities"].items()) or "none"))
    line(
        f"receipts {totals['receipts']}, quarantined {totals['quarantined']}, "
        f"not yet published {totals['published_backlog']}, basis {totals['basis']}"
    )
    _tell_log(found["log"])
    if not found["log"]["keys_signed"]:
        line(
            "the keys of HQ's log are not in the trust note, so no center can check the log: "
            f"{_renewal(hub_folder(ctx, data_dir))}"
        )
    line(f"broker {found['broker']['bootstrap'] or '-'}: {found['broker']['state']}")


def _tell_log(log: dict[str, Any]) -> None:
    """Print how HQ's log stands with its witnesses, and what they have against it."""
    behind = f", {log['behind']:,} more not in it yet" if log["behind"] else ""
    cosigned = f"checkpoint cosigned by {log['cosigned']} of {log['witnesses']}"
    # The newest checkpoint is a second old: that it is not believed yet tells nothing.
    believed = f"believed up to {log['believed_size']:,}" if log["believed_size"] else "none is believed yet"
    line(f"log: {log['size']:,} receipts, {cosigned}, {believed}{behind}")
    late = [text for witness in log["centers"] if (text := _late(witness, log["believed_size"]))]
    if late:
        line("not cosigning: " + ", ".join(late))
    if log["rolled_back"]:
        line(f"ALARM HQ's log: {log['rolled_back']}; see `hub log status`")
    if log["strange_cosignatures"]:
        line(
            f"ALARM HQ's log: {count(log['strange_cosignatures'], 'cosignature')} of what HQ's database does not know "
            "that HQ signed; see `hub quarantine list`"
        )
    for witness in log["centers"]:
        if witness["alarm"] is not None:
            line(f"ALARM {witness['center']} against HQ's log: {witness['alarm']['reason']}")


def _late(witness: dict[str, Any], believed_size: int) -> str:
    """Return why a center's word is missing where others have cosigned, '' where it is not, or not for long."""
    if witness["key"] != "active":
        key = "no witness key" if witness["key"] == "none" else "its witness key is revoked"
        return f"{witness['center']} ({key})"
    if witness["cosigned"] >= believed_size:
        return ""
    if not witness["cosigned"]:
        return f"{witness['center']} (never did)"
    if datetime.now(UTC) - witness["cosigned_at"] < LATE:
        return ""
    return f"{witness['center']} (up to {witness['cosigned']:,}, {ago(witness['cosigned_at'])})"


def _row(center: dict[str, Any]) -> list[Any]:
    presence = center["presence"]
    why = center["why"].splitlines()[0][:WHY_SHOWN_MAX] if center["why"] else ""
    if center["missing"]:
        why = f"{center['missing']} events missing. {why}".strip()
    return [
        center["center"],
        center["status"],
        center["events"],
        center["accepted"],
        sum(center["rejected"].values()),
        center["forks"],
        center["position"],
        center["lag"],
        ago(center["last_receipt_at"]),
        ago(center["seen_at"]),
        presence["backlog"] if presence else None,
        why,
    ]


async def read_status(where: HubFolder, cluster: Cluster | None = None) -> dict[str, Any]:
    """Return how every center stands, the totals, and what the broker says of lags.

    Units: lag is records of `in.<center>` behind the position in SQL, None where the broker can't be asked.
    """
    from hub.store import queries

    with where.engine().connect() as db:
        registered = queries.centers(db)
        intakes = {row["center"]: row for row in queries.intakes(db)}
        totals = queries.totals(db)
        log = read_log(db)
    ends, state = await end_offsets(cluster, [c["id"] for c in registered])
    centers = []
    for center in registered:
        row = intakes.get(center["id"]) or _unread(center["id"])
        ends_at = ends.get(center["id"])
        lag = None if ends_at is None else max(0, ends_at[1] - max(row["position"] or 0, ends_at[0]))
        standing = row["status"] if center["status"] == "active" else center["status"]
        centers.append({**row, "status": standing, "registered": center["status"], "lag": lag})
    log["keys_signed"] = _log_keys_signed(where)
    broker = {"bootstrap": None if cluster is None else cluster.bootstrap, "state": state}
    return {"centers": centers, "totals": totals, "log": log, "broker": broker}


def read_log(db: Connection) -> dict[str, Any]:
    """Return how HQ's log stands, who has cosigned it how far, and what is held against it."""
    from dataclasses import asdict

    from hub.store import queries
    from hub.store.log import LogReader

    opened = db.connection.driver_connection
    assert opened is not None
    return {
        **asdict(LogReader(opened).standing()),
        "centers": queries.witnesses(db),
        "strange_cosignatures": queries.strange_cosignatures(db),
    }


def _log_keys_signed(where: HubFolder) -> bool:
    """Return whether the trust note names the keys of HQ's log: one of version 0.1.0 does not.

    It is read as it is: the status changes nothing. Where there is none that reads, other commands say so.
    """
    from hub.protocol.errors import Malformed
    from hub.protocol.trust import open_trust

    try:
        return bool(open_trust((where.keys / "trust.note").read_bytes()).logs)
    except (OSError, Malformed):
        return True


def _renewal(where: HubFolder) -> str:
    """Return the commands that make a trust note with all keys, by where the root key is."""
    if (where.keys / "root.key").exists():
        return "`hub key renew`"
    return "`hub key renew --request FILE`, then `hub key sign` where the root key is, then `hub key install`"


def _unread(center: str) -> dict[str, Any]:
    return {
        "center": center,
        "status": "new",
        "why": "no worker has read it yet",
        "owner": "",
        "position": None,
        "origin": None,
        "size": 0,
        "epochs": 0,
        "events": 0,
        "accepted": 0,
        "rejected": {},
        "duplicates": 0,
        "missing": 0,
        "unpublished": 0,
        "forks": 0,
        "last_receipt_at": None,
        "seen_at": None,
        "presence": None,
        "alarm": None,
        "quarantined_bytes": 0,
    }


async def end_offsets(cluster: Cluster | None, centers: Sequence[str]) -> tuple[dict[str, tuple[int, int]], str]:
    """Return the first and the next offset of every center's topic, and in words how the broker is."""
    if cluster is None:
        return {}, "not known: no worker has run here; bootstrap in hub.yaml or --bootstrap names one"
    import logging

    from aiokafka import TopicPartition
    from aiokafka.errors import KafkaError

    from hub.kafka.cluster import Unreachable, closing

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        made = await cluster.consumer("cohub-status", deadline_s=KAFKA_DEADLINE_S)
        async with closing(made, KAFKA_DEADLINE_S) as consumer, asyncio.timeout(KAFKA_DEADLINE_S):
            there = await consumer.topics()
            partitions = [TopicPartition(topic, 0) for topic in map(topic_in, centers) if topic in there]
            if not partitions:
                return {}, "up"
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    except (Unreachable, KafkaError, TimeoutError, OSError) as exc:
        return {}, f"does not answer, so lags are unknown ({str(exc) or type(exc).__name__})"
    return {center_of(p.topic): (begins[p], ends[p]) for p in partitions}, "up"
