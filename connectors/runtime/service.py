"""Keeps a connector running by what the system has for it: installs the service, takes it away, says how it is.

What the system is given is a file of the user's: where it lies, and by which commands the system is told of it, is all
that systems differ in. It is written before the system is told, and taken away after it: whatever breaks off between,
the same command again finishes it, and until then `look` says that the service is not switched on.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from connectors.runtime.service_text import AGENT, Service, System, Unwritable, service_bytes
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.told import OfficeError, os_reason
from hub.base import durable, files

State = Literal["installed", "off", "other", "none"]
COMMAND_S: Final = 60.0
AGAIN_S: Final = 1.0
SYSTEMS: Final[Mapping[str, System]] = {"linux": "linux", "darwin": "macos", "win32": "windows"}
ENDINGS: Final[Mapping[System, str]] = {"linux": ".service", "macos": ".plist", "windows": ".xml"}
LINGERS: Final = Path("/var/lib/systemd/linger")


@dataclass(frozen=True, slots=True)
class Step:
    """A command that tells the system something. It may be refused; or it is tried again for so long."""

    words: tuple[str, ...]
    may_fail: bool = False
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Keeper:
    """What keeps programs running on one system, for one user.

    Shapes: folder is where the system's files of this user lie; user is who logs on, as Windows names people; uid is
            the user's number, as launchd does.
    """

    system: System
    folder: Path
    user: str = ""
    uid: int = 0

    @classmethod
    def here(cls, environment: Mapping[str, str]) -> Keeper:
        """Return this computer's. Errors: OfficeError where there is none that we know."""
        system = SYSTEMS.get(sys.platform)
        if system is None:
            raise OfficeError("service.no_system", system=sys.platform)
        home = Path.home()
        if system == "windows":
            base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
            domain, name = environment.get("USERDOMAIN", ""), environment.get("USERNAME") or getpass.getuser()
            return cls(system, base / "cohub" / "services", f"{domain}\\{name}" if domain else name)
        if system == "macos":
            return cls(system, home / "Library" / "LaunchAgents", uid=os.getuid())
        named = Path(environment.get("XDG_CONFIG_HOME", ""))
        base = named if named.is_absolute() else home / ".config"
        return cls(system, base / "systemd" / "user")

    @property
    def program(self) -> str:
        """The system's own program that is told."""
        return {"linux": "systemctl", "macos": "launchctl", "windows": "schtasks"}[self.system]

    def path(self, name: str) -> Path:
        """Return where the file of a service lies."""
        return self.folder / f"{AGENT if self.system == 'macos' else ''}{name}{ENDINGS[self.system]}"

    def names(self, key: str) -> list[str]:
        """Return the names of the services that are there for an office folder, whatever its center was."""
        ending, start = f"-{key}{ENDINGS[self.system]}", self.path("cohub-connector-").stem
        try:
            found = [entry.name for entry in files.entries(self.folder)]
        except OSError:
            return []
        kept = [each for each in found if each.startswith(start) and each.endswith(ending)]
        return [each.removeprefix(AGENT).removesuffix(ENDINGS[self.system]) for each in kept]

    def text(self, service: Service) -> bytes:
        """Return the file of a service. Errors: OfficeError for a path that it can't hold."""
        try:
            return service_bytes(service, self.system, self.user)
        except Unwritable as exc:
            raise OfficeError("service.bad_path", path=str(exc)) from exc

    def starting(self, name: str, *, anew: bool, patience_s: float = 0.0) -> list[Step]:
        """Return how the system is told to keep a service running. With `anew` what runs of it is started again."""
        if self.system == "linux":
            unit = f"{name}.service"
            return [
                Step(("systemctl", "--user", "daemon-reload")),
                Step(("systemctl", "--user", "enable", unit)),
                # It is not waited for until it says that it is ready: what keeps it from that, its log has.
                Step(("systemctl", "--user", "restart" if anew else "start", "--no-block", unit)),
            ]
        if self.system == "macos":
            domain, agent, path = f"gui/{self.uid}", f"gui/{self.uid}/{AGENT}{name}", str(self.path(name))
            ends = [Step(("launchctl", "bootout", agent), may_fail=True)] if anew else []
            return [
                *ends,
                Step(("launchctl", "enable", agent)),
                # An agent that is just ending can't be started, but in a moment; one that runs can't be started again.
                Step(("launchctl", "bootstrap", domain, path), may_fail=not anew, patience_s=patience_s if anew else 0),
                Step(("launchctl", "print", agent)),
            ]
        ends = [Step(("schtasks", "/End", "/TN", name), may_fail=True)] if anew else []
        return [
            *ends,
            Step(("schtasks", "/Create", "/TN", name, "/XML", str(self.path(name)), "/F")),
            Step(("schtasks", "/Run", "/TN", name)),
        ]

    def ending(self, name: str) -> list[Step]:
        """Return how the system is told to end a service, and to forget it."""
        if self.system == "linux":
            return [Step(("systemctl", "--user", "disable", "--now", f"{name}.service"), may_fail=not self.is_on(name))]
        if self.system == "macos":
            return [Step(("launchctl", "bootout", f"gui/{self.uid}/{AGENT}{name}"), may_fail=True)]
        return [
            Step(("schtasks", "/End", "/TN", name), may_fail=True),
            Step(("schtasks", "/Delete", "/TN", name, "/F"), may_fail=not self.is_on(name)),
        ]

    def is_on(self, name: str) -> bool:
        """Return whether the system knows a service whose file is there, so that it starts it."""
        if self.system == "linux":
            return os.path.lexists(self.folder / "default.target.wants" / f"{name}.service")
        if self.system == "macos":
            return True  # whatever lies in that folder is started
        return _run(Step(("schtasks", "/Query", "/TN", name))) is None

    def starts_without_logon(self) -> bool:
        """Return whether it starts with the computer, before its user logs on."""
        try:
            return self.system == "linux" and (LINGERS / getpass.getuser()).exists()
        except (KeyError, OSError):  # a user without a name, as containers have them
            return False


