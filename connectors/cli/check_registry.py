"""What `connector check` says of what HQ has of this center: its status, its keys, its streams, its schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connectors.cli.check import Checked
from connectors.cli.office import OpenedOffice
from hub.protocol.errors import CohubError
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.runtime.registry import OurCenter, Registry
    from hub.domain.stream import EventKind
    from hub.protocol.note import Signer

Keys = tuple["Signer", "Signer | None", "Signer | None"]


def check_registry(office: OpenedOffice, registry: Registry, keys: Keys, standing: Said | None) -> Iterator[Checked]:
    """Yield what HQ has of this center, as its sealed lane says.

    Shapes: keys are those for seals, for the second signature and for cosignatures; standing is what keeps HQ from
            reading this center, None where nothing does.
    """
    from connectors.runtime.alarm_name import AlarmName
    from connectors.runtime.alarms import alarm_text
    from connectors.runtime.registry_reader import office_keys

    if registry.center is None:
        center = office.settings.center
        unknown = said("obstacles.unregistered", center=center, note=f"{center}.enrolment.note")
        yield Checked("center at HQ", False, unknown)
        yield check_schemas(office, registry)
        return
    key, long_key, witness = keys
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
    for name, alarm in alarms.items():
        told = standing if name is AlarmName.SUSPENDED and standing is not None else None
        text = fine[name] if alarm is None else told or alarm_text(alarm, language)
        yield Checked(names[name], alarm is None, text)
    yield check_streams(office, registry.center)
    yield check_schemas(office, registry)


def check_streams(office: OpenedOffice, center: OurCenter) -> Checked:
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


def check_schemas(office: OpenedOffice, registry: Registry) -> Checked:
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
