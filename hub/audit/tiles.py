"""The stored tiles of HQ's log beside those that its leaves make, walked side by side: one tile a level in memory."""

from __future__ import annotations

from typing import Any, Final

from hub.audit.findings import Findings, What
from hub.protocol.tiles import TILE_HEIGHT, TILE_WIDTH, tile_root
from hub.protocol.tree import HASH_BYTES
from hub.store.audit_reader import AuditReader
from hub.store.reader import Unreadable

_MISSING: Final = "it is missing"
_STRAY: Final = "no leaves fill it"


class TileCheck:
    """Takes the log's leaves one by one; a tile is compared when its last hash comes."""

    def __init__(self, reader: AuditReader, findings: Findings) -> None:
        self._reader = reader
        self._findings = findings
        self._levels: list[_Level] = []
        self._leaves = 0
        self._is_broken = False

    def add(self, index: int, stored: bytes, told: bytes) -> None:
        """Take the next leaf. Either hash may be in the tile: that they differ is told elsewhere."""
        # Behind a hole in the leaves no tile can be made.
        self._is_broken = self._is_broken or index != self._leaves
        self._leaves += 1  # counted, not read off the index, which may be damaged
        if not self._is_broken:
            self._rise(0, told if stored == told or self._is_in_tile(index, told) else stored)

    def finish(self) -> None:
        """Tell of tiles that no leaves fill; behind a hole in the leaves, of those that are not even there."""
        if self._is_broken:
            self._finish_unmade()
            return
        for level in self._levels:
            level.tell_rest()
        # Those of levels that no leaf has reached, and of what is no level at all.
        for number, index in self._others():
            _tell(self._findings, number, index, _STRAY)

    def _finish_unmade(self) -> None:
        number, full = 0, self._leaves >> TILE_HEIGHT
        while full:
            level = self._level(number)
            while level.full < full:
                if level.stored(level.full, strays_are_told=False) is None:
                    _tell(self._findings, number, level.full, _MISSING)
                level.full += 1
            number, full = number + 1, full >> TILE_HEIGHT

    def _others(self) -> list[tuple[int, int]]:
        try:
            return self._reader.tiles_beyond(len(self._levels))
        except Unreadable as exc:
            self._findings.add(What.UNREADABLE, "log_tile", detail=exc.why)
            return []

    def _level(self, number: int) -> _Level:
        while number >= len(self._levels):
            self._levels.append(_Level(self._reader, self._findings, len(self._levels)))
        return self._levels[number]

    def _is_in_tile(self, index: int, leaf: bytes) -> bool:
        tile = self._level(0).stored(index // TILE_WIDTH)
        at = index % TILE_WIDTH * HASH_BYTES
        return isinstance(tile, bytes) and tile[at : at + HASH_BYTES] == leaf

    def _rise(self, number: int, node: bytes) -> None:
        level = self._level(number)
        level.partial.append(node)
        if len(level.partial) == TILE_WIDTH:
            hashes = b"".join(level.partial)
            level.partial.clear()
            stored = level.stored(level.full)
            if stored != hashes:
                _tell(self._findings, number, level.full, _MISSING if stored is None else "")
            level.full += 1
            self._rise(number + 1, tile_root(hashes))


class _Level:
    """One level: the tile that is being filled, how many are full, and a cursor over those that are stored."""

    def __init__(self, reader: AuditReader, findings: Findings, number: int) -> None:
        self.partial: list[bytes] = []
        self.full = 0
        self._number = number
        self._findings = findings
        self._rows = reader.walk_tiles(number, findings.unread)
        self._row = next(self._rows, None)

    def stored(self, index: int, *, strays_are_told: bool = True) -> Any:
        """Return what is stored as tile `index`, None where there is none. They must be asked for in order."""
        while (row := self._row) is not None and isinstance(row.tile_index, int | float) and row.tile_index < index:
            if strays_are_told and not 0 <= row.tile_index < self.full:
                _tell(self._findings, self._number, row.tile_index, _STRAY)
            self._row = next(self._rows, None)
        return row.hashes if row is not None and row.tile_index == index else None

    def tell_rest(self) -> None:
        """Tell of all that is stored behind the full tiles."""
        self.stored(self.full)
        while self._row is not None:
            _tell(self._findings, self._number, self._row.tile_index, _STRAY)
            self._row = next(self._rows, None)


def _tell(findings: Findings, level: object, index: object, detail: str) -> None:
    if isinstance(index, int):
        findings.add(What.LOG_TILE, "log_tile", first=index, key=f"level {level}", detail=detail)
    else:
        findings.add(What.LOG_TILE, "log_tile", key=f"level {level} {index!r}", detail=detail)
