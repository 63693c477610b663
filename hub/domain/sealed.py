"""Personal values: what HQ is given in their place, and what of it anybody but their center can tell.

A center seals what it says of a person under a key that it alone has, and sends the sealed text; when it has destroyed
that key, it may say so with the key's id. Neither text ever holds a plaintext, so entities, topics, digests and proofs
hold none, and go on to verify when nobody can read the value any more.
Source: schemas/PROTOCOL.md, "Personal fields".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel

SEALED: Final = "sealed.v1"
ERASED: Final = "erased.v1"
SEALED_LENGTH_MAX: Final = 6000
# 22 characters of base64url are the 16 bytes of a key's id; what is sealed is never shorter than a block of padding.
SEALED_PATTERN: Final = r"^(sealed\.v1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{64,}|erased\.v1\.[A-Za-z0-9_-]{22})$"
_SHAPE: Final = re.compile(SEALED_PATTERN)


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field whose value is sealed by its center, for those who read a model's fields."""


@cache
def sealed_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's fields that hold sealed values."""
    return tuple(name for name, field in model.model_fields.items() if _is_personal(field.annotation, field.metadata))


def _is_personal(annotation: Any, metadata: list[Any]) -> bool:
    marks = [*metadata, *(mark for part in get_args(annotation) for mark in getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, Personal) for mark in marks)


def key_id_of(value: str) -> str | None:
    """Return the id of the key that a sealed or an erased value names; None if it is neither."""
    return value.split(".", 3)[2] if _SHAPE.fullmatch(value) else None


def is_erased(value: str) -> bool:
    """Return whether a value says that its key was destroyed."""
    return value.startswith(f"{ERASED}.") and _SHAPE.fullmatch(value) is not None


def told(value: Any, center: str) -> str | None:
    """Return what a person reads in place of a personal value, anywhere but at its center; None for another value."""
    if not isinstance(value, str) or key_id_of(value) is None:
        return None
    return "(erased)" if is_erased(value) else f"(sealed: only {center} can read it)"
