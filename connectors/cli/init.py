"""`connector init`: lay out an office folder, make its keys and the notes that HQ needs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.cli.office import OfficeFolder, write_private
from connectors.cli.speaker import Speaker
from hub.base import durable, files
from hub.base.output import ask

if TYPE_CHECKING:
    from hub.protocol.keys import Signer
    from hub.protocol.trust import Trust
    from schemas.words import Language
    from schemas.words.said import Said


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="FILE", help="The trust file that HQ gave you.")
    ] = None,
    center: Annotated[str | None, typer.Option("--center", help="Your center's id, such as uz; HQ says which.")] = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="HQ's broker; several with commas.")
    ] = None,
    https: Annotated[
        str | None,
        typer.Option(
            "--https", metavar="ADDRESS", help="HQ's way in over HTTPS, https://host[:port]; beside Kafka or alone."
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="zh, en or ru: of all that the office reads.")
    ] = None,
    office: OfficeFolder = Path(),
) -> None:
    r"""Make an office folder: settings, the center's keys, a sample mapping and sheet, and the notes to send to HQ.

    What is not given is asked for. A key that is there is never overwritten.

    Examples:

      connector init

      connector init --trust hub.trust.note --center uz --bootstrap hub.example:9092 --language ru --office D:\cohub

      connector init --trust hub.trust.note --center uz --https https://hub.example:8443
    """
    from connectors.runtime.settings import FILE, make_settings
    from connectors.runtime.told import OfficeError
    from schemas.words.said import said

    settings_path = office / FILE
    if settings_path.exists():
        raise OfficeError("init.there", path=settings_path)
    # The language first: all that follows is asked in it.
    spoken = ask_language(language)
    speaker = Speaker(spoken, office)
    trust_path = trust or Path(_ask(speaker, "--trust", said("init.ask_trust")))
    pinned, note = _open_trust(trust_path)
    data = {
        "hub": pinned.hub,
        "center": center or _ask(speaker, "--center", said("init.ask_center")),
        "bootstrap": bootstrap or ("" if https else _ask(speaker, "--bootstrap", said("init.ask_bootstrap"))),
        "https": {"address": https},
        "language": spoken,
    }
    settings = make_settings(data, "connector init")
    notes = lay_out(office, settings.center, settings.language, pinned, note)
    write_notes(office, notes)
    # The settings come last: a folder without them is tried again, and keeps the keys of the first try.
    text = settings_text(speaker, settings.hub, settings.center, settings.bootstrap, settings.language)
    if settings.https.address is not None:
        text += f'https:\n  address: "{settings.https.address}"\n'
    durable.write(settings_path, text.encode())
    speaker.tell("init.done", center=settings.center, path=office.resolve())
    speaker.tell("init.root_key", key=pinned.root.to_text())
    speaker.tell("init.next")
    speaker.tell("init.send", notes=", ".join(notes), path=office.resolve())
    speaker.tell("init.try_sample")
    speaker.tell("init.own_sheets", path=office.resolve())
    speaker.tell("init.start")


def is_asking() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_language(given: str | None) -> Language:
    """Return the language that was given, or is answered where somebody can be asked. Errors: UsageError."""
    from schemas.words.said import said

    if given is None and is_asking():
        given = _ask(Speaker(), "--language", said("init.ask_language"), "en")
    return _language(given or "en")


def _language(text: str) -> Language:
    """Return the language that an option or an answer names. Errors: UsageError."""
    from connectors.runtime.told import OfficeError
    from schemas.words import LANGUAGES

    for language in LANGUAGES:
        if text == language:
            return language
    raise OfficeError("init.no_language", came=text[:20])


def _ask(speaker: Speaker, option: str, question: Said, default: str | None = None) -> str:
    """Return what a person answers. Errors: UsageError where there is nobody to ask."""
    from connectors.runtime.told import OfficeError

    if not is_asking():
        raise OfficeError("init.required", option=option)
    return ask(speaker.text(question), default)


def _open_trust(path: Path) -> tuple[Trust, bytes]:
    from connectors.runtime.told import OfficeError, os_reason
    from hub.protocol.errors import Malformed
    from hub.protocol.trust import open_trust

    try:
        data = files.read_named(path)
        return open_trust(data), data
    except OSError as exc:
        raise OfficeError("errors.trust_missing", path=path, reason=os_reason(exc)) from exc
    except Malformed as exc:
        raise OfficeError("errors.trust_broken", path=path) from exc


def lay_out(office: Path, center: str, language: Language, pinned: Trust, trust_note: bytes) -> dict[str, bytes]:
    """Make all but the settings; return the enrolment notes by the names of their files. Errors: UsageError."""
    from connectors.cli.sample import write_sample
    from connectors.runtime.pin import write_pin
    from connectors.runtime.settings import SEAL_KEY, TRUST, WITNESS_KEY
    from connectors.runtime.told import OfficeError, os_reason
    from hub.protocol.control import enrolment, key_name
    from hub.protocol.keys import COSIGNATURE_ED25519, ED25519

    kinds = {
        f"{center}.enrolment.note": ("seal", ED25519, office / SEAL_KEY),
        f"{center}.witness.note": ("witness", COSIGNATURE_ED25519, office / WITNESS_KEY),
    }
    notes = {}
    try:
        for folder in (office, office / "mappings", office / "cohub"):
            files.make_folder(folder, under=None if folder == office else office)
        for name, (purpose, algorithm, path) in kinds.items():
            files.make_folder(path.parent, files.PRIVATE_FOLDER, office)
            key = _key(path, key_name(pinned.hub, center, purpose), algorithm)
            notes[name] = enrolment(pinned.hub, center, purpose, key)
        durable.write(office / TRUST, trust_note)
        write_pin(office, pinned.root)
        write_sample(office, language)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc
    return notes


def write_notes(office: Path, notes: Mapping[str, bytes]) -> None:
    """Write the enrolment notes that somebody carries to HQ. Errors: UsageError."""
    from connectors.runtime.told import OfficeError, os_reason

    try:
        for name, data in notes.items():
            durable.write(office / name, data)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc


def _key(path: Path, name: str, algorithm: int) -> Signer:
    """Return a new key of the center's, or the one that an earlier start, which was cut off, has made.

    Errors: UsageError where there is a key of another name or kind: it is never overwritten.
    """
    from hub.protocol.errors import Malformed
    from hub.protocol.keys import Signer

    with contextlib.suppress(OSError, Malformed, UnicodeDecodeError):
        found = Signer.from_text(files.read_text(path))
        if (found.verifier.name, found.verifier.algorithm) == (name, algorithm):
            return found
    made = Signer(name, os.urandom(32), algorithm)
    write_private(path, made.to_text())
    return made


def settings_text(speaker: Speaker, hub: str, center: str, bootstrap: tuple[str, ...], language: Language) -> str:
    """Return the settings of an office as a file that people read."""
    servers = ", ".join(f'"{server}"' for server in bootstrap)
    kafka = f"bootstrap: [{servers}]\n" if servers else ""
    return f"""\
# {speaker.say("init.file_settings")}
hub: {hub}
center: "{center}"
{kafka}language: {language}     # {speaker.say("init.file_language")}
folder: .        # {speaker.say("init.file_folder")}
settle_s: 60     # {speaker.say("init.file_settle")}
"""
