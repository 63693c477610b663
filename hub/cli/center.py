"""`hub center …`: who belongs to the network, what each may report, and which keys it seals with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from hub.base.output import as_json, line, table
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.hq.enrolment import id_of, proven, proven_all, purpose_of, read_note
from hub.hq.folder import HubFolder, again, say, say_once
from hub.protocol.errors import UsageError
from hub.protocol.record import CENTER_REGISTERED

if TYPE_CHECKING:
    from hub.ledger.basis import Basis
    from hub.store.sqlite import SqliteStore

EXAMPLES: Final = """
\b
Examples:
  hub center add uz --name "…" --country UZ --direction north \\
      --language ru --stream offer --enrolment uz.note
  hub center list                         what each may report, and its keys
  hub center set uz --stream offer --stream deal
  hub center add-key uz --enrolment uz-next.note
  hub center suspend uz --reason "…"      its lane waits, nothing is lost
"""

app = typer.Typer(
    help="Centers: add, revise, suspend, close; their keys.\n" + EXAMPLES, no_args_is_help=True, rich_markup_mode=None
)

REVISED: Final = "net.cohub.center.revised.v1"
KEY_ADDED: Final = "net.cohub.center.key_added.v1"
KEY_REVOKED: Final = "net.cohub.center.key_revoked.v1"
SUSPENDED: Final = "net.cohub.center.suspended.v1"
RESUMED: Final = "net.cohub.center.resumed.v1"
CLOSED: Final = "net.cohub.center.closed.v1"
PIN_TRIES: Final = 30  # one is lost only where another command's note was faster

CenterId = Annotated[str, typer.Argument(metavar="ID", help="The center's id: a-z, 0-9 and -, such as uz.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
Name = Annotated[str | None, typer.Option("--name", help="Its name, in its own script.")]
Country = Annotated[str | None, typer.Option("--country", help="ISO 3166-1 alpha-2, such as UZ.")]
Direction = Annotated[str | None, typer.Option("--direction", help="north, west, east or south.")]
Zone = Annotated[str | None, typer.Option("--zone", help="innovation or industry.")]
Timezone = Annotated[str | None, typer.Option("--timezone", help="IANA name. Default for a new center: UTC.")]
Languages = Annotated[
    list[str] | None, typer.Option("--language", help="BCP 47 tag, the center's own first; may be repeated.")
]
Streams = Annotated[list[str] | None, typer.Option("--stream", help="A stream that it may report; may be repeated.")]
Enrolment = Annotated[Path, typer.Option("--enrolment", metavar="FILE", help="The note that its connector made.")]


@app.command()
def add(
    ctx: typer.Context,
    center: CenterId,
    name: Annotated[str, typer.Option("--name", help="Its name, in its own script.")],
    country: Annotated[str, typer.Option("--country", help="ISO 3166-1 alpha-2, such as UZ.")],
    direction: Annotated[str, typer.Option("--direction", help="north, west, east or south.")],
    language: Languages = None,
    stream: Streams = None,
    enrolment: Annotated[
        list[Path] | None,
        typer.Option(
            "--enrolment",
            metavar="FILE",
            help="A note that its connector made, one for each key; without a seal key it waits.",
        ),
    ] = None,
    zone: Zone = None,
    timezone: Timezone = None,
    data_dir: DataDir = None,
) -> None:
    """Register a center, with the keys of its enrolment notes: the seal key's and the witness key's.

    Example: hub center add uz --name "Ташкент" --country UZ --direction west --language ru --stream partner
    --stream offer --enrolment uz.enrolment.note --enrolment uz.witness.note
    """
    record = {
        "name": name,
        "country": country,
        "direction": direction,
        "zone": zone,
        "languages": language or ["en"],
        "timezone": timezone or "UTC",
        "streams": checked_streams(stream or []),
        "keys": [],
    }
    notes = [read_note(path) for path in enrolment or []]
    keys = run_async(register(hub_folder(ctx, data_dir), center, record, notes))
    line(f"center {center} is registered; a running worker reads in.{center} within seconds")
    purposes = {key["purpose"] for key in keys}
    if "seal" not in purposes:
        line(f"it has no seal key yet: its lane waits for `hub center add-key {center} --enrolment FILE`")
    if "witness" not in purposes:
        line(f"it is no witness of HQ's log yet: `hub center add-key {center} --enrolment {center}.witness.note`")


@app.command("list")
def list_centers(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List the centers, what each may report, and its keys. Example: hub center list --json."""
    from hub.store import queries

    with hub_folder(ctx, data_dir).engine().connect() as db:
        found = queries.centers(db)
    if json:
        as_json(found)
        return
    table(
        "centers",
        ["id", "name", "country", "direction", "status", "streams", "keys"],
        (
            [
                c["id"],
                c["name"],
                c["country"],
                c["direction"],
                c["status"],
                " ".join(c["streams"]),
                "\n".join(f"{k['id']} {purpose_of(k)} {k['status']}" for k in c["keys"]),
            ]
            for c in found
        ),
    )


