"""What an audit may find: a closed list of names, and the place of each finding.

What each name says to people (what is wrong, what it means, what to do) stands in schemas/words/findings.toml, and in
docs/audit.md word for word. A finding is never the end of an audit: what could not be read or is not as it must be is
told, and the audit goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

DETAIL_MAX: Final = 300


class What(StrEnum):
    """What is wrong."""

    # What can't be read at all
    UNREADABLE = "UNREADABLE"
    ARCHIVE = "ARCHIVE"
    # Lanes and the ledger
    LANE_ROW = "LANE_ROW"
    LEDGER_GAP = "LEDGER_GAP"
    LEDGER_STRAY = "LEDGER_STRAY"
    LEDGER_BYTES = "LEDGER_BYTES"
    LEDGER_DIGEST = "LEDGER_DIGEST"
    WRONG_PLACE = "WRONG_PLACE"
    VERDICT = "VERDICT"
    HISTORY = "HISTORY"
    REPEATED_ID = "REPEATED_ID"
    # Receipts and seals
    RECEIPT_GAP = "RECEIPT_GAP"
    RECEIPT_STRAY = "RECEIPT_STRAY"
    RECEIPT_NOTE = "RECEIPT_NOTE"
    RECEIPT_ROW = "RECEIPT_ROW"
    RECEIPT_ROOT = "RECEIPT_ROOT"
    RECEIPT_LINE = "RECEIPT_LINE"
    SEAL = "SEAL"
    SEAL_KEY = "SEAL_KEY"
    BASIS = "BASIS"
    CLOCK = "CLOCK"
    STATE_DIGEST = "STATE_DIGEST"
    # HQ's log
    LOG_GAP = "LOG_GAP"
    LOG_LEAF = "LOG_LEAF"
    LOG_MISSING = "LOG_MISSING"
    LOG_TILE = "LOG_TILE"
    CHECKPOINT_NOTE = "CHECKPOINT_NOTE"
    CHECKPOINT_ROOT = "CHECKPOINT_ROOT"
    CHECKPOINT_ROW = "CHECKPOINT_ROW"
    COSIGNATURE = "COSIGNATURE"
    NOT_AS_COSIGNED = "NOT_AS_COSIGNED"
    # What follows from the ledger
    ENTITY = "ENTITY"
    MEASURE = "MEASURE"
    # Beside the ledger
    QUARANTINE = "QUARANTINE"
    EVIDENCE = "EVIDENCE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    Shapes: `table` is where it was found; `lane` the lane's origin, `#<id>` where it has none; `first` to `last` the
            sequences, or the leaf's index, the checkpoint's size; `key` what else names the row.
    """

    what: What
    table: str
    lane: str = ""
    first: int | None = None
    last: int | None = None
    key: str = ""
    detail: str = ""

    @property
    def where(self) -> str:
        """The place, in one line."""
        parts = [self.lane]
        if self.first is not None:
            parts.append(str(self.first) if self.last in (None, self.first) else f"{self.first}-{self.last}")
        parts.append(self.key)
        return " ".join([self.table, *filter(None, parts)])

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "what": str(self.what),
            "table": self.table,
            "lane": self.lane or None,
            "first": self.first,
            "last": self.last if self.last is not None else self.first,
            "key": self.key or None,
            "detail": self.detail,
        }

    def order(self) -> tuple[Any, ...]:
        """Return what findings are sorted by: the same for any number of processes."""
        return (self.table, self.lane, self.first if self.first is not None else -1, self.key, self.what, self.detail)


# What hundreds of times follows from one byte or one file elsewhere.
_CONSEQUENCES: Final = frozenset({What.HISTORY, What.STATE_DIGEST, What.ENTITY, What.MEASURE})


class Findings:
    """The findings of one part of an audit. Neighbours that differ only in their number become one."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(
        self,
        what: What,
        table: str,
        lane: str = "",
        first: int | None = None,
        last: int | None = None,
        *,
        key: str = "",
        detail: object = "",
    ) -> None:
        """Tell one finding."""
        found = Finding(what, table, readable(lane), first, last, readable(key), readable(detail))
        before = self._found[-1] if self._found else None
        if (
            before is not None
            and first is not None
            and before.first is not None
            and (before.what, before.table, before.lane, before.key, before.detail)
            == (found.what, found.table, found.lane, found.key, found.detail)
            and (before.last if before.last is not None else before.first) == first - 1
        ):
            self._found[-1] = Finding(
                what, table, lane, before.first, last if last is not None else first, key, found.detail
            )
            return
        self._found.append(found)

    def unread(self, table: str, key: str, why: str) -> None:
        """Tell of a row that the database does not give back: what a walk of an AuditReader wants to be told to."""
        self.add(What.UNREADABLE, table, key=key, detail=why)

    def extend(self, found: Iterable[Finding]) -> None:
        """Take over what another part has found."""
        self._found.extend(found)

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Forget what is told inside: it was told before, or is not asked for."""
        kept, self._found = self._found, []
        try:
            yield
        finally:
            self._found = kept

    def has(self, what: What, lane: str, first: int) -> bool:
        """Return whether this was told of that place just now."""
        return any((f.what, f.lane, f.first) == (what, lane, first) for f in self._found[-8:])

    def __len__(self) -> int:
        return len(self._found)

    def sorted(self) -> list[Finding]:
        """Return all of them, by their place."""
        return sorted(self._found, key=Finding.order)


def causes_first(found: Iterable[Finding]) -> list[Finding]:
    """Return findings as a person reads them: what may have led to the others stands before them."""
    return sorted(found, key=lambda finding: finding.what in _CONSEQUENCES)


def readable(value: object) -> str:
    """Return something found in a damaged database as text that any terminal and JSON can hold."""
    text = value if isinstance(value, str) else str(value)
    clean = text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= DETAIL_MAX else clean[: DETAIL_MAX - 1] + "…"