def office_key(office: Path, system: System) -> str:
    """Return eight hex digits that tell an office's folder from all others of this computer."""
    name = str(office.resolve())
    if system != "linux":  # the same folder, however its name is typed
        name = unicodedata.normalize("NFC", name).casefold()
    return sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def service_of(office: Path, settings: ConnectorSettings, system: System, program: tuple[str, ...]) -> Service:
    """Return the service that an office is to have. Shapes: program is how a connector is started."""
    words = (*program, "run", "--quiet", "--office", str(office.resolve()))
    return Service(settings.center, settings.hub, office_key(office, system), words, settings.end_s)


def look(keeper: Keeper, service: Service) -> State:
    """Return whether an office has its service: `other`, where it starts another copy than this one; `off`, if the
    system was not told, or was told to forget it.
    """
    try:
        found = files.read(keeper.path(service.name))
    except OSError:
        return "none"
    if not keeper.is_on(service.name):
        return "off"
    return "installed" if found == keeper.text(service) else "other"


def install(keeper: Keeper, service: Service) -> bool:
    """Have the system keep a connector running; return whether anything was new. Errors: OfficeError."""
    _require(keeper)
    text, path = keeper.text(service), keeper.path(service.name)
    is_new = look(keeper, service) != "installed"
    for name in keeper.names(service.key):
        if name != service.name:  # of another center, which this folder was the office of
            _end(keeper, name)
    if is_new:
        try:
            files.make_folder(path.parent)
            durable.write(path, text, mode=files.PRIVATE)
        except OSError as exc:
            raise OfficeError("errors.unwritable", path=path, reason=os_reason(exc)) from exc
    _tell(keeper.starting(service.name, anew=is_new, patience_s=service.end_s + 15))
    return is_new


def uninstall(keeper: Keeper, key: str) -> list[Path]:
    """Have the system end and forget an office's connector; return the files that were there. Errors: OfficeError."""
    names = keeper.names(key)
    if names:
        _require(keeper)
    return [_end(keeper, name) for name in names]


def _end(keeper: Keeper, name: str) -> Path:
    path = keeper.path(name)
    _tell(keeper.ending(name))
    try:
        files.remove(path)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=path, reason=os_reason(exc)) from exc
    if keeper.system == "linux":
        _tell([Step(("systemctl", "--user", "daemon-reload"), may_fail=True)])
    return path


def _require(keeper: Keeper) -> None:
    if shutil.which(keeper.program) is None:
        raise OfficeError("service.no_manager", program=keeper.program)


def _tell(steps: list[Step]) -> None:
    for step in steps:
        ends = time.monotonic() + step.patience_s
        while (refused := _run(step)) is not None and time.monotonic() < ends:
            time.sleep(AGAIN_S)
        if refused is not None and not step.may_fail:
            raise OfficeError("service.refused", command=" ".join(step.words), detail=refused)


def _run(step: Step) -> str | None:
    """Return why the system refuses a command; None where it does not."""
    try:
        done = subprocess.run(
            step.words, capture_output=True, text=True, errors="replace", timeout=COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    if not done.returncode:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1] if said else f"exit status {done.returncode}"