@app.command("set")
def revise(
    ctx: typer.Context,
    center: CenterId,
    name: Name = None,
    country: Country = None,
    direction: Direction = None,
    zone: Zone = None,
    timezone: Timezone = None,
    language: Languages = None,
    stream: Streams = None,
    data_dir: DataDir = None,
) -> None:
    """Revise a center: what is given replaces what was. Example: hub center set uz --stream partner --stream offer."""
    given = {
        "name": name,
        "country": country,
        "direction": direction,
        "zone": zone,
        "timezone": timezone,
        "languages": language,
        "streams": checked_streams(stream) if stream else None,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise UsageError("nothing to change: give at least one of --name, --country, --stream …")
    run_async(change(hub_folder(ctx, data_dir), center, REVISED, lambda record: {**record, **changes}))
    line(f"center {center} is revised: {', '.join(changes)}")


@app.command("add-key")
def add_key(
    ctx: typer.Context,
    center: CenterId,
    enrolment: Enrolment,
    replaces_lost: Annotated[
        bool, typer.Option("--replaces-lost", help="No earlier key can vouch for it: it was lost.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Add a key to a center: vouched for by an active key of its own, or in place of a lost one.

    Example: hub center add-key uz --enrolment uz.enrolment.note
    """
    note = read_note(enrolment)
    key = run_async(put_key(hub_folder(ctx, data_dir), center, note, replaces_lost=replaces_lost))
    line(f"key {key} of {center} is active")


@app.command("revoke-key")
def revoke_key(
    ctx: typer.Context,
    center: CenterId,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, 8 hex digits (see `hub center list`).")],
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """Revoke a key: what it sealed before stays valid. Example: hub center revoke-key uz 1f2e3d4c --reason lost."""
    run_async(revoke(hub_folder(ctx, data_dir), center, key.lower(), reason))
    line(f"key {key} of {center} is revoked: {reason}")


@app.command()
def suspend(ctx: typer.Context, center: CenterId, reason: Reason, data_dir: DataDir = None) -> None:
    """Suspend a center: its lane waits, nothing is lost. Example: hub center suspend uz --reason "audit"."""
    run_async(_turn(hub_folder(ctx, data_dir), center, SUSPENDED, reason))
    line(f"center {center} is suspended; `hub center resume {center}` lets it go on")


@app.command()
def resume(ctx: typer.Context, center: CenterId, reason: Reason = "resumed", data_dir: DataDir = None) -> None:
    """Let a suspended center go on. Example: hub center resume uz --reason "audit done"."""
    run_async(_turn(hub_folder(ctx, data_dir), center, RESUMED, reason))
    line(f"center {center} is active")


@app.command()
def close(ctx: typer.Context, center: CenterId, reason: Reason, data_dir: DataDir = None) -> None:
    """Close a center for good; what it reported stays. Example: hub center close uz --reason "left the network"."""
    run_async(_turn(hub_folder(ctx, data_dir), center, CLOSED, reason))
    line(f"center {center} is closed for good; nothing of its lane is read any more")


async def register(
    where: HubFolder, center: str, record: Mapping[str, Any], enrolments: Sequence[bytes]
) -> list[dict[str, Any]]:
    """Register one center; return its keys, each proved by one of `enrolments`. Errors: UsageError."""
    from hub.hq.headquarters import Said

    async with where.headquarters() as (store, headquarters):
        keys = proven_all(enrolments, _hub(where), center)
        if await _record(store, center) is not None:
            raise UsageError(f"center {center} is registered already: see `hub center set` and `hub center add-key`")
        await say(headquarters, [Said(CENTER_REGISTERED, center, {**record, "keys": keys})])
        await pin_witness_keys(where, headquarters)
        return keys


async def put_key(where: HubFolder, center: str, enrolment: bytes, *, replaces_lost: bool) -> str:
    """Add the key of `enrolment` to a center; return the key's id. Errors: UsageError."""

    def added(record: dict[str, Any]) -> dict[str, Any]:
        key = proven(enrolment, _hub(where), center, record["keys"], replaces_lost=replaces_lost)
        if any(key["vkey"] == old["vkey"] for old in record["keys"]):
            raise UsageError(f"center {center} has this key already ({id_of(key)})")
        return {**record, "keys": [*record["keys"], key]}

    record = await change(where, center, KEY_ADDED, added)
    return id_of(record["keys"][-1])


async def revoke(where: HubFolder, center: str, key_id: str, reason: str) -> None:
    """Revoke a key of a center. Errors: UsageError."""

    def revoked(record: dict[str, Any]) -> dict[str, Any]:
        found = [k for k in record["keys"] if id_of(k) == key_id]
        if not found:
            known = ", ".join(id_of(k) for k in record["keys"]) or "none"
            raise UsageError(f"center {center} has no key {key_id}; it has {known}")
        if found[0]["status"] == "revoked":
            raise UsageError(f"key {key_id} of {center} is revoked already")
        turned = {"status": "revoked", "status_reason": reason}
        return {**record, "keys": [{**k, **turned} if k in found else k for k in record["keys"]]}

    await change(where, center, KEY_REVOKED, revoked)


async def change(
    where: HubFolder, center: str, kind: str, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Say the record that `changed` makes of a center's; return it. Another's change meanwhile is not undone.

    Errors: UsageError.
    """
    from hub.hq.headquarters import Said

    async with where.headquarters() as (store, headquarters):

        async def attempt() -> dict[str, Any]:
            # The size before the record: what is said between the two is noticed, too.
            size = (await headquarters.basis()).size
            record = changed(await _known(store, center))
            await say_once(headquarters, [Said(kind, center, record)], size)
            return record

        found: dict[str, Any] = await again(attempt)
        await pin_witness_keys(where, headquarters)
        return found


async def _turn(where: HubFolder, center: str, kind: str, reason: str) -> None:
    from hub.hq.headquarters import Said

    async with where.headquarters() as (store, headquarters):
        await _known(store, center)
        await say(headquarters, [Said(kind, center, {"reason": reason, "effective_on": None})])
        await pin_witness_keys(where, headquarters)


class HqLane(Protocol):
    """What the hq lane says now."""

    async def basis(self) -> Basis:
        """Return the basis as the hq lane stands."""
        ...


async def pin_witness_keys(where: HubFolder, headquarters: HqLane) -> None:
    """Have the trust note name the witness keys as they are now. A crash before: the next change, or `renew`, does.

    Another command may do the same at this moment, for a center of its own. The note is read before the hq lane, and
    only that note is replaced: so none is written that knows less of the lane than the one before it.
    """
    from hub.cli.trust_note import pin_witnesses
    from hub.hq.identity import load_identity
    from hub.hq.rotation import witness_keys

    async def attempt() -> None:
        identity = load_identity(where.keys)
        pin_witnesses(identity, witness_keys((await headquarters.basis()).registry))

    await again(attempt, PIN_TRIES)


async def _record(store: SqliteStore, center: str) -> dict[str, Any] | None:
    found = await store.entities([("center", f"hq:{center}")])
    for known in found.values():
        return known.entity.record
    return None


async def _known(store: SqliteStore, center: str) -> dict[str, Any]:
    record = await _record(store, center)
    if record is None:
        raise UsageError(f"there is no center {center}; `hub center list` has them all")
    return record


def _hub(where: HubFolder) -> str:
    from hub.hq.identity import load_identity

    return load_identity(where.keys).hub


def checked_streams(streams: list[str]) -> list[str]:
    """Return the streams that a center may be given. Errors: UsageError for one that no center writes."""
    from hub.domain.catalogue import STREAMS

    allowed = sorted(s.name for s in STREAMS.values() if s.writer == "center" and s.name != "lane")
    for name in streams:
        if name not in allowed:
            raise UsageError(f"--stream {name}: expected one of {', '.join(allowed)}")
    return list(dict.fromkeys(streams))
