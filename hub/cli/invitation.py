"""`hub center invite`, `confirm`, `withdraw`: an office enrols by one file, and one telephone call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.base.output import as_json, ask, line, note, shown, table
from hub.base.shell import command
from hub.cli.options import DataDir, Json, hub_folder, hub_settings, run_async
from hub.cli.standing import tell_pinned

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.hq.invitations import Invited
    from hub.protocol.fingerprint import Fingerprint
    from hub.protocol.invitation import HttpsWay, KafkaWay
    from hub.store.read.invitations import InvitationStanding

    Ways = tuple[KafkaWay | None, HttpsWay | None]

CenterId = Annotated[str, typer.Argument(metavar="ID", help="The center's id, such as uz.")]
Bootstrap = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Where offices find the brokers. Default: where HQ does."),
]
Https = Annotated[
    str | None,
    typer.Option("--https", metavar="URL", help="Where offices find `hub web`. Default: web.public of hub.yaml."),
]
HttpsAlone = Annotated[bool, typer.Option("--https-alone", help="Name no brokers: the office comes by HTTPS.")]
Ca = Annotated[
    str | None,
    typer.Option("--ca", metavar="FILE", help="The brokers' authority, or `system`. Default: the one that HQ knows."),
]
HttpsCa = Annotated[
    str | None,
    typer.Option("--https-ca", metavar="FILE", help="That of `hub web`, or `system`. Default: the hub's own."),
]
Protocol = Annotated[
    str | None,
    typer.Option("--protocol", help="How offices speak to the brokers, such as SASL_SSL. Default: as HQ does."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of `hub center`."""
    app.command()(invite)
    app.command()(confirm)
    app.command()(withdraw)


