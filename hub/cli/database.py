"""`hub migrate`, `hub move` and `hub mirror`: where HQ's database is, and of which release its tables are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.output import as_json, line, table
from hub.cli.mirrored import Told
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async
from hub.protocol.errors import Conflict, UsageError

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.store.copying import Proof


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (migrate, move, mirror):
        app.command()(command)


def migrate(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """Make the tables of HQ's database, or bring them up to this release, and start nothing.

    At a PostgreSQL server this is done once, before the workers of a new release start; workers of the release before
    may go on meanwhile, and be started again, where the new tables are for them, too: it says from which version on.
    All of it is done, or nothing. In SQLite `hub up` and `hub worker` do it by themselves.

    Examples: hub migrate · hub migrate --data-dir /srv/hub --json
    """
    from hub.store.version import HEAD

    where = hub_folder(ctx, data_dir)
    place = where.place()
    if isinstance(place, Path):
        from hub.base import files
        from hub.store.sqlite_open import open_database, version_of

        files.make_folder(place.parent, files.PRIVATE_FOLDER)
        with closing(open_database(place)) as opened:
            version = version_of(opened)
        location = str(place)
    else:
        from hub.store.postgres_open import bring_up_to_date

        version = bring_up_to_date(place)
        location = place.location
    if json:
        as_json({"database": location, "version": version.number, "compatible_since": version.since})
        return
    whose = "as this release wants it" if version.is_own else f"newer than this release's {HEAD}, which may use it"
    line(f"{location} is at version {version.number}, {whose}; programs from version {version.since} on may use it")


def move(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", help="postgresql://user@host/database, or sqlite: the data directory.")],
    password_file: Annotated[
        Path | None, typer.Option("--login-file", help="A file with the password of the server's user.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="The authority of the server's certificate.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Move a hub's database to a PostgreSQL server, or back into its data directory, and prove that nothing changed.

    Stop the hub first. Every table is copied, read again at the new place, and compared by SHA-256; then the old place
    is closed: whoever opens it is told where to look. Keys and settings stay where they are. If anything fails, the
    old place is as it was.

    Examples: hub move --to postgresql://cohub@db.example.org/hub --login-file db.password --ca-file db-ca.pem ·
    hub move --to sqlite
    """
    where = hub_folder(ctx, data_dir)
    _require_stopped(where)
    if to == "sqlite":
        proved, lines = _to_file(ctx, where, json=json)
    else:
        proved, lines = _to_server(where, to, password_file, ca_file, json=json)
    rows = sum(proof.rows for proof in proved.values())
    if json:
        as_json(
            {
                "rows": rows,
                "tables": {name: {"rows": proof.rows, "sha256": proof.digest} for name, proof in proved.items()},
                "settings": lines,
            }
        )
        return
    shown = [(name, proof.rows, proof.digest[:16]) for name, proof in proved.items() if proof.rows]
    table("moved, and the same at both places", ["table", "rows", "SHA-256"], shown, right=["rows"])
    line(f"{rows} rows were moved. Before you start the hub again, set in {where.data_dir / 'hub.yaml'}:")
    for text in lines:
        line(f"  {text}")


def mirror(
    ctx: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The SQLite file; a mirror that is there is replaced.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Copy the whole database of a hub at a server into a SQLite file, as of one moment, while the hub runs.

    Every tool that reads a ledger reads such a file: name its folder with --data-dir, and the file hub.sqlite3.

    Example: hub mirror /srv/audit/hub.sqlite3
    """
    from hub.store.copying import mirror as make

    where = hub_folder(ctx, data_dir)
    place = where.place()
    if isinstance(place, Path):
        raise UsageError(f"{place} is in SQLite already: tools read it as it is")
    with Told(shown=not json) as told:
        run_async(make(place, to, lambda name, rows: told("copied", name, rows)))
    size = to.stat().st_size
    if json:
        as_json({"file": to, "bytes": size})
    else:
        line(f"{to} has {place.location} as of now, {size} bytes")


def _to_server(
    where: HubFolder, to: str, password_file: Path | None, ca_file: Path | None, *, json: bool
) -> tuple[Mapping[str, Proof], list[str]]:
    from hub.store.moving import to_server
    from hub.store.postgres_server import Server

    place = where.place()
    if not isinstance(place, Path):
        raise Conflict(f"the hub is at {place.location} already: nothing was changed")
    server = Server.at(to, password_file, ca_file)
    with Told(shown=not json) as told:
        proved = run_async(to_server(place, server, told))
    lines = ["database:", f"  url: {server.address}"]
    lines += [f"  {name}: {path.absolute()}" for name, path in _files(password_file, ca_file) if path is not None]
    return proved, lines


def _files(password_file: Path | None, ca_file: Path | None) -> list[tuple[str, Path | None]]:
    return [("password_file", password_file), ("ca_file", ca_file)]


def _to_file(ctx: typer.Context, where: HubFolder, *, json: bool) -> tuple[Mapping[str, Proof], list[str]]:
    from hub.store.moving import to_file

    place = where.place()
    if isinstance(place, Path):
        raise Conflict(f"the hub is in {place} already: nothing was changed")
    with Told(shown=not json) as told:
        proved = run_async(to_file(place, where.database, told))
    variable = hub_settings(ctx, where).origins.get("database.url", "")
    taken = f"(take {variable} out of the environment)" if variable.startswith("HUB_") else "(take `database:` out)"
    return proved, [taken]


def _require_stopped(where: HubFolder) -> None:
    """Errors: Conflict, while a worker says that it lives."""
    from datetime import UTC, datetime

    with where.snapshot() as now:
        living = [worker.owner for worker in now.workers() if worker.until > datetime.now(UTC)]
    if living:
        raise Conflict(
            f"a worker lives, or died within the last minute: {', '.join(living)}; stop the hub, then move it"
        )
