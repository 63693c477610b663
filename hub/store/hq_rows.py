"""The hq lane's rows as any engine gives them, made into what `HqLane` takes. Edited ones hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from hub.domain.hq_lane import HqStretch
from hub.protocol.head import SIZE_MAX
from hub.store.store import HqRows

PAGE_RECEIPTS: Final = 256


def page_of(lanes: Sequence[Sequence[Any]], found: tuple[HqStretch, ...], named: int) -> HqRows:
    """Return a page. Shapes: `lanes` are number, origin and size of each lane that is said to be HQ's."""
    sizes = [lane[2] for lane in lanes]
    size = sum(sizes) if all(isinstance(size, int) for size in sizes) else -1  # never what was read already
    return HqRows(tuple(str(lane[1]) for lane in lanes), size, found, named)


def named_by(basis: object) -> int:
    """Return the largest basis that a receipt names."""
    return basis if isinstance(basis, int) else SIZE_MAX


def stretches(receipts: Iterable[Sequence[Any]], events: Iterable[Sequence[Any]]) -> tuple[HqStretch, ...]:
    """Return the stretches of these receipts (last, seal, note) and events (sequence, data), both in their order."""
    rows = iter(events)
    found, row = [], next(rows, None)
    for last, seal, note in receipts:
        taken = []
        while row is not None and row[0] <= last:
            taken.append(_bytes(row[1]))
            row = next(rows, None)
        found.append(HqStretch(tuple(taken), _bytes(seal), _bytes(note)))
    return tuple(found)


def _bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else b""
