"""`hub audit verify`: the whole ledger and HQ's log checked, and every finding told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.base import files
from hub.base.command import NEWER_STATUS
from hub.base.output import as_json, count, line, note, table
from hub.base.output import shown as when
from hub.cli.mirrored import ledger_file
from hub.cli.options import DataDir, InLanguage, Json, hub_folder, read_language, run_async
from hub.cli.progress import Jobs, progress
from hub.hq.folder import HubFolder
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.audit.verify import AuditReport, Scope
    from hub.protocol.trust import Trust
    from schemas.words import Language

SHOWN_MAX: Final = 200

TrustFile = Annotated[
    Path | None,
    typer.Option(
        "--trust", help="The hub's trust note. Default: keys/trust.note of the data directory.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    ctx: typer.Context,
    lane: Annotated[
        str | None, typer.Option("--lane", help="One lane's origin, such as hub.example/uz/1a2b3c4d.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Recorded from this time or date on; with --lane also a sequence.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Recorded up to this time or date; with --lane also a sequence.")
    ] = None,
    jobs: Jobs = 1,
    trust: TrustFile = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="A checkpoint of HQ's log from elsewhere, which the log must contain."),
    ] = None,
    tell: Annotated[
        bool, typer.Option("--tell", help="Have the worker tell each center what was found about its own events.")
    ] = False,
    language: InLanguage = "en",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Check the whole ledger: every digest, tree, seal, key, verdict, receipt, leaf, checkpoint, cosignature.

    Every finding is told with its place, every name of one with what it means and what to do. Exit status 1 if there
    is any; 4 if there is none and a later release is needed to judge all of it. Nothing is written but by --tell, and
    then only what centers are to be told (REPEATED_ID).

    Examples: hub audit verify · hub audit verify --jobs 4 --json · hub audit verify --tell ·
    hub audit verify --lane hub.example/uz/1a2b3c4d --from 1000 --to 2000
    """
    from hub.audit.verify import verify as check

    where = hub_folder(ctx, data_dir)
    told_in = read_language(language)
    trusted = read_trust(where, trust)
    scope = _scope(lane, since, until)
    if tell and not scope.is_whole:
        raise UsageError("--tell is for an audit of the whole ledger: leave out --lane, --from and --to")
    if tell:
        where.reads().close()  # what can't be written to is told before hours of work
    outside = read_file(checkpoint) if checkpoint is not None else None
    with ledger_file(where, shown=not json) as path, progress("events", shown=not json) as bar:
        found = check(path, trusted, scope=scope, processes=jobs, outside=outside, begun=bar.begin, tick=bar.tick)
    if json:
        as_json(found.to_json())
    else:
        _show(found, told_in)
        if found.checkpoints and not trusted.logs:
            note("this trust note does not have the keys of HQ's log: `hub key list` says what to do")
    if tell and found.newer:
        note("nothing is told to centers: a later release is needed to judge all of it")
    elif tell:
        told = run_async(_tell(where, found))
        note(f"HQ tells these centers what was found about their events: {', '.join(told) or 'none'}")
    if found.findings:
        raise typer.Exit(1)
    if found.newer:
        raise typer.Exit(NEWER_STATUS)


async def _tell(where: HubFolder, found: AuditReport) -> list[str]:
    """Keep what centers are to be told for the worker, which says it; return the centers that are told anything."""
    async with where.store() as store:
        return await store.remark(found.repeated, datetime.now(UTC))


def _show(found: AuditReport, language: Language) -> None:
    from hub.audit.findings import causes_first
    from schemas.words import words

    texts, shown = words("findings"), causes_first(found.findings)[:SHOWN_MAX]
    if shown:
        table("findings", ["what", "where", "detail"], ([f.what, f.where, f.detail] for f in shown))
        if len(found.findings) > len(shown):
            line(f"… and {len(found.findings) - len(shown)} more: --json has all of them")
        for kind, number in sorted(Counter(f.what for f in found.findings).items()):
            said, meaning, remedy = (texts.say(f"{kind}.{part}", language) for part in ("message", "meaning", "remedy"))
            line(f"{kind} ({number}): {said}")
            line(f"  {meaning} {remedy}")
    line(f"trusted root key {found.root}")
    line(
        f"{found.lanes} lanes, {found.events} events, {found.receipts} receipts, {found.entities} entities; "
        f"log: {found.leaves} leaves, {found.checkpoints} checkpoints, {found.cosignatures} cosignatures"
        + (f"; the receipts of {found.lost_leaves} leaves are lost, as was confirmed" if found.lost_leaves else "")
    )
    for taken in found.corrections:
        since, until = when(taken.since), when(taken.until)
        line(f"HQ took back, {since} UTC, the times up to {until} UTC, since its clock was ahead: {taken.reason}")
    for what in found.not_checked:
        line(f"not checked: {what}")
    if found.newer:
        line(f"{found.newer}. {words('evidence').say('newer_means', language)}")
    line("nothing found" if not found.findings else count(len(found.findings), "finding"))


def read_trust(where: HubFolder, file: Path | None) -> Trust:
    """Return the trust note that an audit stands on. Errors: UsageError where no trust note is found that reads."""
    from dataclasses import replace

    from hub.hq.identity import read_signer
    from hub.protocol.errors import Malformed
    from hub.protocol.trust import open_trust

    path = where.keys / "trust.note" if file is None else file
    data = read_file(path)
    try:
        trust = open_trust(data)
        if not trust.hqs and (where.keys / "hq.key").exists():
            # Version 1 did not name the key of HQ's own lane.
            own = read_signer(where.keys / "hq.key").verifier
            trust = replace(trust, hqs=(own,))
    except (Malformed, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: expected a hub's trust note: {exc}") from exc
    return trust


def read_file(path: Path) -> bytes:
    """Return a file's bytes. Errors: UsageError."""
    try:
        return files.read_named(path)
    except OSError as exc:
        raise UsageError(f"{path}: cannot be read: {exc.strerror}") from exc


def _scope(lane: str | None, since: str | None, until: str | None) -> Scope:
    from hub.audit.lane import LaneRange
    from hub.audit.verify import Scope
    from hub.protocol.moment import to_us
    from hub.replay.moment import read_sequence

    window: dict[str, int | None] = {"first": None, "last": None, "since_us": None, "until_us": None}
    for option, text, number, time in (("--from", since, "first", "since_us"), ("--to", until, "last", "until_us")):
        if text is None:
            continue
        if text.isdecimal():
            if lane is None:
                raise UsageError(
                    f"{option} {text}: a sequence belongs to one lane; name it with --lane, or give a time"
                )
            window[number] = read_sequence(text)
        else:
            window[time] = to_us(_moment(option, text))
    for begin, end in (("first", "last"), ("since_us", "until_us")):
        if (begins := window[begin]) is not None and (ends := window[end]) is not None and begins > ends:
            raise UsageError(f"the window ends at {until}, before it begins at {since}")
    return Scope(lane, LaneRange(**window))


def _moment(option: str, text: str) -> datetime:
    """Return the moment that an option names, read as `hub replay` reads times. Errors: UsageError."""
    from hub.replay.moment import read_moment

    try:
        return read_moment(text, datetime.now(UTC), begins=option == "--from")
    except UsageError as exc:
        raise UsageError(f"{option} {exc}") from exc
