"""What a model's fields say of themselves beyond their type: which hold our codes, which name streams. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from hub.domain.fields import NamesStream, OneOf


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation of a field; `field` is its path, such as `kind` or, within a list of models, `keys.status`."""

    field: str
    value: Any


@cache
def own_codes(model: type[BaseModel]) -> Mapping[str, tuple[str, ...]]:
    """Return the network's own codes that a field may have, by the field's path: those that are put into words."""
    found = ((mark.field, mark.value) for mark in _marks(model))
    return {field: value.codes for field, value in found if isinstance(value, OneOf) and value.is_ours}


@cache
def stream_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the paths of the fields that hold names of streams."""
    return frozenset(mark.field for mark in _marks(model) if isinstance(mark.value, NamesStream))


def _marks(model: type[BaseModel], before: str = "") -> Iterator[Mark]:
    for name, field in model.model_fields.items():
        yield from (Mark(before + name, value) for value in field.metadata)
        yield from _within(field.annotation, before + name)


def _within(annotation: Any, path: str) -> Iterator[Mark]:
    """Yield the marks within a type: those of a list's items, of a union's branches, of a nested model's fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _marks(annotation, f"{path}.")
        return
    yield from (Mark(path, value) for value in getattr(annotation, "__metadata__", ()))
    for part in get_args(annotation):
        if isinstance(part, type) or get_args(part):
            yield from _within(part, path)
