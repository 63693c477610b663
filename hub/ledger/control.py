"""Control records: what a center says outside its lanes, and whether it is the center's word. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self

from hub.ledger.keyring import Keyring, Standing
from hub.ledger.reading import Cosignature
from hub.protocol.control import Presence, seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.limits import BROKER_CLOCK_OFF_MAX
from hub.protocol.moment import from_us, to_us
from hub.protocol.note import Note
from hub.protocol.record import KafkaRecord
from hub.protocol.witness import (
    ALARM_KIND,
    COSIGNATURE_KIND,
    LENT_LOG_KIND,
    LENT_RECEIPT_KIND,
    Alarm,
    log_origin,
    open_cosigned,
    witness_key_name,
)

BAD_CONTROL: Final = "BAD_CONTROL"
BAD_COSIGNATURE: Final = "BAD_COSIGNATURE"
AHEAD_MAX: Final = 4_096  # a presence of every 30 s by a clock that is a day ahead, and more
_LENT: Final = frozenset({LENT_RECEIPT_KIND.encode(), LENT_LOG_KIND.encode()})
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
    if kind in _LENT:
        return Control(Standing.GOOD)  # HQ's own words: who needs them reads them (hub/worker/owing.py)
    try:
        if kind == _COSIGNATURE:
            return _cosignature(record, data, keyring, hub, center)
        if kind in (_PRESENCE, _ALARM):
            return _said_of_itself(kind, record, keyring, hub, center)
    except Malformed as exc:
        return Control(Standing.BAD, detail=str(exc), reason=reason)
    return Control(Standing.BAD, detail="expected a presence, an alarm or a cosignature")


@dataclass(frozen=True, slots=True)
class SignedTimes:
    """By which times the notes of one kind were signed that HQ has heard of a center: by them an old one is known.

    Whoever can write the topic can say each of them again, at any time, in any order.

    Shapes: `right` is the newest that was not ahead of HQ's clock when it came, None before there is one. `ahead` are
            those that were, later than `right`, in their order. Such a clock was wrong: what it signed is heard once,
            and keeps nothing from being heard that comes later. Of more than AHEAD_MAX the latest are remembered, and
            what is ahead and before all of them is not heard.
    """

    right: datetime | None = None
    ahead: tuple[datetime, ...] = ()

    @classmethod
    def of(cls, time: datetime | None, now: datetime) -> Self:
        """Return what is known where nothing but the newest note was kept, signed by this time."""
        return cls() if time is None else cls().heard(time, now) or cls()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the times that `to_text` has written. Errors: ValueError, OverflowError."""
        right, *ahead = text.split(" ")
        times = sorted(from_us(int(time_us)) for time_us in ahead)
        return cls(None if right == "-" else from_us(int(right)), tuple(times))

    def to_text(self) -> str:
        """Return the times as they are kept: microseconds since 1970."""
        right = "-" if self.right is None else str(to_us(self.right))
        return " ".join((right, *(str(to_us(time)) for time in self.ahead)))

    def heard(self, time: datetime, now: datetime, *, is_same_news: bool = False) -> Self | None:
        """Return the times with one more; None where a note of that time is no news.

        Shapes: `is_same_news`: of two notes of one right time the later one counts.
        """
        right = self.right
        if right is not None and (time < right or (time == right and not is_same_news)):
            return None
        place, ahead = bisect_left(self.ahead, time), self.ahead
        if time in ahead[place : place + 1]:
            return None
        if time <= now + BROKER_CLOCK_OFF_MAX:
            return replace(self, right=time, ahead=ahead[place:])
        if len(ahead) == AHEAD_MAX and not place:
            return None
        return replace(self, ahead=(*ahead[:place], time, *ahead[place:])[-AHEAD_MAX:])


def hear_presences(said: Iterable[Presence], times: SignedTimes, now: datetime) -> tuple[SignedTimes, Presence | None]:
    """Return the times after these presences, in the order in which they came, and the one that counts of them."""
    newest = None
    for presence in said:
        after = times.heard(presence.time, now)
        if after is not None:
            times, newest = after, presence
    return times, newest


def hear_alarms(said: Iterable[Alarm], times: SignedTimes, now: datetime) -> tuple[SignedTimes, Alarm | None]:
    """Return the same of alarms: what is taken back stays so, though the alarm is said again."""
    newest = None
    for alarm in said:
        after = times.heard(alarm.time, now, is_same_news=True)
        if after is not None:
            times, newest = after, alarm
    return times, newest


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
