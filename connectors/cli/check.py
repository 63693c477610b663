"""`connector check`: is everything in place, from the settings to HQ's answers?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base.output import as_json, line
from hub.protocol.errors import CohubError, UsageError
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.mapping import Mapping
    from connectors.runtime.link import Link
    from connectors.runtime.registry import OurCenter, Registry
    from hub.domain.stream import EventKind
    from hub.protocol.note import Signer

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
        """Return plain values; the text is in English, and its name is its code."""
        code = self.said.name if isinstance(self.said, Said) else getattr(self.said, "code", None)
        said = f"{self.file}: {self.said}" if self.file else str(self.said)
        return {"name": self.name, "ok": self.ok, "code": code and str(code), "said": said}

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
    center's key. Exit status 1 if anything is wrong.

    Examples:

      connector check

      connector check --json
    """
    from connectors.cli.log import log_beside

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
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _findings(office: OpenedOffice) -> Iterator[Checked]:
    settings = office.settings
    told = said("check.settings", center=settings.center, hub=settings.hub, language=settings.language)
    yield Checked("settings", True, told)
    yield _connector(office)
    yield _try("trust", lambda: _check_trust(office))
    yield _try("key", lambda: _check_key(office))
    yield from _check_mappings(office)
    yield from _check_sheets(office)
    asked = list(_network(office))
    yield from asked
    yield _check_hq(office)
    if all(finding.name != CLOCK for finding in asked):
        yield _clock(office)


def _check_sheets(office: OpenedOffice) -> Iterator[Checked]:
    from connectors.cli.check_sheets import check_sheets

    yield from check_sheets(office)


def _check_hq(office: OpenedOffice) -> Checked:
    from connectors.cli.check_hq import check_hq

    return check_hq(office)


async def _ask_clock(office: OpenedOffice, link: Link, key: Signer) -> list[Checked]:
    from connectors.cli.check_clock import ask_clock

    return await ask_clock(office, link, key)


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

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is in our findings, once
    yield from asyncio.run(_ask_broker(office))


async def _ask_broker(office: OpenedOffice) -> list[Checked]:
    """Return whether the broker answers, whether this center may write and read its topics, and what HQ has of it."""
    from connectors.runtime.link import BrokerAway, Link
    from connectors.runtime.outbox import IN_MEMORY, Outbox
    from hub.base.clients import close
    from hub.protocol.errors import Retriable

    settings = office.settings
    servers = ", ".join(settings.bootstrap)
    found = []
    away: BrokerAway | None = None
    with Outbox(IN_MEMORY) as nowhere:  # the link notes its state in an outbox; a check leaves no trace
        link = Link(settings, nowhere)
        # An idempotent producer is given an id only where it may write.
        for name, topic, connect in (
            ("may write", settings.topic_in, link.producer),
            ("may read", settings.topic_out, link.consumer),
        ):
            client: Any = None
            try:
                client = await connect()
                found.append(Checked(name, True, said("check.topic", topic=topic)))
            except Retriable as exc:
                away = exc if isinstance(exc, BrokerAway) else away
                found.append(Checked(name, False, _told(exc)))
            finally:
                if client is not None:
                    await close(client)
        if away is not None and not any(finding.ok for finding in found):
            return [Checked("broker", False, _told(away))]
        return [
            Checked("broker", True, said("check.answers", servers=servers)),
            *found,
            *await _ask_registry(office, link),
        ]


async def _ask_registry(office: OpenedOffice, link: Link) -> list[Checked]:
    """Return what HQ has of this center: its status, its keys, and whether HQ reads what we write."""
    from connectors.runtime.alarm_name import AlarmName
    from connectors.runtime.alarms import alarm_text
    from connectors.runtime.office import read_office_keys, read_trust
    from connectors.runtime.registry_reader import office_keys, read_registry
    from connectors.runtime.settings import TRUST
    from hub.protocol.errors import Retriable

    try:
        registry = await read_registry(link, read_trust(office.path / TRUST))
        key, long_key, witness = read_office_keys(office.path, office.settings)
    except Retriable as exc:
        return [Checked("registry", None, _told(exc))]
    except UsageError:
        return []  # said already, under key
    if not registry.known:
        return [Checked("registry", None, said("check.no_registry"))]
    if registry.center is None:
        center = office.settings.center
        unknown = said("check.unknown_center", center=center, note=f"{center}.enrolment.note")
        return [Checked("center at HQ", False, unknown), _schemas(office, registry)]
    ours = key.verifier
    alarms = registry.alarms(
        ours,
        {ours.public, *office_keys(office.path)},
        None if long_key is None else long_key.verifier,
        None if witness is None else witness.verifier,
    )
    fine = {
        AlarmName.KEY: said("check.active"),
        AlarmName.LONG_SEALS: said("check.as_wanted"),
        AlarmName.WITNESS_KEY: said("check.active") if witness else said("check.no_witness"),
        AlarmName.FOREIGN_KEY: said("check.none"),
        AlarmName.SUSPENDED: said("check.active"),
    }
    names = {
        AlarmName.KEY: "key at HQ",
        AlarmName.LONG_SEALS: "ML-DSA-44 seals",
        AlarmName.WITNESS_KEY: "witness key at HQ",
        AlarmName.FOREIGN_KEY: "other keys at HQ",
        AlarmName.SUSPENDED: "center at HQ",
    }
    language = office.settings.language
    found = [
        Checked(names[name], alarm is None, fine[name] if alarm is None else alarm_text(alarm, language))
        for name, alarm in alarms.items()
    ]
    found += [_streams(office, registry.center), _schemas(office, registry)]
    if alarms[AlarmName.KEY] is None:
        found += await _ask_clock(office, link, key)
    return found


def _streams(office: OpenedOffice, center: OurCenter) -> Checked:
    """Compare what our mappings are for with what HQ lets this center report: the rest it would reject."""
    try:
        wanted = {mapping.stream for mapping in office.mappings()}
    except CohubError:
        wanted = set()  # said already, under mappings
    not_allowed = sorted(wanted - center.streams)
    if not_allowed:
        return Checked("may report", False, said("check.not_allowed", streams=", ".join(not_allowed)))
    allowed = ", ".join(sorted(center.streams))
    return Checked("may report", True, said("check.allowed", streams=allowed) if allowed else said("check.nothing"))


def _schemas(office: OpenedOffice, registry: Registry) -> Checked:
    """Compare what our mappings write with what HQ has announced.

    A newer version of an event is written where it says more: what it alone can say waits, and nothing else.
    """
    from connectors.runtime.codecs import Codecs
    from hub.domain.catalogue import STREAMS

    try:
        mappings = office.mappings()
    except CohubError:
        mappings = []  # said already, under mappings
    uris = Codecs().dataschemas()
    kinds = [kind for name in {"lane", *(m.stream for m in mappings)} for kind in STREAMS[name].events]
    missing = {kind for kind in kinds if not registry.announced(uris[kind.type])}
    needed = sorted(kind.type for kind in missing if not any(_is_older(other, kind) for other in kinds))
    if needed:
        return Checked("schemas", False, said("check.not_announced", types=", ".join(needed)))
    waits = sorted({m.name for m in mappings if m.persons and any(kind.stream == m.stream for kind in missing)})
    if waits:
        return Checked("schemas", None, said("check.persons_wait", mappings=", ".join(waits)))
    return Checked("schemas", True, said("check.schemas", count=len(kinds) - len(missing)))


def _is_older(kind: EventKind, than: EventKind) -> bool:
    return (kind.stream, kind.name) == (than.stream, than.name) and kind.version < than.version
