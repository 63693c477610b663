"""HQ's log is asked before each checkpoint whether witnesses have seen another one: that stays cheap in a flood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from hub.ledger.witness import Witnesses
from hub.store.log import LogReader
from hub.store.log_rows import LogRows


class Flooded:
    """A database with very many quarantined records, none of which says anything of HQ."""

    def __init__(self) -> None:
        self.newest = 0
        self.looked_at: list[int] = []

    def newest_quarantined(self) -> int:
        return self.newest

    def strange_cosignatures(self, after: int, upto: int) -> Iterator[tuple[str, str, bytes]]:
        self.looked_at += range(after + 1, upto + 1)
        yield "uz", "UNKNOWN_CHECKPOINT", b"cut for its size"

    def witnesses(self) -> Witnesses:
        return Witnesses()


def test_quarantined_record_is_looked_at_once() -> None:
    """However often it is asked, and though none of them is a cosignature."""
    rows = Flooded()
    reader = LogReader(cast("LogRows", rows))
    for newest in (0, 3, 3, 1000, 1000, 1001):
        rows.newest = newest
        assert reader.strange() == []
    assert rows.looked_at == list(range(1, 1002))
