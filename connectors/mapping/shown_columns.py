"""Which columns are read as text: in those, what counts is what the sheet shows a person, not what it stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import BaseModel

from connectors.mapping.convert import is_record, item_type, reads_text, unwrap
from hub.domain.catalogue import STREAMS
from hub.domain.stream import Stream


class _Source(Protocol):
    @property
    def used_columns(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...] | None: ...
    @property
    def table(self) -> Any: ...


def shown_columns(stream_name: str, sources: Iterable[tuple[str, _Source]]) -> frozenset[str]:
    """Return the columns of those sources whose cells are read as text; of an unknown stream all.

    Shapes: sources are by their place in the mapping: `key.0`, `fields.title`, `status`, `persons.contact.id.0`.
    """
    stream = STREAMS.get(stream_name)
    found: set[str] = set()
    for place, source in sources:
        # Joined columns are texts, and so is what is looked up.
        if stream is None or source.columns is not None or source.table is not None or _is_text(stream, place):
            found.update(source.used_columns)
    return frozenset(found)


def _is_text(stream: Stream, place: str) -> bool:
    kind, _, path = place.partition(".")
    if kind != "fields":
        return kind not in ("occurred_at", "effective_on")
    model: type[BaseModel] | None = stream.record
    annotation: Any = None
    for name in path.split("."):
        field = None if model is None else model.model_fields.get(name)
        if field is None:
            return True  # the mapping is refused for it later, with the names of the fields that there are
        annotation = field.annotation
        model = unwrap(annotation) if is_record(annotation) else None
    items = item_type(annotation)
    return reads_text(annotation if items is None else items)
