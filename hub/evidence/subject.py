"""What a bundle is about, and why each entity in it belongs there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from hub.domain.catalogue import STREAMS
from hub.protocol.errors import Malformed
from hub.protocol.moment import write_time
from hub.protocol.receipt import read_own_time
from hub.protocol.record import ID

EntityKey = tuple[str, str]  # stream, entity id
# The kinds of subject, as the format v1 names them. A deal brings along what it names and what others say of it.
ENTITY: Final = "entity"
DEAL: Final = "deal"
CENTER: Final = "center"
SUBJECT_KINDS: Final = (ENTITY, DEAL, CENTER)
_ID_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """One entity with all its events, a deal with what belongs to it, or what HQ recorded of a center in a time.

    Shapes: an entity has stream and id, a deal its id, a center the id of the center, `since` and `until`.
    Units:  times are UTC; `since` belongs to the range, `until` does not.
    """

    kind: str
    id: str
    stream: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def root(self) -> EntityKey | None:
        """The entity that it is about, None for a center."""
        return None if self.kind == CENTER else (DEAL if self.kind == DEAL else self.stream, self.id)

    def covers(self, recorded_at: datetime) -> bool:
        """Return whether what HQ recorded then is in the range; without a range everything is."""
        return self.since is None or self.until is None or self.since <= recorded_at < self.until

    def to_dict(self) -> dict[str, str]:
        """Return it as the manifest has it."""
        found = {"kind": self.kind, "id": self.id}
        if self.kind == ENTITY:
            found["stream"] = self.stream
        if self.since is not None and self.until is not None:
            found |= {"since": write_time(self.since), "until": write_time(self.until)}
        return found

    @classmethod
    def from_dict(cls, said: object) -> Self:
        """Return the subject that a manifest states. Errors: Malformed."""
        if not isinstance(said, dict) or not all(isinstance(v, str) for v in said.values()):
            raise Malformed("manifest: expected a subject of texts")
        kind, subject_id = said.get("kind"), said.get("id", "")
        expected = {"kind", "id"} | ({"stream"} if kind == ENTITY else {"since", "until"} if kind == CENTER else set())
        if kind not in SUBJECT_KINDS or said.keys() != expected or not 1 <= len(subject_id) <= _ID_CHARACTERS_MAX:
            raise Malformed(f"manifest: expected a subject of the kind {', '.join(SUBJECT_KINDS)}, with its id")
        if kind == ENTITY and said["stream"] not in STREAMS:
            raise Malformed(f"manifest: {said['stream'][:40]!r} is no stream that this release knows")
        if kind != CENTER:
            return cls(kind, subject_id, said.get("stream", ""))
        if not ID.fullmatch(subject_id):
            raise Malformed(f"manifest: {subject_id[:60]!r} is no center's id")
        try:
            since, until = read_own_time(said["since"]), read_own_time(said["until"])
        except Malformed as exc:
            raise Malformed("manifest: expected since and until in RFC 3339, UTC, with microseconds") from exc
        return cls(kind, subject_id, "", since, until)


@dataclass(frozen=True, slots=True)
class Why:
    """Why an entity is in a bundle: `subject`, `referenced` by a field of another, `confirmation` of the deal,
    `active` in the range.
    """

    reason: str
    by: EntityKey | None = None
    field: str = ""
    is_counterpart: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        if self.reason == "referenced" and self.by is not None:
            return {"reason": self.reason, "by": list(self.by), "field": self.field}
        if self.reason == "confirmation":
            return {"reason": self.reason, "by_counterpart": self.is_counterpart}
        return {"reason": self.reason}


def references(stream: str, record: Mapping[str, Any]) -> Iterator[tuple[str, EntityKey]]:
    """Yield field and entity for everything that a record names."""
    kind = STREAMS.get(stream)
    for name, named in (kind.references if kind else {}).items():
        value = record.get(name)
        if isinstance(value, str) and value:
            yield name, (named, value)


def answers_to(stream: str) -> tuple[tuple[str, str], ...]:
    """Return the streams in which another center says something of an entity of `stream`, each with the naming field.

    Source: hub.domain.stream: a reference whose field must name another center's entity.
    """
    return tuple(
        (other.name, field)
        for other in STREAMS.values()
        for field, named in other.references.items()
        if named == stream and field in other.foreign_fields
    )


def others_named(stream: str, record: Mapping[str, Any]) -> set[str]:
    """Return the other centers that a record itself names: the counterpart of a deal."""
    kind = STREAMS[stream]
    named = (record.get(name) for name in kind.network_fields if name in kind.foreign_fields)
    return {center for center in named if isinstance(center, str)}


def related(
    subject: Subject, records: Mapping[EntityKey, Iterable[Mapping[str, Any]]]
) -> tuple[dict[EntityKey, Why], set[EntityKey]]:
    """Return why each entity belongs to the bundle, and what is named but of which HQ has nothing.

    Shapes: records has every record that each entity ever had, in order. An entity without a reason is not returned.
    """
    root = subject.root
    if root is None:
        return dict.fromkeys(sorted(records), Why("active")), set()
    found: dict[EntityKey, Why] = {root: Why("subject")} if root in records else {}
    absent: set[EntityKey] = set()
    if subject.kind != DEAL:
        return found, absent
    counterparts = {center for record in records.get(root, ()) for center in others_named(root[0], record)}
    answers = dict(answers_to(root[0]))
    for key in sorted(records):
        field = answers.get(key[0])
        if field is not None and any(record.get(field) == subject.id for record in records[key]):
            found.setdefault(key, Why("confirmation", is_counterpart=key[1].partition(":")[0] in counterparts))
    waiting = [root]
    while waiting:
        by = waiting.pop(0)
        for record in records.get(by, ()):
            for name, key in references(by[0], record):
                if key not in records:
                    absent.add(key)
                elif key not in found:
                    found[key] = Why("referenced", by, name)
                    waiting.append(key)
    return found, absent
