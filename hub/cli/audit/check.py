"""`hub audit check`: what an evidence bundle proves, with nothing but the bundle and HQ's root key."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.base import files
from hub.base.command import NEWER_STATUS
from hub.base.durable import disk_errors, write
from hub.base.output import as_json, count, line, note, table
from hub.protocol.errors import Malformed, UsageError

if TYPE_CHECKING:
    from hub.protocol.keys import Verifier
    from hub.protocol.trust import Trust

FINDINGS_SHOWN_MAX: Final = 40
TAKE_NEWER: Final = (
    "the bundle is newer than this checker, which says nothing against it: take the checker of the release that made "
    "it (its README names it), or of a later one"
)
WHERE_KEY_IS: Final = (
    "HQ prints its root key by `hub key list --json` and its trust note by `hub trust`; an office has that note as "
    "trust.note in its folder, to be given by --trust"
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The evidence bundle, a zip.", show_default=False)],
    root: Annotated[
        str | None, typer.Option("--root", metavar="VKEY", help="HQ's root key, known to you by another way.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="FILE", help="Or a trust note that you have pinned (trust.note).")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the result, to read or to print.")
    ] = None,
    allow_unwitnessed: Annotated[
        bool,
        typer.Option("--allow-unwitnessed", help="Let it pass while the log or its witnesses have not caught up."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check an evidence bundle: no broker, no database, no network.

    Exit status 0 only where all of it holds, 1 where something does not, or not yet; 4 where the bundle is newer than
    this release, which says nothing against it.

    Examples: hub audit check evidence-deal-uz_D-1.zip --root hub.example/root+1a2b3c4d+AbC… --html result.html
    """
    from hub.evidence.check import check_bundle
    from hub.evidence.checkers import Checkers
    from hub.evidence.page import page
    from hub.evidence.report import NEWER, Origin

    data = _read(bundle)
    origin = Origin(bundle.name, sha256(data).hexdigest(), datetime.now(UTC))
    key, pinned = _keys(data, root, trust)
    checked = check_bundle(data, key, pinned, ctx.find_object(Checkers))
    report = checked.report
    if html is not None:
        if checked.case is None:
            note("no page is written: the bundle can't be read far enough")
        else:
            with disk_errors(html):
                write(html, page(checked.case, report, key, origin).encode())
    found = {**origin.to_dict(), "bundle": str(bundle), "root": key.to_text(), **report.to_dict()}
    if json:
        as_json(found)
    else:
        _show(found)
    if report.status == NEWER:
        note(TAKE_NEWER)
        raise typer.Exit(NEWER_STATUS)
    if report.status != "proved" and not (allow_unwitnessed and report.status == "not yet believed"):
        raise typer.Exit(1)


def _read(bundle: Path) -> bytes:
    from hub.evidence.container import ARCHIVE_BYTES_MAX

    try:
        return files.read_named(bundle, ARCHIVE_BYTES_MAX + 1)
    except OSError as exc:
        raise UsageError(f"{bundle} can't be read: {exc.strerror or exc}") from exc


def _keys(data: bytes, root: str | None, trust: Path | None) -> tuple[Verifier, Trust | None]:
    """Return the root key to check with, and the trust note that was pinned. Errors: UsageError."""
    from hub.evidence.check import claimed_root
    from hub.protocol.keys import ED25519, Verifier
    from hub.protocol.trust import open_trust

    if (root is None) == (trust is None):
        hint = claimed_root(data)
        said = (
            f"; the bundle itself says {hint}: compare that by telephone or paper, don't just copy it" if hint else ""
        )
        raise UsageError(f"expected HQ's root key: --root VKEY, or --trust FILE with a pinned trust note{said}")
    try:
        if root is not None:
            key = Verifier.from_text(root.strip())
            if key.algorithm != ED25519 or not key.name.endswith("/root"):
                raise UsageError(
                    f"--root {key.name}: expected a root key, such as hub.example/root+1a2b3c4d+AbC…; {WHERE_KEY_IS}"
                )
            return key, None
        assert trust is not None
        pinned = open_trust(files.read_named(trust))
    except Malformed as exc:
        given = "--root" if root is not None else str(trust)
        raise UsageError(f"{given}: {exc}; {WHERE_KEY_IS}") from exc
    except OSError as exc:
        raise UsageError(f"{trust} can't be read: {exc.strerror or exc}") from exc
    return pinned.root, pinned


def _show(found: dict[str, Any]) -> None:
    if any(c["looked_at"] for c in found["checks"] if c["check"] != "container"):
        table(
            "",
            ["check", "outcome", "looked at"],
            ([c["check"], _outcome(c), c["looked_at"] or ""] for c in found["checks"]),
            right=["looked at"],
        )
    causes = [finding for finding in found["findings"] if not finding["follows"]]
    for finding in causes[:FINDINGS_SHOWN_MAX]:
        where = [finding["lane"], finding["sequence"], finding["file"]]
        place = " ".join(str(part) for part in where if part not in ("", None))
        line(f"{finding['severity']}  {finding['check']}: {place}{': ' if place else ''}{finding['detail']}")
    following = len(found["findings"]) - len(causes)
    if following:
        line(f"{count(following, 'further finding')} may follow from that alone, and accuse nobody: --json has them")
    more = len(causes) - FINDINGS_SHOWN_MAX + found["findings_left_off"]
    if more > 0:
        line(f"and {count(more, 'finding')} more: --json has them")
    line(f"checked at {found['checked_at']}: a file with the SHA-256 {found['sha256']}")
    line(f"{found['bundle']}: {found['status']}")


def _outcome(check: dict[str, Any]) -> str:
    return f"does not apply: {check['why_skipped']}" if check["why_skipped"] else str(check["outcome"])
