"""`hub log …`: HQ's log, in which every receipt is a leaf: how it stands, its checkpoint, its tree as files."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from hub.base.output import ago, as_json, line, note, raw
from hub.cli.options import DataDir, InLanguage, Json, hub_folder, read_language, run_async
from hub.protocol.record import SEQUENCE_MAX

EXAMPLES: Final = """
\b
Examples:
  hub log status                          who has cosigned it, and how far
  hub log begin 1042 --reason "…"         after a restore: give up what is nowhere to be had
  hub log checkpoint --believed           the newest that most have cosigned
  hub log proof uz 42 > uz-42.tlog-proof  that one event's receipt is in it
  hub log export /srv/www/log             all of it as files for a web server
"""

app = typer.Typer(
    help="HQ's log: how it stands, its checkpoint, proofs, its tree as files.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(ctx: typer.Context, language: InLanguage = "en", data_dir: DataDir = None, json: Json = False) -> None:
    """Show how long the log is, who has cosigned its newest checkpoint, and how many receipts are not in it yet.

    Exit status 0: all is well; 1: HQ's database was rolled back or edited, so that nothing is signed, or has not come
    to all receipts again since a restore, or no worker runs that could sign.

    Example: hub log status
    """
    from hub.hq.alarms import halt_line
    from hub.hq.log import standing
    from hub.hq.pulse import worker_standing

    told_in = read_language(language)
    where = hub_folder(ctx, data_dir)
    found, worker = standing(where), worker_standing(where.worker_file, datetime.now(UTC))
    if json:
        as_json({**asdict(found), "worker": worker.model_dump()})
    else:
        line(f"size {found.size}, newest checkpoint signed {ago(found.signed_at)}")
        line(
            f"cosigned by {found.cosigned} of {found.witnesses} centers: "
            f"{'believed' if found.believed else 'not yet believed'}; believed up to size {found.believed_size}"
        )
        line(f"receipts that are not in the log yet: {found.behind}")
        if found.owed:
            line(f"receipts that HQ has signed and its ledger has to come to again since a restore: {found.owed}")
        if found.lost:
            line(f"leaves whose receipts were lost, as a person confirmed: {found.lost}")
        if worker.state in ("stopped", "silent"):
            line(f"nobody signs now: the worker is {worker.state}, last seen {ago(worker.seen_at)}")
    if found.rolled_back is not None:
        note(halt_line(found.rolled_back, told_in))
    if found.rolled_back is not None or found.owed or worker.state in ("stopped", "silent"):
        raise typer.Exit(1)


@app.command()
def begin(
    ctx: typer.Context,
    size: Annotated[int, typer.Argument(metavar="SIZE", min=1, max=SEQUENCE_MAX, help="As `hub log status` says it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why what is missing can't be had again.", show_default=False)
    ],
    all_of_it: Annotated[
        bool, typer.Option("--all-of-it", help="Give up receipts, too, that may still come by themselves.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let HQ's log begin anew behind the newest checkpoint that was signed, without receipts that can't be had again.

    After a restore HQ takes in by itself what it had signed. Where `hub log status` goes on to show an alarm, some of
    it is nowhere to be had. Then a person confirms with this command that it is given up: the leaves stay where they
    were, the witnesses go on, and events of which a receipt is lost get another one. It can't be undone: first look for
    a newer backup, and for brokers and offices that are only switched off.

    Receipts that a restore found on HQ's topics come by themselves when their events are read again. While any may,
    nothing is given up, and it says of which centers: wait. Of a center whose events are gone for good: --all-of-it.

    Examples: hub log begin 1042 --reason "the broker's disk is lost too" ·
    hub log begin 1042 --reason "uz and its broker are lost" --all-of-it
    """
    from hub.hq.log import begin_anew

    forgotten = run_async(begin_anew(hub_folder(ctx, data_dir), size, reason, all_of_it=all_of_it))
    if json:
        as_json({"size": size, "receipts_given_up": forgotten})
    else:
        line(f"HQ's log begins anew behind size {size}; {forgotten} receipts are given up")
        note("A worker that runs does it within seconds; `hub log status` shows when.")


@app.command()
def checkpoint(
    ctx: typer.Context,
    size: Annotated[
        int | None, typer.Argument(metavar="SIZE", min=1, max=SEQUENCE_MAX, help="Default: the newest.")
    ] = None,
    believed: Annotated[bool, typer.Option("--believed", help="The newest that most centers have cosigned.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print a checkpoint: a signed note with HQ's two signatures and those of the centers, at most 16 in all.

    Examples: hub log checkpoint · hub log checkpoint --believed > checkpoint
    """
    from hub.hq.log import checkpoint as read_checkpoint

    raw(read_checkpoint(hub_folder(ctx, data_dir), size, believed=believed))


@app.command()
def proof(
    ctx: typer.Context,
    lane: Annotated[str, typer.Argument(metavar="LANE", help="A lane's origin, or a center: its newest lane.")],
    sequence: Annotated[
        int, typer.Argument(metavar="SEQUENCE", min=1, max=SEQUENCE_MAX, help="Any event that the receipt covers.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Print the proof that an event's receipt is in the log: a C2SP tlog-proof, with the receipt's text as its extra.

    It holds by itself, with HQ's log key alone: the leaf is SHA-256(00, the extra data). The checkpoint in it is the
    first believed one that covers the receipt, or the newest where none is believed.

    Example: hub log proof uz 42 > uz-42.tlog-proof
    """
    from hub.hq.log import prove

    raw(prove(hub_folder(ctx, data_dir), lane, sequence).to_text().encode())


@app.command()
def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Empty or new, or what an earlier export wrote.")],
    newest: Annotated[
        bool, typer.Option("--newest", help="Up to the newest checkpoint, though few centers have cosigned it.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write the log as a C2SP tlog-tiles tree that any web server can serve; a later run writes only what is new.

    It goes up to the newest believed checkpoint, or the newest of all where none is believed. The worker may run, and
    so may the web server: a file comes to its place whole, the checkpoint last. The receipts' texts are in it: lane
    names, counts, times, and for every event that was not accepted the reason with its field.

    Example: hub log export /srv/www/log
    """
    from rich.console import Console
    from rich.progress import Progress

    from hub.store.log_tree import export_log

    with (
        hub_folder(ctx, data_dir).log() as log,
        Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar,
    ):
        task = bar.add_task("receipts", total=None)
        done = export_log(
            log, folder, newest=newest, progress=lambda n, total: bar.update(task, completed=n, total=total)
        )
    if json:
        as_json(done)
    else:
        line(f"{folder}: size {done.size}, {done.size - done.before} new; wrote {done.files} files, {done.bytes} bytes")
    for name in done.left_out:
        note(
            f"{name} is left out: a receipt in it was lost, or is longer than the 65535 bytes that the format can hold"
        )
