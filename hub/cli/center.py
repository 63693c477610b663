"""`hub center …`: who belongs to the network, what each may report, and which keys it seals with."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hub.base import files
from hub.base.output import ago, as_json, confirm, facts_table, line, shown, span, table
from hub.cli import invitation, standing
from hub.cli.access import access_facts, rotate, set_quota
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.standing import CenterId, Reason, tell_pinned
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.cli.invitation import Ways
    from hub.hq.folder import HubFolder
    from hub.store.read.centers import RegisteredCenter, RegisteredKey
    from hub.store.read.intakes import IntakeStanding

EXAMPLES: Final = """
\b
Examples:
  hub center add uz --name "…" --country UZ --direction north \\
      --language ru --stream offer
  hub center invite uz uz.cohub           one file, by which its office joins
  hub center confirm uz                   its office has asked, and read its words to you
  hub center list                         what each may report, and its keys
  hub center show uz                      how it is, and what its office says
  hub center set uz --add-stream deal     it may report deals, too
  hub center add-key uz --enrolment uz.rotation.note
  hub center set uz --quota 2MiB          it may write so much a second
  hub center rotate uz --to uz.password   a new password for its login at the broker
  hub center suspend uz --reason "…"      its lane waits, nothing is lost
"""

app = typer.Typer(
    help="Centers: add, invite, revise, suspend, close; their keys, logins and quotas.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
    invite: Annotated[
        Path | None,
        typer.Option(
            "--invite", metavar="FILE", help="Make the one file by which its office joins (`hub center invite`)."
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Register a center, with the keys of its enrolment notes: the seal key's and the witness key's.

    Example: hub center add uz --name "Ташкент" --country UZ --direction west --language ru --stream partner
    --stream offer --enrolment uz.enrolment.note --enrolment uz.witness.note
    """
    from hub.hq.centers import register
    from hub.hq.profile import Profile

    profile = Profile(
        name=name,
        country=country,
        direction=direction,
        zone=zone,
        languages=tuple(language or ["en"]),
        timezone=timezone or "UTC",
        streams=tuple(stream or ()),
    )
    notes = [_read_note(path) for path in enrolment or []]
    where = hub_folder(ctx, data_dir)
    if invite is not None and files.kind_at(invite) is not None:
        raise UsageError(f"--invite {invite}: it is there already, and nothing was done; name another file")
    ways = None if invite is None else _ways_in(ctx, where, center)
    done = run_async(register(where, center, profile, notes))
    made = None if invite is None or ways is None else invitation.make_file(where, center, invite, ways)
    tell_pinned(is_pinned=done.is_pinned)
    if json:
        as_json(
            {
                "registered": done.center.model_dump(),
                "invitation": None if made is None else invitation.invited_row(made),
            }
        )
        return
    line(f"center {center} is registered; a running worker reads in.{center} within seconds")
    if made is not None:
        invitation.tell_invited(made)
        return
    purposes = {key.purpose for key in done.center.keys}
    if "seal" not in purposes:
        line(f"it has no seal key yet: its lane waits for `hub center add-key {center} --enrolment FILE`")
    if "witness" not in purposes:
        line(f"it is no witness of HQ's log yet: `hub center add-key {center} --enrolment {center}.witness.note`")


def _ways_in(ctx: typer.Context, where: HubFolder, center: str) -> Ways:
    """Return the ways in that a file is to name. Errors: UsageError, which names the command that has options."""
    try:
        return invitation.ways_in(ctx, where)
    except UsageError as exc:
        raise UsageError(
            f"nothing was done, for the file can't be made yet: {exc}. `hub center add` has none of these options: "
            f"add {center} without --invite, then `hub center invite {center} FILE` with them"
        ) from exc


invitation.add_to(app)


