"""`connector install-service`, `connector uninstall-service`: this office's connector, kept running by the system."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice
from connectors.cli.speaker import speaker_for
from hub.base.output import line
from hub.base.shell import command
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.runtime.service import Keeper, Step
    from connectors.runtime.service_text import Service

Print = Annotated[bool, typer.Option("--print", help="Show what would be written and told, and do nothing.")]
# What a person may have set in a terminal, and a service does not see.
OVERRIDES: Final = "COHUB_CONNECTOR_"
NETWORK: Final = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("install-service")(install_service)
    app.command("uninstall-service")(uninstall_service)


def install_service(print_only: Print = False, office: OfficeFolder = Path()) -> None:
    r"""Have this computer keep the connector of this office running, from each logon on and after each end.

    It takes systemd on Linux, launchd on macOS and the Task Scheduler on Windows, for the user who types it; no
    administrator is needed. Typed again, it takes this copy of the connector in place of the one before.

    Examples:

      connector install-service

      connector install-service --print

      connector install-service --office D:\cohub
    """
    from connectors.runtime import service
    from connectors.runtime.life import look

    opened = OpenedOffice.open(office)
    speaker = opened.speaker
    _require_own(opened.path)
    keeper = service.Keeper.here(os.environ)
    wanted = _wanted(opened, keeper)
    if print_only:
        _print(str(keeper.path(wanted.name)), keeper.text(wanted), keeper.starting(wanted.name, anew=True))
        return
    runs = look(opened.path, opened.outbox).standing == "running"
    is_new = service.install(keeper, wanted)
    path = keeper.path(wanted.name)
    speaker.tell("service.done" if is_new else "service.was_there", center=wanted.center, path=path)
    if is_new and runs:
        speaker.tell("service.runs_already")
    if keeper.system == "linux" and not keeper.starts_without_logon():
        speaker.tell("service.linger")
    if names := unseen(os.environ):
        speaker.tell("service.environment", names=", ".join(names))
    speaker.tell("service.see")


def uninstall_service(print_only: Print = False, office: OfficeFolder = Path()) -> None:
    r"""Stop the connector of this office, and have this computer start it no more. Works where the folder is gone, too.

    Nothing else is taken away: sheets, outbox and keys stay.

    Examples:

      connector uninstall-service

      connector uninstall-service --office D:\cohub
    """
    from connectors.runtime import service

    speaker = speaker_for(["--office", str(office)], os.environ)
    keeper = service.Keeper.here(os.environ)
    key = service.office_key(office, keeper.system)
    if print_only:
        for name in keeper.names(key):
            _print(str(keeper.path(name)), b"", keeper.ending(name))
        return
    removed = service.uninstall(keeper, key)
    for path in removed:
        speaker.tell("service.removed", path=path)
    if not removed:
        speaker.tell("service.was_none", path=office.resolve())


def find_service(office: OpenedOffice) -> tuple[str, Said, Path | None]:
    """Return whether this office's connector is kept running: a state, its text, and the system's file.

    Shapes: state is `installed`, `off`, `other`, `none`, or `unknown` where this system has nothing that we know.
    """
    from connectors.runtime import service
    from hub.protocol.errors import CohubError

    try:
        keeper = service.Keeper.here(os.environ)
        wanted = _wanted(office, keeper)
        state, path = service.look(keeper, wanted), keeper.path(wanted.name)
    except CohubError as exc:
        from connectors.runtime.told import told_of

        return "unknown", told_of(exc), None
    return state, said(f"service.is_{state}", path=path), path


def unseen(environment: Mapping[str, str]) -> list[str]:
    """Return the names of what is set in a terminal that a service would not see."""
    return sorted(name for name in environment if name.startswith(OVERRIDES) or name.upper() in NETWORK)


def _wanted(office: OpenedOffice, keeper: Keeper) -> Service:
    from connectors.cli.program import own_file, service_words
    from connectors.runtime.service import service_of

    program = service_words(own_file(), windows=keeper.system == "windows")
    return service_of(office.path, office.settings, keeper.system, program)


def _require_own(office: Path) -> None:
    """Errors: OfficeError where the folder is another user's: a service of ours could not keep its keys private."""
    from connectors.runtime.told import OfficeError

    if sys.platform != "win32" and office.stat().st_uid != os.geteuid():
        raise OfficeError("service.others_folder", path=office.resolve())


def _print(path: str, text: bytes, steps: list[Step]) -> None:
    line(f"# {path}")
    for each in text.decode("utf-16" if text.startswith(b"\xff\xfe") else "utf-8").splitlines():
        line(each)
    for step in steps:
        line(f"$ {command(*step.words)}")
