"""`hub ledger …`: old events out of the database, into an archive that every audit and replay still reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder
from hub.protocol.moment import from_us

if TYPE_CHECKING:
    from hub.store.archive import Archived

DAYS: Final = 365
DAYS_MAX: Final = 36_500

EXAMPLES: Final = """
\b
Examples:
  hub ledger archive --dry-run            what would move
  hub ledger archive --older-than 730 --to s3://cohub-archive/hq
  hub ledger segments                     what is in the archive, and where
  hub ledger moved /mnt/old /mnt/new      you have copied it to another place
"""

app = typer.Typer(
    help="The ledger: archive what is old, see where it is.\n" + EXAMPLES, no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def archive(
    ctx: typer.Context,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help="A directory or s3://bucket/prefix. Default: DATA_DIR/archive."),
    ] = None,
    older_than: Annotated[
        int,
        typer.Option(
            "--older-than", metavar="DAYS", min=0, max=DAYS_MAX, help="What HQ recorded at least so long ago."
        ),
    ] = DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move, and move nothing.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Then shrink the database file; the worker must be stopped.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Move the bytes of old events into compressed, chained Avro files; verdicts, digests and the index stay.

    Each file is read back and compared before the database lets go of anything. Run it again at any time, also while
    the worker runs, and after it was interrupted. An S3-compatible store takes AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL from the environment.

    Examples: hub ledger archive --dry-run · hub ledger archive --older-than 730 --to /mnt/archive ·
    hub ledger archive --to s3://cohub-archive/hq
    """
    from hub.store.depot import open_depot
    from hub.store.opener import open_archiver

    where = hub_folder(ctx, data_dir)
    now = datetime.now(UTC)
    before = now - timedelta(days=older_than)
    depot = open_depot(to or str(where.data_dir / "archive"))
    with open_archiver(where.place()) as archiver:
        found = list(_told(archiver.plan(before) if dry_run else archiver.archive(depot, before, now), quiet=json))
        if compact and not dry_run:
            archiver.compact()
    summary = {
        "place": depot.location,
        "before": before,
        "dry_run": dry_run,
        "segments": len(found),
        "events": sum(each.last - each.first + 1 for each in found),
        "freed_bytes": sum(each.freed_bytes for each in found),
        "written_bytes": sum(each.size_bytes for each in found),
    }
    if json:
        as_json({**summary, "moved": [_row(each) for each in found]})
        return
    if not found:
        line(f"nothing to move: no event was recorded before {before:%Y-%m-%d %H:%M} UTC that is not archived yet")
        return
    verb = "would move" if dry_run else "moved"
    written = "" if dry_run else f", {_mb(summary['written_bytes'])} written to {depot.location}"
    line(f"{verb} {summary['events']:,} events, {_mb(summary['freed_bytes'])} in the database{written}")
    if not dry_run and not compact:
        note("the freed space is used again by new events; --compact gives it back to the disk")


def _told(found: Any, *, quiet: bool) -> Any:
    for each in found:
        if not quiet:
            line(f"{each.origin}  {each.first:,} to {each.last:,}  {each.digest[:16]}".rstrip())
        yield each


@app.command()
def segments(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List what is in the archive, the oldest first. Example: hub ledger segments"""
    from hub.replay.source import Ledger

    with Ledger.open(hub_folder(ctx, data_dir).place()) as ledger:
        origins = {lane.id: lane.origin for lane in ledger.lanes}
        rows = [
            {
                "digest": each.digest.hex(),
                "origin": origins.get(each.lane_id, str(each.lane_id)),
                "first": each.first,
                "last": each.last,
                "previous": each.previous.hex() if each.previous else None,
                "place": each.location,
                "bytes": each.size_bytes,
                "archived_at": from_us(each.archived_at_us),
            }
            for each in ledger.reader.segments()
        ]
    if json:
        as_json(rows)
        return
    table(
        "archive",
        ["lane", "first", "last", "bytes", "archived at", "place", "digest"],
        (
            [row["origin"], row["first"], row["last"], row["bytes"], row["archived_at"], row["place"], row["digest"]]
            for row in rows
        ),
        right=["first", "last", "bytes"],
    )


@app.command()
def moved(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Where the archive was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where you copied it to.")],
    data_dir: DataDir = None,
) -> None:
    """Tell HQ that you moved the archive. Every file is read at its new place first.

    Example: hub ledger moved /mnt/old s3://cohub-archive/hq
    """
    from hub.store.opener import open_archiver

    with open_archiver(hub_folder(ctx, data_dir).place()) as archiver:
        count = archiver.moved(old, new)
    line(f"{count} segments are at {new} now; all were read there")


def _row(each: Archived) -> dict[str, Any]:
    return {
        "origin": each.origin,
        "first": each.first,
        "last": each.last,
        "digest": each.digest or None,
        "bytes": each.size_bytes,
        "freed_bytes": each.freed_bytes,
    }


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
