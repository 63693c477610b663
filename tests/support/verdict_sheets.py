"""Verdicts on one sheet, as a connector writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from connectors.runtime.verdicts import Page, VerdictRow, write_pages
from hub.base import durable
from schemas.words import Language


def write_verdicts(
    path: Path,
    rows: Iterable[VerdictRow],
    language: Language,
    write: Callable[[Path, bytes], None] = durable.write,
) -> bool:
    """Write the verdicts to `path`, as `write_pages` does."""
    return write_pages(path, [Page(rows)], language, write)