def invite(
    ctx: typer.Context,
    center: CenterId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; none is overwritten.")],
    bootstrap: Bootstrap = None,
    https: Https = None,
    https_alone: HttpsAlone = False,
    ca: Ca = None,
    https_ca: HttpsCa = None,
    protocol: Protocol = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Invite the office of a registered center: one file, good for one office and 72 hours.

    Whoever has the file can ask to be this center, so hand it over by a way that you trust. You confirm the office by
    telephone (`hub center confirm`); then the file is worthless.

    Examples: hub center invite uz uz.cohub · hub center invite uz uz.cohub --https https://hub.example
    """
    where = hub_folder(ctx, data_dir)
    ways = ways_in(
        ctx, where, bootstrap=bootstrap, https=https, https_alone=https_alone, ca=ca, https_ca=https_ca,
        protocol=protocol,
    )  # fmt: skip
    made = make_file(where, center, file, ways)
    if json:
        as_json(invited_row(made))
        return
    tell_invited(made)


def ways_in(
    ctx: typer.Context,
    where: HubFolder,
    *,
    bootstrap: str | None = None,
    https: str | None = None,
    https_alone: bool = False,
    ca: str | None = None,
    https_ca: str | None = None,
    protocol: str | None = None,
) -> Ways:
    """Return the ways in that a file is to name. Errors: UsageError for what is not known, or no way in."""
    from hub.hq.ways import https_way, kafka_way
    from hub.protocol.errors import UsageError

    settings = hub_settings(ctx, where).settings
    https = https or next(iter(settings.web.public), None)
    if https_alone and https is None:
        raise UsageError("--https-alone: expected --https beside it, or web.public in hub.yaml, which says where")
    kafka = None if https_alone else kafka_way(where, settings, bootstrap, ca, protocol)
    return kafka, None if https is None else https_way(where, settings, https, https_ca)


def make_file(where: HubFolder, center: str, file: Path, ways: Ways) -> Invited:
    """Make the file by which a center's office joins. Errors: those of the use case."""
    from hub.hq import invitations
    from hub.hq.ways import is_for_this_machine

    kafka, https = ways
    made = run_async(invitations.invite(where, center, file, kafka, https))
    if kafka is not None and is_for_this_machine(kafka):
        note(
            f"the file names {', '.join(kafka.bootstrap)}, which offices on other machines can't reach: for those, "
            "withdraw it, and name HQ's address (--bootstrap, or the broker's in hub.yaml)"
        )
    return made


def invited_row(made: Invited) -> dict[str, Any]:
    """Return an invitation for programs."""
    return {
        "center": made.center,
        "invitation": made.id,
        "file": made.file,
        "expires_at": made.expires_at,
        "root": words_row(made.root),
    }


def tell_invited(made: Invited) -> None:
    """Print what was made, and what comes next."""
    line(f"{made.file} invites the office of {made.center} until {shown(made.expires_at)} UTC")
    line("hand it over by a way that you trust: whoever has it can ask to be this center")
    join = command("connector", "join", made.file.name)
    line(f"the office runs `{join}`, and calls you. Read these words to it, HQ's root key:")
    tell_words(made.root)
    line(f"then have it read its own words to you: `hub center confirm {made.center}`")


def confirm(
    ctx: typer.Context,
    center: CenterId,
    words: Annotated[
        str | None,
        typer.Option("--words", help="What the office read out: its six words, their first four letters, or numbers."),
    ] = None,
    replaces_lost: Annotated[
        bool, typer.Option("--replaces-lost", help="The center has keys already, and its new ones replace lost ones.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let in the office that has asked to be this center, when its words are those that it reads to you.

    Without --words it asks for them. Broken off, it goes on when it is said again.

    Exit status 0: the office is let in; 2: it is not, and a line says why, such as other words, or two requests.

    Example: hub center confirm uz --words "zebra 0012 neutral 1999 front 0742"
    """
    from hub.hq import invitations
    from hub.protocol.errors import Malformed, UsageError
    from hub.protocol.fingerprint import Fingerprint

    where = hub_folder(ctx, data_dir)
    asked = run_async(invitations.look(where, center))
    if words is None and (json or not sys.stdin.isatty()):
        raise UsageError(f"expected --words with what the office of {center} read to you: nobody is asked here")
    if words is None and asked.request is not None:
        line("1. Read HQ's words to the office. It must see the same on its screen:")
        tell_words(asked.root)
        line("2. Have the office read its words to you, and type them as you hear them, or their numbers.")
        words = ask(f"the words of {center}")
    try:
        spoken = Fingerprint.from_text(words or "")
    except Malformed as exc:
        if asked.request is None:
            spoken = asked.root  # what stands against it is said first: there is nothing to compare
        else:
            raise UsageError(f"--words: {exc}") from exc
    done = run_async(invitations.confirm(where, center, spoken, replaces_lost=replaces_lost))
    if json:
        as_json({"center": done.center.model_dump(), "added": done.added, "credential": done.version})
        return
    line(f"center {center} is confirmed: its office goes on by itself, and the file is worthless")
    line(f"keys added: {', '.join(done.added) or 'none, HQ has them already'}")
    tell_pinned(is_pinned=done.is_pinned)


def withdraw(ctx: typer.Context, center: CenterId, data_dir: DataDir = None, json: Json = False) -> None:
    """Take a center's invitation back: its file opens nothing any more.

    Of one that was confirmed, and used by somebody else afterwards, this takes note: the alarm ends.

    Example: hub center withdraw uz
    """
    from hub.hq import invitations

    done = run_async(invitations.withdraw(hub_folder(ctx, data_dir), center))
    if json:
        as_json(done.model_dump())
    elif done.stage == "withdrawn":
        line(f"the invitation {done.id} of {center} is withdrawn; `hub center invite {center} FILE` makes another")
    else:
        line(f"noted: the file of {center} was used once more after it was confirmed, and opened nothing")


def words_row(words: Fingerprint) -> dict[str, Any]:
    """Return a fingerprint for programs."""
    return {"words": list(words.words), "numbers": list(words.numbers)}


def tell_words(words: Fingerprint) -> None:
    """Print a fingerprint so that it can be read out: a number and a word a line."""
    table("", ["", "number", "word"], [[place, number, word] for place, (number, word) in enumerate(words.pairs(), 1)])


def invitation_line(found: InvitationStanding) -> str:
    """Return in one line how an invitation stands, and what a person does about it."""
    from hub.hq.alarms import HqAlarm, alarm_line

    center, until = found.center, f"until {shown(found.expires_at)} UTC"
    if found.unfinished:
        return f"confirming {center} was broken off: `hub center confirm {center}` goes on"
    match found.stage:
        case "invited":
            return f"invited {until}; nobody has asked yet"
        case "asked":
            return f"its office has asked to join, {until}: call it, and `hub center confirm {center}`"
        case "contested":
            return alarm_line(HqAlarm.INVITATION_CONTESTED, center=center, at=shown(found.other_at))
        case "expired":
            return f"its invitation expired at {shown(found.expires_at)} UTC: `hub center invite {center} FILE`"
        case "confirmed" if found.alarm:
            return alarm_line(HqAlarm.INVITATION_REUSED, center=center, at=shown(found.other_at))
        case _:
            return f"{found.stage} at {shown(found.ended_at)} UTC"
