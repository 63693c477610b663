"""`hub audit export`: one file with everything that proves what was said, to be checked anywhere."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.base import files
from hub.base.durable import disk_errors, write
from hub.base.output import as_json, count, line, note
from hub.cli.options import DataDir, Json, hub_folder
from hub.cli.replay.subject import moment, open_ledger
from hub.cli.replay.subject import subject as find_subject
from hub.protocol.errors import Malformed, UsageError

if TYPE_CHECKING:
    from hub.evidence.export import ExportedBundle
    from hub.evidence.subject import Subject
    from hub.replay.source import Ledger


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    ctx: typer.Context,
    entity: Annotated[
        str | None, typer.Option("--entity", metavar="STREAM/ID", help="One record with all its events.")
    ] = None,
    deal: Annotated[
        str | None,
        typer.Option("--deal", metavar="ID", help="A deal, its confirmations, and the records that it names."),
    ] = None,
    center: Annotated[
        str | None, typer.Option("--center", metavar="CENTER", help="All that HQ recorded of a center in a time.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="With --center: from then on.")] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="With --center: up to then, that moment or day too.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: evidence-….zip, here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write an evidence bundle: records as they were sealed, keys, receipts, proofs, state, and a README for people.

    It is checked before it is written; exit status 1 where the ledger does not hold.

    Examples: hub audit export --deal uz:D-1 · hub audit export --entity offer/uz:K-12 -o offer.zip ·
    hub audit export --center uz --from 2026-03-01 --to 2026-03-31
    """
    from hub.evidence.export import export_bundle

    where = hub_folder(ctx, data_dir)
    chosen = [name for name, given in (("--entity", entity), ("--deal", deal), ("--center", center)) if given]
    if len(chosen) != 1:
        raise UsageError(f"expected one of --entity, --deal and --center, came {' and '.join(chosen) or 'none'}")
    if (center is not None) != (since is not None and until is not None) or (center is None and (since or until)):
        raise UsageError("--center goes with --from and --to, both of them")
    with open_ledger(where) as ledger:
        subject = _subject(ledger, entity, deal, center, since, until)
        target = output or Path(f"evidence-{subject.kind}-{re.sub(r'[^a-zA-Z0-9.-]+', '_', subject.id)[:80]}.zip")
        if target.exists() and not force:
            raise UsageError(f"{target} is there already; --force writes over it, -o names another")
        trust_note = _trust_note(where.keys / "trust.note")
        made = export_bundle(ledger, trust_note, subject)
    _write(target, made.data)
    _tell(target, made, json=json)


def _subject(
    ledger: Ledger, entity: str | None, deal: str | None, center: str | None, since: str | None, until: str | None
) -> Subject:
    from hub.domain.catalogue import STREAMS
    from hub.evidence.subject import Subject

    if center is not None and since is not None and until is not None:
        begins, ends = moment(since, begins=True), moment(until) + timedelta(microseconds=1)
        if begins >= ends:
            raise UsageError(f"the range ends at {until}, before it begins at {since}")
        return Subject("center", center, "", begins, ends)
    if deal is not None:
        _, found = find_subject(ledger, "deal", deal)
        return Subject("deal", found)
    assert entity is not None
    head, _, rest = entity.partition("/")
    streams, found = find_subject(ledger, head if head in STREAMS else None, rest if head in STREAMS else entity)
    if not found:
        raise UsageError(f"--entity {entity}: expected STREAM/ID, such as offer/uz:K-12")
    return Subject("entity", found, streams[0])


def _trust_note(path: Path) -> bytes:
    """Return HQ's trust note. Errors: UsageError where it can't be read, or names too few keys to prove anything."""
    from hub.protocol.trust import open_trust

    try:
        data = files.read_named(path)
        trust = open_trust(data)
    except (OSError, Malformed) as exc:
        raise UsageError(f"{path}: the trust note, which has HQ's keys, can't be read: {exc}") from exc
    if not trust.serial:
        raise UsageError(f"{path} is of version 0.1.0 and does not name the keys of HQ's log: `hub key renew` does")
    return data


def _write(target: Path, data: bytes) -> None:
    """Write the file in one step: whoever finds it finds all of it. Errors: UsageError, Fatal."""
    with disk_errors(target):
        write(target, data)


def _tell(target: Path, made: ExportedBundle, *, json: bool) -> None:
    from hub.evidence.report import Severity

    case, report = made.case, made.case.report
    found = _facts(target, made)
    if json:
        as_json(found)
    else:
        line(f"{target}: {found['bytes']} bytes, {found['files']} files")
        line(f"{found['events']} events of {len(found['included'])} records, by {', '.join(found['centers']) or 'hq'}")
        log = found["log"]
        seen = (
            f"log of size {log['size']}, seen by {log['seen_by']} of {log['active']} centers" if log else "no log yet"
        )
        line(f"{seen}; {report.status}")
        line(f"sha256 {found['sha256']}")
        if case.trust is not None:
            line(f"hub audit check {target} --root {case.trust.root.to_text()}")
    unlogged = sum(not span.is_logged for _, span in case.spans())
    if unlogged:
        note(f"{unlogged} receipts are not in HQ's log yet: wait a minute and export again (a worker has to run)")
    elif case.log is not None and not case.log.is_believed:
        note("this state of HQ's log is not believed yet: export again when more centers' witnesses have seen it")
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    for finding in errors[:10]:
        place_found = " ".join(filter(None, (finding.lane, str(finding.sequence or ""), finding.file)))
        note(f"{finding.check}: {place_found}: {finding.detail}")
    if errors:
        note(f"{count(len(errors), 'finding')}: the ledger does not hold; `hub audit verify` says more")
        raise typer.Exit(1)


def _facts(target: Path, made: ExportedBundle) -> dict[str, Any]:
    from hashlib import sha256

    case = made.case
    story = [(lane.center, held.entity) for lane, _, held in case.story()]
    log = case.log
    return {
        "file": str(target),
        "bytes": len(made.data),
        "sha256": sha256(made.data).hexdigest(),
        "files": len(case.files),
        "subject": case.subject.to_dict(),
        "events": len(story),
        "included": [{"stream": stream, "id": entity_id} for stream, entity_id in sorted({key for _, key in story})],
        "centers": sorted({center for center, _ in story}),
        "log": (
            {
                "size": log.checkpoint.size,
                "seen_by": len(log.cosigned),
                "active": len(log.active),
                "believed": log.is_believed,
            }
            if log is not None and log.checkpoint is not None
            else None
        ),
        "receipts_not_in_the_log": sum(not span.is_logged for _, span in case.spans()),
        "root": case.trust.root.to_text() if case.trust else None,
        **case.report.to_dict(),
    }
