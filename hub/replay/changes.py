"""What differs between two values, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.protocol.value import value_class


@value_class
class FieldChange:
    """One field by its path (`keys.0.status`), before and after; None where it is not there, or null."""

    field: str
    old: Any
    new: Any

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"field": self.field, "old": self.old, "new": self.new}


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[FieldChange]:
    """Return the fields that differ, in the order in which the newer value has them.

    Shapes: plain JSON values. Records within are compared by their fields, lists of records by place; other lists are
            one value. Null, an empty list and a field that is not there are the same: a later schema adds such fields.
    """
    was, now = old or {}, new or {}
    found: list[FieldChange] = []
    for name in [*now, *(name for name in was if name not in now)]:
        before, after = was.get(name), now.get(name)
        if before != after:  # most fields are the same, and need not be taken apart
            found += _within(dict(_leaves(name, before)), dict(_leaves(name, after)))
    return found


def _within(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for path in [*after, *(path for path in before if path not in after)]:
        if before.get(path) != after.get(path):
            yield FieldChange(path, before.get(path), after.get(path))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}.{number}", inner)
    elif value not in (None, []):
        yield path, value