@app.command("list")
def list_centers(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List the centers, what each may report, and its keys. Example: hub center list --json"""
    with hub_folder(ctx, data_dir).snapshot() as now:
        found = now.centers()
    if json:
        as_json([center.model_dump() for center in found])
        return
    table(
        "centers",
        ["id", "name", "country", "direction", "status", "streams", "keys"],
        (
            [
                center.id,
                center.name,
                center.country,
                center.direction,
                center.status,
                " ".join(center.streams),
                "\n".join(f"{key.id} {_purpose(key)} {key.status}" for key in center.keys),
            ]
            for center in found
        ),
    )


@app.command()
def show(ctx: typer.Context, center: CenterId, data_dir: DataDir = None, json: Json = False) -> None:
    """Show one center: what it may report, its keys, how HQ stands with it, what its office says of itself.

    Exit status 0: HQ reads what it sends; 1: it does not, and a line says why.

    Example: hub center show uz --json
    """
    from hub.hq.access import standing as access_standing
    from hub.hq.lookup import find_center
    from hub.hq.pulse import worker_standing
    from hub.hq.status import as_it_lives

    where = hub_folder(ctx, data_dir)
    with where.snapshot() as now:
        found, given = find_center(now, center), now.access()
    stands = as_it_lives(found.standing, worker_standing(where.worker_file, datetime.now(UTC)))
    access = access_standing(found.registered, given)
    if json:
        invited = None if found.invitation is None else found.invitation.model_dump()
        shown_plain = {"registered": found.registered, "standing": stands, "access": access}
        as_json({**{name: model.model_dump() for name, model in shown_plain.items()}, "invitation": invited})
    else:
        invited_as = found.invitation and invitation.invitation_line(found.invitation)
        facts_table({**_facts(found.registered, stands), **access_facts(access), "invitation": invited_as})
        table("keys", ["id", "purpose", "status"], [[k.id, _purpose(k), k.status] for k in found.registered.keys])
    if stands.status not in ("reading", "new"):
        raise typer.Exit(1)


def _facts(registered: RegisteredCenter, standing: IntakeStanding) -> dict[str, object]:
    from hub.hq.alarms import why_line

    said, told = standing.presence, standing.told
    age = None if said is None or said.oldest_s is None else f"{span(said.oldest_s)} old when it said so"
    return {
        "center": registered.id,
        "name": registered.name,
        "registered": registered.status,
        "may report": registered.streams,
        "lane": standing.status,
        "since": told and f"{shown(told.since)} UTC, {ago(told.since)}",
        "why": why_line(standing),
        "open lane": standing.origin,
        "events": standing.events,
        "rejected": standing.rejected,
        "last heard": standing.seen_at and f"{shown(standing.seen_at)} UTC, {ago(standing.seen_at)}",
        "its connector": said and (f"ended: {said.ended}" if said.ended else "runs, as it then said"),
        "its release": said and said.version,
        "its clock then": said and said.time,
        "events that wait": said and said.backlog,
        "oldest of them": age,
        "rows it refused": said and said.refused,
        "is told this": said and ("yes" if said.reads else "no: its release does not read it"),
    }


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
    stream: Annotated[
        list[str] | None,
        typer.Option("--stream", help="What it may report from now on, in place of all before; may be repeated."),
    ] = None,
    add_stream: Annotated[
        list[str] | None, typer.Option("--add-stream", help="A stream that it may report, too; may be repeated.")
    ] = None,
    remove_stream: Annotated[
        list[str] | None,
        typer.Option("--remove-stream", help="A stream that it may not report any more; may be repeated."),
    ] = None,
    quota: Annotated[
        str | None,
        typer.Option(
            "--quota", metavar="RATE", help="What it may write in a second, such as 2MiB; `default` for 1MiB."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take streams away without being asked.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Revise a center, and show what it was and what it is. What is given replaces what was.

    Where this takes streams away, it asks; without a terminal it does nothing and ends with status 2, unless --yes.

    Examples: hub center set uz --add-stream deal · hub center set uz --stream partner --stream offer --yes ·
    hub center set uz --quota 2MiB
    """
    from hub.hq.access import read_rate, write_rate
    from hub.hq.centers import TakesAwayError
    from hub.hq.centers import revise as revise_center
    from hub.hq.profile import Revision
    from hub.kafka.desired import RATE_DEFAULT

    revision = Revision(
        name=name,
        country=country,
        direction=direction,
        zone=zone,
        timezone=timezone,
        languages=tuple(language) if language else None,
        streams=tuple(stream) if stream else None,
        added=tuple(add_stream or ()),
        removed=tuple(remove_stream or ()),
    )
    where = hub_folder(ctx, data_dir)
    rate = None if quota is None else read_rate(quota)  # before anything is done
    before = after = None
    if revision.says_anything or quota is None:
        try:
            done = run_async(revise_center(where, center, revision, takes_away=yes))
        except TakesAwayError as exc:
            if json or not sys.stdin.isatty():
                raise
            confirm(f"{center} could not report {', '.join(exc.streams)} any more. Go on?", abort=True, err=True)
            done = run_async(revise_center(where, center, revision, takes_away=True))
        tell_pinned(is_pinned=done.is_pinned)
        before, after = ({} if each is None else each.model_dump() for each in (done.before, done.center))
    if quota is not None:
        set_quota(where, center, rate, quota)
    if json:
        as_json({"before": before, "after": after, "quota": quota and write_rate(rate or RATE_DEFAULT)})
    elif before is not None and after is not None:
        changes = [[name, before.get(name), after[name]] for name in after if before.get(name) != after[name]]
        line(f"center {center} is revised" if changes else f"center {center} is what it was")
        if changes:
            table("", ["what", "before", "now"], changes)


app.command()(rotate)


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
    from hub.hq import centers

    given = _read_note(enrolment)
    done = run_async(centers.add_key(hub_folder(ctx, data_dir), center, given, replaces_lost=replaces_lost))
    tell_pinned(is_pinned=done.is_pinned)
    line(f"key {done.center.keys[-1].id} of {center} is active")


@app.command("revoke-key")
def revoke_key(
    ctx: typer.Context,
    center: CenterId,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, 8 hex digits (see `hub center list`).")],
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """Revoke a key: what it sealed before stays valid. Example: hub center revoke-key uz 1f2e3d4c --reason lost"""
    from hub.hq import centers

    done = run_async(centers.revoke_key(hub_folder(ctx, data_dir), center, key.lower(), reason))
    tell_pinned(is_pinned=done.is_pinned)
    line(f"key {key} of {center} is revoked: {reason}")


standing.add_to(app)


def _read_note(path: Path) -> bytes:
    """Return an enrolment note's bytes. Errors: UsageError when there is no such file."""
    try:
        return files.read_named(path)
    except OSError as exc:
        raise UsageError(f"{path}: expected the enrolment note that `connector init` made: {exc.strerror}") from exc


def _purpose(key: RegisteredKey) -> str:
    """Return what a key is for, as people read it: a center may seal by two kinds."""
    from hub.protocol.keys import COSIGNATURE_MLDSA44, Verifier

    is_long = Verifier.from_text(key.vkey).algorithm == COSIGNATURE_MLDSA44
    return f"{key.purpose} (ML-DSA-44)" if is_long else key.purpose
