"""`connector check`: is everything in place, from the settings to HQ's answers?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base.obstacle import exit_status, obstacles_in, plain_obstacle
from hub.base.output import as_json, line
from hub.protocol.errors import CohubError
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.mapping import Mapping

CLOCK: Final = "clock"


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at. ok None: it could not be told.

    Shapes: said is a text, or what stands in the office's language already, such as an alarm.
    """

    name: str
    ok: bool | None
    said: Said | str | CohubError
    file: str = ""
    local: str | None = None  # the same in the office's language, where `said` is a sentence

    def plain(self) -> dict[str, Any]:
        """Return plain values; the text is in English, and its name is its code. What is in the way stands apart."""
        code = self.said.name if isinstance(self.said, Said) else getattr(self.said, "code", None)
        said = f"{self.file}: {self.said}" if self.file else str(self.said)
        found = [plain_obstacle(one) for one in obstacles_in(self.said)]
        return {"name": self.name, "ok": self.ok, "code": code and str(code), "said": said, "obstacles": found}

    def text(self, speaker: Speaker) -> str:
        """Return what is said, in the office's language."""
        said = self.said
        text = speaker.error(said) if isinstance(said, CohubError) else speaker.text(self.local or said)
        return f"{self.file}: {text}" if self.file else str(text)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(office: OfficeFolder = Path(), json: Json = False) -> None:
    """Check settings, key, trust, mappings, sheets, the broker, this center's topics, what HQ has of it, and the clock.

    Nothing of the sheets is sent: HQ's broker gets one sign of life, as from a running connector, once HQ has the
    center's key. Exit status 0: nothing is wrong; 1: something is. Where that keeps this office from HQ it is the
    number of what does: 11 nobody listens, 50 name or password, 61 suspended, and so on (docs/obstacles.md has all).

    Examples:

      connector check

      connector check --json
    """
    from connectors.cli.check_standing import is_unconfirmed
    from connectors.cli.log import log_beside

    if is_unconfirmed(office):
        _tell_unconfirmed(as_plain=json)
    log_beside()
    opened = OpenedOffice.open(office)
    findings = list(_findings(opened))
    if json:
        as_json([finding.plain() for finding in findings])
    else:
        speaker = opened.speaker
        for finding in findings:
            mark = speaker.say(f"check.mark_{ {True: 'ok', False: 'fail', None: 'unknown'}[finding.ok] }")
            name = speaker.say(f"check.name_{finding.name.lower().replace(' ', '_').replace('-', '_')}")
            line(f"{mark:<4}  {name}: {finding.text(speaker)}")
    if wrong := [finding.said for finding in findings if finding.ok is False]:
        raise typer.Exit(exit_status(wrong))


def _tell_unconfirmed(*, as_plain: bool) -> NoReturn:
    """Say that HQ has not confirmed this office yet: in every language, for it has no settings that name one."""
    from schemas.words import LANGUAGES

    finding = Checked("center at HQ", False, said("obstacles.unconfirmed"))
    if as_plain:
        as_json([finding.plain()])
    else:
        for language in LANGUAGES:
            line(finding.text(Speaker(language)))
    raise typer.Exit(exit_status([finding.said]))


def _findings(office: OpenedOffice) -> Iterator[Checked]:
    yield _settings(office)
    yield _connector(office)
    yield _service(office)
    yield _try("trust", lambda: _check_trust(office))
    yield _try("key", lambda: _check_key(office))
    yield from _check_mappings(office)
    yield from _check_sheets(office)
    asked = list(_network(office))
    yield from asked
    yield _check_hq(office)
    if all(finding.name != CLOCK for finding in asked):
        yield _clock(office)


def _settings(office: OpenedOffice) -> Checked:
    """Say whose office it is, or that others may read a password that stands in its settings."""
    from connectors.runtime.settings import FILE, is_exposed

    settings = office.settings
    if is_exposed(office.path):
        return Checked("settings", False, said("check.exposed", path=office.path / FILE))
    told = said("check.settings", center=settings.center, hub=settings.hub, language=settings.language)
    return Checked("settings", True, told)


