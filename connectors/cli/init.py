"""`connector init`: lay out an office folder, make its keys and the notes that HQ needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.cli.office import OfficeFolder, write_private
from hub.base.output import line
from hub.protocol.errors import Malformed, UsageError

if TYPE_CHECKING:
    from hub.protocol.trust import Trust
    from schemas.words import Language


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
    language: Annotated[str | None, typer.Option("--language", help="zh, en or ru: of the verdict files.")] = None,
    office: OfficeFolder = Path(),
) -> None:
    r"""Make an office folder: settings, the center's keys, a sample mapping and sheet, and the notes to send to HQ.

    What is not given is asked for. A key that is there is never overwritten.

    Examples:

      connector init

      connector init --trust hub.trust.note --center uz --bootstrap hub.example:9092 --language ru --office D:\cohub
    """
    from connectors.runtime.settings import FILE, make_settings

    settings_path = office / FILE
    if settings_path.exists():
        raise UsageError(
            f"{settings_path} is there already: this folder is an office; edit that file, or use another folder"
        )
    trust_path = trust or Path(_ask("--trust", "HQ's trust file"))
    pinned, note = _open_trust(trust_path)
    data = {
        "hub": pinned.hub,
        "center": center or _ask("--center", "Your center's id"),
        "bootstrap": bootstrap or _ask("--bootstrap", "HQ's broker (host:port)"),
        "language": language or (_ask("--language", "Language (zh, en, ru)", "en") if _is_asking() else "en"),
    }
    settings = make_settings(data, "connector init")
    notes = _lay_out(office, settings.center, settings.language, pinned, note)
    # The settings come last: a folder without them can be tried again, once the keys of the first try are removed.
    settings_path.write_text(
        _settings_text(settings.hub, settings.center, settings.bootstrap, settings.language), "utf-8"
    )
    line(f"the office of {settings.center} is in {office.resolve()}")
    line(f"HQ's root key, to be compared with what HQ told you: {pinned.root.to_text()}")
    line(f"1. send {' and '.join(notes)} to HQ; they hold no secret")
    line(f"2. look at sample/ and mappings/, and put your own sheets into {office.resolve()}")
    line("3. connector check, connector preview, connector run")


def _is_asking() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(option: str, question: str, default: str | None = None) -> str:
    """Return what a person answers. Errors: UsageError where there is nobody to ask."""
    if not _is_asking():
        raise UsageError(f"{option} is required where nobody can be asked; see `connector init --help`")
    return str(typer.prompt(question, default=default)).strip()


def _open_trust(path: Path) -> tuple[Trust, bytes]:
    from hub.protocol.trust import open_trust

    try:
        data = path.read_bytes()
        return open_trust(data), data
    except OSError as exc:
        raise UsageError(f"cannot read the trust file {path}: {exc.strerror}") from exc
    except Malformed as exc:
        raise UsageError(f"{path}: {exc}; ask HQ for the file again") from exc


def _lay_out(office: Path, center: str, language: Language, pinned: Trust, trust_note: bytes) -> list[str]:
    """Make all but the settings; return the names of the enrolment notes."""
    from connectors.cli.sample import write_sample
    from connectors.runtime.settings import SEAL_KEY, TRUST, WITNESS_KEY
    from hub.protocol.control import enrolment, key_name
    from hub.protocol.keys import COSIGNATURE_ED25519, ED25519, Signer

    kinds = {
        f"{center}.enrolment.note": ("seal", ED25519, office / SEAL_KEY),
        f"{center}.witness.note": ("witness", COSIGNATURE_ED25519, office / WITNESS_KEY),
    }
    try:
        for folder in (office, office / "mappings", office / "cohub"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, (purpose, algorithm, path) in kinds.items():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            key = Signer(key_name(pinned.hub, center, purpose), os.urandom(32), algorithm)
            write_private(path, key.to_text())
            (office / name).write_bytes(enrolment(pinned.hub, center, purpose, key))
        (office / TRUST).write_bytes(trust_note)
        write_sample(office, language)
    except OSError as exc:
        raise UsageError(f"cannot write in {office}: {exc.strerror or exc}") from exc
    return list(kinds)


def _settings_text(hub: str, center: str, bootstrap: tuple[str, ...], language: Language) -> str:
    servers = ", ".join(f'"{server}"' for server in bootstrap)
    return f"""\
# The settings of this office's connector. Everything that is not here has a default.
hub: {hub}
center: "{center}"
bootstrap: [{servers}]
language: {language}     # of the verdict files: zh, en or ru
folder: .        # where the sheets are; a share of another machine works too
settle_s: 60     # a row is taken once nobody has changed it for so long
"""
