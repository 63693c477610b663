"""`hub backup`, `hub restore`: a hub's database and keys in a folder, and a hub made of them again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.base.output import as_json, facts_table, line, note
from hub.base.shell import command
from hub.cli.options import DataDir, Json, hub_folder

if TYPE_CHECKING:
    from hub.hq.backup import Manifest, Tell

PassphraseFile = Annotated[
    Path,
    typer.Option(
        "--sealed-by",
        metavar="FILE",
        show_default=False,
        help="With the passphrase of the keys: one line that its owner alone can read.",
    ),
]
WHAT_IS_LOST = (
    "Not in it: what HQ commits from now on (it takes that in again from its topics and its offices), the topics "
    "themselves, the archive. Whoever loses the passphrase loses the keys. docs/backup.md says how to try a restore."
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    ctx: typer.Context,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="A folder that is not there yet.")],
    passphrase_file: PassphraseFile,
    keys_to: Annotated[
        Path | None,
        typer.Option("--keys-to", metavar="FILE", help="Where the sealed keys go. Default: DEST/keys.sealed."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Copy the hub's database and keys to a folder while the hub runs, and read the copy back.

    The database is copied as of one moment; the worker goes on meanwhile. The keys and hub.yaml are sealed with the
    passphrase. DEST is there whole, or not at all: a backup that was cut off is never taken for one.

    Examples: hub backup /mnt/backups/monday --sealed-by ~/hub.words ·
    hub backup /mnt/backups/monday --keys-to /mnt/safe/monday.keys --sealed-by ~/hub.words
    """
    from hub.hq.backup import back_up
    from hub.hq.sealed_keys import read_passphrase

    passphrase = read_passphrase(passphrase_file)
    with _told(shown=not json) as tell:
        made = back_up(hub_folder(ctx, data_dir), dest, passphrase, keys_to, tell)
    if json:
        as_json(_facts(made))
        return
    line(f"{dest}: a backup of {made.hub}, read back and whole")
    facts_table(_facts(made))
    if not made.has_root_key:
        note("The root key is not in keys/, so it is not in the backup: keep it where you keep it, twice.")
    if made.facts.segments:
        note(
            f"The bytes of older events are in the archive, which has to be kept too: {', '.join(made.facts.segments)}"
        )
    note(WHAT_IS_LOST)


def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder that `hub backup` has made.")],
    passphrase_file: PassphraseFile,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="The sealed keys, where they lie elsewhere.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the backup alone, and write nothing.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a hub of a backup in an empty data directory; everything is checked before anything is written.

    The folder `broker` of the hub's own broker may stay in it. When the worker starts it takes in by itself what HQ had
    signed after the backup, before it signs anything; `hub log status` shows how far that is.

    Examples: hub --data-dir hub-data restore /mnt/backups/monday --sealed-by ~/hub.words ·
    hub restore /mnt/backups/monday --check --sealed-by ~/hub.words
    """
    from hub.hq.restore import check_backup
    from hub.hq.restore import restore as put_back
    from hub.hq.sealed_keys import read_passphrase

    where = hub_folder(ctx, data_dir)
    passphrase = read_passphrase(passphrase_file)
    with _told(shown=not json) as tell:
        if check:
            made, _ = check_backup(source, passphrase, keys, tell)
        else:
            made = put_back(where, source, passphrase, keys, tell)
    if json:
        as_json({**_facts(made), "data_dir": None if check else str(where.data_dir)})
        return
    if check:
        line(f"{source}: a backup of {made.hub}, whole; nothing was written")
    else:
        line(f"{where.data_dir}: {made.hub}, as it was at {made.made_at:%Y-%m-%d %H:%M:%S} UTC")
    facts_table(_facts(made))
    if not check and where.keys != where.own_keys:
        note(
            f"This hub's keys are to be in {where.keys}, as its settings say: see that they are, and take away"
            f" {where.own_keys}, where they were restored."
        )
    if not check:
        start = command("hub", "--data-dir", where.data_dir, "up")
        note(f"Start it: `{start}`, or its worker. It takes in what HQ had signed since, and then signs on.")


def _facts(made: Manifest) -> dict[str, Any]:
    facts = made.facts
    return {
        "hub": made.hub,
        "made_at": made.made_at,
        "release": made.release,
        "revision": facts.revision,
        "events": facts.events,
        "receipts": facts.receipts,
        "log_size": facts.log_size,
        "recorded_at": facts.recorded_at,
        "bytes": sum(stored.size for stored in made.files.values()),
        "sha256": {name: stored.sha256 for name, stored in made.files.items()},
        "archive": list(facts.segments),
        "has_root_key": made.has_root_key,
        "keys_apart": made.keys_apart,
    }


@contextmanager
def _told(*, shown: bool) -> Iterator[Tell]:
    """Yield what draws a bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    disabled = not shown or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=disabled) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield tell
