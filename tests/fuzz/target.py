"""What is fuzzed: a parser of foreign bytes, what it may refuse them with, and what it usually reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.protocol.errors import Malformed

VECTORS = Path(__file__).parents[2] / "schemas" / "vectors"


@dataclass(frozen=True)
class Target:
    """One parser.

    Shapes: `read` is given any bytes, and checks what it promises of them by assertions; what it raises of `refusals`
            is an answer, anything else is a fault. `seeds` are inputs to begin with. Longer inputs than `bytes_max`
            are not tried.
    """

    name: str
    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[Exception], ...] = (Malformed,)
    bytes_max: int = 4096

    def __str__(self) -> str:
        return self.name

    def __call__(self, data: bytes) -> None:
        """Try one input. Errors: whatever is a fault."""
        try:
            self.read(data[: self.bytes_max])
        except self.refusals:
            return


def vectors(*names: str, field: str = "text") -> Callable[[], list[bytes]]:
    """Return the texts, good and bad, of these files of vectors."""

    def read() -> list[bytes]:
        found = []
        for name in names:
            cases = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
            found += [case[field].encode() for kind in ("good", "bad") for case in cases[kind] if field in case]
        return sorted(set(found), key=len)

    return read


def note_texts(*names: str) -> Callable[[], list[bytes]]:
    """Return the texts that are signed in the notes of these files of vectors."""

    def read() -> list[bytes]:
        return [note.rpartition(b"\n\n")[0] + b"\n" for note in vectors(*names)() if b"\n\n" in note]

    return read


def encoded(name: str, field: str) -> Callable[[], list[bytes]]:
    """Return the values of one field, which is in hex, of a file of vectors."""

    def read() -> list[bytes]:
        cases = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
        return [bytes.fromhex(case[field]) for kind in ("good", "bad") for case in cases[kind] if case.get(field)]

    return read


class Script:
    """Random bytes read as choices, from their beginning; where they end, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        """Return a number from 0 to `below` - 1."""
        size = (max(below - 1, 1).bit_length() + 7) // 8
        return int.from_bytes(self.take(size), "big") % below

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def one(self, of: Sequence[Any]) -> Any:
        """Return one of these."""
        return of[self.number(len(of))]

    def some(self) -> bytes:
        """Return a few bytes."""
        return self.take(self.number(256))


def numbered(seeds: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield names for the files of a corpus, and what is in them."""
    for number, seed in enumerate(seeds):
        yield f"seed-{number:03}", seed
