"""Control records: what a center says outside its lanes, and whether it is the center's word. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.ledger.keyring import Keyring, Standing
from hub.ledger.reading import Cosignature
from hub.protocol.control import Presence, seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.note import Note
from hub.protocol.record import KafkaRecord
from hub.protocol.witness import ALARM_KIND, COSIGNATURE_KIND, Alarm, log_origin, open_cosigned, witness_key_name

BAD_CONTROL: Final = "BAD_CONTROL"
BAD_COSIGNATURE: Final = "BAD_COSIGNATURE"
_PRESENCE, _ALARM, _COSIGNATURE = b"presence", ALARM_KIND.encode(), COSIGNATURE_KIND.encode()


@dataclass(frozen=True, slots=True)
class Control:
    """What a control record comes to.

    Shapes: GOOD has what it says, or None where it is meant for others; BAD the reason and the detail for quarantine;
            WAITS comes of a key that HQ does not know: it is passed over and counted, for nothing waits for it.
    """

    standing: Standing
    said: Presence | Alarm | Cosignature | None = None
    detail: str = ""
    reason: str = BAD_CONTROL


def read_control(
    kind: bytes | None, record: KafkaRecord, data: bytes, keyring: Keyring, hub: str, center: str
) -> Control:
    """Return what a control record of `center` comes to. Errors: none for any bytes."""
    reason = BAD_COSIGNATURE if kind == _COSIGNATURE else BAD_CONTROL
    try:
        if kind == _COSIGNATURE:
            return _cosignature(record, data, keyring, hub, center)
        if kind in (_PRESENCE, _ALARM):
            return _said_of_itself(kind, record, keyring, hub, center)
    except Malformed as exc:
        return Control(Standing.BAD, detail=str(exc), reason=reason)
    return Control(Standing.BAD, detail="expected a presence, an alarm or a cosignature")


def is_news(said: Presence, before: Presence | None, now: datetime) -> bool:
    """Return whether a presence is newer than the one before it: whoever writes the topic can say an old one again.

    One that was ahead of HQ's clock was by a clock that was wrong: it keeps nothing from being heard that comes later.
    """
    return before is None or said.time > before.time or before.time > now + BROKER_CLOCK_OFF_MAX


def newest_presence(said: Iterable[Presence], before: Presence | None, now: datetime) -> Presence | None:
    """Return the presence that counts after these, which came in this order behind the one before them."""
    for presence in said:
        if is_news(presence, before, now):
            before = presence
    return before


def newest_alarm(said: Iterable[Alarm], before: Alarm | None, now: datetime) -> Alarm | None:
    """Return the alarm that counts after these: what is taken back stays so, though the alarm is said again.

    Of two of one moment the later one counts.
    """
    for alarm in said:
        if before is None or alarm.time >= before.time or before.time > now + BROKER_CLOCK_OFF_MAX:
            before = alarm
    return before


def _said_of_itself(kind: bytes, record: KafkaRecord, keyring: Keyring, hub: str, center: str) -> Control:
    """Read a presence or an alarm, signed by a seal key of the center."""
    note = Note.from_bytes(record.value or b"")
    said = Presence.from_text(note.text) if kind == _PRESENCE else Alarm.from_text(note.text)
    standing, detail = keyring.check(center, seal_key_name(hub, center), note)
    if standing is not Standing.GOOD:
        return Control(standing, detail=detail)
    if said.center != center:
        return Control(Standing.BAD, detail=f"expected one of {center}, got one of {said.center}")
    return Control(Standing.GOOD, said)


def _cosignature(record: KafkaRecord, data: bytes, keyring: Keyring, hub: str, center: str) -> Control:
    """Read a cosignature on HQ's log. What an outside witness signs under its own name is meant for others."""
    said, name = open_cosigned(record.value or b""), witness_key_name(hub, center)
    if said.checkpoint.origin != log_origin(hub):
        detail = f"expected one of {log_origin(hub)}, got one of {said.checkpoint.origin[:100]}"
        return Control(Standing.BAD, detail=detail, reason=BAD_COSIGNATURE)
    if said.line.name != name:
        return Control(Standing.GOOD)
    standing, detail = keyring.check_cosignature(center, name, said.note)
    if standing is not Standing.GOOD:
        return Control(standing, detail=detail, reason=BAD_COSIGNATURE)
    return Control(Standing.GOOD, Cosignature(said, record, data))
