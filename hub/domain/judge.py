"""All the rules in one place and one order: verdict = f(event, own entity, recorded_at, basis)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, Final

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.registry import Registry, check_network
from hub.domain.repeat import says_again
from hub.domain.rules import broken_by
from hub.domain.stream import EventKind
from hub.protocol.errors import Rejected
from hub.protocol.limits import KEY_CHARS_MAX
from hub.protocol.rules import rules
from hub.protocol.verdict import Code

AHEAD_MAX: Final = timedelta(hours=24)


def judge(
    kind: EventKind,
    subject: str,
    center: str,
    occurred_at: datetime,
    value: dict[str, Any],
    entity: Entity | None,
    recorded_at: datetime,
    registry: Registry,
) -> Entity:
    """Return the entity after an event that keeps all rules.

    Shapes: subject is the entity's id; center is the one whose lane the event came in; entity is what HQ has under
            that id, None if nothing.
    Units:  occurred_at and recorded_at are aware, in UTC.
    Errors: Rejected, with the first rule that is broken: the id, the time, the fields, the network, the transition.
            Newer, where the registry names rules that this release does not have.
    """
    (judged,) = judge_each(kind, [subject], center, [occurred_at], [value], [entity], recorded_at, registry)
    try:
        if isinstance(judged, Rejected):
            raise judged
        return judged
    finally:
        del judged  # an error that its own stack holds would stay


def judge_each(
    kind: EventKind,
    subjects: Sequence[str],
    center: str,
    times: Sequence[datetime],
    values: Sequence[dict[str, Any]],
    entities: Sequence[Entity | None],
    recorded_at: datetime,
    registry: Registry,
) -> list[Entity | Rejected]:
    """Return what becomes of some events of one kind, rule by rule: the entity after each, or why it is rejected.

    One short loop a rule costs less than one long one an event: the processor has each at hand while it runs.
    Shapes: as `judge`, the n-th of each for the n-th event. No two events are of one entity.
    Errors: Newer, as `judge`.
    """
    under = rules(registry.rules)
    stream = STREAMS[kind.stream]
    broken: dict[int, Rejected] = {}

    def ask(rule: Callable[..., None], given: Iterable[tuple[Any, ...]]) -> None:
        for number, each in enumerate(given):
            if number not in broken:
                try:
                    rule(*each)
                except Rejected as rejected:
                    broken[number] = rejected.with_traceback(None)  # or it would keep alive what keeps it

    ask(_check_subject, zip(subjects, repeat(center), strict=False))
    ask(_check_time, zip(times, repeat(recorded_at), strict=False))
    broken = broken_by(kind, values, under) | broken
    if kind.carries_record and stream.key_of is not None:
        ask(_check_key, zip(repeat(stream.key_of), subjects, values, strict=False))
    ask(check_network, zip(repeat(kind), repeat(center), values, repeat(registry), strict=False))
    if kind.carries_record and stream.growing_fields:
        ask(_check_growth, zip(repeat(stream.growing_fields), values, entities, strict=False))
    judged: list[Entity | Rejected] = []
    for number, (entity, subject, value) in enumerate(zip(entities, subjects, values, strict=True)):
        try:
            judged.append(broken.get(number) or fold(entity, kind, subject, center, value))
        except Rejected as refused:
            is_again = under.repeats_known and entity is not None and says_again(entity, kind, center, value)
            status = "" if entity is None else f"status={entity.status}"
            judged.append(Rejected(Code.ALREADY_SAID, "", status) if is_again else refused.with_traceback(None))
    return judged


def _check_subject(subject: str, center: str) -> None:
    owner, _, key = subject.partition(":")
    if owner != center:
        raise Rejected(Code.WRONG_CENTER, "ce_subject", f"center={center}")
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isprintable():
        raise Rejected(Code.BAD_FIELD, "ce_subject", f"max={KEY_CHARS_MAX} length={len(key)}")


def _check_time(occurred_at: datetime, recorded_at: datetime) -> None:
    if occurred_at > recorded_at and occurred_at - recorded_at > AHEAD_MAX:
        raise Rejected(Code.TIME_IN_FUTURE, "ce_time", f"{occurred_at:%Y-%m-%dT%H:%M:%SZ}")


def _check_key(key_of: Callable[[Mapping[str, Any]], str | None], subject: str, value: dict[str, Any]) -> None:
    expected = key_of(value)
    if expected is not None and expected != subject.partition(":")[2]:
        raise Rejected(Code.INCONSISTENT, "ce_subject", f"the record is about {expected}"[:100])


def _check_growth(growing: Iterable[str], value: dict[str, Any], entity: Entity | None) -> None:
    if entity is None:
        return
    for name in growing:
        before = entity.record[name]
        if value[name] <= before:
            raise Rejected(Code.INCONSISTENT, name, f"expected more than {before}")
