"""Value classes of the hot path: dataclasses that mypy holds frozen, and that cost little to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value_class(cls: type[T]) -> type[T]:
    """Make `cls` a dataclass with slots; to write one of its fields is an error to mypy, not at run time.

    A dataclass that is frozen at run time sets each field through `object.__setattr__`: one of eight fields takes 0.9
    µs to make instead of 0.2, and HQ makes four for every event.
    """
    return dataclass(slots=True)(cls)