def _check_sheets(office: OpenedOffice) -> Iterator[Checked]:
    from connectors.cli.check_sheets import check_sheets

    yield from check_sheets(office)


def _check_hq(office: OpenedOffice) -> Checked:
    from connectors.cli.check_hq import check_hq

    return check_hq(office)


def _clock(office: OpenedOffice) -> Checked:
    from connectors.cli.check_clock import check_clock

    return check_clock(office)


def _try(name: str, look: Callable[[], Said]) -> Checked:
    try:
        return Checked(name, True, look())
    except CohubError as exc:
        return Checked(name, False, _told(exc))


def _told(exc: CohubError) -> Said:
    from connectors.runtime.told import told_of

    return told_of(exc)


def _connector(office: OpenedOffice) -> Checked:
    """Say whether the connector lives, or how the last one ended."""
    from connectors.runtime.life import look
    from connectors.runtime.local_time import show_time

    vital = look(office.path, office.outbox)
    life = vital.life
    if vital.standing == "running":
        return Checked("connector", True, said("check.running"))
    if life is None:
        return Checked("connector", None, said("check.never_ran"))
    if vital.standing == "killed":
        return Checked("connector", False, said("check.killed", at=show_time(life.seen_at)))
    assert life.ended is not None
    at = show_time(life.ended.at)
    if life.ended.is_wished:
        return Checked("connector", None, said("check.stopped", at=at))
    return Checked("connector", False, said("check.ended", at=at, why=life.ended.why))


def _service(office: OpenedOffice) -> Checked:
    """Say whether the system keeps the connector running; where it does not, a person may have wanted it so."""
    from connectors.cli.service import find_service

    state, text, _ = find_service(office)
    return Checked("service", True if state == "installed" else None, text)


def _check_trust(office: OpenedOffice) -> Said:
    from connectors.runtime.office import read_trust
    from connectors.runtime.pin import check_pin
    from connectors.runtime.settings import TRUST
    from connectors.runtime.told import OfficeError

    trust = read_trust(office.path / TRUST)
    check_pin(office.path, trust)
    if trust.hub != office.settings.hub:
        path, expected = office.path / TRUST, office.settings.hub
        raise OfficeError("errors.other_hub", path=path, found=trust.hub, expected=expected)
    return said("check.trust", key=trust.receipts[-1].to_text())


def _check_key(office: OpenedOffice) -> Said:
    from connectors.runtime.office import read_key
    from connectors.runtime.settings import SEAL_KEY
    from connectors.runtime.told import OfficeError
    from hub.protocol.control import seal_key_name

    key = read_key(office.path / SEAL_KEY)
    expected = seal_key_name(office.settings.hub, office.settings.center)
    if key.name != expected:
        raise OfficeError("errors.key_others", path=office.path / SEAL_KEY, found=key.name, expected=expected)
    return said("check.key", key=key.verifier.to_text())


def _check_mappings(office: OpenedOffice) -> Iterator[Checked]:
    """Yield what is wrong with each mapping, and which are good."""
    from connectors.mapping import compile_mapping

    good: list[str] = []
    bad: dict[str, Said] = {}
    mappings: list[Mapping] = []
    try:
        bad = office.bad_mappings()
        mappings = office.mappings()
    except CohubError as exc:
        if not bad:
            yield Checked("mappings", False, _told(exc))
    for mapping in mappings:
        try:
            compile_mapping(mapping, office.settings.center)
            good.append(f"{mapping.name} ({mapping.stream})")
        except CohubError as exc:
            bad[mapping.name] = _told(exc)
    if good:
        yield Checked("mappings", True, said("check.mappings", names=", ".join(good)))
    for _, wrong in sorted(bad.items()):
        yield Checked("mappings", False, wrong)


def _network(office: OpenedOffice) -> Iterator[Checked]:
    import logging

    from connectors.cli.check_broker import ask_broker
    from connectors.cli.check_way import ask_https
    from connectors.runtime.settings import Way

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our findings, once
    ways = office.settings.ways
    found = asyncio.run(ask_broker(office)) if Way.KAFKA in ways else []
    if Way.HTTPS in ways and not any(finding.name == "broker" and finding.ok for finding in found):
        found = asyncio.run(ask_https(office, found))
    yield from found
