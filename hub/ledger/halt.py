"""Why HQ signs nothing more of its log. Pure; what each reason says to people is in schemas/words/alarms.toml.

    HQ's own word          a checkpoint that HQ has signed, met on `hub.checkpoints` and kept as evidence
    its witnesses' word    a good cosignature of a checkpoint that HQ's log does not have, or has with another root
    what is stored         the right end of the log, on which the next checkpoint would be built, is damaged

One witness is enough. A witness that stops for a fork stays stopped, while a log that waits for a person loses
nothing: events are taken as before, and their receipts become leaves later. Whose witness has cosigned what HQ never
signed is found by its key, and revoking that key ends the halt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hub.protocol.checkpoint import Checkpoint
from hub.protocol.errors import Malformed

CENTERS_NAMED_MAX: Final = 8


class Why(StrEnum):
    """A closed list; each has its words under `hq.halts` in schemas/words/alarms.toml."""

    SIGNED_BEYOND = "SIGNED_BEYOND"
    SIGNED_OTHER_ROOT = "SIGNED_OTHER_ROOT"
    COSIGNED_BEYOND = "COSIGNED_BEYOND"
    COSIGNED_OTHER_ROOT = "COSIGNED_OTHER_ROOT"
    LEAVES = "LEAVES"
    CHECKPOINT = "CHECKPOINT"
    EDGE = "EDGE"
    TILES = "TILES"
    ROW = "ROW"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Halt:
    """A reason, and the facts that its words name."""

    why: Why
    values: Mapping[str, str]

    @classmethod
    def of(cls, why: Why, **values: object) -> Halt:
        """Return a reason with its facts as texts."""
        return cls(why, {name: str(value) for name, value in values.items()})

    @property
    def is_of_evidence(self) -> bool:
        """Whether it follows from what was signed, and so ends when the log fits that again."""
        return self.why in _OF_EVIDENCE


_OF_EVIDENCE: Final = frozenset(
    {Why.SIGNED_BEYOND, Why.SIGNED_OTHER_ROOT, Why.COSIGNED_BEYOND, Why.COSIGNED_OTHER_ROOT}
)


class DamagedLog(Malformed):
    """What is stored of HQ's log does not fit together. The notary stops, and says why."""

    def __init__(self, text: str, why: Why, **values: object) -> None:
        super().__init__(text)
        self.halt = Halt.of(why, **values)


def halt_of(fault: Malformed) -> Halt:
    """Return the reason that a fault of what is stored makes."""
    return fault.halt if isinstance(fault, DamagedLog) else Halt.of(Why.ROW, fault=fault)


def signed_elsewhere(said: Checkpoint, size: int, root: bytes | None) -> Halt | None:
    """Return why a checkpoint that HQ has signed proves that this database is not what it was; None where it fits.

    Shapes: `size` is that of the database's log, `root` its root at the checkpoint's size, None beyond it.
    """
    if root is None:
        return Halt.of(Why.SIGNED_BEYOND, size=said.size, ours=size)
    return None if root == said.root else Halt.of(Why.SIGNED_OTHER_ROOT, size=said.size)


def cosigned_elsewhere(strange: Iterable[tuple[str, Checkpoint, bytes | None]], size: int) -> Halt | None:
    """Return why cosignatures prove, or say, that this database is not what it was; None where they all fit.

    Shapes: of each the center, the checkpoint that its witness has cosigned, and the log's own root at that size, None
            beyond the log's `size`. What reaches furthest is named.
    """
    beyond: dict[str, int] = {}
    other: dict[str, int] = {}
    for center, said, root in strange:
        if root is None:
            beyond[center] = max(said.size, beyond.get(center, 0))
        elif root != said.root:
            other[center] = max(said.size, other.get(center, 0))
    found, why = (beyond, Why.COSIGNED_BEYOND) if beyond else (other, Why.COSIGNED_OTHER_ROOT)
    if not found:
        return None
    return Halt.of(why, size=max(found.values()), ours=size, centers=_named(found))


def _named(centers: Iterable[str]) -> str:
    names = sorted(centers)
    more = len(names) - CENTERS_NAMED_MAX
    return ", ".join(names[:CENTERS_NAMED_MAX]) + (f" (+{more})" if more > 0 else "")
